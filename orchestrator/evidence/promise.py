"""What a release promises of its switch: once its version has answered, no other does. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Promise:
    """Times are monotonic, in seconds."""

    version: str
    kept_since: float | None = None  # when its first answer had arrived

    def begins(self, version: str, now: float) -> bool:
        """Return whether this answer, of `version`, is the first of the promised one."""
        if version != self.version or self.kept_since is not None:
            return False
        self.kept_since = now
        return True

    def is_broken(self, version: str, decided: float) -> bool:
        """Return whether another version has answered a request that it should not have got.

        Who gets a request is decided once its head is there; the head was complete after `decided`.
        """
        if not version or version == self.version or self.kept_since is None:
            return False
        return decided > self.kept_since


def name_version(served: str, versions: Mapping[str, str]) -> str:
    """Return `<upstream>/<version>`, also where the gateway said no more than the upstream."""
    version = versions.get(served)
    return f"{served}/{version}" if version else served


def find_version(served: str, versions: Mapping[str, str]) -> str:
    """Return which version answered; empty where it was that of another service."""
    upstream, _, version = served.partition("/")
    return version if upstream in versions or not versions else ""
