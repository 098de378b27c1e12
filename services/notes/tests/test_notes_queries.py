"""Listing, reading and searching notes."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from notes_issuer import Issuer
from notes_processes import NotesService


def create(client: httpx.Client, title: str, body: str = "") -> str:
    """Create a note and return its id."""
    note_id: str = client.post("/notes/", json={"title": title, "body": body}).json()["id"]
    return note_id


def pages(client: httpx.Client, limit: int) -> list[list[str]]:
    """Follow the cursors from the first page to the last; the ids of each page."""
    found = []
    page = client.get("/notes/", params={"limit": limit}).json()
    found.append([note["id"] for note in page["notes"]])
    while page["next"] is not None:
        page = client.get("/notes/", params={"limit": limit, "after": page["next"]}).json()
        found.append([note["id"] for note in page["notes"]])
    return found


def test_an_empty_list_is_a_list(empty_service: NotesService) -> None:
    """With no notes at all the list answers 200, empty and without a next page."""
    with empty_service.client() as client:
        answer = client.get("/notes/")
    assert (answer.status_code, answer.json()) == (200, {"notes": [], "next": None})


def test_pages_show_every_note_once_newest_first(empty_service: NotesService) -> None:
    """Whatever the page size, the pages together are all the notes, newest first."""
    with empty_service.client() as client:
        ids = [create(client, f"note {number}") for number in range(7)]
        newest_first = ids[::-1]
        assert pages(client, limit=100) == [newest_first]
        assert pages(client, limit=7) == [newest_first]
        assert pages(client, limit=3) == [newest_first[:3], newest_first[3:6], newest_first[6:]]


def test_a_page_holds_20_notes_unless_told(empty_service: NotesService) -> None:
    """Without a limit a page holds 20 notes."""
    with empty_service.client() as client:
        for number in range(21):
            create(client, f"note {number}")
        page = client.get("/notes/").json()
        assert len(page["notes"]) == 20
        assert page["next"] == page["notes"][-1]["id"]


def test_paging_is_undisturbed_by_writes(empty_service: NotesService) -> None:
    """A cursor keeps its place when notes are added, and when its own note is deleted."""
    with empty_service.client() as client:
        ids = [create(client, f"note {number}") for number in range(4)]
        cursor = client.get("/notes/?limit=2").json()["next"]
        create(client, "later")
        client.delete(f"/notes/{cursor}")
        rest = client.get("/notes/", params={"after": cursor}).json()
    assert [note["id"] for note in rest["notes"]] == [ids[1], ids[0]]


def test_a_search_looks_in_title_and_body_newest_first(client: httpx.Client) -> None:
    """A search finds the notes that hold its text in title or body, and no others."""
    word = uuid4().hex
    in_title = create(client, f"about {word} and more")
    in_body = create(client, "about", body=f"first\nthen {word}")
    create(client, "about", body="something else")
    answer = client.post("/notes/search", json={"text": word})
    assert answer.status_code == 200
    assert [note["id"] for note in answer.json()["notes"]] == [in_body, in_title]


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ("Milk", "mILK"),
        ("ÄPFEL", "äpfel"),
        ("a.c", "a.c"),
        (r"C:\new (1)* [x] ^$ {2} | +?", r"\NEW (1)* [X] ^$ {2} | +?"),
        ('say "yes" it\'s', '"YES" it\'s'),
        ("100% & _ # - ~", "% & _ # - ~"),
        ("😀 party", "😀 P"),
    ],
)
def test_a_search_takes_its_text_literally_in_any_case(
    client: httpx.Client, held: str, asked: str
) -> None:
    """No character of a search means anything but itself, and case does not matter."""
    tag = uuid4().hex
    wanted = create(client, f"{tag} {held}")
    create(client, f"{tag} abc")
    found = client.post("/notes/search", json={"text": f"{tag} "}).json()["notes"]
    assert len(found) == 2
    found = client.post("/notes/search", json={"text": asked, "limit": 100}).json()["notes"]
    assert wanted in [note["id"] for note in found]
    assert all(asked.lower() in note["title"].lower() for note in found)


def test_a_search_answers_no_more_than_its_limit(client: httpx.Client) -> None:
    """A search answers with the newest matches, as many as its limit says."""
    word = uuid4().hex
    ids = [create(client, word) for _ in range(3)]
    found = client.post("/notes/search", json={"text": word, "limit": 2}).json()["notes"]
    assert [note["id"] for note in found] == [ids[2], ids[1]]


def test_a_search_that_finds_nothing_answers_an_empty_list(client: httpx.Client) -> None:
    """No match is an answer, not an error."""
    answer = client.post("/notes/search", json={"text": uuid4().hex})
    assert (answer.status_code, answer.json()) == (200, {"notes": [], "next": None})


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_search_goes_on_where_it_has_stopped(
    database_url: str, issuer: Issuer, tmp_path: Path, limit: int
) -> None:
    """One request looks at so many notes; all together find each match once, newest first."""
    log = tmp_path / "notes.log"
    service = NotesService(database_url, log, issuer, NOTES_MAX_SEARCHED="3")
    with service, service.client() as client:
        ids = [create(client, "wanted" if number in {0, 1, 6} else "other") for number in range(8)]
        found: list[str] = []
        query: dict[str, Any] = {"text": "wanted", "limit": limit}
        asked = 0
        while True:
            answer = client.post("/notes/search", json=query).json()
            found += [note["id"] for note in answer["notes"]]
            asked += 1
            if answer["next"] is None:
                break
            query["after"] = answer["next"]
        assert found == [ids[6], ids[1], ids[0]]
        assert asked >= 3
        assert client.post("/notes/search", json={"text": "nothing"}).json()["next"] == ids[5]


def test_a_search_of_no_more_notes_than_it_looks_at_is_whole(
    database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """Where all notes were looked at there is nothing to go on with."""
    log = tmp_path / "notes.log"
    service = NotesService(database_url, log, issuer, NOTES_MAX_SEARCHED="3")
    with service, service.client() as client:
        ids = [create(client, "wanted") for _ in range(3)]
        answer = client.post("/notes/search", json={"text": "WANTED", "limit": 3}).json()
        assert ([note["id"] for note in answer["notes"]], answer["next"]) == (ids[::-1], None)


def test_strangers_may_be_answered_from_a_cache_and_users_may_not(client: httpx.Client) -> None:
    """Whoever has a token sees at once what they have written."""
    note_id = create(client, "cached")
    for path in ("/notes/", f"/notes/{note_id}"):
        users = client.get(path).headers["Cache-Control"]
        strangers = httpx.get(client.base_url.join(path), verify=False).headers["Cache-Control"]  # noqa: S501
        assert users == "no-cache"
        assert strangers == "public, max-age=1, stale-while-revalidate=5"
    gone = client.get("/notes/000000000000000000000000")
    assert "Cache-Control" not in gone.headers
