"""A certificate authority that speaks ACME (RFC 8555), asked by certbot's library.

It is convinced that a name leads here by HTTP-01, which the gateway's own config answers: nothing has to
be put anywhere while it asks.
"""

from __future__ import annotations

import os
import re
import ssl
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.certificates.account import CHALLENGES, make_key
from orchestrator.certificates.authority import IssuanceError, ask_within
from orchestrator.certificates.chain import name_replaced
from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.certificates.account import Account
    from orchestrator.certificates.records import Records

HANDSHAKES = 8  # with a nonce that the authority does not take, before it is believed
SILENCE = 10.0  # seconds
LONGEST = 300  # characters of what an authority says
BUNDLES = (  # of what a machine trusts, where Python's own build looks elsewhere
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
    "/etc/ssl/cert.pem",
)
OWN = ("rateLimited", "unauthorized", "accountDoesNotExist", "userActionRequired")
HINTS = {
    "rateLimited": "it asks to be left alone until then; try with `directory: staging`",
    "externalAccountRequired": "it serves only accounts that it has made itself: take another one",
    "invalidProfile": "leave out `gateway.tls.acme.profile`, or name one that it has",
    "invalidContact": "correct `gateway.tls.acme.email`, or leave it out",
}


class AcmeAuthority:
    """The authority of an account."""

    def __init__(
        self, account: Account, trusted: str | None = None, records: Records | None = None
    ) -> None:
        """`trusted` is a file of those who are trusted; without it, it is this machine's.

        With `records` the authority looks at those, and not at the gateway.
        """
        self._account, self._trusted, self._records = account, trusted, records
        self._client: Any = None
        self.name = urlsplit(account.directory).hostname or account.directory

    def issue(self, host: str, within: float, replaced: bytes | None = None) -> tuple[bytes, bytes]:
        """Return a chain for a host, and its new key, as PEM; see Authority. Raises IssuanceError."""
        until = datetime.now() + timedelta(seconds=within)  # noqa: DTZ005  as the library counts
        with self._telling(host, within):
            return ask_within(lambda: self._issue(host, until, replaced), within)

    def find_renewal(self, chain: bytes, within: float) -> datetime | None:
        """Return when a certificate should be renewed (RFC 9773). Raises IssuanceError."""
        with self._telling("", within):
            client = ask_within(lambda: self._open(signed=False), within)
            found: datetime | None = ask_within(lambda: client.renewal_time(chain)[0], within)
        return found and found.astimezone(UTC)

    def _issue(self, host: str, until: datetime, replaced: bytes | None) -> tuple[bytes, bytes]:
        from acme import crypto_util

        client, key = self._open(), make_key()
        order = self._order(client, crypto_util.make_csr(key, [host]), replaced)
        with ExitStack() as over:
            for permission in order.authorizations:
                self._answer(client, permission.body, host, until, over)
            done = client.poll_and_finalize(order, until)
        return done.fullchain_pem.encode(), key

    def _order(self, client: Any, request: bytes, replaced: bytes | None) -> Any:
        """Order what is requested, and say which certificate it replaces where the authority knows the word."""
        from acme import errors, messages

        known = replaced is not None and hasattr(client.directory, "renewalInfo")
        client.net.replaces = name_replaced(replaced) if replaced and known else ""
        try:
            return client.new_order(request, self._account.profile)
        except (errors.ConflictError, messages.Error) as error:
            if not client.net.replaces or getattr(error, "code", "") == "rateLimited":
                raise
        finally:
            client.net.replaces = ""
        # Such as of another account, or replaced before: it is no more than a courtesy.
        return client.new_order(request, self._account.profile)

    def _answer(
        self, client: Any, permission: Any, host: str, until: datetime, over: ExitStack
    ) -> None:
        """Have the authority look, unless it has seen that the name is ours before.

        A record for it is taken away once it is `over`.
        """
        from acme import challenges, messages

        if permission.status == messages.STATUS_VALID:
            return
        wanted = challenges.HTTP01 if self._records is None else challenges.DNS01
        offered = next(
            (one for one in permission.challenges if isinstance(one.chall, wanted)), None
        )
        if offered is None:
            raise IssuanceError(
                f"{self.name} does not offer to look at `{host}` by"
                f" {'HTTP' if self._records is None else 'its records'}",
                "name a certificate of your own for it: `gateway.tls.certificates`",
                alone=True,
            )
        if self._records is not None:
            name = offered.chall.validation_domain_name(host.removeprefix("*."))
            value = offered.chall.validation(client.net.key)
            over.callback(_take_away, self._records, name, value)  # be it there in part only
            self._records.add(name, value, _count_left(until))
        client.answer_challenge(offered, offered.chall.response(client.net.key))

    def _open(self, *, signed: bool = True) -> Any:
        """Return a client; where requests are to be `signed`, with the account."""
        from acme import client

        if self._client is None:
            network = _open_network(self._account.key, self._trusted or find_trusted())
            directory = client.ClientV2.get_directory(self._account.directory, network)
            self._client = client.ClientV2(directory, network)
        if signed and self._client.net.account is None:
            self._register(self._client)
        return self._client

    def _register(self, client: Any) -> None:
        """Find the account, or make it."""
        from acme import errors, messages

        email = self._account.email
        wanted = messages.NewRegistration.from_data(email=email, terms_of_service_agreed=True)
        try:
            client.new_account(wanted)
        except errors.ConflictError as known:
            found = messages.RegistrationResource(body=wanted, uri=known.location)
            client.net.account = found

    @contextmanager
    def _telling(self, host: str, within: float) -> Iterator[None]:
        """Say in one way what went wrong, whoever has noticed it."""
        from acme import errors, messages

        try:
            yield
        except StackctlError:
            raise
        except errors.ValidationError as error:
            raise self._explain_refusal(error, host) from error
        except errors.IssuanceError as error:
            raise self._explain(error.error, host) from error
        except messages.Error as error:
            raise self._explain(error, host) from error
        except (TimeoutError, errors.TimeoutError) as error:
            raise IssuanceError(
                f"{self.name} had not issued a certificate after {within:g} s"
                if host
                else f"{self.name} had not answered after {within:g} s",
                "is it slow today? Try later: `stackctl certs renew`",
            ) from error
        except OSError as error:  # those of `requests` are
            raise IssuanceError(
                f"{self.name} cannot be reached: {_shorten(_find_cause(error))}",
                "can this machine reach it, and trusts it? `SSL_CERT_FILE` names who else is trusted",
            ) from error
        except Exception as error:  # whatever an answer that is none leads the library to
            raise IssuanceError(
                f"{self.name} does not answer as ACME has it: {_shorten(repr(error))}",
                "does `gateway.tls.acme.directory` lead to an ACME directory?",
            ) from error

    def _explain_refusal(self, error: Any, host: str) -> IssuanceError:
        """Say what the authority has seen where it looked."""
        told = [
            _shorten(challenge.error.detail or challenge.error.typ)
            for permission in error.failed_authzrs
            for challenge in permission.body.challenges
            if challenge.error is not None
        ]
        if self._records is not None:
            return IssuanceError(
                f"{self.name} does not find the record of `{host}`: {'; '.join(told)}",
                "does the program of `gateway.tls.acme.dns` end only once others see what it has put there?",
                alone=True,
            )
        return IssuanceError(
            f"{self.name} does not find that `{host}` leads here: {'; '.join(told)}",
            f"does its name lead here, and port 80 of it to `gateway.listen`? It asked for"
            f" http://{host}{CHALLENGES}…",
            alone=True,
        )

    def _explain(self, error: Any, host: str) -> IssuanceError:
        code = str(error.code or error.typ)
        told = _shorten(str(error.detail or code))
        return IssuanceError(
            f"{self.name} refuses a certificate for `{host}`: {told}" if host else told,
            HINTS.get(code, "what it says is in its own words; try later: `stackctl certs renew`"),
            alone=code not in {*OWN, *HINTS},
        )


def open_acme(account: Account, records: Records | None) -> AcmeAuthority:
    """Return the authority of an account; with `records` it looks at those."""
    return AcmeAuthority(account, records=records)


def _count_left(until: datetime) -> float:
    return (until - datetime.now()).total_seconds()  # noqa: DTZ005  as the library counts


def _take_away(records: Records, name: str, value: str) -> None:
    """Remove a record. One that stays convinces nobody of anything else: it is no failure."""
    with suppress(IssuanceError):
        records.remove(name, value, SILENCE)


def find_trusted() -> str | bool:
    """Return the file of those whom this machine trusts; True for those that the library knows."""
    named = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *BUNDLES)
    return next((one for one in named if one and Path(one).is_file()), True)


def _open_network(key: bytes, trusted: object) -> Any:
    """Return who signs questions with a key, as PEM; `replaces` is told with orders."""
    from acme import client, messages
    from josepy.json_util import field
    from josepy.jwa import ES256
    from josepy.jwk import JWKEC

    class Replacement(messages.NewOrder):
        replaces: str = field("replaces")

    class Network(client.ClientNetwork):
        """Asks again with another nonce, more than once: authorities may forget them at any time."""

        replaces = ""

        def post(self, url: str, what: Any, *args: Any, **kwargs: Any) -> Any:
            """Post something that is signed."""
            if self.replaces and isinstance(what, messages.NewOrder):
                what = Replacement(**{**what, "replaces": self.replaces})
            for _ in range(HANDSHAKES):
                try:
                    return super().post(url, what, *args, **kwargs)
                except messages.Error as error:
                    if error.code != "badNonce":
                        raise
            return super().post(url, what, *args, **kwargs)

    how: dict[str, Any] = {"verify_ssl": trusted, "timeout": SILENCE}
    return Network(JWKEC.load(key), alg=ES256, user_agent="stackctl", **how)


def _find_cause(error: BaseException) -> str:
    """Return the innermost of what libraries have put around an error."""
    inner = error
    while (deeper := inner.__cause__ or inner.__context__) is not None and deeper is not inner:
        inner = deeper
    return str(getattr(inner, "strerror", None) or inner)


def _shorten(text: str) -> str:
    """Put what somebody else says into one line that is not too long."""
    line = " ".join(re.sub(r"[^\x21-\x7e]+", " ", text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
