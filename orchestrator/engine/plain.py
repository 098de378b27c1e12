"""A TLS connection as a plain socket.

Two threads may use a socket at once, one to read and one to write, and one direction of it may end
before the other. Of Python's TLS sockets neither is true: a `shutdown` of one direction takes the
encryption away, and two threads may break it. So one thread has the TLS socket to itself, and hands out
one end of a pair of sockets.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from contextlib import suppress

MOST = 65_536  # bytes that are taken at once
GONE = select.POLLHUP | select.POLLERR


def to_plain(opened: socket.socket) -> socket.socket:
    """Return a socket that may be used by two threads; a TLS socket is given away by that."""
    if not isinstance(opened, ssl.SSLSocket):
        return opened
    ours, theirs = socket.socketpair()
    threading.Thread(target=_Carrier(opened, ours).run, name="tls", daemon=True).start()
    return theirs


class _Carrier:
    """Carries bytes both ways until both have ended, or the user of the socket is gone."""

    def __init__(self, secured: ssl.SSLSocket, plain: socket.socket) -> None:
        self._secured, self._plain = secured, plain
        self._sending = self._receiving = True  # which directions have not ended
        self._out, self._in = b"", b""  # what is on its way: to the other side, and to the user
        self._wanted = 0  # what TLS itself waits for, as a mask of `poll`

    def run(self) -> None:
        """Carry."""
        self._secured.settimeout(0)
        self._plain.settimeout(0)
        with self._secured, self._plain, suppress(OSError):  # whoever is gone takes nothing more
            while self._sending or self._receiving or self._out or self._in:
                self._wanted = 0
                moved = [self._receive(), self._hand_out(), self._take(), self._send()]
                if not any(moved) and self._wait():
                    return

    def _receive(self) -> bool:
        """Read from the other side; whether that led anywhere."""
        if not self._receiving or self._in:
            return False
        try:
            self._in = self._secured.recv(MOST)
        except ssl.SSLWantReadError:
            self._wanted |= select.POLLIN
            return False
        self._receiving = bool(self._in)
        if not self._receiving:
            self._plain.shutdown(socket.SHUT_WR)
        return True

    def _hand_out(self) -> bool:
        try:
            count = self._plain.send(self._in) if self._in else 0
        except BlockingIOError:
            return False
        self._in = self._in[count:]
        return count > 0

    def _take(self) -> bool:
        """Take what the user has to say, or that this was all."""
        if not self._sending or self._out:
            return False
        try:
            self._out = self._plain.recv(MOST)
        except BlockingIOError:
            return False
        self._sending = bool(self._out)
        if not self._sending:
            self._end()
        return True

    def _end(self) -> None:
        """Say that no more is sent, and go on reading.

        `unwrap` says it, and then reads: of what comes meanwhile it makes an error that ends all. So it
        gets another socket for that moment, from which nothing comes.
        """
        number = self._secured.fileno()
        ours, theirs = socket.socketpair()
        real = os.dup(number)
        with ours, theirs:
            ours.settimeout(0)
            os.dup2(ours.fileno(), number, inheritable=False)
            try:
                with suppress(ssl.SSLError):  # that the other side has not ended yet
                    self._secured.unwrap()
            finally:
                os.dup2(real, number, inheritable=False)
                os.close(real)
            theirs.settimeout(0)
            with suppress(BlockingIOError):
                farewell = theirs.recv(MOST)
                self._tell(farewell, number)

    def _tell(self, farewell: bytes, number: int) -> None:
        """Send what is encrypted already."""
        while farewell:
            try:
                farewell = farewell[os.write(number, farewell) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(number, select.POLLOUT)
                poll.poll()

    def _send(self) -> bool:
        try:
            count = self._secured.send(self._out) if self._out else 0
        except ssl.SSLWantWriteError:
            self._wanted |= select.POLLOUT
            return False
        self._out = self._out[count:]
        return count > 0

    def _wait(self) -> bool:
        """Wait until there is something to do; whether the user is gone."""
        poll = select.poll()
        poll.register(self._secured, self._wanted)
        wanted = select.POLLIN if self._sending and not self._out else 0
        wanted |= select.POLLOUT if self._in else 0
        # Once both directions of the pair have ended, it always looks as if the user were gone, and
        # what they said last may still be on its way.
        if wanted or self._receiving:
            poll.register(self._plain, wanted)
        seen = dict(poll.poll()).get(self._plain.fileno(), 0)
        return self._receiving and bool(seen & GONE) and not seen & select.POLLIN
