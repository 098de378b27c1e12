"""Clients that hold a connection for long: WebSockets, and an upload that takes its time."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any, Self

import websockets
from websockets.asyncio.client import connect


class Listeners:
    """Users with an open WebSocket each, who say something every now and then."""

    def __init__(self, port: int, number: int) -> None:
        self._address = f"ws://127.0.0.1:{port}/socket"
        self._number = number
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.answered = 0
        self.closed = 0  # by the other side

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30), "not all could connect"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        users = [await connect(self._address, compression=None) for _ in range(self._number)]
        self._ready.set()
        await asyncio.gather(*(self._talk(user) for user in users))

    async def _talk(self, user: Any) -> None:
        try:
            while not self._over.is_set():
                await user.send("hello")
                assert await user.recv() == "hello"
                self.answered += 1
                try:
                    await asyncio.wait_for(self._over.wait(), 1)
                except TimeoutError:
                    continue
            await user.close()
        except websockets.ConnectionClosed:
            self.closed += 1


class Upload(threading.Thread):
    """A POST whose body takes `seconds` to be sent."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._pieces = max(1, round(seconds / 0.5))
        self._pause = threading.Event()
        self.status = 0
        self.version = ""

    def run(self) -> None:
        """Send it, and read the answer."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {self._pieces * 1000}\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            for _ in range(self._pieces):
                connection.sendall(bytes(1000))
                self._pause.wait(0.5)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head_line, _, body = answer.partition(b"\r\n\r\n")
        self.status = int(head_line.split()[1])
        self.version = json.loads(body)["version"] if self.status == 200 else ""
