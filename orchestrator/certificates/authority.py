"""What is asked of a certificate authority, and what may come of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

T = TypeVar("T")


class IssuanceError(StackctlError):
    """An authority did not issue a certificate."""

    def __init__(self, message: str, hint: str | None = None, *, alone: bool = False) -> None:
        """`alone` says that it is about one host: others may still be asked for."""
        super().__init__(message, hint)
        self.alone = alone


class Authority(Protocol):
    """Who issues certificates for names that lead here."""

    def issue(self, host: str, within: float, replaced: bytes | None = None) -> tuple[bytes, bytes]:
        """Return a chain for a host, and its new key, both as PEM and neither of them looked at.

        `within` is in seconds; `replaced` is the chain in whose place it comes. Raises IssuanceError.
        """

    def find_renewal(self, chain: bytes, within: float) -> datetime | None:
        """Return when a certificate should be renewed; None where the authority does not say.

        Raises IssuanceError.
        """


class _Question(threading.Thread, Generic[T]):
    """Asks, and keeps the answer or what was raised. Nobody waits for it when stackctl ends."""

    def __init__(self, ask: Callable[[], T]) -> None:
        super().__init__(name="certificate authority", daemon=True)
        self._ask = ask
        self.answer: T | None = None
        self.raised: BaseException | None = None

    def run(self) -> None:
        """Ask."""
        try:
            self.answer = self._ask()
        except BaseException as error:  # noqa: BLE001  it is raised again where it is waited for
            self.raised = error


def ask_within(ask: Callable[[], T], within: float) -> T:
    """Return an answer; one that trickles in is bounded as well, which no library does.

    `within` is in seconds. Raises TimeoutError, and whatever `ask` does.
    """
    question = _Question(ask)
    question.start()
    question.join(within)
    if question.is_alive():
        raise TimeoutError
    if question.raised is not None:
        raise question.raised
    return question.answer  # type: ignore[return-value]
