"""Creating, changing and deleting notes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
import pytest
from notes_processes import NotesService

WRITERS = 8
WRITES_EACH = 10
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def created(client: httpx.Client, title: str = "a title") -> dict[str, object]:
    """Create a note and return it."""
    answer = client.post("/notes/", json={"title": title, "body": "a body"})
    assert answer.status_code == 201
    note: dict[str, object] = answer.json()
    return note


def test_a_created_note_is_found_where_its_location_says(client: httpx.Client) -> None:
    """Creating answers 201 with a Location, and that address answers with the same note."""
    answer = client.post("/notes/", json={"title": "Milk", "body": "2 litres"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/notes/{answer.json()['id']}"
    assert client.get(answer.headers["location"]).json() == answer.json()


def test_a_new_note_is_at_version_1(shared_service: NotesService, client: httpx.Client) -> None:
    """A new note holds what was sent, its owner, version 1 and one time for both of its times."""
    note = created(client, title="Groß & 😀")
    assert (note["title"], note["body"], note["version"]) == ("Groß & 😀", "a body", 1)
    assert note["owner"] == shared_service.user
    assert note["created_at"] == note["updated_at"]
    assert datetime.fromisoformat(str(note["created_at"])).utcoffset() is not None


def test_a_body_may_be_left_out(client: httpx.Client) -> None:
    """A note needs a title only."""
    assert client.post("/notes/", json={"title": "only"}).json()["body"] == ""


def test_the_longest_note_is_kept_whole(client: httpx.Client) -> None:
    """Title and body may be as long as their limits, in the widest form JSON can give them."""
    escaped = b'{"title": "%s", "body": "%s"}' % (rb"\ud83d\ude00" * 200, rb"\ud83d\ude00" * 20_000)
    answer = client.post("/notes/", content=escaped, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).json()["body"] == "😀" * 20_000


def test_an_update_replaces_the_content_and_counts_up(client: httpx.Client) -> None:
    """An update of the current version answers with the new content at the next version."""
    note = created(client)
    answer = client.put(f"/notes/{note['id']}", json={"title": "new", "version": 1})
    assert answer.status_code == 200
    assert (answer.json()["title"], answer.json()["body"], answer.json()["version"]) == (
        "new",
        "",
        2,
    )
    assert answer.json()["created_at"] == note["created_at"]
    assert datetime.fromisoformat(answer.json()["updated_at"]).utcoffset() is not None
    assert client.get(f"/notes/{note['id']}").json() == answer.json()


@pytest.mark.parametrize("version", [1, 3, 2**31 - 1])
def test_an_update_of_another_version_is_a_conflict(client: httpx.Client, version: int) -> None:
    """An update that names any version but the current one changes nothing and says which is."""
    path = f"/notes/{created(client)['id']}"
    current = client.put(path, json={"title": "second", "version": 1}).json()
    answer = client.put(path, json={"title": "late", "version": version})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["current_version"] == 2
    assert client.get(path).json() == current


def test_a_deleted_note_is_gone(client: httpx.Client) -> None:
    """Deleting answers 204 once; after that the note is unknown to every route."""
    path = f"/notes/{created(client)['id']}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.put(path, json={"title": "late", "version": 1}).status_code == 404


@pytest.mark.parametrize(
    "note_id",
    [
        UNKNOWN_ID,
        UNKNOWN_ID.upper(),
        UNKNOWN_ID + "%0A",
        "x",
        "%00",
        "%FF",
        "..%2Fadmin",
        "$ne",
        "0" * 24,
        "9" * 8000,
        "b179604a-daf2-4f51-aa5c-34d148b67154",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_no_note_has_is_not_found(
    client: httpx.Client, method: str, note_id: str
) -> None:
    """An unknown or malformed id answers 404 with a problem document, whatever is asked of it."""
    content = {"title": "t", "version": 1} if method == "PUT" else None
    answer = client.request(method, f"/notes/{note_id}", json=content)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


def test_parallel_creations_are_all_kept(empty_service: NotesService) -> None:
    """Notes created at once by many writers are all listed, each once."""

    def write(_writer: int) -> list[object]:
        with empty_service.client() as client:
            return [created(client)["id"] for _ in range(WRITES_EACH)]

    with ThreadPoolExecutor(WRITERS) as pool:
        written = [note_id for ids in pool.map(write, range(WRITERS)) for note_id in ids]
    with empty_service.client() as client:
        listed = [note["id"] for note in client.get("/notes/?limit=100").json()["notes"]]
    assert len(written) == WRITERS * WRITES_EACH
    assert sorted(listed) == sorted(map(str, written))


def test_of_parallel_updates_exactly_one_succeeds(client: httpx.Client) -> None:
    """Writers that all read the same version get one 200 and otherwise 409."""
    path = f"/notes/{created(client)['id']}"

    def write(writer: int) -> int:
        return client.put(path, json={"title": f"by {writer}", "version": 1}).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        statuses = sorted(pool.map(write, range(WRITERS)))
    assert statuses == [200] + [409] * (WRITERS - 1)
    assert client.get(path).json()["version"] == 2
