"""What happens during a release, as typed values: one stream for the console and the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from orchestrator.whereabouts import Whereabouts


@dataclass(frozen=True)
class Event:
    """Something that happened. Whoever records it stamps it with the time."""

    kind: ClassVar[str]

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Begun(Event):
    """The record of a release was begun: what all of its lines follow on."""

    kind = "begun"
    release: str
    host: str
    nonce: str  # no two releases have the same lines
    chained: str  # by what: `hmac-sha256` with the key of the evidence, `sha256` without one


@dataclass(frozen=True)
class Adopted(Event):
    """A later command closes the record of a release that died."""

    kind = "adopted"
    doubt: str | None  # why it is not signed, although there is a key


@dataclass(frozen=True)
class Started(Event):
    """A release began."""

    kind = "started"
    release: str
    command: str
    service: str
    version: str
    operator: str
    host: str
    ci: str
    stackctl: str = ""  # its version
    engine: Whereabouts | None = None  # earlier ones do not say it


@dataclass(frozen=True)
class Planned(Event):
    """What the release will do is decided."""

    kind = "planned"
    color: str
    replicas: tuple[str, ...]
    image: str
    digest: str
    previous: str | None  # version
    unchanged: bool
    worker: bool = False  # it has no users whom a witness could speak for
    outgoing: int = 0  # replicas of the previous version
    registry: str = (
        ""  # what the image is called where it was pushed or pulled, by its digest there
    )


@dataclass(frozen=True)
class PhaseBegan(Event):
    """A phase of the release began."""

    kind = "phase"
    phase: str


@dataclass(frozen=True)
class PhaseEnded(Event):
    """A phase of the release ended well."""

    kind = "phase_done"
    phase: str
    seconds: float


@dataclass(frozen=True)
class Progress(Event):
    """A line of a tool at work, such as an image build."""

    kind = "progress"
    text: str


@dataclass(frozen=True)
class Waiting(Event):
    """Something is waited for. Only who looks on is told, no record."""

    kind = "waiting"
    what: str
    within: float | None = None  # seconds that it takes at most


@dataclass(frozen=True)
class Noticed(Event):
    """What was seen last of what is waited for. Only who looks on is told, no record."""

    kind = "noticed"
    text: str


@dataclass(frozen=True)
class BackedUp(Event):
    """What an accessory holds was kept, before a migration."""

    kind = "backup"
    accessory: str
    file: str  # relative to stack.yaml's folder
    size: int  # bytes
    seconds: float


@dataclass(frozen=True)
class AssetsStored(Event):
    """The gateway has the candidate's assets."""

    kind = "assets"
    files: int
    size: int  # bytes
    copied: bool  # or they were there
    others: tuple[str, ...]  # versions whose assets it has beside them
    total: int  # bytes of all


@dataclass(frozen=True)
class ReplicaStarted(Event):
    """A container of the candidate runs."""

    kind = "replica"
    name: str
    container: str


@dataclass(frozen=True)
class Probed(Event):
    """A replica was asked for its health."""

    kind = "probe"
    replica: str
    attempt: int
    healthy: bool
    status: int | None
    ms: float
    detail: str


@dataclass(frozen=True)
class Switched(Event):
    """NGINX was proven to serve a config."""

    kind = "switched"
    config: str
    sha256: str


@dataclass(frozen=True)
class Moved(Event):
    """A link was moved: another lane decides who gets the traffic."""

    kind = "moved"
    move: str
    step: str  # staged, promoted or settled
    active: str | None  # version
    color: str | None  # of the active version
    green: int  # percent of the clients that get green


@dataclass(frozen=True)
class Closed(Event):
    """Users of the service are told to come back from now on, until an `idle` event ends that."""

    kind = "closed"


@dataclass(frozen=True)
class Idle(Event):
    """Nobody worked for a while: one color had to end before the other one started."""

    kind = "idle"
    seconds: float
    closed: bool = False  # users were told to come back


@dataclass(frozen=True)
class DrainEnded(Event):
    """The old color has answered all, or its time ran out."""

    kind = "drained"
    seconds: float
    cut: int  # connections to it that were still open


@dataclass(frozen=True)
class Warned(Event):
    """Something went wrong that users did not notice and that stops nothing."""

    kind = "warning"
    text: str


@dataclass(frozen=True)
class Unanswered(Event):
    """The engine was asked for something and says nothing; told again and again, until it does."""

    kind = "unanswered"
    doing: str
    seconds: float
    over: bool  # it has answered now, or the call was given up

    @property
    def text(self) -> str:
        """Return it in words."""
        if self.over:
            return f"the engine was silent for {self.seconds:.0f} s ({self.doing})"
        return f"the engine has not answered for {self.seconds:.0f} s ({self.doing})"


@dataclass(frozen=True)
class Failed(Event):
    """The release could not go on."""

    kind = "failed"
    phase: str
    reason: str
    hint: str | None
    logs: str = ""


@dataclass(frozen=True)
class Undone(Event):
    """What the failed release had changed was put back."""

    kind = "undone"
    text: str


@dataclass(frozen=True)
class Recovered(Event):
    """What a release that died had left was put right."""

    kind = "recovered"
    text: str


@dataclass(frozen=True)
class Testified(Event):
    """The witness has stopped; its requests stand in a file of their own."""

    kind = "testified"
    closed_early: int
    failure: str | None


@dataclass(frozen=True)
class Traced(Event):
    """The gateway's log knows what became of requests whose answers the witness could not see."""

    kind = "traced"
    answers: Mapping[str, tuple[int, str]]  # by the name of each: the status, and who was to answer


@dataclass(frozen=True)
class Ended(Event):
    """The release is over."""

    kind = "ended"
    outcome: str
    seconds: float


Emit = Callable[[Event], None]
