"""The public door as clients find it, behind what stands before the gateway: by `gateway.url`, or a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.asking import Answer, Unanswered, ask_once
from orchestrator.stack.arrival import find_name, list_patterns
from orchestrator.stack.url import PublicUrl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stack.model import Stack
    from orchestrator.stack.quantities import Address

UNTRUSTED = "CertificateError"


class Outside:
    """Asks where clients ask; with TLS, certificates are checked as clients check them."""

    def __init__(self, url: PublicUrl, mark: str, at: Address | None = None) -> None:
        """Take where it is, and the `mark`: a header that the gateway alone gives to a witness.

        `at` is where to connect to, if that is not what the URL's host stands for.
        """
        self._url = url
        self._mark = mark
        self._at = at or url.address

    def ask(
        self, path: str, timeout: float, *, method: str = "GET", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Ask by the host that `headers` name, or the URL's own. Raises Unanswered.

        `timeout` is in seconds.
        """
        host = headers.get("Host")
        named = {**headers, "Host": host + self._url.suffix if host else self._url.named}
        name = (host or self._url.host) if self._url.secure else None
        return ask_once(self._at, path, timeout, method=method, headers=named, name=name)

    def find_miss(self, timeout: float, headers: Mapping[str, str]) -> str:
        """Return why the URL does not lead to this gateway, in words; empty where it does.

        `timeout` is in seconds; `headers` tell the gateway that a witness asks.
        """
        try:
            answer = self.ask("/", timeout, method="HEAD", headers=headers)
        except Unanswered as error:
            if str(error) == UNTRUSTED:
                return "its certificate is not one that this machine trusts for that name"
            return f"nobody answers there ({error})"
        if answer.header(self._mark):
            return ""
        return f"it answers {answer.status} without the gateway's `{self._mark}`"


def lead_to(stack: Stack, door: Address, mark: str) -> Outside:
    """Return who asks at the door that stacks share, by a host of this stack: it tells them apart so."""
    url = PublicUrl(
        secure=False, host=find_name(list_patterns(stack)), port=stack.gateway.listen.port
    )
    return Outside(url, mark, door)
