"""The way to a handler that answers like a server, without a socket."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import httpx

from orchestrator.asking import LARGEST, Answer, Ask, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def ask_by(listen: Callable[[httpx.Request], httpx.Response]) -> Ask:
    """Return who asks that handler, in the way that Admin does."""

    def ask(
        where: tuple[str, int],
        path: str,
        timeout: float,  # noqa: ARG001  it answers at once
        *,
        method: str = "GET",
        headers: Mapping[str, str] = {},
        body: bytes = b"",
        largest: int = LARGEST,
    ) -> Answer:
        host, port = where
        try:
            answer = listen(
                httpx.Request(
                    method, _url(f"http://{host}:{port}{path}"), headers=headers, content=body
                )
            )
        except httpx.TransportError as error:
            raise Unanswered(type(error).__name__) from error
        return Answer(answer.status_code, answer.content[:largest], dict(answer.headers))

    return ask


@cache
def _url(text: str) -> httpx.URL:
    """Return an address read; the same few are asked thousands of times."""
    return httpx.URL(text)
