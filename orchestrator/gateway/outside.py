"""The public door as clients find it, behind a proxy in front of the gateway: by `gateway.url`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.asking import Answer, Unanswered, ask_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stack.url import PublicUrl

UNTRUSTED = "CertificateError"


class Outside:
    """Asks where clients ask; with TLS, certificates are checked as clients check them."""

    def __init__(self, url: PublicUrl, mark: str) -> None:
        """Take where it is, and the `mark`: a header that the gateway alone gives to a witness."""
        self._url = url
        self._mark = mark

    def ask(
        self, path: str, timeout: float, *, method: str = "GET", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Ask by the host that `headers` name, or the URL's own. Raises Unanswered.

        `timeout` is in seconds.
        """
        host = headers.get("Host")
        named = {**headers, "Host": host + self._url.suffix if host else self._url.named}
        name = (host or self._url.host) if self._url.secure else None
        return ask_once(self._url.address, path, timeout, method=method, headers=named, name=name)

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
