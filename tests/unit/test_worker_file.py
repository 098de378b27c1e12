"""Workers in stack.yaml: what they may say, and what only services with a port may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError
from tests.fakes.stacks import SHOP, load_shop

if TYPE_CHECKING:
    from pathlib import Path


def load_queue(folder: Path, **keys: Any) -> Any:
    """Return the service `queue`, a worker with these keys, as it is loaded."""
    queue = {"image": "example/queue:{version}", **keys}
    return load_shop(folder, {**SHOP, "services": {**SHOP["services"], "queue": queue}}).services[
        "queue"
    ]


def test_a_service_without_a_port_is_a_worker(tmp_path: Path) -> None:
    """A command takes longer than a request: its defaults are those of accessories."""
    queue = load_queue(tmp_path)
    assert queue.is_worker
    assert not queue.alone
    assert (queue.health.steady, queue.health.command) == (5.0, ())
    asked = load_queue(tmp_path, health={"command": ["ready"], "timeout": "9s"}).health
    assert (asked.interval, asked.timeout) == (1.0, 9.0)


def test_what_has_a_port_is_asked_as_before(tmp_path: Path) -> None:
    """Its interval is that of requests."""
    web = load_shop(tmp_path).services["web"]
    assert (web.is_worker, web.health.interval) == (False, 0.1)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"routes": [{"path": "/q/"}]}, "queue.port: is required where there are `routes`"),
        ({"witness": [{"path": "/q/"}]}, "queue.port: is required where there are `witness`"),
        ({"health": {"path": "/ready"}}, "queue.health.path: asks by requests, which a worker"),
        ({"health": {"successes": 2}}, "queue.health.successes: asks by requests"),
        (
            {"drain_timeout": "9s"},
            "queue.drain_timeout: a worker (it has no `port`) has no answers",
        ),
        ({"keep": "running"}, "queue.keep: two versions of a worker (it has no `port`) would work"),
        ({"port": 80, "health": {"command": ["x"]}}, "queue.health.command: is for workers"),
        ({"port": 80, "health": {"steady": "9s"}}, "queue.health.steady: is for workers"),
        (
            {"port": 80, "strategy": "recreate", "keep": "running"},
            "queue.keep: two versions would run, which `strategy: recreate` rules out",
        ),
        ({"health": {"steady": "0s"}}, "queue.health.steady"),
        ({"health": {"command": "ready"}}, "queue.health.command: expected a list"),
        ({"health": []}, "queue.health: expected a mapping"),
        ({"strategy": "rolling"}, "queue.strategy: input should be 'blue-green' or"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    tmp_path: Path, keys: dict[str, Any], told: str
) -> None:
    """All at once with whatever else is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load_queue(tmp_path, **keys)
    assert f"services.{told}" in caught.value.message
    assert caught.value.hint


def test_a_worker_takes_no_addresses(tmp_path: Path) -> None:
    """A subnet that is too small for as many services is large enough for workers."""
    document = {**SHOP, "network": {"subnet": "10.77.0.0/28"}}
    services = {f"w{number}": {"image": "w:{version}", "replicas": 50} for number in range(3)}
    loaded = load_shop(tmp_path, {**document, "services": {**SHOP["services"], **services}})
    assert loaded.services["w0"].replicas == 50
