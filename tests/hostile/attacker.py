"""An attack on the gateway, from a container beside it: NAME, host, port, seconds and a target.

It runs in a container with nothing but Python and the modules here that it imports, and prints what it was given as one JSON object.
"""

from __future__ import annotations

import json
import resource
import socket
import ssl
import sys
import threading
import time
import uuid
from collections import Counter
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from tests.hostile import secure

if TYPE_CHECKING:
    from collections.abc import Callable

OPENERS = 4  # threads that connect
PATIENCE = 5  # seconds for one step of one connection
DRIP_EVERY = 8.0  # seconds between two bytes of somebody who means to stay
BOUNDARY = "b"
PART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
).encode()
PASSWORD = uuid.uuid4().hex


class Attack:
    """One hostile client, which has one address, a door and so many seconds."""

    def __init__(self, door: tuple[str, int], seconds: float, target: str) -> None:
        self.door = door
        self.target = target
        self.got: Counter[str] = Counter()
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._never = threading.Event()
        self._open: list[socket.socket] = []

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self._end - time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the time is over."""
        self._never.wait(max(0.0, min(seconds, self.left)))

    def note(self, what: str) -> None:
        """Count something that was seen."""
        with self._lock:
            self.got[what] += 1

    def hold(
        self,
        number: int,
        request: bytes,
        *,
        drip: bytes = b"",
        connect: Callable[[], socket.socket] | None = None,
    ) -> None:
        """Open so many connections that send a request, and stay until the time is over."""
        each = (number // OPENERS, request, connect)
        threads = [threading.Thread(target=self.open_some, args=each) for _ in range(OPENERS)]
        run_all(threads)
        while self.left > 0:
            self.wait(DRIP_EVERY)
            for wire in self._open if drip else ():
                try:
                    wire.send(drip)
                except OSError:
                    self.note("dropped later")
        for wire in self._open:
            self.note("open at the end" if is_open(wire) else "closed at the end")
            wire.close()

    def open_some(
        self, number: int, request: bytes, connect: Callable[[], socket.socket] | None = None
    ) -> None:
        """Open so many connections one after the other, each with this request."""
        for _ in range(number):
            if self.left <= 0:
                return
            try:
                wire = connect() if connect else self.connect()
                wire.sendall(request)
                self.note("sent")
            except OSError:
                self.note("refused")
                continue
            with self._lock:
                self._open.append(wire)

    def connect(self, *, reads: bool = True) -> socket.socket:
        """Connect, as somebody who reads or not. Raises OSError."""
        wire = socket.socket()
        wire.settimeout(PATIENCE)
        if not reads:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(self.door)
        return wire

    def press(self, threads: int, send: Callable[[HTTPConnection], int]) -> None:
        """Send requests as fast as they are answered, over so many connections."""

        def work() -> None:
            wire = HTTPConnection(*self.door, timeout=PATIENCE)
            while self.left > 0:
                try:
                    self.note(str(send(wire)))
                except (OSError, HTTPException):
                    self.note("no answer")
                    wire.close()
            wire.close()

        run_all([threading.Thread(target=work) for _ in range(threads)])

    def sign_up(self) -> str:
        """Register and log in; returns the token."""
        account = {"email": f"{uuid.uuid4().hex}@example.test", "password": PASSWORD}
        wire = HTTPConnection(*self.door, timeout=30)
        while self.left > 0:
            status, _ = ask(wire, "POST", "/auth/register", account)
            if status == 201:
                break
            self.wait(0.3)
        while self.left > 0:
            status, body = ask(wire, "POST", "/auth/login", account)
            if status == 200:
                return str(json.loads(body)["access_token"])
            self.wait(0.3)
        return ""


def run_all(threads: list[threading.Thread]) -> None:
    """Run threads to their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def is_open(wire: socket.socket) -> bool:
    """Tell whether the other side still holds a connection; what it has said is thrown away."""
    wire.settimeout(0)
    try:
        while wire.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def ask(
    wire: HTTPConnection, method: str, path: str, document: object, **headers: str
) -> tuple[int, bytes]:
    """Send a JSON document and return the status and the body."""
    kind = {"Content-Type": "application/json", **headers}
    wire.request(method, path, json.dumps(document).encode(), kind)
    answer = wire.getresponse()
    return answer.status, answer.read()


def get(path: str, *headers: str) -> bytes:
    """Return a GET as it is sent."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def heads(attack: Attack) -> None:
    """Heads of requests that never end, each as large as it may be."""
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 7900) for n in range(4))
    attack.hold(9000, b"GET /notes/ HTTP/1.1\r\nHost: x\r\n" + lines + b"X-Last: ")


def readers(attack: Attack) -> None:
    """Clients that ask for a large file and read nothing of it."""
    attack.hold(40, get(attack.target), connect=lambda: attack.connect(reads=False))


def streams(attack: Attack) -> None:
    """Event streams that are opened and kept."""
    attack.hold(600, get("/notes/events"))


def sockets(attack: Attack) -> None:
    """WebSockets that are opened and kept."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    attack.hold(600, get("/notes/live", *upgrade, key))


def bodies(attack: Attack) -> None:
    """Bodies that lack their last byte, for a route that reads them whole."""
    size = 1_000_000
    head = f"POST /notes/ HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    attack.hold(400, head + b"a" * (size - 1))


def uploads(attack: Attack) -> None:
    """Uploads of many accounts that send a byte now and then, and hold their turns."""
    for _ in range(8):
        head = (
            "POST /assets/ HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {attack.sign_up()}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            "Content-Length: 1000000\r\n\r\n"
        ).encode()
        attack.open_some(8, head + PART + b"x")
    attack.hold(0, b"", drip=b"y")


def fill(attack: Attack) -> None:
    """One account that stores files until it is refused."""
    token = attack.sign_up()
    body = PART + bytes(32 * 2**20) + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }

    def send(wire: HTTPConnection) -> int:
        wire.request("POST", "/assets/", body, headers)
        answer = wire.getresponse()
        answer.read()
        return answer.status

    attack.press(2, send)


def searches(attack: Attack) -> None:
    """Searches as fast as they are answered."""
    attack.press(16, lambda wire: ask(wire, "POST", "/notes/search", {"text": "a"})[0])


def logins(attack: Attack) -> None:
    """Wrong passwords for somebody else's account."""
    account = {"email": attack.target, "password": "wrong-password-of-a-stranger"}
    attack.press(2, lambda wire: ask(wire, "POST", "/auth/login", account)[0])


ATTACKS = (heads, readers, streams, sockets, bodies, uploads, fill, searches, logins)


def main(name: str, host: str, port: str, seconds: str, target: str) -> None:
    """Do one attack, and tell what came of it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = Attack((host, int(port)), float(seconds), target)
    {each.__name__: each for each in (*ATTACKS, *secure.ATTACKS)}[name](attack)
    print(json.dumps(attack.got))


if __name__ == "__main__":
    main(*sys.argv[1:])
