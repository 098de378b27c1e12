"""What a release changes for people, in words: pure; `plan` begins with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.release.specs import is_made_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from orchestrator.engine.values import ContainerSpec, Image, Made
    from orchestrator.release.plan import Plan

SHORT = 19  # characters of an image's id, as `docker images` shows it: `sha256:` and twelve
MEGABYTE = 1024**2


def describe_changes(plan: Plan, made: Made | None, image: Image) -> tuple[str, ...]:
    """Return a line for each thing that will be another one; no value of a variable is in it.

    `made` is what the replicas that serve were made from; None where nobody knows.
    """
    told = [*_compare_versions(plan, image)]
    spec = next(iter(plan.start), None)
    if spec is not None and plan.outgoing and made is not None:
        told += _compare_settings(plan, spec, made)
        old = plan.outgoing[0].container
        if not told and not is_made_from(old, spec):
            told.append("settings  others than the containers that serve were made with")
    routes = plan.config.routes(plan.order.service)
    told += _list("routes", plan.served.routes(plan.order.service), routes)
    if plan.served.id != plan.config.id:
        told.append("gateway   takes up another NGINX config: see `--diff`")
    return tuple(told)


def _compare_versions(plan: Plan, image: Image) -> Iterator[str]:
    wanted, was = plan.order.version, plan.previous
    if was is None:
        yield f"version   {wanted}, the first release"
    elif was.version != wanted:
        yield f"version   {was.version} -> {wanted}"
    if plan.wake:
        return  # its containers are kept
    name = next(iter(image.tags), "")
    served = plan.outgoing[0].container.image if plan.outgoing else ""
    if not image.tags:  # it is not there yet
        yield f"image     {image.id}"
    elif image.id != served:
        before = f"{served[:SHORT]} -> " if served else ""
        yield f"image     {before}{image.id[:SHORT]} {name}".rstrip()


def _compare_settings(plan: Plan, spec: ContainerSpec, made: Made) -> Iterator[str]:
    yield from _list_names(made.environment, spec.environment)
    if made.memory != spec.memory:
        yield f"memory    {_tell_size(made.memory)} -> {_tell_size(spec.memory)}"
    if made.cpus != spec.cpus:
        yield f"cpus      {made.cpus:g} -> {spec.cpus:g}"
    if made.pids != spec.pids:
        yield f"pids      {made.pids} -> {spec.pids}"
    if len(plan.outgoing) != len(plan.start):
        yield f"replicas  {len(plan.outgoing)} -> {len(plan.start)}"


def _list_names(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    yield from _list("env", before.keys(), after.keys())
    changed = [name for name in after if name in before and before[name] != after[name]]
    if changed:
        yield f"env       {', '.join(sorted(changed))} changed"


def _list(what: str, before: Collection[str], after: Collection[str]) -> Iterator[str]:
    for word, names in (
        ("added", frozenset(after) - frozenset(before)),
        ("removed", frozenset(before) - frozenset(after)),
    ):
        if names:
            yield f"{what:<8}  {', '.join(sorted(names))} {word}"


def _tell_size(size: int) -> str:
    return f"{size / MEGABYTE:g}m" if size else "no limit"
