"""All that is told of a release, in one place. What cannot be told is a warning, never a failure."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.announce.github import write_outputs, write_summary
from orchestrator.announce.junit import to_junit
from orchestrator.announce.markers import annotate
from orchestrator.announce.metrics import to_metrics
from orchestrator.announce.target import write_target
from orchestrator.announce.webhook import send_message, to_message
from orchestrator.errors import StackctlError
from orchestrator.events import Warned
from orchestrator.evidence.archive import read_releases
from orchestrator.release.result import SLO_MISSED
from orchestrator.reports import read_own
from orchestrator.wording import tell_blind, tell_reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import httpx

    from orchestrator.release.house import House
    from orchestrator.release.result import Result


class Announcement:
    """A release that is over, and whoever may want to know of it.

    `everything` is what the command has released, in its order, where that was more than this one.
    """

    def __init__(
        self,
        house: House,
        result: Result,
        environment: Mapping[str, str],
        transport: httpx.BaseTransport | None = None,
        everything: Sequence[Result] = (),
    ) -> None:
        self._everything = _list_releases(everything or (result,))
        self._house = house
        self._result = result
        self._environment = environment
        self._transport = transport

    def tell(self, junit: Path | None = None) -> None:
        """Tell everybody: the CI system, the JUnit file, the metrics file, the webhook.

        Each release is told of, in the order in which they took place; in JUnit's file this one, and of a
        unit each of it.
        """
        for one in self._everything:
            self._annotate(one)
        self._try("the step's outputs", self._write_outputs)
        left = [one for one in self._everything if one.evidence is not None]
        if not left:  # nothing was released
            return
        for one in left:
            self._try("the step's summary", partial(self._write_summary, one))
        own = [one for one in _list_releases((self._result,)) if one.evidence is not None]
        if junit is not None and own:
            self._try("the JUnit report", lambda: self._write_junit(junit, own))
        self._try("the metrics", self._write_metrics)
        for one in left:
            self._try("the webhook's message", partial(self._send_message, one))

    def _try(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except (StackctlError, OSError, ValueError, KeyError) as error:
            reason = error.message if isinstance(error, StackctlError) else repr(error)
            self._house.emit(Warned(f"{what}: {reason}"))

    def _annotate(self, result: Result) -> None:
        """Say on the run's page why it is red: a release that went through is no error by itself."""
        witness = result.witness
        if result.exit_code != SLO_MISSED:
            return
        lost = f"{witness.lost} of {witness.sent} witness requests were lost"
        lost += f" ({tell_reasons(witness.reasons)})"
        unseen = f"{witness.unseen} of {witness.sent} witness requests were not seen"
        unseen += f": {tell_blind(witness.blind)}"
        failed = f"its witness failed: {witness.failure}" if witness.failure else unseen
        told = lost if witness.lost else failed
        what = f"{result.service} {result.version} was released, but {told}"
        annotate(self._environment, f"{what}\n{result.evidence}/report.html shows when")

    def _write_outputs(self) -> None:
        write_outputs(self._environment, self._result, self._everything, self._house.folder)

    def _write_summary(self, result: Result) -> None:
        if self._environment.get("GITHUB_STEP_SUMMARY"):
            write_summary(self._environment, self._read(result, "evidence.md").decode())

    def _write_junit(self, file: Path, left: Sequence[Result]) -> None:
        write_target(
            file, to_junit(*(json.loads(self._read(one, "evidence.json")) for one in left))
        )

    def _write_metrics(self) -> None:
        wanted = self._house.stack.notify.metrics
        if wanted is not None:
            house = self._house
            text = to_metrics(house.stack.name, read_releases(house.releases))
            write_target(house.folder / wanted, text)

    def _send_message(self, result: Result) -> None:
        variable = self._house.stack.notify.webhook
        url = self._house.variables.get(variable) if variable else None
        if url:
            send_message(url, to_message(self._house.stack.name, result), self._transport)

    def _read(self, result: Result, name: str) -> bytes:
        return read_own(self._house.folder / str(result.evidence) / name)


def _list_releases(results: Sequence[Result]) -> list[Result]:
    """Return single releases, also of units."""
    return [release for one in results for release in one.members or (one,)]
