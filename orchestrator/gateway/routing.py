"""Who gets which traffic: the part of the NGINX config that a release changes.

It is written into the config as its first lines and answered by the admin listener, so what NGINX
serves can always be read back from NGINX itself. There is no state file that could disagree.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, get_args

from orchestrator.stack.model import VERSION, Color

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARK = "# stackctl "
RELEASE = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,230}"  # with a word behind it the name of a folder
IDENTITY = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,240}"
MOST_REPLICAS = 50
LONGEST_PIECE = 3000  # NGINX reads no comment and no word of 4 KiB or more
Step = Literal["staged", "promoted", "settled"]
EARLIER_STEPS = ("boot", "stage", "promote", "retire", "converge", "recover")  # of stackctl 0.1


@dataclass(frozen=True)
class Target:
    """One color of a service as the gateway knows it."""

    color: Color
    version: str
    replicas: int
    release: str  # the release that listed it: makes its shared-memory zone a new one


@dataclass(frozen=True)
class Lane:
    """The colors of one service by what users get of them, and so how far a switch is."""

    active: Target | None = None  # users get it
    candidate: Target | None = None  # on its way in: only a preview reaches it
    outgoing: Target | None = None  # was active until the promote; answers its last requests
    kept: Target | None = None  # for a rollback; NGINX knows it no more

    @property
    def step(self) -> Step:
        """How far a switch is; `settled` where there is none."""
        if self.candidate is not None:
            return "staged"
        return "settled" if self.outgoing is None else "promoted"

    @property
    def listed(self) -> tuple[Target, ...]:
        """The colors that NGINX must be able to reach."""
        return tuple(one for one in (self.active, self.candidate, self.outgoing) if one)

    @property
    def previewed(self) -> Target | None:
        """The color that only a preview reaches: what comes, or what has just gone."""
        return self.candidate or self.outgoing

    def stage(self, candidate: Target) -> Lane:
        """Return the lane with a candidate in it."""
        return Lane(self.active, candidate=candidate, kept=self.kept)

    def promote(self) -> Lane:
        """Return the lane after the switch: users get the candidate."""
        return Lane(self.candidate, outgoing=self.active)

    def retire(self) -> Lane:
        """Return the lane once nobody is served by the outgoing color any more."""
        return Lane(self.active, kept=self.outgoing or self.kept)

    def abandon(self) -> Lane:
        """Return the lane without the candidate."""
        return replace(self, candidate=None)

    def go_back(self) -> Lane:
        """Return the lane from before the switch."""
        return Lane(self.outgoing)


@dataclass(frozen=True)
class Routing:
    """The lanes of all services, and what the admin listener answers while NGINX serves them."""

    id: str
    lanes: Mapping[str, Lane] = field(default_factory=dict)

    def lane(self, service: str) -> Lane:
        """Return a service's lane; an unknown service has an empty one."""
        return self.lanes.get(service, Lane())

    def with_lane(self, identity: str, service: str, lane: Lane) -> Routing:
        """Return the routing with one lane replaced."""
        return Routing(identity, {**self.lanes, service: lane})

    def to_json(self) -> str:
        """Return the routing in one line."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def to_pieces(self) -> list[str]:
        """Return the same line in pieces that NGINX can read."""
        line = self.to_json()
        return [line[at : at + LONGEST_PIECE] for at in range(0, len(line), LONGEST_PIECE)]


def parse_routing(text: str) -> Routing | None:
    """Read a routing back from its JSON; None where it is not one of ours.

    What it says goes into the next config, so it is held to what stack.yaml could have said.
    """
    try:
        raw = json.loads(text)
        read = _read_earlier_lane(raw["step"]) if "step" in raw else _read_lane
        identity = f"{raw['release']}.{raw['step']}" if "step" in raw else raw["id"]
        lanes = {str(name): read(lane) for name, lane in raw["lanes"].items()}
        return Routing(_to_word(identity, IDENTITY), lanes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def parse_config(text: str) -> Routing | None:
    """Read the routing from the first lines of a rendered config."""
    marked = takewhile(lambda line: line.startswith(MARK), text.splitlines())
    return parse_routing("".join(line.removeprefix(MARK) for line in marked))


def _read_lane(raw: Mapping[str, Any]) -> Lane:
    active, candidate, outgoing, kept = (
        _to_target(raw[name]) for name in ("active", "candidate", "outgoing", "kept")
    )
    if active and active.color in {one.color for one in (candidate, outgoing, kept) if one}:
        raise ValueError(active.color)
    if candidate and outgoing:
        raise ValueError(outgoing)
    return Lane(active, candidate, outgoing, kept)


def _read_earlier_lane(step: str) -> Callable[[Mapping[str, Any]], Lane]:
    """Return how a lane of stackctl 0.1 is read, which had one step for all services."""
    if step not in EARLIER_STEPS:
        raise ValueError(step)

    def read(raw: Mapping[str, Any]) -> Lane:
        beside = "outgoing" if step == "promote" else "candidate"
        empty = {"candidate": None, "outgoing": None}
        return _read_lane(
            {**empty, "active": raw["active"], "kept": raw.get("previous"), beside: raw["preview"]}
        )

    return read


def _to_target(raw: Mapping[str, object] | None) -> Target | None:
    if raw is None:
        return None
    color = raw["color"]
    if color not in get_args(Color):
        raise ValueError(color)
    replicas = raw["replicas"]
    if type(replicas) is not int or not 1 <= replicas <= MOST_REPLICAS:
        raise ValueError(replicas)
    return Target(
        "blue" if color == "blue" else "green",
        _to_word(raw["version"], VERSION),
        replicas,
        _to_word(raw["release"], RELEASE),
    )


def _to_word(value: object, form: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(form, value):
        raise ValueError(value)
    return value
