"""What is to be said of images: whether they are there, come from somewhere, and are new enough. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn
from orchestrator.gateway.container import OLDEST_NGINX

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

HUB = "registry-1.docker.io"


def find_registry(reference: str) -> str:
    """Return the host of the registry that an image comes from."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    host = first.rpartition(":")[0] or first if named else HUB
    return HUB if host in ("docker.io", "index.docker.io") else host


def find_proxy(address: str) -> str:
    """Return the host of a proxy; empty where there is none, or it cannot be told."""
    try:
        return urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:  # of an address in brackets that is none
        return ""


def needs_lookup(host: str) -> bool:
    """Whether a name server is asked for a host."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host != "localhost"
    return False


def judge_images(
    missing: Mapping[str, str], known: Mapping[str, bool | None], *, here: bool | None
) -> Finding:
    """Say whether images can be fetched: `missing` ones, each with the host that is asked for it.

    `known` says of hosts whether a name server knows them; None: it has not answered in time. The
    engine asks its own, which is this machine's where it is `here`.
    """
    if not missing:
        return approve("images", "the engine has all that stack.yaml names")
    told = _list(missing)
    lost = sorted({host for host in missing.values() if known.get(host, True) is not True})
    if not lost or here is False:
        return approve("images", f"to be fetched: {told}")
    silent = all(known[host] is None for host in lost)
    how = "no name server answers in time where they are:" if silent else "no name server knows"
    return fault(
        "images",
        f"to be fetched: {told}; {how} {_list(lost)}",
        "mend this machine's DNS, or bring the images to the engine: `docker load`",
    )


def judge_logins(missing: Mapping[str, Sequence[str]]) -> Finding:
    """Say which helpers for credentials are named and not installed, and for which registries each is."""
    if not missing:
        return approve("logins", "each helper for credentials that is named is installed")
    told = "; ".join(
        f"`{program}`, for {_list(hosts) if hosts else 'all registries'}"
        for program, hosts in missing.items()
    )
    return warn(
        "logins",
        f"the Docker client's `config.json` names helpers that are not installed: {told}",
        "install them, or take them out of `config.json` and `docker login` again",
    )


def judge_nginx(reference: str, told: str | None) -> Finding:
    """Say whether the gateway's image is new enough; `told` is its version.

    None: the image is not here. Empty: it does not tell.
    """
    oldest = ".".join(map(str, OLDEST_NGINX))
    if not told:
        why = "is not on the engine yet" if told is None else "does not tell its version"
        return doubt("nginx", f"`{reference}` {why}; it has to be {oldest} or later")
    numbers = tuple(map(int, re.findall(r"\d+", told)[:3]))
    if numbers < OLDEST_NGINX:
        return fault(
            "nginx",
            f"`{reference}` is NGINX {told}, and the gateway needs {oldest} or later",
            "name a newer image as `gateway.image` in stack.yaml",
        )
    return approve("nginx", f"`{reference}` is NGINX {told}")


def _list(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
