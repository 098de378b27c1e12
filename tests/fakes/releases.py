"""Releases as they leave their evidence, without the stack that they were of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.events import (
    Ended,
    Event,
    Failed,
    Moved,
    PhaseBegan,
    PhaseEnded,
    Planned,
    Probed,
    Started,
    Testified,
)
from orchestrator.evidence.closing import close_record
from orchestrator.evidence.notes import Note
from orchestrator.evidence.record import Record
from orchestrator.evidence.samples import Sample
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DIFF = "--- nginx.before.conf\n+++ nginx.after.conf\n@@ -1 +1 @@\n-to v1;\n+to v2;\n"
TEXTS = {"nginx.before.conf": "to v1;\n", "nginx.after.conf": "to v2;\n", "nginx.diff": DIFF}


class Releases:
    """A folder in which releases leave their evidence, one a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "reports" / "releases"
        self.clock = FakeClock()

    def leave(  # noqa: PLR0913  all that a release may leave
        self,
        version: str = "v2",
        *,
        lost: Sequence[int] = (),
        unseen: Sequence[int] = (),
        refused: Sequence[int] = (),
        key: bytes | None = None,
        more: Sequence[Event] = (),
        traffic: Mapping[str, object] | None = None,
        texts: Mapping[str, str] = TEXTS,
        notes: Sequence[Note] = (),
    ) -> Path:
        """Release a version of `web` before which v1 served; the `lost` requests fail.

        The `unseen` ones are cut on their way, named `unseen-7` and so on; the `refused` ones came by HTTP/2. The times of `notes` are seconds from the start.
        """
        self.clock.sleep(60)
        record = Record.begin(self.folder, "web", version, self.clock, key)
        record.emit(Started(record.release, "deploy", "web", version, "ann", "box", ""))
        record.emit(Planned("green", ("web-green-1",), f"web:{version}", "sha256:1", "v1", False))  # noqa: FBT003
        for attempt, healthy in enumerate((False, False, True), start=1):
            record.emit(Probed("web-green-1", attempt, healthy, 200, 2.5, ""))
        for number in range(40):
            sample = self._sample(number, version, number in {*lost, *unseen, *refused})
            named = f"unseen-{number}" if number in unseen else ""
            if number in refused:
                sample = replace(sample, client="http2", refused=True)
            record.sample(replace(sample, unseen=named))
        for note in notes:
            record.note(replace(note, at=self.clock.now().timestamp() + note.at))
        for phase in ("start", "promote", "confirm", "drain"):
            record.emit(PhaseBegan(phase))
            self.clock.sleep(2)
            record.emit(PhaseEnded(phase, 2.0))
            if phase == "confirm":
                name = f"{record.release}.promote"
                record.emit(Moved(name, "promoted", version, "green", 100))
        for event in more:
            record.emit(event)
        outcome = "reverted" if any(isinstance(event, Failed) for event in more) else "deployed"
        record.emit(Testified(0, None))
        record.emit(Ended(outcome, 8.0))
        assert close_record(record, texts, traffic, key, self.clock) == []
        return record.folder

    def leave_killed(self, key: bytes | None = None, lost: Sequence[int] = ()) -> Path:
        """Begin a release that is never heard of again once its witness has sent 40 requests."""
        self.clock.sleep(60)
        record = Record.begin(self.folder, "web", "v9", self.clock, key)
        record.emit(Started(record.release, "deploy", "web", "v9", "ann", "box", ""))
        for number in range(40):
            record.sample(self._sample(number, "v9", number in lost))
        for phase in ("promote", "confirm"):
            record.emit(PhaseBegan(phase))
        record.close()
        return record.folder

    def _sample(self, number: int, version: str, lost: bool) -> Sample:  # noqa: FBT001
        return Sample(
            at=self.clock.now().timestamp() + number / 5,
            client="slow" if number % 10 == 0 else "fresh",
            request="GET /",
            idle=0.0,
            ms=5.0 + number,
            status=None if lost else 200,
            served="" if lost else f"web_blue/{'v1' if number < 30 else version}",
            lost="connection closed" if lost else None,
        )


def tamper(path: Path, old: str, new: str) -> None:
    """Change a file as somebody would who has something to hide."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


HOSTILE: dict[str, Any] = {
    "script": "<script>document.title='owned'</script>",
    "end": "</script><script>document.title='owned'</script>",
    "attribute": '"><img src=x onerror="document.title=\'owned\'">',
    "template": "{{ 7 * 7 }}{% for a in b %}",
    "table": "a | b\n| c `d` ``` [e](javascript:f)",
}
NOTES = (
    Note(0.0, "promised", text="v2"),
    Note(0.1, "opened", "websocket", "/live", text="web_blue/v1"),
    Note(0.2, "closed", "keepalive", "POST /", 0.15, "while idle, before its time"),
    Note(2.5, "answered", text="v2"),
    Note(2.6, "left", "websocket", "/live", 2.5, "it was still open"),
)
