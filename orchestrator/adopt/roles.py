"""What each service of compose becomes: a service, an accessory, or something that stackctl has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.adopt.doors import find_port
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.images import DATABASES, PROXIES, WEB_SERVERS, split_image
from orchestrator.adopt.parts import Role
from orchestrator.adopt.references import fill
from orchestrator.adopt.short_forms import to_list, to_mount, to_names, to_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from orchestrator.adopt.dockerfile import Stage

OTHER_PORTS = "its ports speak no HTTP, and the gateway speaks nothing else"
ONCE = "runs once (`restart: no`), and nobody waits for it: see `stackctl run`"
PROXY = "a proxy in front of the others: the gateway takes its place, see `routes`"


def choose_roles(
    services: Mapping[str, Mapping[str, Any]],
    stages: Mapping[str, Stage],
    variables: Mapping[str, str],
    profiles: Collection[str],
) -> dict[str, Role]:
    """Return what each becomes."""
    roles = {}
    for name, service in services.items():
        try:
            roles[name] = _choose(service, stages.get(name), variables, profiles)
        except Unfit as error:
            roles[name] = Role("left", str(error))
    roles |= dict(_find_workers(services, roles, variables))
    return roles | dict(_find_jobs(services, roles))


def _find_workers(
    services: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, Role],
    variables: Mapping[str, str],
) -> Iterator[tuple[str, Role]]:
    """Yield those that run the image of a service with another command, and say no port themselves."""
    known = [name for name, role in roles.items() if role.kind == "services"]
    open_ones = [name for name in known if find_port(services[name], None, variables)]
    for name, role in roles.items():
        service = services[name]
        commanded = service.get("command") or service.get("entrypoint")
        if role.kind not in ("services", "accessories", "worker") or name in open_ones:
            continue
        leader = next((each for each in open_ones if is_same_image(service, services[each])), "")
        if role.kind == "worker" or (leader and commanded and not _is_database(service, variables)):
            yield name, _choose_work(service, leader)


def _is_database(service: Mapping[str, Any], variables: Mapping[str, str]) -> bool:
    return split_image(fill(to_text(service.get("image")), variables)).short in DATABASES


def _choose_work(service: Mapping[str, Any], leader: str) -> Role:
    """Return what becomes of a service that says no port where HTTP is spoken."""
    if service.get("ports") or service.get("expose"):
        return Role("left", OTHER_PORTS)
    if service.get("restart") in ("no", False):
        return Role("left", ONCE)
    return Role("worker", serves=leader)


def _choose(
    service: Mapping[str, Any],
    stage: Stage | None,
    variables: Mapping[str, str],
    profiles: Collection[str],
) -> Role:
    wanted = [to_text(each) for each in to_list(service.get("profiles") or [])]
    if wanted and not {"*", *wanted} & {*profiles}:
        return Role(
            "left", f"only with the profile `{wanted[0]}`: `--profile {wanted[0]}` takes it over"
        )
    image = split_image(fill(to_text(service.get("image")), variables))
    if service.get("build") not in (None, "", {}):
        return Role("services") if find_port(service, stage, variables) else Role("worker")
    return _choose_by_image(image.short, service, variables)


def _choose_by_image(image: str, service: Mapping[str, Any], variables: Mapping[str, str]) -> Role:
    """Return what a service becomes whose image others have made."""
    if not image:
        return Role("left", "has neither `image` nor `build`")
    if _is_proxy(image, service):
        return Role("proxy", PROXY)
    if image in DATABASES:
        return Role("accessories")
    if find_port(service, None, variables):
        return Role("services")
    return Role("accessories")


def _is_proxy(image: str, service: Mapping[str, Any]) -> bool:
    """Whether it only hands requests on: a known proxy, or a web server with a config of its own."""
    if image in PROXIES:
        return True
    mounts = [to_mount(entry) for entry in to_list(service.get("volumes") or [])]
    configured = any(
        each.target.startswith(("/etc/nginx", "/etc/caddy", "/usr/local/apache2/conf"))
        for each in mounts
    )
    return image in WEB_SERVERS and configured and bool(service.get("depends_on"))


def _find_jobs(
    services: Mapping[str, Mapping[str, Any]], roles: Mapping[str, Role]
) -> list[tuple[str, Role]]:
    """Return those whose end others wait for: what migrates a database."""
    jobs: dict[str, Role] = {}
    released = [
        name for kind in ("services", "worker") for name in roles if roles[name].kind == kind
    ]
    for name in released:
        service = services[name]
        try:
            needs = to_names(service.get("depends_on") or [])
        except Unfit:
            continue
        for need, how in needs.items():
            waits = (
                isinstance(how, dict) and how.get("condition") == "service_completed_successfully"
            )
            if waits and need in roles and need not in jobs:
                same = is_same_image(services[need], service)
                reason = "" if same else "runs once before others, with another image than theirs"
                jobs[need] = Role("job" if same else "left", reason, name)
    return [*jobs.items()]


def is_same_image(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two services run the same image."""
    image = one.get("image")
    if image is not None and image == other.get("image"):
        return True
    return one.get("build") is not None and one.get("build") == other.get("build")
