"""The certificates that stack.yaml names: read from their files, and checked before anybody gets them."""

from __future__ import annotations

import os
import ssl
import stat
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.certificates.pair import Pair, Source, read_pair
from orchestrator.errors import ConfigurationError
from orchestrator.files import read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from orchestrator.stack.tls import CertificateFiles

LARGEST = 1024 * 1024  # bytes
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_own(
    wanted: Sequence[CertificateFiles],
    folder: Path,
    now: datetime,
    over: Collection[str] = (),
) -> Iterator[Pair]:
    """Yield the pairs that stack.yaml in `folder` names; one that serves already may be `over`.

    Raises ConfigurationError for the first one that cannot be served.
    """
    for files in wanted:
        source = Source(files.certificate, files.key)
        chain = _read(folder / files.certificate, files.certificate)
        key = read_private(folder / files.key, files.key)
        yield read_pair(chain, key, source, now, roots=list_roots, over=over)


def read_private(path: Path, shown: str) -> bytes:
    """Return a file that nobody but its owner may read. Raises ConfigurationError."""
    content = _read(path, shown)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise ConfigurationError(
            f"others may read the key in `{shown}` (mode {mode:04o})", f"`chmod 600 {shown}`"
        )
    return content


def list_roots() -> frozenset[bytes] | None:
    """Return the names, as DER, of the roots that this machine trusts; None where it has no list."""
    from cryptography import x509

    names = set()
    with warnings.catch_warnings(action="ignore"):  # of old roots, which are as they are
        for one in ssl.create_default_context().get_ca_certs(binary_form=True):
            with suppress(ValueError):  # one that OpenSSL takes and others do not
                names.add(x509.load_der_x509_certificate(one).subject.public_bytes())
    return frozenset(names) or None


def _read(path: Path, shown: str) -> bytes:
    try:
        return read_file(path, LARGEST)
    except FileNotFoundError:
        raise ConfigurationError(
            f"`{shown}` does not exist", "is it relative to stack.yaml?"
        ) from None
    except PermissionError:
        raise ConfigurationError(
            f"`{shown}` may not be read by {os.environ.get('USER') or 'this user'}",
            "run the command as its owner: only `up` and `certs renew` read it",
        ) from None
    except OSError as error:
        raise ConfigurationError(f"`{shown}` cannot be read: {error.strerror}") from None
