"""What is done with each key of a compose service: one line a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.adopt import health, limits, origin, routing, storage, variables
from orchestrator.adopt.short_forms import to_list, to_names, to_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.adopt.parts import Part


def put_ports(part: Part, _: object) -> None:
    """Say what became of `ports`."""
    if part.group == "services":
        routing.tell_ports(part)
    else:
        limits.put_published(part)


def put_expose(part: Part, value: object) -> None:
    """Take `expose` for what it is: a port inside of the stack."""
    ports = ", ".join(to_text(each) for each in to_list(value))
    part.took("expose", f"{ports}: inside of the stack every port can be reached")


def put_needs(part: Part, value: object) -> None:
    """Take over `depends_on`: `needs` waits until they are healthy."""
    roles, names = part.setting.roles, part.setting.names
    for need in to_names(value):
        at = f"depends_on.{need}"
        role = roles.get(need)
        if role is None:
            part.leave(at, "there is no such service")
        elif role.kind == "job" and role.serves == part.written:
            part.changed(at, "runs as `migrate`, before each new version starts")
        elif part.group == "accessories":
            part.leave(at, "accessories start together, before all services")
        elif role.kind == "job" and role.serves == part.leader:
            part.changed(at, f"runs as `migrate` of `{names[role.serves]}`, which goes first")
        elif need in names:
            part.add("needs", names[need], at)
        else:
            part.leave(at, "it is not in stack.yaml")


def put_restart(part: Part, value: object) -> None:
    """Containers always start again."""
    if part.fill(value) in ("always", "unless-stopped"):
        part.took("restart", "a container starts again by itself")
    else:
        part.changed("restart", "a container always starts again by itself")


def refuse_rights(part: Part, value: object) -> None:
    """Refuse the rights of the host."""
    if value in (False, "false"):
        part.took("privileged", "nothing is")
    else:
        part.refuse("privileged", "no container of a stack has the rights of the host")


def refuse_network(part: Part, value: object) -> None:
    """Refuse the network of the host, or of another container."""
    mode = part.fill(value)
    if mode in ("bridge", "default"):
        part.took("network_mode", "all parts share one network")
    elif mode == "host":
        part.refuse("network_mode", "`host`: users reach a service by the gateway only")
    else:
        part.leave("network_mode", "all parts share one network of their own")


HANDLERS: dict[str, Callable[[Part, object], None]] = {
    "build": origin.put_build,
    "command": lambda part, value: limits.put_command(part, "command", value),
    "configs": storage.put_configs,
    "cpus": lambda part, value: limits.put_limit(part, "cpus", value, "cpus"),
    "depends_on": put_needs,
    "deploy": limits.put_deploy,
    "entrypoint": lambda part, value: limits.put_command(part, "entrypoint", value),
    "env_file": variables.put_env_files,
    "environment": variables.put_environment,
    "expose": put_expose,
    "extra_hosts": limits.put_hosts,
    "healthcheck": health.put_healthcheck,
    "image": origin.put_image,
    "init": lambda part, value: limits.put_switch(part, "init", value),
    "labels": lambda part, _: routing.tell_labels(part),
    "mem_limit": lambda part, value: limits.put_limit(part, "memory", value, "mem_limit"),
    "network_mode": refuse_network,
    "networks": limits.put_networks,
    "pids_limit": lambda part, value: limits.put_limit(part, "pids", value, "pids_limit"),
    "ports": put_ports,
    "privileged": refuse_rights,
    "read_only": lambda part, value: limits.put_switch(part, "read_only", value),
    "restart": put_restart,
    "scale": lambda part, value: limits.put_replicas(part, value, "scale"),
    "secrets": storage.put_secret_files,
    "shm_size": lambda part, value: limits.put_size(part, "shm_size", value),
    "stop_grace_period": limits.put_grace,
    "stop_signal": lambda part, value: _put_text(part, "stop_signal", value),
    "tmpfs": storage.put_tmpfs,
    "ulimits": limits.put_ulimits,
    "user": lambda part, value: limits.put_user(part, value, "user"),
    "volumes": storage.put_volumes,
}
IMPLIED = {
    "attach": "see `stackctl logs`",
    "extends": "is resolved",
    "profiles": "was asked for",
    "pull_policy": "`deploy` fetches an image again where the registry has another",
    "stdin_open": "nothing reads it",
    "tty": "nothing reads it",
}
REFUSED = {
    "devices": "no container of a stack has devices of the host",
    "gpus": "no container of a stack has devices of the host",
    "ipc": "no container of a stack shares memory with the host",
    "pid": "no container of a stack sees the processes of the host",
    "uts": "no container of a stack shares names with the host",
    "userns_mode": "the engine decides it",
    "cgroup": "no container of a stack shares resources with the host",
}
LEFT = {
    "cap_add": "containers have no capabilities, or few: they cannot be added",
    "cap_drop": "containers of services have no capabilities anyway",
    "container_name": "stackctl names containers by itself",
    "develop": "is for development",
    "dns": "the engine's own is asked",
    "domainname": "stackctl names containers by itself",
    "group_add": "has no key in stack.yaml",
    "hostname": "stackctl names containers by itself",
    "links": "each part is known by its own name, and by no other",
    "logging": "logs are kept by the engine, 5 files of 10 MB: see `stackctl logs`",
    "mem_reservation": "only limits are known",
    "mem_swappiness": "only limits are known",
    "memswap_limit": "there is no swap",
    "platform": "the image is that of the engine's platform",
    "post_start": "has no key in stack.yaml",
    "pre_stop": "has no key in stack.yaml",
    "security_opt": "`no-new-privileges` is always set; others have no key",
    "sysctls": "has no key in stack.yaml",
    "volumes_from": "name the volumes in both",
    "working_dir": "set WORKDIR in the image",
}


def put_key(part: Part, key: str, value: object) -> None:
    """Take over one key of a service, or say why not."""
    with part.taking(key):
        if value in origin.NOTHING:
            part.took(key, "empty")
        elif key in HANDLERS:
            HANDLERS[key](part, value)
        elif key in REFUSED:
            part.refuse(key, REFUSED[key])
        elif key in IMPLIED or key.startswith("x-"):
            part.took(key, IMPLIED.get(key, "means nothing by itself"))
        else:
            part.leave(key, LEFT.get(key, "unknown key"))
    if not part.setting.findings.covers(part.at(key)):
        if is_empty(value):
            part.took(key, "empty")
        else:
            part.leave(key, f"nothing of `{key}` could be taken over")


def is_empty(value: object) -> bool:
    """Whether there is nothing in a value, nor in what it holds."""
    if isinstance(value, dict):
        return all(map(is_empty, value.values()))
    return all(map(is_empty, value)) if isinstance(value, list) else value in origin.NOTHING


def _put_text(part: Part, key: str, value: object) -> None:
    part.put(key, part.write(value), key)
