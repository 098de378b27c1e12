"""Questions that are asked at once, and none of which is waited for longer than all may take."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.clock import Clock


class Late(StackctlError):
    """A question that was not answered in time."""


class _Question(threading.Thread):
    """Asks, and keeps the answer or what was raised. Nobody waits for it when stackctl ends."""

    def __init__(self, name: str, ask: Callable[[], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self._ask = ask
        self.answer: Any = None
        self.bug: Exception | None = None

    def run(self) -> None:
        """Ask."""
        try:
            self.answer = self._ask()
        except StackctlError as error:
            self.answer = error
        except Exception as error:  # noqa: BLE001  it is raised again where it is waited for
            self.bug = error


def gather(
    questions: Mapping[str, Callable[[], Any]], clock: Clock, within: float
) -> dict[str, Any]:
    """Return the answers of all, by name; a StackctlError where one was raised, or it was `Late`.

    `within` is in seconds, for all of them together.
    """
    deadline = clock.monotonic() + within
    asked = {name: _Question(name, ask) for name, ask in questions.items()}
    for question in asked.values():
        question.start()
    answers: dict[str, Any] = {}
    for name, question in asked.items():
        question.join(max(0.0, deadline - clock.monotonic()))
        if question.bug is not None:
            raise question.bug
        late = question.is_alive()
        told = f"there is no answer within {within:g} s"
        answers[name] = Late(told) if late else question.answer
    return answers
