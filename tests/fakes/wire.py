"""The way to a handler that answers like a server, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from orchestrator.asking import Answer, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable


def ask_by(listen: Callable[[httpx.Request], httpx.Response]) -> Callable[[str, float], Answer]:
    """Return who asks that handler, in the way that Admin does."""

    def ask(path: str, _timeout: float) -> Answer:
        try:
            answer = listen(httpx.Request("GET", f"http://gateway{path}"))
        except httpx.TransportError as error:
            raise Unanswered(type(error).__name__) from error
        return Answer(answer.status_code, answer.content, dict(answer.headers))

    return ask
