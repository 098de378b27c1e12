"""The read side: what lists and searches show, and how it comes after the write side."""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from notes.cards import Written, shown, withdrawn, write_cards
from notes.documents import NoteDocument, new_note_id
from notes_issuer import Issuer
from notes_processes import DatabaseServer, NotesService, wait_until
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

SOON = {"NOTES_CATCH_UP_SECONDS": "0.1"}
WRITERS = 6


@pytest.fixture
def database(database_url: str) -> Iterator[Database[dict[str, Any]]]:
    """Give the test a database that no service uses yet, and direct access to it."""
    with MongoClient[dict[str, Any]](database_url) as client:
        yield client[f"notes_{uuid4().hex}"]


@pytest.fixture
def service(
    database: Database[dict[str, Any]], database_url: str, issuer: Issuer, tmp_path: Path
) -> NotesService:
    """Give the test a service over that database, not started, that compares both sides often."""
    log = tmp_path / "notes.log"
    return NotesService(database_url, log, issuer, database_name=database.name, **SOON)


def written(title: str, version: int = 1, body: str = "") -> NoteDocument:
    """Make a document of the write side, as a command leaves it."""
    now = datetime.now(UTC)
    note = {"title": title, "body": body, "version": version, "owner": str(uuid4())}
    return {"_id": new_note_id(), **note, "created_at": now, "updated_at": now}  # type: ignore[typeddict-item]


def listed(client: httpx.Client) -> list[tuple[str, int]]:
    """List the titles and versions of all notes."""
    notes = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        after = {"after": page["next"]} if page["next"] else {}
        page = client.get("/notes/", params={"limit": 100, **after}).json()
        notes += [(note["title"], note["version"]) for note in page["notes"]]
    return notes


def test_lists_and_searches_show_cards(client: httpx.Client) -> None:
    """A card has the start of the body; the note itself has all of it."""
    tag = uuid4().hex
    body = "x" * 200 + tag
    note = client.post("/notes/", json={"title": "long", "body": body}).json()
    [found] = client.post("/notes/search", json={"text": tag}).json()["notes"]
    assert found["excerpt"] == "x" * 200
    assert found.keys() == note.keys() - {"body"} | {"excerpt"}
    assert found | {"body": body} == note | {"excerpt": "x" * 200}
    assert client.get(f"/notes/{note['id']}").json() == note


def test_a_writer_reads_its_own_writes(client: httpx.Client) -> None:
    """When a command is answered lists and searches show what it did."""
    tag = uuid4().hex
    path = client.post("/notes/", json={"title": f"{tag} first"}).headers["location"]
    client.put(path, json={"title": f"{tag} second", "version": 1})
    [found] = client.post("/notes/search", json={"text": tag}).json()["notes"]
    assert (found["title"], found["version"]) == (f"{tag} second", 2)
    assert client.post("/notes/search", json={"text": f"{tag} first"}).json()["notes"] == []
    client.delete(path)
    assert client.post("/notes/search", json={"text": tag}).json()["notes"] == []


@pytest.mark.parametrize(
    ("held", "asked"), [("GROẞ", "gross"), ("ΟΔΟΣ", "οδοσ"), ("Straße", "STRASSE")]
)
def test_a_search_knows_the_case_of_every_script(
    client: httpx.Client, held: str, asked: str
) -> None:
    """Letters that have no simple pair of cases are found as well."""
    tag = uuid4().hex
    client.post("/notes/", json={"title": f"{tag} {held}"})
    found = client.post("/notes/search", json={"text": f"{tag} {asked}"}).json()["notes"]
    assert len(found) == 1


def test_old_notes_are_listed_from_the_first_moment(
    database: Database[dict[str, Any]], service: NotesService
) -> None:
    """Notes from before there were cards get theirs before the service says that it is ready."""
    old = [written(f"old {number}") for number in range(250)]
    for note in old:
        note.pop("owner")
    database["notes"].insert_many(old)
    with service, service.client() as client:
        service.wait_until_healthy()
        assert listed(client) == [(note["title"], 1) for note in reversed(old)]
        [found] = client.post("/notes/search", json={"text": "OLD 249"}).json()["notes"]
    assert found["owner"] is None


def test_what_a_crash_left_undone_is_done_at_the_next_start(
    database: Database[dict[str, Any]], service: NotesService
) -> None:
    """A note written, changed or deleted without its card following is put right by itself."""
    with service, service.client() as client:
        service.wait_until_healthy()
        kept, changed, deleted = (
            client.post("/notes/", json={"title": title}).json()["id"]
            for title in ("kept", "changed", "deleted")
        )
        service.send(signal.SIGKILL)
        service.running.wait(timeout=10)
    database["notes"].insert_one(dict(written("created")))
    database["notes"].update_one({"_id": changed}, {"$set": {"title": "new", "version": 2}})
    database["notes"].delete_one({"_id": deleted})
    with service, service.client() as client:
        wait_until(lambda: listed(client) == [("created", 1), ("new", 2), ("kept", 1)])
        assert client.get(f"/notes/{kept}").status_code == 200


def test_what_another_replica_left_undone_is_done_by_this_one(
    database: Database[dict[str, Any]], service: NotesService
) -> None:
    """A running service notices what does not fit, however it came about."""
    with service, service.client() as client:
        service.wait_until_healthy()
        client.post("/notes/", json={"title": "kept"})
        database["notes"].insert_one(dict(written("created")))
        asyncio.run(write(service, [shown(written("deleted long ago"))]))
        wait_until(lambda: listed(client) == [("created", 1), ("kept", 1)])


def test_a_late_or_repeated_card_changes_nothing(
    database: Database[dict[str, Any]], service: NotesService
) -> None:
    """A card is never replaced by an older one, and writing it again does nothing."""
    second = written("second", version=2)
    first = NoteDocument(**{**second, "title": "first", "version": 1})
    assert asyncio.run(write(service, [shown(second)])) == (1, [second["_id"]])
    assert asyncio.run(write(service, [shown(first), shown(second)])) == (0, [])
    assert [card["title"] for card in database["note_cards"].find()] == ["second"]
    assert asyncio.run(write(service, [withdrawn(second["_id"])])) == (1, [])
    assert asyncio.run(write(service, [withdrawn(second["_id"])])) == (0, [])


async def write(service: NotesService, writes: list[Any]) -> Written:
    """Write cards as the service does."""
    async with AsyncMongoClient[Any](service.database_url) as client:
        return await write_cards(client[service.database_name]["note_cards"], writes)


def test_both_sides_agree_after_a_storm(
    database: Database[dict[str, Any]], service: NotesService
) -> None:
    """Parallel creations, updates and deletions leave as many cards as notes, and the same."""

    def storm(writer: int) -> None:
        with service.client() as client:
            for number in range(8):
                path = client.post("/notes/", json={"title": "1"}).headers["location"]
                client.put(path, json={"title": "2", "version": 1})
                if (writer + number) % 2:
                    client.delete(path)

    with service:
        service.wait_until_healthy()
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(storm, range(WRITERS)))
        wait_until(lambda: versions(database, "notes") == versions(database, "note_cards"))
        assert len(versions(database, "notes")) == WRITERS * 4


def test_a_deleted_note_is_not_listed_by_whoever_changed_it_meanwhile(
    database: Database[dict[str, Any]], database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """Once the last of its writers is answered, without any comparison of both sides."""
    rarely = {"NOTES_CATCH_UP_SECONDS": "3600"}
    service = NotesService(
        database_url, tmp_path / "notes.log", issuer, database_name=database.name, **rarely
    )
    with service, ThreadPoolExecutor(4) as pool:
        service.wait_until_healthy()
        with ExitStack() as opened:
            clients = [opened.enter_context(service.client()) for _ in range(4)]
            for number in range(60):
                created = clients[0].post("/notes/", json={"title": f"{number}"})
                path, change = created.headers["location"], {"title": "late", "version": 1}
                writes = [pool.submit(each.put, path, json=change) for each in clients[:2]]
                writes += [pool.submit(each.delete, path) for each in clients[2:]]
                statuses = [write.result().status_code for write in writes]
                assert statuses.count(204) == 1
            assert clients[0].get("/notes/").json()["notes"] == []
    assert versions(database, "notes") == versions(database, "note_cards") == {}


def versions(database: Database[dict[str, Any]], collection: str) -> dict[str, int]:
    """Read the version of everything in a collection."""
    return {one["_id"]: one["version"] for one in database[collection].find()}


def test_a_write_is_kept_when_its_card_cannot_be_written(
    own_database: DatabaseServer, issuer: Issuer, tmp_path: Path
) -> None:
    """A database that goes in the middle of many writes loses none that was answered."""
    log = tmp_path / "notes.log"
    service = NotesService(own_database.url, log, issuer, **SOON)
    answered: list[str] = []

    def create(writer: int) -> None:
        with service.client() as client:
            for number in range(40):
                answer = client.post("/notes/", json={"title": f"{writer} {number}"})
                assert answer.status_code in {201, 503}
                answered.extend(answer.json()["title"] for _ in range(answer.status_code == 201))

    with service, service.client() as client:
        service.wait_until_healthy()
        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(create, writer) for writer in range(3)]
            wait_until(lambda: len(answered) > 10)
            own_database.send(signal.SIGKILL)
            own_database.running.wait(timeout=10)
            own_database.start()
            for writer in writers:
                writer.result(timeout=60)
        service.wait_until_healthy()
        wait_until(lambda: {title for title, _ in listed(client)} >= set(answered))
