"""Which engine is meant, in one form for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Whereabouts:
    """Where an engine is, who has named it, and what it says of itself; empty where nobody says it."""

    at: str = ""  # its address as it may be shown: without a password
    named_by: str = ""  # such as "DOCKER_HOST" or "context `prod`"; empty: nobody has named one
    name: str = ""  # of its machine
    version: str = ""  # such as 29.1.2

    @property
    def told(self) -> str:
        """Return it in words that fit into a line."""
        by = f" ({self.named_by})" if self.named_by else ""
        edition = f", Docker {self.version}" if self.version else ""
        return f"{self.name or 'an engine'} at {self.at}{by}{edition}"


def read_whereabouts(found: object) -> Whereabouts | None:
    """Return what evidence says of the engine; None where it says nothing, as earlier one does."""
    if not isinstance(found, Mapping) or not found.get("at"):
        return None
    return Whereabouts(**{one.name: str(found.get(one.name) or "") for one in fields(Whereabouts)})
