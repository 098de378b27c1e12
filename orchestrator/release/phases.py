"""The phases of a release, and what a failure in each of them leads to.

Before users can reach the candidate, undoing is removing it. While the pointer moves, the previous
config comes back first. Once the new config is confirmed there is only forward: the candidate is
then the healthy copy, and the last healthy copy is never touched.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The steps of a release, in their order."""

    BUILD = "build"
    PLAN = "plan"
    MIGRATE = "migrate"
    START = "start"
    GATE = "gate"
    STAGE = "stage"
    PROMOTE = "promote"
    CONFIRM = "confirm"
    DRAIN = "drain"
    RETIRE = "retire"


class Undo(StrEnum):
    """What a failure in a phase leads to."""

    NOTHING = "nothing was changed"
    REMOVE = "the candidate was removed"
    RESTORE = "the previous config was restored and the candidate removed"
    FORWARD = "the new version serves; what was left over is a warning"


UNDO: dict[Phase, Undo] = {
    Phase.BUILD: Undo.NOTHING,
    Phase.PLAN: Undo.NOTHING,
    Phase.MIGRATE: Undo.REMOVE,
    Phase.START: Undo.REMOVE,
    Phase.GATE: Undo.REMOVE,
    Phase.STAGE: Undo.RESTORE,
    Phase.PROMOTE: Undo.RESTORE,
    Phase.CONFIRM: Undo.RESTORE,
    Phase.DRAIN: Undo.FORWARD,
    Phase.RETIRE: Undo.FORWARD,
}
