"""Which engine is meant, as the Docker CLI decides it: DOCKER_HOST, DOCKER_CONTEXT, the current context.

What is named and cannot be had is an error. Another engine than the one that was meant would get the
changes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.asking import has_address
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HOST = "unix:///var/run/docker.sock"
DEFAULT = "default"  # the context of that socket
KINDS = "name one such as `unix:///var/run/docker.sock`, `tcp://10.0.0.7:2376` or `ssh://user@host`"
LIST = "`docker context ls` lists the contexts that exist"
SCHEME = re.compile(r"([a-z+]+)://", re.IGNORECASE)
ACCOUNT = re.compile(r"(?:(?<=//)|^)[^/@]*:[^/@]*(?=@)")  # a user and a password


@dataclass(frozen=True)
class Tls:
    """Files for a connection with TLS; without a `ca` the system's count."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True


@dataclass(frozen=True)
class Endpoint:
    """Where an engine is."""

    host: str
    tls: Tls | None = None
    named_by: str = ""  # what has named it; empty: nobody

    @property
    def shown(self) -> str:
        """Return the host as it may be shown: without a password."""
        return ACCOUNT.sub("…", self.host)

    @property
    def kind(self) -> str:
        """Return how it is reached: unix, tcp, ssh or npipe; what else stands there is returned as well."""
        found = SCHEME.match(self.host)
        kind = found[1].lower() if found else "tcp"
        return {"http": "tcp", "https": "tcp", "http+unix": "unix"}.get(kind, kind)

    @property
    def address(self) -> str:
        """Return the host with its kind in front, as the Docker CLI wants it."""
        return f"{self.kind}://{self.host.rpartition('://')[2]}"

    @property
    def local(self) -> bool:
        """Whether no proxy can be on the way: a socket, or this machine's loopback."""
        if self.kind != "tcp":
            return True
        try:
            return self.name == "localhost" or ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return False

    @property
    def name(self) -> str:
        """Return the name or address of the machine; empty where none stands there, as of a socket."""
        if self.kind not in ("tcp", "ssh"):
            return ""
        try:
            return urlsplit(self.address).hostname or ""
        except ValueError:  # such as half an IPv6 address
            return ""

    @property
    def away(self) -> bool:
        """Whether the engine's loopback is another machine's: what is reached over SSH is.

        A socket may be the end of a tunnel; that cannot be seen.
        """
        if self.kind == "ssh":
            return True
        return self.kind == "tcp" and not self.local and not has_address(self.name)


def find_endpoint(environment: Mapping[str, str], home: Path) -> Endpoint:
    """Return the engine that is meant. Raises EngineError where that cannot be told or had."""
    endpoint = _find(environment, home)
    by = f", which {endpoint.named_by} names," if endpoint.named_by else ""
    if endpoint.kind not in ("unix", "tcp", "ssh", "npipe"):
        raise EngineError(f"`{endpoint.shown}`{by} is not the address of an engine", KINDS)
    if endpoint.kind == "npipe" and sys.platform != "win32":
        raise EngineError(f"`{endpoint.shown}`{by} is a named pipe, which only Windows has", KINDS)
    if endpoint.kind == "ssh" and not endpoint.name:
        raise EngineError(f"`{endpoint.shown}`{by} names no machine", KINDS)
    if endpoint.kind == "ssh" and which("ssh", path=environment.get("PATH")) is None:
        raise EngineError(
            f"`{endpoint.shown}`{by} is reached by `ssh`, which is not installed",
            "install it: the package is `openssh-client`, or `openssh`",
        )
    return endpoint


def _find(environment: Mapping[str, str], home: Path) -> Endpoint:
    folder = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    if host := environment.get("DOCKER_HOST"):
        return Endpoint(host, _find_tls(environment, home), "DOCKER_HOST")
    if name := environment.get("DOCKER_CONTEXT"):
        return _read_context(folder, name, "DOCKER_CONTEXT")
    file = folder / "config.json"
    return _read_context(folder, _read_current(file), f"`{file}`")


def _find_tls(environment: Mapping[str, str], home: Path) -> Tls | None:
    """Return what DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say; any value but an empty one counts."""
    folder, verify = environment.get("DOCKER_CERT_PATH"), environment.get("DOCKER_TLS_VERIFY")
    if not folder and not verify:
        return None
    place = Path(folder or home / ".docker")
    ca, cert, key = (str(place / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    return Tls(ca, cert, key, verify=bool(verify))


def _read_current(file: Path) -> str:
    """Return the name of the current context. Raises EngineError where the file cannot be read."""
    try:
        config = json.loads(file.read_bytes() or b"{}")
    except (FileNotFoundError, NotADirectoryError):
        return DEFAULT
    except (OSError, ValueError) as error:
        raise EngineError(
            f"`{file}` may name another engine, and cannot be read: {error}",
            "mend it, or name the engine in DOCKER_HOST",
        ) from error
    name = config.get("currentContext") if isinstance(config, dict) else None
    return name if isinstance(name, str) and name else DEFAULT


def _read_context(folder: Path, name: str, by: str) -> Endpoint:
    if name == DEFAULT:
        return Endpoint(DEFAULT_HOST)
    identity = hashlib.sha256(name.encode()).hexdigest()
    file = folder / "contexts" / "meta" / identity / "meta.json"
    try:
        found: Any = json.loads(file.read_bytes())["Endpoints"]["docker"]
        host, unverified = found.get("Host"), bool(found.get("SkipTLSVerify"))
    except (FileNotFoundError, NotADirectoryError):
        raise EngineError(f"there is no Docker context `{name}`, which {by} names", LIST) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineError(
            f"the Docker context `{name}`, which {by} names, cannot be read", LIST
        ) from error
    if not isinstance(host, str) or not host:
        raise EngineError(f"the Docker context `{name}`, which {by} names, has no host", LIST)
    certificates = folder / "contexts" / "tls" / identity / "docker"
    return Endpoint(host, _read_tls(certificates, verify=not unverified), f"the context `{name}`")


def _read_tls(folder: Path, *, verify: bool) -> Tls | None:
    ca, cert, key = (
        str(folder / name) if (folder / name).is_file() else None
        for name in ("ca.pem", "cert.pem", "key.pem")
    )
    if verify and not ca and not cert:
        return None
    return Tls(ca, cert, key, verify)
