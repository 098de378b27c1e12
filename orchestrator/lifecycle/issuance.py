"""Certificates that an authority issues: asked for once the gateway answers for their hosts.

Whatever an authority does, what is served stays served until there is something better.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.account import Account, print_key
from orchestrator.certificates.authority import IssuanceError
from orchestrator.certificates.pair import Pair, Source, read_pair
from orchestrator.certificates.records import Program, require_permitted
from orchestrator.certificates.table import CertificateTable, find_due
from orchestrator.errors import ConfigurationError, GatewayError
from orchestrator.events import Progress, Waiting
from orchestrator.gateway.keyring import Keyring
from orchestrator.gateway.registration import Failure, Registration
from orchestrator.lifecycle.door import reconfigure
from orchestrator.lifecycle.findings import Findings
from orchestrator.release.lock import require_held

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from orchestrator.certificates.authority import Authority
    from orchestrator.certificates.records import Records
    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container
    from orchestrator.lifecycle.certification import Certification
    from orchestrator.release.house import House
    from orchestrator.stack.tls import Acme

WITHIN = 60.0  # seconds for one certificate; where records must be seen first, all that there are
ALTOGETHER = 180.0  # seconds after which no more are asked for
SENT = (
    "the authority has sent it so. Where this machine's clock is right (`date -u`), try later:"
    " `stackctl certs renew`"
)
WORD_WITHIN = 10.0  # seconds for when to renew


class Refused(NamedTuple):
    """A host for which there is no new certificate."""

    host: str
    text: str


@dataclass(frozen=True)
class Issuance:
    """What came of asking."""

    certification: Certification  # what is served now
    refused: tuple[Refused, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """Say what each of these hosts is left with."""
        return [self._tell(one) for one in self.refused]

    def _tell(self, refused: Refused) -> str:
        found = self.certification.table.of(refused.host)
        if not found:
            return f"`{refused.host}` is served without TLS: {refused.text}"
        return f"`{refused.host}` keeps its certificate of {found[0].end}: {refused.text}"


class Desk:
    """Where an authority is asked for the certificates of a gateway that runs, under the lock."""

    def __init__(
        self, house: House, lease: Lease, gateway: Container, acme: Acme, wanted: Certification
    ) -> None:
        self._house, self._lease = house, lease
        self._wanted = wanted
        self._acme = acme
        self._kept = Registration(house.engine, gateway.id, acme.directory)
        self._keyring = Keyring(house.engine, gateway.id)

    def find_due(self) -> list[str]:
        """Return the hosts whose certificates are missing or end soon, by this machine's clock."""
        wanted, now = self._wanted, self._house.clock.now()
        return find_due(wanted.table, wanted.hosts, wanted.directory, now)

    def find_advised(self) -> list[str]:
        """Return the hosts whose certificates the authority wants to renew now."""
        others = set(self._wanted.hosts) - {*self.find_due()}
        if not others:
            return []
        authority, now = self._open(), self._house.clock.now()
        advised = []
        for one in self._wanted.table.certificates:
            chain = self._keyring.read_chain(one.id) if {*one.names} & others else None
            if chain is None or one.directory != self._acme.directory:
                continue
            try:
                when = authority.find_renewal(chain, WORD_WITHIN)
            except IssuanceError:  # without its word, the last third decides
                break
            if when is not None and when <= now:
                advised.append(one.names[0])
        return advised

    def issue_due(self) -> Issuance:
        """Ask for what is missing or ends soon, and not again at once for what has just failed."""
        due, failures, now = self.find_due(), self._kept.read_failures(), self._house.clock.now()
        over = {host: failures[host].over for host in due if host in failures}
        early = {host: moment for host, moment in over.items() if now < moment}
        done = self.issue([host for host in due if host not in early])
        told = tuple(
            Refused(
                host,
                f"the last attempt failed, and `up` makes the next one after {moment:%H:%M} UTC."
                " Sooner: `stackctl certs renew`",
            )
            for host, moment in early.items()
        )
        return replace(done, refused=(*done.refused, *told))

    def issue(self, hosts: Collection[str]) -> Issuance:
        """Ask for certificates and serve them, with one reload for all.

        Raises StackctlError where the gateway does not take part.
        """
        if not hosts:
            return Issuance(self._wanted)
        account = print_key(self._kept.open_key())
        known = replace(self._wanted.table, account=account)
        wanted = replace(self._wanted, table=known)
        reconfigure(self._house, Findings(), wanted)  # from now on NGINX answers the authority
        issued: list[Pair] = []
        refused = list(self._ask(hosts, issued))
        if issued:
            new = tuple(pair.certificate for pair in issued)
            table = CertificateTable((*new, *known.certificates), account)
            better = replace(wanted, pairs=(*wanted.pairs, *issued)).keep(table)
            try:
                reconfigure(self._house, Findings(), better)
                wanted = better
            except GatewayError as error:
                names = [name for one in new for name in one.names]
                refused += [Refused(name, f"{error.message}: {error.hint}") for name in names]
        self._remember(hosts, refused)
        return Issuance(wanted, tuple(refused))

    def _ask(self, hosts: Collection[str], issued: list[Pair]) -> Iterator[Refused]:
        """Put what is issued into a list, and yield what is not."""
        house, authority, over = self._house, self._open(), ""
        until = house.clock.monotonic() + ALTOGETHER
        for host in hosts:
            require_held(self._lease)
            left = until - house.clock.monotonic()
            within = left if self._acme.dns else min(WITHIN, left)
            if over or within <= 0:
                yield Refused(host, over or f"no time was left after {ALTOGETHER:g} s")
                continue
            house.emit(Waiting(f"for a certificate of {host}", within))
            try:
                pair = self._take(authority, host, within)
            except IssuanceError as error:
                text = f"{error.message}: {error.hint}" if error.hint else error.message
                yield Refused(host, text)
                if not error.alone:
                    over = error.message
                continue
            house.emit(Progress(f"{host} has a certificate until {pair.certificate.end}"))
            issued.append(pair)

    def _take(self, authority: Authority, host: str, within: float) -> Pair:
        """Return what an authority has issued, looked at as files are."""
        chain, key = authority.issue(host, within, self._read_issued(host))
        source = Source(f"what was issued for {host}", f"the key for {host}")
        try:
            pair = read_pair(chain, key, source, self._house.clock.now())
        except ConfigurationError as error:  # its hint is for files of one's own
            raise IssuanceError(error.message, SENT, alone=True) from error
        if pair.certificate.names != (host,):
            names = ", ".join(pair.certificate.names)
            raise IssuanceError(f"what was issued for it names {names}", SENT, alone=True)
        named = replace(pair.certificate, directory=self._acme.directory)
        return replace(pair, certificate=named)

    def _read_issued(self, host: str) -> bytes | None:
        """Return the chain that the same authority has issued for a host; None where it has not."""
        for one in self._wanted.table.certificates:
            if one.is_issued(host, self._acme.directory):
                return self._keyring.read_chain(one.id)
        return None

    def _remember(self, hosts: Collection[str], refused: Sequence[Refused]) -> None:
        """Keep which hosts have failed, and how often in a row."""
        before, at = self._kept.read_failures(), int(self._house.clock.now().timestamp())
        failed = {one.host for one in refused}
        left = {host: one for host, one in before.items() if host not in hosts}
        for host in failed:
            left[host] = Failure(at, before[host].attempts + 1 if host in before else 1)
        if left != before:
            self._kept.write_failures(left)

    def _open(self) -> Authority:
        key = self._kept.open_key()
        acme = self._acme
        account = Account(acme.directory, key, acme.email, acme.profile)
        return self._house.open_authority(account, self._open_records())

    def _open_records(self) -> Records | None:
        """Return who changes records of names. Raises ConfigurationError where nobody has permitted it."""
        if self._acme.dns is None:
            return None
        require_permitted(os.environ)
        return Program(self._acme.dns, self._house.folder, os.environ)
