"""The phases of a release, and what a failure in each of them leads to.

Before users can reach the candidate, undoing is removing it. While the link moves, it goes back
first. Once it is confirmed that users get the candidate, there is only forward: the candidate is
then the healthy copy, and the last healthy copy is never touched.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The steps of a release, in their order."""

    BUILD = "build"
    PLAN = "plan"
    CONFIGURE = "configure"
    MIGRATE = "migrate"
    START = "start"
    GATE = "gate"
    PREVIEW = "preview"
    PROMOTE = "promote"
    CONFIRM = "confirm"
    DRAIN = "drain"
    RETIRE = "retire"


class Undo(StrEnum):
    """What a failure in a phase leads to."""

    NOTHING = "nothing was changed"
    REMOVE = "the candidate was removed"
    RESTORE = "users got the previous version back and the candidate was removed"
    FORWARD = "the new version serves; what was left over is a warning"


UNDO: dict[Phase, Undo] = {
    Phase.BUILD: Undo.NOTHING,
    Phase.PLAN: Undo.NOTHING,
    Phase.CONFIGURE: Undo.NOTHING,
    Phase.MIGRATE: Undo.REMOVE,
    Phase.START: Undo.REMOVE,
    Phase.GATE: Undo.REMOVE,
    Phase.PREVIEW: Undo.REMOVE,
    Phase.PROMOTE: Undo.RESTORE,
    Phase.CONFIRM: Undo.RESTORE,
    Phase.DRAIN: Undo.FORWARD,
    Phase.RETIRE: Undo.FORWARD,
}
