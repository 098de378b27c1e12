"""A stack.yaml in the making: all parts, their order, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.adopt.commentary import comment
from orchestrator.adopt.compose_file import MEND
from orchestrator.adopt.doors import plan_doors
from orchestrator.adopt.findings import Findings, Unfit, shorten
from orchestrator.adopt.health import put_image_health, put_unknown_health
from orchestrator.adopt.keys import put_key
from orchestrator.adopt.limits import read_command
from orchestrator.adopt.names import LONGEST_STACK, make_name, make_names
from orchestrator.adopt.origin import NOTHING
from orchestrator.adopt.parts import Part, Setting
from orchestrator.adopt.roles import ONCE, OTHER_PORTS, choose_roles
from orchestrator.adopt.routing import put_port, put_routes
from orchestrator.adopt.stack_text import write_yaml
from orchestrator.adopt.storage import put_image_volumes
from orchestrator.adopt.surroundings import make_gateway, make_volumes, tell_rest
from orchestrator.adopt.workers import join_workers, put_strategy
from orchestrator.errors import ConfigurationError
from orchestrator.stack.schema import MODELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orchestrator.adopt.dockerfile import Stage

ORDER = (
    *("build", "image", "version", "port", "publish", "replicas", "strategy", "user", "read_only"),
    *("init", "entrypoint", "command", "migrate", "env_file", "env", "secrets", "needs", "with"),
    *("networks", "extra_hosts", "volumes", "files", "tmpfs", "shm_size", "ulimits", "resources"),
    *("health", "deadline", "stop_signal", "stop_grace", "routes"),
)

NO_PORT = "give one a port with `ports` or `expose`, or EXPOSE in its Dockerfile"
KEPT = ("services", "worker", "accessories")  # kinds of roles that are in stack.yaml


class Source(NamedTuple):
    """What a stack.yaml is made of."""

    project: Mapping[str, Any]
    fallback: str  # the stack's name, where the project has none
    variables: Mapping[str, str]
    stages: Mapping[str, Stage]
    is_file: Callable[[str], bool]
    profiles: Collection[str]
    told: str  # where it comes from, in words
    path: str = ""  # where users find the one service; "": compose says it


class Draft(NamedTuple):
    """The text of a stack.yaml, and what became of each key that it was made of."""

    text: str
    findings: Findings


def make_draft(source: Source) -> Draft:
    """Write a stack.yaml. Raises ConfigurationError where nothing can be made of the project."""
    setting = _prepare(source)
    parts = _make_parts(setting)
    join_workers(parts)
    tell_rest(setting)
    services = {part.name: _order(part) for part in parts if part.group == "services"}
    accessories = {part.name: _order(part) for part in parts if part.group == "accessories"}
    if not services:
        raise _find_obstacle(setting, source.told)
    data: dict[str, Any] = {"version": 1, "name": setting.name, "gateway": make_gateway(setting)}
    data["services"] = services
    data |= {"accessories": accessories} if accessories else {}
    data |= make_volumes(setting)
    text = write_yaml(data, comment(setting, parts, source.told))
    return Draft(f"{MODELINE}\n{text}", setting.findings)


def _prepare(source: Source) -> Setting:
    services = source.project["services"]
    roles = choose_roles(services, source.stages, source.variables, source.profiles)
    kinds = {name: role.kind for name, role in roles.items()}
    names = make_names(name for name, kind in kinds.items() if kind in KEPT)
    doors = plan_doors(services, kinds, names, source.variables)
    if source.path and doors.owner:
        doors = doors._replace(paths={doors.owner: source.path})
    setting = Setting(
        project=source.project,
        variables=source.variables,
        is_file=source.is_file,
        stages=source.stages,
        roles=roles,
        names=names,
        doors=doors,
        name="",
    )
    return _name_stack(setting, source)


def _name_stack(setting: Setting, source: Source) -> Setting:
    written = source.project.get("name")
    given = str(written) if isinstance(written, str) and "$" not in written else source.fallback
    name = make_name(given, LONGEST_STACK)
    if "name" in source.project:
        if name == written:
            setting.findings.took("name", f"`{name}`")
        else:
            setting.findings.changed(
                "name", f"`{name}`: at most 20 lower-case letters, digits, hyphens"
            )
    return replace(setting, name=name)


def _make_parts(setting: Setting) -> list[Part]:
    parts = []
    for written, role in setting.roles.items():
        key = f"services.{written}"
        if written not in setting.names:
            if role.kind == "job":
                setting.findings.changed(key, f"is `migrate` of `{role.serves}`")
            else:
                setting.findings.left(key, role.reason)
            continue
        part = _make_part(setting, written)
        if isinstance(part, Part):
            parts.append(part)
        else:
            setting.findings.drop_below(key)
            setting.findings.left(key, part)
    return parts


def _make_part(setting: Setting, written: str) -> Part | str:
    """Return a part with all that it can have; or why it cannot be there."""
    part = Part(setting, written)
    try:
        put_port(part)
    except Unfit as error:
        return str(error)
    for key, value in part.source.items():
        put_key(part, key, value)
    if not {"build", "image"} & part.keys.keys():
        return f"its image cannot be taken over: {_find_misfit_of_image(part)}"
    if part.group == "services":
        _finish_service(part)
    for name in part.unset:
        setting.findings.changed(
            f"${{{name}}}", "has no value now: until .env gives it one, it is empty"
        )
    if part.unset:
        part.todos.append(
            f"TODO .env: {', '.join(part.unset)} without a value: empty, as in compose"
        )
    if part.name != written:
        part.todos.insert(
            0, f"it was `{written}` in the compose file: names have no `_` and no capitals"
        )
    return part


def _finish_service(part: Part) -> None:
    """Give a service what stands at no key of its own in the compose file."""
    put_image_volumes(part)
    if part.is_worker:
        put_strategy(part)
    else:
        put_image_health(part)
        put_unknown_health(part)
        put_routes(part)
    _put_migration(part)
    _warn_of_root(part)


def _put_migration(part: Part) -> None:
    """Let what ran once before it be its migration."""
    for written, role in part.setting.roles.items():
        if role.kind != "job" or role.serves != part.written:
            continue
        job = part.setting.project["services"][written]
        given = [job[key] for key in ("entrypoint", "command") if job.get(key) not in NOTHING]
        try:
            command = [word for value in given for word in read_command(part, value)]
        except Unfit as error:
            part.todos.append(f"TODO migrate: the command of `{written}`: {error}")
            continue
        if not command or part.fits("migrate", command):
            part.todos.append(
                f"TODO migrate: `{written}` ran its image's own command: name it here"
            )
        else:
            part.keys["migrate"] = command


def _warn_of_root(part: Part) -> None:
    if part.stage is None or "user" in part.keys:
        return
    if part.stage.user in ("root", "0"):
        part.todos.append(
            "TODO user: the Dockerfile says root, which is refused: give it a USER of its own"
        )
    elif part.stage.user is None:
        part.todos.append(
            "user: the Dockerfile sets none. An image that runs as root is refused: add `USER 10001`"
        )


def _order(part: Part) -> dict[str, Any]:
    return {key: part.keys[key] for key in ORDER if key in part.keys}


def _find_misfit_of_image(part: Part) -> str:
    """Return what was said of `image` or `build`, which need not be the first that was left out."""
    left = part.setting.findings.of("left")
    for key in (part.at("image"), part.at("build")):
        for finding in left:
            if finding.key == key or finding.key.startswith(f"{key}."):
                return finding.text
    return "it is empty"


def _find_obstacle(setting: Setting, told: str) -> ConfigurationError:
    """Return what is to be raised where nothing can be released: the first that stood in the way, and its mend."""
    own = {shorten(f"services.{name}") for name in setting.roles}
    first = next((each for each in setting.findings.of("left") if each.key in own), None)
    reason = f"{first.key}: {first.text}" if first else "nothing listens"
    no_port = first is None or first.text in (OTHER_PORTS, ONCE)
    return ConfigurationError(
        f"{told} has no service that stackctl could release: {reason}", NO_PORT if no_port else MEND
    )
