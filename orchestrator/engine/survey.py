"""What an engine says of itself and has already: only questions, nothing is changed."""

from __future__ import annotations

import ipaddress
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.engine.connection import open_endpoint, translated
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.payloads import to_container
from orchestrator.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import docker

    from orchestrator.clock import Clock
    from orchestrator.engine.endpoint import Endpoint
    from orchestrator.engine.values import Container

VERSION_VARIABLE = "NGINX_VERSION"  # of the official image's environment
HIDDEN = ("rootless", "Docker Desktop")  # engines whose own addresses the machine does not have


@dataclass(frozen=True)
class Survey:
    """An engine as it was at one moment."""

    version: str  # such as 20.10.24
    api: str  # such as 1.41
    system: str  # the name of its operating system
    root: str  # the folder that it keeps everything in, on its own machine
    memory: int  # bytes; 0 where it does not say
    cpus: int  # as above
    host: str  # its machine's address in its default network; empty where that tells nothing
    ahead: float  # seconds that its clock goes before this machine's
    doubt: float  # seconds that this may be wrong by
    proxy: str  # that it asks registries through; empty without one
    containers: tuple[Container, ...]  # that run, of all stacks and of nobody's
    images: Mapping[
        str, str
    ]  # of those asked for the ones it has, and the NGINX that each tells of


def survey_engine(
    endpoint: Endpoint, references: Collection[str], clock: Clock, patience: int
) -> Survey:
    """Ask an engine, and wait `patience` seconds for each answer. Raises EngineError."""
    with (
        closing(open_endpoint(endpoint, patience)) as client,
        translated("asking the engine what it has"),
    ):
        return _ask(client, references, clock)


def _ask(client: docker.APIClient, references: Collection[str], clock: Clock) -> Survey:
    before = clock.now()
    facts: dict[str, Any] = client.info()
    after = clock.now()
    doubt = (after - before).total_seconds() / 2
    return Survey(
        version=str(facts.get("ServerVersion", "")),
        api=str(client.version().get("ApiVersion", "")),
        system=str(facts.get("OperatingSystem", "")),
        root=str(facts.get("DockerRootDir", "")),
        memory=int(facts.get("MemTotal") or 0),
        cpus=int(facts.get("NCPU") or 0),
        host="" if _is_hidden(facts) else _find_host(client),
        ahead=_read_time(facts, before) - before.timestamp() - doubt,
        doubt=doubt,
        proxy=str(facts.get("HttpsProxy") or ""),
        containers=tuple(to_container(entry) for entry in client.containers()),
        images=_find_images(client, references),
    )


def _is_hidden(facts: Mapping[str, Any]) -> bool:
    told = f"{facts.get('OperatingSystem', '')} {facts.get('SecurityOptions', '')}"
    return any(word in told for word in HIDDEN)


def _find_host(client: docker.APIClient) -> str:
    """Return the machine's address in the engine's default network; empty where there is none."""
    try:
        with translated("looking at the network `bridge`"):
            ranges = client.inspect_network("bridge")["IPAM"]["Config"]
        first = ranges[0]
        return str(first.get("Gateway") or next(ipaddress.ip_network(first["Subnet"]).hosts()))
    except (NotFound, LookupError, TypeError, ValueError):
        return ""


def _read_time(facts: Mapping[str, Any], now: datetime) -> float:
    """Return the engine's time in seconds; ours where it tells none."""
    with suppress(ValueError):
        return datetime.fromisoformat(str(facts.get("SystemTime", ""))).timestamp()
    return now.timestamp()


def _find_images(client: docker.APIClient, references: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for reference in references:
        with suppress(NotFound), translated(f"looking for image `{reference}`"):
            image = client.inspect_image(reference)  # type: ignore[no-untyped-call]
            variables = (image.get("Config") or {}).get("Env") or ()
            told = dict(each.partition("=")[::2] for each in variables)
            found[reference] = str(told.get(VERSION_VARIABLE, ""))
    return found


def ask_inside(endpoint: Endpoint, container: str, argv: tuple[str, ...], patience: int) -> str:
    """Return what a command prints inside a container that runs. Raises EngineError."""
    with closing(open_endpoint(endpoint, patience)) as client:
        return DockerEngine(client).execute(container, argv).text
