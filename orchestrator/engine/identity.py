"""Which engine this is: where it was found, and what it says of itself."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestrator.engine.connection import Client, translated
from orchestrator.errors import EngineError
from orchestrator.whereabouts import Whereabouts

if TYPE_CHECKING:
    import docker


def identify(client: docker.APIClient) -> Whereabouts:
    """Return which engine answers a client; without its name where it keeps that to itself."""
    facts = _ask(client)
    name, version = (str(facts.get(key) or "") for key in ("Name", "ServerVersion"))
    if not isinstance(client, Client):
        return Whereabouts(client.base_url, "", name, version)
    endpoint = client.endpoint
    return Whereabouts(endpoint.shown, endpoint.named_by.removeprefix("the "), name, version)


def read_memory(client: docker.APIClient) -> int:
    """Return the bytes of memory that an engine's machine has; 0 where it keeps that to itself."""
    told = _ask(client).get("MemTotal")
    return told if isinstance(told, int) else 0


def _ask(client: docker.APIClient) -> dict[str, Any]:
    # A proxy before the engine may forbid this question, and no release fails for that.
    with suppress(EngineError), translated("asking the engine what it is"):
        return dict(client.info())
    return {}
