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
    facts: dict[str, Any] = {}
    # A proxy before the engine may forbid this question, and no release fails for that.
    with suppress(EngineError), translated("asking the engine for its name"):
        facts = client.info()
    name, version = (str(facts.get(key) or "") for key in ("Name", "ServerVersion"))
    if not isinstance(client, Client):
        return Whereabouts(client.base_url, "", name, version)
    endpoint = client.endpoint
    return Whereabouts(endpoint.shown, endpoint.named_by.removeprefix("the "), name, version)
