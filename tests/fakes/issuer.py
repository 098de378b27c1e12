"""A certificate authority that issues at once, or does whatever a test wants to see survived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tests.fakes.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.certificates.account import Account
    from orchestrator.certificates.records import Records
    from tests.fakes.clock import FakeClock


class Issuer:
    """Issues for 90 days, from the moment on in which it is asked."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.accounts: list[Account] = []
        self.records: Records | None = None  # by whom it is shown records
        self.asked: list[str] = []
        self.replaced: list[bytes | None] = []  # for each that was asked for
        self.faults: dict[str, Exception] = {}  # by the host
        self.lies: dict[str, dict[str, Any]] = {}  # by the host: how its certificate is wrong
        self.foreign_key = False  # whether the key that it hands out is another one's
        self.advice: datetime | None = None  # when to renew
        self.witness: Callable[[], object] = lambda: None  # called while a name is looked at

    def open(self, account: Account, records: Records | None) -> Self:
        """Return itself, as a House opens an authority."""
        self.accounts.append(account)
        self.records = records
        return self

    def issue(self, host: str, within: float, replaced: bytes | None = None) -> tuple[bytes, bytes]:
        """Return a chain and its key, after `faults` and `lies`."""
        assert within > 0
        self.asked.append(host)
        self.replaced.append(replaced)
        self.witness()
        if host in self.faults:
            raise self.faults[host]
        how = self.lies.get(host, {})
        authority = Authority(self._clock.now())
        issued = authority.issue(*how.get("names", (host,)), age=how.get("age", 0))
        other = authority.issue(host)
        return issued.chain, (other if self.foreign_key else issued).key_pem

    def find_renewal(self, chain: bytes, within: float) -> datetime | None:
        """Return its advice."""
        assert chain.startswith(b"-----BEGIN CERTIFICATE-----")
        assert within > 0
        return self.advice
