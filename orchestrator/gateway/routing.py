"""Who gets which traffic: the part of the NGINX config that a release changes.

It is written into the config as its first lines and answered by the admin listener, so what NGINX
serves can always be read back from NGINX itself. There is no state file that could disagree.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Literal, get_args

from orchestrator.stack.model import VERSION, Color

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "# stackctl "
RELEASE = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,230}"  # with a step behind it the name of a folder
MOST_REPLICAS = 50
LONGEST_PIECE = 3000  # NGINX reads no comment and no word of 4 KiB or more
Step = Literal["boot", "stage", "promote", "retire", "converge", "recover"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class Target:
    """One color of a service as the gateway knows it."""

    color: Color
    version: str
    replicas: int
    release: str  # the release that listed it: makes its shared-memory zone a new one


@dataclass(frozen=True)
class Lane:
    """The colors of one service: the one that users get, the one that only a preview reaches, and
    the one that is kept for a rollback: NGINX knows it no more, but what else has its color is none.
    """

    active: Target | None = None
    preview: Target | None = None
    previous: Target | None = None


@dataclass(frozen=True)
class Routing:
    """All lanes, and which release in which step made them so."""

    release: str
    step: Step
    lanes: Mapping[str, Lane] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the admin listener answers while this is what NGINX serves."""
        return f"{self.release}.{self.step}"

    def lane(self, service: str) -> Lane:
        """Return a service's lane; an unknown service has an empty one."""
        return self.lanes.get(service, Lane())

    def with_lane(self, release: str, step: Step, service: str, lane: Lane) -> Routing:
        """Return the routing with one lane replaced."""
        return Routing(release, step, {**self.lanes, service: lane})

    def stamped(self, release: str, step: Step) -> Routing:
        """Return the same lanes as the work of another release."""
        return replace(self, release=release, step=step)

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
        lanes = {
            str(name): _to_lane(
                _to_target(lane["active"]),
                _to_target(lane["preview"]),
                _to_target(lane.get("previous")),  # a config of an older stackctl has none
            )
            for name, lane in raw["lanes"].items()
        }
        step: Step = raw["step"]
        return Routing(_to_word(raw["release"], RELEASE), step, lanes) if step in STEPS else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def parse_config(text: str) -> Routing | None:
    """Read the routing from the first lines of a rendered config."""
    marked = takewhile(lambda line: line.startswith(MARK), text.splitlines())
    return parse_routing("".join(line.removeprefix(MARK) for line in marked))


def _to_lane(active: Target | None, preview: Target | None, previous: Target | None) -> Lane:
    if active and active.color in {other.color for other in (preview, previous) if other}:
        raise ValueError(active.color)
    return Lane(active, preview, previous)


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
