"""What is asked and carried through a command in a container: the same commands, run by a shell here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

import pytest

from orchestrator.asking import Unanswered
from orchestrator.engine.plain import to_plain
from orchestrator.errors import Conflict, Disconnected, EngineError, GatewayError, NotFound
from orchestrator.evidence.witness import Witness
from orchestrator.gateway.afar import Relay
from orchestrator.gateway.passage import Passage
from orchestrator.stack.model import WitnessRequest
from tests.e2e.afar import write_certificates
from tests.fakes.server import GOOD, Request, serving
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.engine.ports import Inside
    from orchestrator.evidence.samples import Sample

BOUND = 30  # seconds after which something counts as hanging
MUCH = b"x" * 3_000_000  # bytes, which no buffer on the way takes at once
LAST = MUCH[:420_000]  # which all of them take, if only just
ENOUGH = 60  # requests of a witness, until something happens
NARROW = 8192  # bytes of a buffer


class Shell:
    """A process on this machine, as one in a container that is talked to or attended."""

    def __init__(self, argv: tuple[str, ...], path: str) -> None:
        self._process = subprocess.Popen(
            (str(shutil.which(argv[0])), *argv[1:]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": path},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._given, self._printed = self._process.stdin, self._process.stdout

    def ask(self, line: str, within: float = BOUND) -> str:
        """Return the next line of it."""
        del within
        with suppress(EngineError):
            self.send(line.encode() + b"\n")
        answer = self._printed.readline()
        if not answer:
            raise EngineError("it has ended")
        return answer.decode().rstrip("\n")

    def send(self, data: bytes) -> None:
        """Give it input."""
        try:
            self._given.write(data)
            self._given.flush()
        except (OSError, ValueError) as error:  # ValueError: its input has been closed
            raise EngineError("it has ended") from error

    def end_input(self) -> None:
        """End its input."""
        with suppress(OSError):  # what was still to be written
            self._given.close()

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what it prints."""
        with suppress(ValueError):  # closed by who waited for its end
            while data := self._printed.read1(65_536):  # type: ignore[attr-defined]
                yield 1, data

    def exit_code(self) -> int:
        """Return what it ended with."""
        code = self._process.wait(BOUND)
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """End it as the engine does where its container ends."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end."""
        self._process.wait(BOUND)
        self._printed.close()


class Container:
    """Starts commands here."""

    def __init__(self) -> None:
        self.started: list[Shell] = []
        self.path = os.environ["PATH"]
        self.there = threading.Event()  # a command
        self.refusal: EngineError | None = None  # of whatever is asked for
        self.speaks = threading.Event()
        self.speaks.set()

    def start(self, container: str, argv: tuple[str, ...], **_: object) -> Shell:
        """Start one."""
        assert container == "shop-gateway"
        if self.refusal is not None:
            raise self.refusal
        shell = Shell(argv, self.path)
        self.started.append(shell)
        self.there.set()
        return shell

    converse = attend = start

    def processes(self, container: str) -> dict[int, str]:
        """Refuse as all else is; say nothing until it speaks."""
        assert container == "shop-gateway"
        self.speaks.wait(BOUND)
        if self.refusal is not None:
            raise self.refusal
        return {}


class Answering(BaseHTTPRequestHandler):
    """Says who is asked for; says nothing at `/late`, until it is let go."""

    released = threading.Event()

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/late":
            self.released.wait(BOUND)
        body = MUCH if self.path == "/much" else f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_GET  # noqa: N815  so http.server has it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def container() -> Iterator[Container]:
    """Return a container whose commands run here."""
    container = Container()
    yield container
    for shell in container.started:
        shell.end_input()
        shell.close()


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """Return where somebody answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Answering.released.clear()
        yield "127.0.0.1", server.server_port
        Answering.released.set()
        server.shutdown()


def test_questions_go_through_one_command(container: Container, server: tuple[str, int]) -> None:
    """With their headers and methods, and to the last byte of an answer; a new one where it is gone."""
    relay = Relay(cast("Inside", container), "shop-gateway")
    asked = relay.ask(server, "/serving", 9, headers={"Host": "shop.example"})
    assert (asked.status, asked.text) == (200, "shop.example /serving")
    assert relay.ask(server, "/", 9, method="HEAD").body == b""
    assert relay.ask(server, "/much", 9, largest=len(MUCH)).body == MUCH
    assert relay.ask(server, "/much", 9, largest=10).body == MUCH[:10]
    assert len(container.started) == 1

    container.started[0].end_input()
    assert relay.ask(server, "/", 9).good


def test_questions_without_an_answer_say_how_far_they_came(
    container: Container, server: tuple[str, int]
) -> None:
    """The next one is answered: it is another connection."""
    relay = Relay(cast("Inside", container), "shop-gateway")
    with pytest.raises(Unanswered, match="ReadTimeout"):
        relay.ask(server, "/late", 0.5)
    with pytest.raises(Unanswered, match="ConnectError"):
        relay.ask(("127.0.0.1", free_port()), "/", 9)
    assert relay.ask(server, "/", 9).good
    assert len(container.started) == 1


def test_an_image_with_nothing_that_can_ask_is_told(container: Container, tmp_path: Path) -> None:
    """Not as a gateway that does not answer."""
    for name in ("sh", "base64", "cat", "grep", "head", "rm", "timeout", "tr"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    container.path = str(tmp_path)
    relay = Relay(cast("Inside", container), "shop-gateway")
    with pytest.raises(GatewayError, match="neither bash nor"):
        relay.ask(("127.0.0.1", free_port()), "/", 9)


@contextmanager
def carried(container: Container) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection that is carried through a command."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(BOUND)
        passage = Passage(cast("Inside", container), "shop-gateway", server.getsockname()[1])
        assert passage.address.host == "127.0.0.1"
        with closing(passage), socket.create_connection(passage.address, BOUND) as client:
            accepted, _ = server.accept()
            accepted.settimeout(BOUND)
            with accepted:
                yield client, accepted


def test_a_connection_is_carried_both_ways(container: Container) -> None:
    """All that either side says, while both are there."""
    with carried(container) as (client, server):
        for giver, taker in ((client, server), (server, client)):
            sending = threading.Thread(target=giver.sendall, args=(MUCH,))
            sending.start()
            assert read(taker, len(MUCH)) == MUCH
            sending.join(BOUND)


@pytest.mark.parametrize("leaves", [0, 1], ids=["the client", "nginx"])
def test_whoever_leaves_is_missed_by_the_other_side(container: Container, leaves: int) -> None:
    """And nothing of it stays in the container."""
    with carried(container) as ends:
        ends[leaves].close()
        assert ends[1 - leaves].recv(1) == b""
    container.started[0].close()


@contextmanager
def watched(container: Container) -> Iterator[tuple[Passage, socket.socket, socket.socket]]:
    """Give a passage and both ends of a connection through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(BOUND)
        passage = Passage(cast("Inside", container), "shop-gateway", server.getsockname()[1])
        with closing(passage), socket.create_connection(passage.address, BOUND) as client:
            accepted, _ = server.accept()
            assert container.there.wait(BOUND)
            with accepted:
                yield passage, client, accepted


@pytest.mark.parametrize("who", ["the way", "nginx", "the container"])
def test_a_connection_that_was_cut_is_told_from_one_that_nginx_has_closed(
    container: Container, who: str
) -> None:
    """Where the engine's connection ends, so does the input of the command; nothing else ends it so."""
    with watched(container) as (passage, client, server):
        end = {
            "the way": container.started[0].end_input,
            "nginx": server.close,
            "the container": container.started[0].kill,
        }
        end[who]()
        assert client.recv(1) == b""
        assert passage.cut(client.getsockname()[1]) is (who == "the way")


class Unstarted(Shell):
    """A command that the engine has not started."""

    def __init__(self, told: EngineError | None) -> None:
        super().__init__(("true",), os.environ["PATH"])
        self._told = told

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Say why, where somebody is still there to hear it."""
        if self._told is not None:
            raise self._told
        yield from ()

    def exit_code(self) -> int:
        """Return what the engine makes of it."""
        return 126


@pytest.mark.parametrize(
    ("told", "runs", "cut"),
    [
        (None, None, True),
        (NotFound("the container has no such program"), None, False),
        (None, Conflict("the container does not run"), False),
        (None, Disconnected("the engine does not answer"), True),
    ],
)
def test_a_connection_may_be_cut_before_its_command_has_begun(
    container: Container, told: EngineError | None, runs: EngineError | None, *, cut: bool
) -> None:
    """Then the engine says nothing; where there is no such command, or no container, it does."""

    def attend(*_: object, **__: object) -> Shell:
        container.refusal = runs
        container.started.append(Unstarted(told))
        return container.started[-1]

    container.attend = attend  # type: ignore[method-assign]
    passage = Passage(cast("Inside", container), "shop-gateway", free_port())
    with closing(passage), socket.create_connection(passage.address, BOUND) as client:
        assert client.recv(1) == b""
        assert passage.cut(client.getsockname()[1]) is cut


def test_who_cannot_be_reached_has_not_hung_up(container: Container) -> None:
    """An engine that is away, and no NGINX that listens, nor a container that does not run."""
    for refusal, cut in (
        (Disconnected("the engine does not answer"), True),
        (Conflict("the container does not run"), False),
        (None, False),
    ):
        container.refusal = refusal
        passage = Passage(cast("Inside", container), "shop-gateway", free_port())
        with closing(passage), socket.create_connection(passage.address, BOUND) as client:
            assert client.recv(1) == b""
            assert passage.cut(client.getsockname()[1]) is cut


def test_nginx_that_says_nothing_is_told_from_an_engine_that_does_so(container: Container) -> None:
    """As long as the engine answers, whatever it says, the silence is NGINX's."""
    with watched(container) as (passage, client, _):
        port = client.getsockname()[1]
        assert not passage.cut(port)
        container.refusal = NotFound("no such container")
        assert not passage.cut(port)
        container.refusal = Disconnected("the engine does not answer")
        assert passage.cut(port)
        container.speaks.clear()
        assert passage.cut(port)
        container.speaks.set()


def test_one_direction_of_tls_may_end_before_the_other(tmp_path: Path) -> None:
    """Bytes that come meanwhile are not lost, and both directions are used at once."""
    write_certificates(tmp_path, "127.0.0.1")
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(tmp_path / "server.pem", tmp_path / "server-key.pem")
    ours = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo, args=(server, theirs), daemon=True).start()
        for size in (0, 10, len(MUCH)):
            opened = socket.create_connection(server.getsockname(), BOUND)
            with to_plain(ours.wrap_socket(opened, server_hostname="127.0.0.1")) as plain:
                plain.settimeout(BOUND)
                sending = threading.Thread(target=send_all, args=(plain, MUCH[:size]))
                sending.start()
                assert read(plain) == MUCH[:size] + b"all"
                sending.join(BOUND)


def test_what_is_said_last_over_tls_arrives_where_its_reader_is_slow(tmp_path: Path) -> None:
    """Also where both directions have ended, and the last bytes wait for room on the way."""
    write_certificates(tmp_path, "127.0.0.1")
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(tmp_path / "server.pem", tmp_path / "server-key.pem")
    ours = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    said = threading.Event()

    def say(server: socket.socket) -> None:
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        with to_plain(theirs.wrap_socket(accepted, server_side=True)) as plain:
            read(plain)
            send_all(plain, LAST)
            said.set()

    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as opened:
        threading.Thread(target=say, args=(server,), daemon=True).start()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        opened.settimeout(BOUND)
        opened.connect(server.getsockname())
        with to_plain(ours.wrap_socket(opened, server_hostname="127.0.0.1")) as plain:
            plain.settimeout(BOUND)
            plain.shutdown(socket.SHUT_WR)
            said.wait(3)  # where the buffers take less, it goes on while this one reads
            assert len(read(plain)) == len(LAST)


def echo(server: socket.socket, context: ssl.SSLContext) -> None:
    """Send back what comes, and at its end that it was all."""
    while True:
        try:
            accepted, _ = server.accept()
        except OSError:
            return
        with to_plain(context.wrap_socket(accepted, server_side=True)) as plain:
            while data := plain.recv(65_536):
                plain.sendall(data)
            plain.sendall(b"all")


def send_all(plain: socket.socket, data: bytes) -> None:
    """Send bytes and their end."""
    plain.sendall(data)
    plain.shutdown(socket.SHUT_WR)


def read(taker: socket.socket, count: int | None = None) -> bytes:
    """Return so many bytes, or all until the end."""
    taken = b""
    while (count is None or len(taken) < count) and (data := taker.recv(65_536)):
        taken += data
    return taken


@pytest.mark.parametrize("by", ["the way", "nginx"])
def test_a_request_is_lost_by_nginx_only(container: Container, by: str) -> None:
    """What was cut on its way is not seen, under the name that the gateway's log has it by."""
    struck, over = threading.Event(), threading.Event()
    samples: list[Sample] = []

    def behave(request: Request) -> bool:
        if struck.is_set() or len(samples) < ENOUGH:
            return request.answer(GOOD)
        struck.set()
        if by == "nginx":
            return False
        for shell in list(container.started):
            shell.end_input()
        return True  # no answer comes, and nobody hangs up here

    def take(sample: Sample) -> None:
        samples.append(sample)
        if sample.lost is not None:
            over.set()

    with serving(behave) as server:
        passage = Passage(cast("Inside", container), "shop-gateway", server.address.port)
        with closing(passage):
            read = WitnessRequest(path="/")
            witness = Witness(passage.address, [read], 5, take, cut=passage.cut)
            witness.start()
            assert over.wait(BOUND)
            figures = witness.stop()
        named = {name for request in server.requests if (name := find_name(request.head))}
    unseen = [sample for sample in samples if sample.unseen]
    assert figures.failure is None
    assert (figures.unseen, figures.lost) == (len(unseen), len(losses(samples)) - len(unseen))
    assert figures.ok == len(samples) - len(losses(samples))
    assert (figures.lost > 0, figures.unseen > 0) == (by == "nginx", by == "the way")
    assert bool(figures.blind) == (by == "the way")
    assert figures.closed_early == 0
    if by == "the way":
        assert named & {sample.unseen for sample in unseen}


def losses(samples: list[Sample]) -> list[Sample]:
    """Return those that got no answer."""
    return [sample for sample in samples if sample.lost is not None]


def find_name(head: str) -> str:
    """Return what a request calls itself."""
    found = re.search(r"^X-Request-ID: ([\w-]{8,64})\r?$", head, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""
