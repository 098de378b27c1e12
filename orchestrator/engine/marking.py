"""An engine that puts further labels on all that it makes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.engine.ports import Engine, Lease
    from orchestrator.engine.values import BuildOrder, ContainerSpec, Image, Network


def put_labels(engine: Engine, labels: Mapping[str, str]) -> Engine:
    """Return the same engine; containers, images, networks and volumes that it makes have the labels."""
    return cast("Engine", _Marking(engine, labels))


class _Marking:
    def __init__(self, engine: Engine, labels: Mapping[str, str]) -> None:
        self._engine = engine
        self._labels = labels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, spec: ContainerSpec) -> str:
        return self._engine.run(self._mark(spec))

    def create(self, spec: ContainerSpec) -> str:
        return self._engine.create(self._mark(spec))

    def hold(self, spec: ContainerSpec) -> Lease:
        return self._engine.hold(self._mark(spec))

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        return self._engine.build(replace(order, labels={**order.labels, **self._labels}), report)

    def ensure_network(self, name: str, labels: Mapping[str, str], **more: Any) -> Network:
        return self._engine.ensure_network(name, {**labels, **self._labels}, **more)

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self._engine.ensure_volume(name, {**labels, **self._labels})

    def _mark(self, spec: ContainerSpec) -> ContainerSpec:
        return replace(spec, labels={**spec.labels, **self._labels})
