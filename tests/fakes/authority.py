"""An authority of a test's own, which issues whatever a test wants to see refused or served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.stack.hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
PEM = serialization.Encoding.PEM


def pem_of_key(key: Any, password: bytes | None = None) -> bytes:
    """Return a private key as PEM."""
    locked = serialization.BestAvailableEncryption(password) if password else None
    form = serialization.PrivateFormat.PKCS8
    shown: bytes = key.private_bytes(PEM, form, locked or serialization.NoEncryption())
    return shown


@dataclass(frozen=True)
class Issued:
    """A certificate, its key and those above it."""

    certificate: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """Return the certificate alone."""
        return self.certificate.public_bytes(PEM)

    @property
    def chain(self) -> bytes:
        """Return it with those above it, without the root."""
        return b"".join(one.public_bytes(PEM) for one in (self.certificate, *self.above))

    @property
    def key_pem(self) -> bytes:
        """Return the key."""
        return pem_of_key(self.key)

    def write(self, folder: Path, name: str) -> dict[str, str]:
        """Write both files into a folder; return what stack.yaml says of them."""
        (folder / f"{name}.pem").write_bytes(self.chain)
        key = folder / f"{name}.key"
        key.write_bytes(self.key_pem)
        key.chmod(0o600)
        return {"certificate": f"{name}.pem", "key": f"{name}.key"}


class Authority:
    """A root and an intermediate, made anew for each test."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.root = self._sign("Test Root", None, authority=True)
        self.intermediate = self._sign("Test Intermediate", self.root, authority=True)

    def issue(
        self,
        *names: str,
        days: float = 90,
        age: float = 1,
        key: Any = None,
        above: Sequence[Issued] | None = None,
        usage: Any = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Issued:
        """Issue a certificate for names; it began `age` days ago and lasts for `days`."""
        parents = [self.intermediate] if above is None else list(above)
        signer = parents[0] if parents else None
        made = self._sign(names[0] if names else "nobody", signer, names, days, age, key, usage)
        return Issued(made.certificate, made.key, tuple(one.certificate for one in parents))

    def _sign(  # noqa: PLR0913  a certificate has so many fields
        self,
        subject: str,
        signer: Issued | None,
        names: Sequence[str] = (),
        days: float = 3650,
        age: float = 365,
        key: Any = None,
        usage: Any = None,
        *,
        authority: bool = False,
    ) -> Issued:
        key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])])
        begins = self.now - timedelta(days=age)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(signer.certificate.subject if signer else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            shown = x509.SubjectAlternativeName([_name(one) for one in names])
            built = built.add_extension(shown, critical=False)
        if usage is not None:
            built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        signing = signer.key if signer else key
        ed = not isinstance(signing, ec.EllipticCurvePrivateKey) and not hasattr(
            signing, "key_size"
        )
        return Issued(built.sign(signing, None if ed else hashes.SHA256()), key)


def _name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if is_address(host) else x509.DNSName(host)
