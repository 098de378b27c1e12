"""`gateway.tls` in stack.yaml: where clients are served with TLS, and with which certificates."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictStr, model_validator

from orchestrator.stack.fields import STRICT, Argument, File, Word
from orchestrator.stack.forms import DIRECTORY, EMAIL
from orchestrator.stack.quantities import Address, HostAddress, Seconds

TLS_LISTEN = Address("0.0.0.0", 8443)  # noqa: S104  it is the public door
DIRECTORIES = {  # of Let's Encrypt
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
YEAR = 31_536_000.0  # seconds


class CertificateFiles(BaseModel):
    """A chain of certificates and the key of its first one, as PEM; relative to stack.yaml."""

    model_config = STRICT

    certificate: File
    key: File


def _name_directory(value: object) -> object:
    """Let people write `staging` for a URL that nobody knows by heart."""
    return DIRECTORIES.get(value, value) if isinstance(value, str) else value


_Url = Annotated[StrictStr, Field(pattern=DIRECTORY, max_length=500)]


class Acme(BaseModel):
    """An authority that is asked for certificates. Whoever names one agrees to its terms."""

    model_config = STRICT

    email: Annotated[StrictStr, Field(pattern=EMAIL, max_length=254)] | None = None
    directory: Annotated[_Url, BeforeValidator(_name_directory, json_schema_input_type=_Url)] = (
        DIRECTORIES["production"]
    )
    profile: Word | None = None  # None: as the authority has it
    # A program that puts records of names there, for an authority that looks at those.
    dns: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = None


def _read_acme(value: object) -> object:
    """Let people write `true` for Let's Encrypt, and `false` for none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class Hsts(BaseModel):
    """`Strict-Transport-Security`: for how long browsers come by TLS only."""

    model_config = STRICT

    max_age: Annotated[Seconds, Field(ge=0, le=2 * YEAR, multiple_of=1)] = YEAR
    subdomains: StrictBool = False

    @property
    def value(self) -> str:
        """Return the header's value."""
        return f"max-age={self.max_age:.0f}{'; includeSubDomains' if self.subdomains else ''}"


def _read_hsts(value: object) -> object:
    """Let people write `true` for what is usual, and `false` for none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class Tls(BaseModel):
    """The public door for TLS, beside `gateway.listen`."""

    model_config = STRICT

    listen: HostAddress = TLS_LISTEN
    certificates: Annotated[tuple[CertificateFiles, ...], Field(max_length=100)] = ()
    acme: Annotated[
        Acme | None, BeforeValidator(_read_acme, json_schema_input_type=Acme | StrictBool)
    ] = None
    redirect: StrictBool = True
    hsts: Annotated[
        Hsts | None, BeforeValidator(_read_hsts, json_schema_input_type=Hsts | StrictBool)
    ] = None
    http2: StrictBool = True

    @model_validator(mode="after")
    def _has_certificates(self) -> Self:
        if not self.certificates and self.acme is None:
            msg = "expected `certificates` or `acme`"
            raise ValueError(msg)
        return self
