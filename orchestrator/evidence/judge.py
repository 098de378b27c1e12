"""Whether an answer is one that a user should have got."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.evidence.expectation import Expectation
from orchestrator.evidence.promise import Promise, find_version
from orchestrator.evidence.samples import tell_stale, tell_unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.evidence.listener import Notes
    from orchestrator.evidence.wire import Errand


class Judge:
    """One for all requests of a witness."""

    def __init__(
        self, versions: Mapping[str, str], note: Notes, switched: Callable[[], None]
    ) -> None:
        """Judge answers of these versions, by NGINX's upstreams; `switched` is called at the first of one."""
        self._versions, self._note, self._switched = versions, note, switched
        self._expectation = Expectation()
        self._promise: Promise | None = None
        self._seen: set[str] = set()  # who of the released service has answered

    def promise(self, version: str) -> None:
        """From its next answer on no other version may answer."""
        self._promise = Promise(version)
        self._note("promised", text=version)

    def withdraw(self) -> None:
        """Any version may answer."""
        promise, self._promise = self._promise, None
        if promise is not None:
            self._note("withdrawn", text=promise.version)

    def judge(self, errand: Errand, decided: float, status: int, served: str) -> str | None:
        """Return why an answer is none that the user should have got; None where it is.

        `decided` is the monotonic time just before the request's head was complete.
        """
        promise, version = self._promise, find_version(served, self._versions)
        begins = promise is not None and promise.begins(version, time.monotonic())
        if begins:
            self._note("answered", text=version)
        if begins or (version and self._seen and served not in self._seen):
            self._switched()
        if version:
            self._seen.add(served)
        if promise is not None and promise.is_broken(version, decided):
            return tell_stale(version, promise.version)
        before = promise is None or promise.kept_since is None
        if before and self._expectation.learns(errand, status, served):
            self._note("usual", request=errand.name, text=str(status))
        right = self._expectation.right(errand)
        return None if status in right else tell_unexpected(status, right)
