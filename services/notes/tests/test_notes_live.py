"""Changes as they happen: server-sent events and the WebSocket."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from notes.changes import Change
from notes.feed import MAX_WAITING, Listener
from notes.live import events, while_listening
from notes_issuer import Issuer
from notes_processes import DatabaseServer, NotesService, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

Event = dict[str, Any]


class Events:
    """An open stream of server-sent events."""

    def __init__(self, answer: httpx.Response) -> None:
        """Read the stream's first lines, after which no change is missed."""
        self.answer = answer
        self._lines = answer.iter_lines()
        assert next(self._lines) == "retry: 1000"

    def next(self) -> Event:
        """Wait for an event."""
        fields: Event = {}
        for line in self._lines:
            if not line and fields:
                return fields | {"data": json.loads(fields["data"])}
            if line and not line.startswith((":", "retry")):
                name, _, value = line.partition(": ")
                fields[name] = value
        message = "the stream has ended"
        raise EOFError(message)


@contextmanager
def listening(
    service: NotesService, after: str | None = None, address: str = "198.51.100.1"
) -> Iterator[Events]:
    """Listen to a service's events."""
    headers = {"X-Real-IP": address} | ({} if after is None else {"Last-Event-ID": after})
    with service.visitor() as visitor, visitor.stream("GET", "/notes/events", headers=headers) as a:
        assert a.status_code == 200
        yield Events(a)


def websocket(service: NotesService, address: str = "198.51.100.2") -> ClientConnection:
    """Open a WebSocket to a service."""
    return connect(
        f"ws://{service.address}/notes/live",
        additional_headers={"X-Real-IP": address},
        open_timeout=10,
        close_timeout=5,
    )


def told(event: str, note_id: str, version: int) -> Event:
    """Say what is told of a change."""
    return {"event": event, "id": note_id, "version": version}


def test_each_change_is_an_event(empty_service: NotesService) -> None:
    """Who listens is told of each creation, change and deletion, with id and version."""
    with listening(empty_service) as stream, empty_service.client() as client:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["x-accel-buffering"] == "no"
        note_id = client.post("/notes/", json={"title": "a"}).json()["id"]
        client.put(f"/notes/{note_id}", json={"title": "b", "version": 1})
        client.delete(f"/notes/{note_id}")
        found = [stream.next() for _ in range(3)]
    assert [event["event"] for event in found] == ["created", "changed", "deleted"]
    assert [event["data"] for event in found] == [
        told("created", note_id, 1),
        told("changed", note_id, 2),
        told("deleted", note_id, 2),
    ]


def test_each_change_is_told_over_the_websocket(empty_service: NotesService) -> None:
    """The WebSocket tells the same, as JSON."""
    with websocket(empty_service) as live, empty_service.client() as client:
        note_id = client.post("/notes/", json={"title": "a"}).json()["id"]
        client.delete(f"/notes/{note_id}")
        assert json.loads(live.recv(10)) == told("created", note_id, 1)
        assert json.loads(live.recv(10)) == told("deleted", note_id, 1)


def test_a_ping_is_answered(shared_service: NotesService) -> None:
    """Both a `ping` as text and the protocol's own are answered; anything else is not."""
    with websocket(shared_service) as live:
        live.send("hello")
        live.send(b"ping")
        live.send("ping")
        while (answer := live.recv(10)) != "pong":
            assert json.loads(answer)["event"]
        assert live.ping().wait(10)


def test_a_message_that_is_too_large_closes_the_websocket(shared_service: NotesService) -> None:
    """A client has little to say; one that sends more is cut off."""
    with websocket(shared_service) as live:
        live.send("x" * 2000)
        with pytest.raises(ConnectionClosed):
            list(live)
        assert live.close_code == 1009


def test_the_changes_of_other_replicas_are_told(
    database_url: str, empty_service: NotesService, issuer: Issuer, tmp_path: Path
) -> None:
    """Whichever replica a write meets, those who listen to another one are told once."""
    name = empty_service.database_name
    other = NotesService(database_url, tmp_path / "other.log", issuer, database_name=name)
    with other, listening(empty_service) as stream, websocket(other) as live:
        with other.client() as there, empty_service.client() as here:
            first = there.post("/notes/", json={"title": "there"}).json()["id"]
            assert stream.next()["data"] == told("created", first, 1)
            second = here.post("/notes/", json={"title": "here"}).json()["id"]
            assert stream.next()["data"] == told("created", second, 1)
        assert [json.loads(live.recv(10))["id"] for _ in range(2)] == [first, second]


def test_who_comes_back_misses_nothing(empty_service: NotesService) -> None:
    """After a break, as at a release, the last event that was seen says where to go on."""
    with empty_service.client() as client:
        with listening(empty_service) as stream:
            client.post("/notes/", json={"title": "seen"})
            last = stream.next()["id"]
        missed = [client.post("/notes/", json={"title": "missed"}).json()["id"] for _ in range(3)]
        with listening(empty_service, after=last) as stream:
            assert [stream.next()["data"]["id"] for _ in missed] == missed


def test_who_is_new_is_told_what_is_new(empty_service: NotesService) -> None:
    """Who does not say what was seen last is told what happens from now on."""
    with empty_service.client() as client:
        client.post("/notes/", json={"title": "before"})
        with listening(empty_service) as stream:
            later = client.post("/notes/", json={"title": "later"}).json()["id"]
            assert stream.next()["data"]["id"] == later


def test_a_last_event_that_cannot_be_is_refused(visitor: httpx.Client) -> None:
    """A `Last-Event-ID` that no event has is a fault of the client."""
    answer = visitor.get("/notes/events", headers={"Last-Event-ID": "1"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_number_of_listeners_is_bounded(
    database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """Beyond the bound both kinds answer 503; who leaves makes room."""
    log = tmp_path / "notes.log"
    service = NotesService(database_url, log, issuer, NOTES_MAX_LISTENERS="2")
    with service, service.visitor() as visitor:
        with listening(service) as stream, websocket(service) as live:
            answer = visitor.get("/notes/events")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            with pytest.raises(InvalidStatus) as refused:
                websocket(service)
            assert refused.value.response.status_code == 503
            live.close()
            wait_until(lambda: can_listen(service))
            assert not stream.answer.is_closed
        wait_until(lambda: can_listen(service))


def test_an_address_has_no_more_than_its_share(
    database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """An address with all its streams gets 429, of either kind, and others are served."""
    log = tmp_path / "notes.log"
    bounds = {"NOTES_MAX_LISTENERS_OF_ADDRESS": "2"}
    with NotesService(database_url, log, issuer, **bounds) as service, ExitStack() as opened:
        stream = opened.enter_context(listening(service, address="2001:db8::1"))
        opened.enter_context(websocket(service, "2001:db8::2"))
        with service.visitor() as visitor:
            answer = visitor.get("/notes/events", headers={"X-Real-IP": "2001:db8::3"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert answer.headers["content-type"] == "application/problem+json"
        with pytest.raises(InvalidStatus) as refused:
            websocket(service, "2001:db8::4")
        assert refused.value.response.status_code == 429
        other = opened.enter_context(listening(service, address="2001:db8:0:1::1"))
        opened.enter_context(websocket(service, "203.0.113.7"))
        with service.client() as client:
            note_id = client.post("/notes/", json={"title": "a"}).json()["id"]
        assert [one.next()["data"]["id"] for one in (stream, other)] == [note_id] * 2


def test_who_has_the_most_streams_makes_room(
    database_url: str, issuer: Issuer, tmp_path: Path
) -> None:
    """When all streams are taken a new address gets one, and the newest of the largest share ends."""
    log = tmp_path / "notes.log"
    service = NotesService(database_url, log, issuer, NOTES_MAX_LISTENERS="3")
    with service, ExitStack() as opened:
        first = opened.enter_context(listening(service, address="198.51.100.1"))
        opened.enter_context(websocket(service, "198.51.100.1"))
        newest = opened.enter_context(websocket(service, "198.51.100.1"))
        with pytest.raises(InvalidStatus) as refused:
            websocket(service, "198.51.100.1")
        assert refused.value.response.status_code == 503
        honest = opened.enter_context(listening(service, address="203.0.113.7"))
        with pytest.raises(ConnectionClosed):
            newest.recv(10)
        assert newest.close_code == 1013
        # Two and one: to take one more would only turn it round.
        with service.visitor() as visitor:
            again = visitor.get("/notes/events", headers={"X-Real-IP": "203.0.113.7"})
            assert again.status_code == 503
        with service.client() as client:
            note_id = client.post("/notes/", json={"title": "a"}).json()["id"]
        assert [stream.next()["data"]["id"] for stream in (first, honest)] == [note_id] * 2


def can_listen(service: NotesService) -> bool:
    """Try to listen for a moment."""
    with service.visitor() as visitor, visitor.stream("GET", "/notes/events") as answer:
        return answer.status_code == 200


def test_without_the_database_nobody_can_begin_to_listen(
    own_database: DatabaseServer, own_service: NotesService
) -> None:
    """While the database is away a new listener gets 503; one from before hears what comes after."""
    with listening(own_service) as stream, own_service.client() as client:
        own_database.stop()
        assert client.get("/notes/events").status_code == 503
        with pytest.raises(InvalidStatus) as refused:
            websocket(own_service)
        assert refused.value.response.status_code == 503
        own_database.start()
        own_service.wait_until_healthy()
        note_id = client.post("/notes/", json={"title": "after"}).json()["id"]
        assert stream.next()["data"]["id"] == note_id


def test_a_stop_ends_all_streams(empty_service: NotesService) -> None:
    """SIGTERM ends events in good order, closes WebSockets with 1012, and the process with 0."""
    with listening(empty_service) as stream, websocket(empty_service) as live:
        empty_service.send(signal.SIGTERM)
        with pytest.raises(EOFError):
            stream.next()
        with pytest.raises(ConnectionClosed):
            live.recv(10)
        assert live.close_code == 1012
        assert empty_service.running.wait(timeout=10) == 0
    log = empty_service.log.read_text().lower()
    assert "traceback" not in log
    assert "websocket" not in log
    assert "connection open" not in log


def test_a_listener_that_reads_nothing_does_not_hold_up_the_stop(
    empty_service: NotesService,
) -> None:
    """A stop waits for nobody who has stopped reading."""
    with ExitStack() as connections:
        for path in (b"/notes/events", b"/notes/live"):
            asleep = connections.enter_context(
                socket.create_connection(("127.0.0.1", empty_service.port), 10)
            )
            asleep.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n")
        with empty_service.client() as client:
            assert client.post("/notes/", json={"title": "a"}).status_code == 201
        assert empty_service.stop() == 0


UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def test_a_listener_that_falls_behind_is_let_go() -> None:
    """Changes wait for a listener up to a bound, and beyond it the stream ends."""

    async def fall_behind() -> tuple[bool, bool, bool]:
        listener = Listener()
        for number in range(MAX_WAITING):
            listener.offer(Change(str(number), "created", "a", 1))
        before = listener.ended.is_set()
        listener.offer(Change("one more", "created", "a", 1))
        return before, listener.ended.is_set(), listener.late

    assert asyncio.run(fall_behind()) == (False, True, True)


def test_a_stream_that_cannot_be_written_is_cut() -> None:
    """Once its listener has ended, a stream that hangs on its client hangs no longer."""

    async def hang() -> bool:
        listener = Listener()
        listener.end()
        hanging = asyncio.Event()
        await asyncio.wait_for(while_listening(hanging.wait(), listener), timeout=10)
        return hanging.is_set()

    assert asyncio.run(hang()) is False


def test_a_silent_stream_shows_that_it_lives() -> None:
    """Where nothing happens a comment is sent, so that no proxy takes the stream for dead."""

    async def silence() -> list[str]:
        stream = events(Listener(), heartbeat_seconds=0.01)
        return [await stream.__anext__() for _ in range(3)]

    assert asyncio.run(silence())[1:] == [": nothing new\n\n"] * 2
