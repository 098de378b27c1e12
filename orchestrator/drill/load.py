"""Users of a service while it is struck: strict clients, each request of theirs with its time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.release.gateway import require_gateway
from orchestrator.release.observe import observe
from orchestrator.release.witness import start_witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.evidence.samples import Sample
    from orchestrator.release.house import House


@contextmanager
def under_load(house: House, service: str) -> Iterator[list[Sample]]:
    """Send a service's witness requests while the block runs; the list fills as they are answered.

    Raises ConfigurationError where there is nothing to send, StackctlError where no gateway runs.
    """
    samples: list[Sample] = []
    container, _ = require_gateway(house.stack, observe(house))
    with house.open_gateway(container) as gateway:
        witness = start_witness(house, service, gateway, samples.append)
    if witness is None:
        raise ConfigurationError(
            f"`{service}` has no route and no witness, so nobody would notice anything",
            "name a service that users reach",
        )
    try:
        yield samples
    finally:
        witness.stop()
