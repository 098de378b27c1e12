"""A message to a webhook: fields for programs, and a `text` that Slack and its likes show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from orchestrator.release.result import Result

PATIENCE = 5.0  # seconds


def to_message(stack: str, result: Result) -> dict[str, object]:
    """Return the JSON document that is sent."""
    facts = result.facts()
    witness = result.witness
    text = f"{stack}: {result.service} {result.version} {result.outcome.replace('_', ' ')}"
    if witness.sent:
        text += f", {witness.lost} of {witness.sent:,} witness requests lost"
        text += f", {witness.turned_away:,} told to come back" if witness.turned_away else ""
        text += f", {witness.refused:,} refused by HTTP/2" if witness.refused else ""
        text += f", {witness.unseen:,} not seen" if witness.unseen else ""
    if result.error is not None:
        text += f": {result.error.message}"
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)  # a chat room takes <…> for links and calls to all
    kept = ("outcome", "service", "version", "color", "release", "evidence", "seconds", "error")
    figures = {"sent": witness.sent, "lost": witness.lost, "longest_gap_ms": witness.longest_gap_ms}
    return {"text": text, "stack": stack, **{key: facts[key] for key in kept}, "witness": figures}


def send_message(
    url: str, message: Mapping[str, object], transport: httpx.BaseTransport | None = None
) -> None:
    """Post a message. Raises StackctlError, which never names the URL: it may hold a secret."""
    import httpx

    try:
        with httpx.Client(timeout=PATIENCE, transport=transport) as client:
            answer = client.post(url, json=message)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StackctlError(f"the webhook cannot be reached ({type(error).__name__})") from error
    if not answer.is_success:
        raise StackctlError(f"the webhook answered {answer.status_code}")
