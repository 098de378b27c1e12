"""Who gets a service's traffic: the colors of one service, and how far a switch is.

A lane is written beside the link that NGINX looks at with each request, and moved together with it.
So what is served can always be read back from where NGINX reads it: no state could disagree.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from orchestrator.stack.forms import VERSION
from orchestrator.stack.model import Color

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASE = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,230}"  # with a word behind it the name of a folder
CONFIG = r"[0-9a-f]{0,64}"
MOST_REPLICAS = 50
ALL = 100  # percent of clients
Step = Literal["staged", "promoted", "settled"]


@dataclass(frozen=True)
class Target:
    """One color of a service as a release has left it."""

    color: Color
    version: str
    replicas: int
    release: str
    before: str | None = (
        None  # of a version released again: the one before it, or ""; None: not again
    )
    declared: int | None = None  # replicas by stack.yaml, where `scale` has set another number


@dataclass(frozen=True)
class Lane:
    """The colors of one service by what users get of them."""

    active: Target | None = None  # users get it
    candidate: Target | None = None  # on its way in; gets `share` percent of the clients
    outgoing: Target | None = None  # was active until the promote; answers its last requests
    kept: Target | None = None  # for a rollback
    share: int = 0
    config: str = ""  # id of the config that the move relied on: it lists all these colors
    closed: bool = False  # nobody gets in: the active color gives way to the candidate
    paused: bool = False  # users are told to come back, until somebody resumes the service

    @property
    def step(self) -> Step:
        """How far a switch is; `settled` where there is none."""
        if self.candidate is not None:
            return "staged"
        return "settled" if self.outgoing is None else "promoted"

    @property
    def green(self) -> int:
        """Percent of the clients that get green; the others get blue."""
        share = self.share if self.candidate is not None else 0
        return share if self.active is None or self.active.color == "blue" else ALL - share

    def stage(self, candidate: Target) -> Lane:
        """Return the lane with a candidate that nobody gets yet.

        What is kept has the same color. It stays kept until the candidate is promoted.
        """
        return replace(self, candidate=candidate, outgoing=None, share=0)

    def promote(self) -> Lane:
        """Return the lane after the switch: all users get the candidate."""
        return self._with(self.candidate, outgoing=self.active)

    def retire(self) -> Lane:
        """Return the lane once nobody is served by the outgoing color any more."""
        again = self.active is not None and self.active.before is not None
        kept = None if again else self.outgoing or self.kept  # the same version is no way back
        return self._with(self.active, kept=kept)

    def abandon(self) -> Lane:
        """Return the lane without the candidate; what was kept, is kept."""
        return self._with(self.active, kept=self.kept)

    def go_back(self) -> Lane:
        """Return the lane from before the switch: what was active, is again."""
        return self._with(self.outgoing)

    def _with(
        self, active: Target | None, outgoing: Target | None = None, kept: Target | None = None
    ) -> Lane:
        """Return the lane with these colors and nobody on the way in; a pause goes on."""
        return Lane(active, None, outgoing, kept, config=self.config, paused=self.paused)

    def to_json(self) -> str:
        """Return the lane in one line without spaces."""
        said = {**asdict(self), "step": self.step}
        return json.dumps(said, sort_keys=True, separators=(",", ":"))


def parse_lane(text: str) -> Lane | None:
    """Read a lane back from its JSON; None where it is not one of ours.

    What it says decides who gets traffic, so it is held to what a release could have written.
    """
    try:
        return read_lane(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def read_lane(raw: Mapping[str, Any]) -> Lane:
    """Return the lane of a JSON object. Raises ValueError, KeyError, TypeError, AttributeError."""
    active, candidate, outgoing, kept = (
        _to_target(raw[name]) for name in ("active", "candidate", "outgoing", "kept")
    )
    if active is None or active.color in {one.color for one in (candidate, outgoing, kept) if one}:
        raise ValueError(active)
    share = raw["share"]
    if (candidate and outgoing) or type(share) is not int or not 0 <= share <= ALL:
        raise ValueError(raw)
    closed = raw.get("closed", False)  # earlier lanes do not say it
    if type(closed) is not bool or (closed and candidate is None):
        raise ValueError(raw)
    paused = raw.get("paused", False)
    if type(paused) is not bool:
        raise ValueError(raw)
    config = to_word(raw["config"], CONFIG)
    return Lane(active, candidate, outgoing, kept, share, config, closed, paused)


def _to_target(raw: Mapping[str, object] | None) -> Target | None:
    if raw is None:
        return None
    color = raw["color"]
    if color not in get_args(Color):
        raise ValueError(color)
    before, declared = raw.get("before"), raw.get("declared")  # earlier lanes do not say them
    return Target(
        "blue" if color == "blue" else "green",
        to_word(raw["version"], VERSION),
        _to_count(raw["replicas"]),
        to_word(raw["release"], RELEASE),
        None if before is None else to_word(before, f"(?:{VERSION})?"),
        None if declared is None else _to_count(declared),
    )


def _to_count(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST_REPLICAS:
        raise ValueError(value)
    return value


def to_word(value: object, form: str) -> str:
    """Return text of a form. Raises ValueError where it has another."""
    if not isinstance(value, str) or not re.fullmatch(form, value):
        raise ValueError(value)
    return value
