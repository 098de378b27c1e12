"""What a container may take, and how it runs: resources, replicas, user, signals, hosts."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.doors import list_ports
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.short_forms import (
    to_duration,
    to_list,
    to_mapping,
    to_names,
    to_pairs,
    to_seconds,
    to_size,
)
from orchestrator.adopt.stack_text import Plain

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Part
    from orchestrator.adopt.short_forms import Port

ROOT = ("root", "0", "0:0", "root:root", "root:0", "0:root")


def put_limit(part: Part, key: str, value: object, at: str) -> None:
    """Take over one limit: `memory`, `cpus` or `pids`."""
    made: Any
    if key == "memory":
        made = part.quantity(value, to_size)
    elif key == "pids":
        made = part.number(value)
    else:
        made = part.quantity(value, _check_cpus)
        made = made if isinstance(made, Plain) else float(made)
    resources = {**part.keys.get("resources", {}), key: made}
    part.put("resources", resources, at, f"`resources.{key}`")


def _check_cpus(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text):
        raise Unfit("expected a number of CPUs")
    return text


def put_deploy(part: Part, value: object) -> None:
    """Take over what `deploy` says of resources and replicas."""
    for key, inner in to_mapping(value).items():
        at = f"deploy.{key}"
        with part.taking(at):
            if key == "replicas":
                put_replicas(part, inner, at)
            elif key == "resources":
                _put_resources(part, to_mapping(inner))
            elif key == "labels":
                part.changed(at, "see `routes`; other labels are left out")
            elif key == "restart_policy":
                part.took(at, "a container starts again by itself")
            else:
                part.leave(at, "has no meaning on one host: a release is always blue-green")


def _put_resources(part: Part, resources: dict[str, Any]) -> None:
    for kind, limits in resources.items():
        for key, inner in to_mapping(limits).items():
            at = f"deploy.resources.{kind}.{key}"
            with part.taking(at):
                if kind != "limits" or key not in ("memory", "cpus", "pids"):
                    raise Unfit("stack.yaml knows limits of memory, cpus and pids")
                put_limit(part, key, inner, at)


def put_replicas(part: Part, value: object, at: str) -> None:
    """Take over how many there are."""
    if part.group == "accessories":
        raise Unfit("an accessory runs once")
    part.put("replicas", part.number(value), at)


def put_user(part: Part, value: object, at: str) -> None:
    """Take over a user's number; root is said in so many words."""
    text = part.fill(value)
    user = "root" if text in ROOT else part.write(value)
    reason = part.fits("user", user)
    if reason and part.has("user"):
        reason = "an image that runs as root is refused" if user == "root" else reason
        reason += (
            ": give its number"
            if re.fullmatch("[a-z_][a-z0-9_-]*", text) and user != "root"
            else ""
        )
    if reason:
        part.leave(at, reason)
    else:
        part.put("user", user, at)


def put_command(part: Part, key: str, value: object) -> None:
    """Take over `command` or `entrypoint`."""
    part.put(key, read_command(part, value), key)


def read_command(part: Part, value: object) -> list[str]:
    """Return a command as a list; a text is split as a shell does it. Raises Unfit."""
    if not isinstance(value, str):
        return [part.write(word) for word in to_list(value)]
    try:
        return [part.write(word) for word in shlex.split(value)]
    except ValueError as error:
        raise Unfit(str(error) if isinstance(error, Unfit) else "a quote is not closed") from error


def put_switch(part: Part, key: str, value: object) -> None:
    """Take over `init` or `read_only`."""
    if not isinstance(value, bool):
        text = part.fill(value)
        if text not in ("true", "false"):
            raise Unfit("expected true or false")
        value = text == "true"
    part.put(key, value, key)


def put_grace(part: Part, value: object) -> None:
    """Take over `stop_grace_period`."""
    grace = part.quantity(value, lambda text: to_duration(to_seconds(text)))
    part.put("stop_grace", grace, "stop_grace_period", "`stop_grace`")


def put_size(part: Part, key: str, value: object) -> None:
    """Take over a size."""
    part.put(key, part.quantity(value, to_size), key)


def put_ulimits(part: Part, value: object) -> None:
    """Take over `ulimits`."""
    limits: dict[str, Any] = {}
    for name, inner in to_mapping(value).items():
        if isinstance(inner, dict):
            limits[name] = {key: part.number(each) for key, each in inner.items()}
        else:
            limits[name] = part.number(inner)
    part.put("ulimits", limits, "ulimits")


def put_hosts(part: Part, value: object) -> None:
    """Take over `extra_hosts`."""
    pairs = to_pairs(value, "=:")
    hosts = {name: part.write(inner).strip("[]") for name, inner in pairs.items()}
    part.put("extra_hosts", hosts, "extra_hosts")


def put_networks(part: Part, value: object) -> None:
    """Take over networks that others have made; one network of its own has every stack."""
    known = part.setting.project.get("networks") or {}
    for name, how in to_names(value).items():
        at = f"networks.{name}"
        network = known.get(name) if isinstance(known, dict) else None
        network = network if isinstance(network, dict) else {}
        external = network.get("external")
        if external:
            inner = external.get("name") if isinstance(external, dict) else None
            real = network.get("name") or inner
            part.add("networks", part.write(real or name), at)
        elif isinstance(how, dict) and any(how.values()):
            part.leave(at, "addresses and aliases are left out: all parts share one network")
        else:
            part.took(at, "all parts share one network")


def put_published(part: Part) -> None:
    """Take over the ports of an accessory, on the loopback: others reach it by the stack's network."""
    for position, port in enumerate(list_ports(part.source)):
        with part.taking(f"ports.{position}"):
            _publish(part, port, f"ports.{position}")


def _publish(part: Part, port: Port, at: str) -> None:
    if not port.published or not port.tcp:
        raise Unfit("the stack reaches it by its name; only TCP ports can be published")
    entry = f"127.0.0.1:{part.number(port.published)}:{part.number(port.target)}"
    away = port.host != "127.0.0.1"
    part.add("publish", entry, at, "published on the loopback only", changed=away)
