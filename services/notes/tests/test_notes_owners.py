"""Whose note it is, and which version of it a write means."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from notes_issuer import Issuer
from notes_processes import NotesService
from pymongo import MongoClient

WRITERS = 8
OLD_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOBODY = "01890a5d-0000-4000-8000-000000000000"
UPDATE = {"title": "new", "version": 1}


def created(client: httpx.Client) -> str:
    """Create a note; return its path."""
    return str(client.post("/notes/", json={"title": "first"}).headers["location"])


@pytest.mark.parametrize(("method", "content"), [("PUT", UPDATE), ("DELETE", None)])
def test_somebody_elses_note_cannot_be_written(
    client: httpx.Client, method: str, content: object, shared_service: NotesService
) -> None:
    """A user may read another's note, but neither change nor delete it."""
    path = created(client)
    with shared_service.client(NOBODY) as other:
        answer = other.request(method, path, json=content)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert other.get(path).json()["title"] == "first"


def test_a_wrong_version_tells_others_nothing(
    client: httpx.Client, shared_service: NotesService
) -> None:
    """Whether the version is right or not, another's note is refused alike."""
    path = created(client)
    with shared_service.client(NOBODY) as other:
        answers = [other.put(path, json={"title": "b", "version": n}).json() for n in (1, 2)]
    assert answers[0] == answers[1]
    assert "current_version" not in answers[0]


@pytest.mark.parametrize(("method", "content"), [("PUT", UPDATE), ("DELETE", None)])
def test_a_note_without_an_owner_is_for_reading(
    database_url: str, empty_service: NotesService, method: str, content: object
) -> None:
    """A note from before there were users has no owner: anybody reads it, nobody changes it."""
    with MongoClient[dict[str, Any]](database_url) as database:
        notes = database[empty_service.database_name]["notes"]
        now = "2026-01-01T00:00:00Z"
        old = {"title": "old", "body": "", "version": 1, "created_at": now, "updated_at": now}
        notes.insert_one({"_id": OLD_ID, **old})
    with empty_service.client() as client:
        read = client.get(f"/notes/{OLD_ID}")
        assert (read.status_code, read.json()["owner"]) == (200, None)
        assert client.request(method, f"/notes/{OLD_ID}", json=content).status_code == 403


def test_the_entity_tag_is_the_version(client: httpx.Client) -> None:
    """Each answer with a note names its version as the entity tag."""
    answer = client.post("/notes/", json={"title": "first"})
    path = answer.headers["location"]
    assert answer.headers["etag"] == '"1"'
    assert client.put(path, json=UPDATE).headers["etag"] == '"2"'
    assert client.get(path).headers["etag"] == '"2"'


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"'])
def test_an_entity_tag_says_which_version_is_replaced(client: httpx.Client, form: str) -> None:
    """`If-Match` takes the place of the version in the body, weakened on its way or not."""
    path = created(client)
    first = {"If-Match": form.format(1)}
    assert client.put(path, json={"title": "second"}, headers=first).json()["version"] == 2
    late = client.put(path, json={"title": "late"}, headers=first)
    assert (late.status_code, late.json()["current_version"]) == (409, 2)


def test_a_delete_may_say_which_version_it_means(client: httpx.Client) -> None:
    """With `If-Match` only that version is deleted."""
    path = created(client)
    client.put(path, json=UPDATE)
    late = client.delete(path, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["current_version"]) == (409, 2)
    assert client.get(path).status_code == 200
    assert client.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert client.get(path).status_code == 404


def test_of_an_update_and_a_delete_of_one_version_one_succeeds(client: httpx.Client) -> None:
    """Parallel writes of one version, of whatever kind, leave exactly one of them done."""
    path = created(client)

    def write(writer: int) -> int:
        if writer % 2:
            return client.delete(path, headers={"If-Match": '"1"'}).status_code
        return client.put(path, json=UPDATE).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        statuses = list(pool.map(write, range(WRITERS)))
    assert len([status for status in statuses if status < 300]) == 1
    assert all(status in {200, 204, 404, 409} for status in statuses)


def test_an_owner_has_a_bounded_number_of_notes(
    database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """One too many is 403 and says so; who deletes one may have another; others have their own."""
    log = tmp_path / "notes.log"
    service = NotesService(database_url, log, issuer, NOTES_MAX_NOTES_OF_OWNER="3")
    with service, service.client() as client, service.client(NOBODY) as other:
        paths = [created(client) for _ in range(3)]
        answer = client.post("/notes/", json={"title": "one more"})
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "an owner may have 3 notes; delete some first"
        assert len(client.get("/notes/").json()["notes"]) == 3
        assert client.put(paths[0], json=UPDATE).status_code == 200
        created(other)
        assert client.delete(paths[0]).status_code == 204
        created(client)
