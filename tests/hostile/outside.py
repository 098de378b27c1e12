"""Somebody outside of the host: a network namespace with an address of its own, and a firewall between."""

from __future__ import annotations

import re
import secrets
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RULE = re.compile(r"^ *iptables -I (DOCKER-USER .+)$", re.MULTILINE)


class Outside(NamedTuple):
    """A namespace, and the host's address as it is seen from there."""

    namespace: str
    host: str

    def within(self, *command: str) -> list[str]:
        """Return a command as it runs in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *command]


@contextmanager
def going_outside() -> Iterator[Outside]:
    """Make a namespace that reaches the host by a link of its own; needs root."""
    name = f"hostile{secrets.token_hex(3)}"
    near, far = f"{name[-9:]}h", f"{name[-9:]}n"
    third = secrets.randbelow(250) + 1
    outside = Outside(name, f"10.213.{third}.1")
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _run("ip", "address", "add", f"{outside.host}/24", "dev", near)
        _run("ip", "link", "set", near, "up")
        _run(*outside.within("ip", "address", "add", f"10.213.{third}.2/24", "dev", far))
        _run(*outside.within("ip", "link", "set", far, "up"))
        yield outside
    finally:
        _run("ip", "netns", "delete", name)  # and with it the link


@contextmanager
def enforcing(rule: Sequence[str]) -> Iterator[None]:
    """Have the firewall of the host enforce a rule: the words behind `iptables -I`."""
    _run("iptables", "-I", *rule)
    try:
        yield
    finally:
        _run("iptables", "-D", *rule)


def read_rule(page: Path) -> list[str]:
    """Return the rule that a page tells its readers to set. Raises ValueError where there is none."""
    found = RULE.search(page.read_text())
    if not found:
        raise ValueError(f"no rule of iptables in {page.name}")
    return found[1].split()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
