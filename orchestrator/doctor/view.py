"""All that the doctor sees, gathered at once: it ends within some ten seconds, whatever is silent."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.asking import has_address
from orchestrator.doctor.certificates import Seen, see_certificates
from orchestrator.doctor.demand import Demand, find_demand
from orchestrator.doctor.gathering import gather
from orchestrator.doctor.listeners import find_listeners
from orchestrator.doctor.registries import find_proxy, find_registry, needs_lookup
from orchestrator.doctor.sight import find_miss, is_known, see_kept, see_rights, see_room
from orchestrator.engine.buildkit import Builder, find_builder
from orchestrator.engine.credentials import find_missing_helpers
from orchestrator.engine.endpoint import Endpoint, find_endpoint
from orchestrator.engine.survey import Survey, ask_inside, survey_engine
from orchestrator.engine.tunnel import find_near
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import StackctlError
from orchestrator.evidence.key import FILE_VARIABLE, take_key
from orchestrator.evidence.seal import KEY_VARIABLE
from orchestrator.gateway.admin import Admin
from orchestrator.reports import find_reports
from orchestrator.stack import naming
from orchestrator.stack.load import load_stack, load_variables
from orchestrator.stack.model import Stack
from orchestrator.stack.withheld import find_withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.clock import Clock
    from orchestrator.doctor.files import Kept, Rights
    from orchestrator.doctor.ports import Listener
    from orchestrator.engine.values import Container

# Seconds for what is read, for the engine and the files, and for what their answers lead to.
READING, LOOKING, FOLLOWING = 2.0, 4.5, 2.5
DEFAULT = Path("stack.yaml")
PATIENCE = 4  # seconds for one answer of the engine


@dataclass(frozen=True)
class Files:
    """What lies beside stack.yaml."""

    folder: Rights | None
    env: Rights | None
    kept: Kept  # what Git does with `.env`
    reports: Rights | None
    trouble: StackctlError | None  # why nothing may be written to `reports/`
    room: int | None  # bytes
    named: Path | None = None  # where else reports are to be kept


@dataclass(frozen=True)
class Key:
    """What evidence is signed with."""

    given: bool
    trouble: StackctlError | None = None
    file: Rights | None = None  # that holds it, where one does


@dataclass(frozen=True)
class Leads:
    """What is seen of this machine once it is known what the engine has, and what the stack wants."""

    here: bool | None  # whether the engine is on this machine; None: it cannot be told
    builder: Builder | StackctlError
    room: int | None  # bytes that the engine's disk has; None: it cannot be seen
    known: Mapping[str, bool | None]  # hosts, and whether a name server knows them; None: too late
    nginx: str  # version that the running gateway tells of; empty where none runs
    listeners: Sequence[Listener] | None
    own: Mapping[str, bool]  # addresses of doors, and whether this machine has them
    miss: str | None = (
        None  # why `gateway.url` leads elsewhere, empty where it does not; None: not asked
    )


@dataclass(frozen=True)
class View:
    """All that was seen."""

    file: Path
    absent: bool  # there is none, and nobody has named one
    stack: Stack | StackctlError
    variables: Mapping[str, str] | StackctlError = field(repr=False)
    withheld: Sequence[tuple[str, str]] = field(repr=False)  # variables whose values are not told
    key: Key | None
    files: Files | StackctlError
    helpers: Mapping[str, Sequence[str]]
    endpoint: Endpoint | StackctlError
    survey: Survey | StackctlError
    leads: Leads | None
    certificates: Seen | StackctlError | None = None

    @property
    def demand(self) -> Demand | None:
        """Return what the stack needs; None where there is none."""
        return find_demand(self.stack) if isinstance(self.stack, Stack) else None


def take_view(
    file: Path,
    environment: Mapping[str, str],
    home: Path,
    clock: Clock,
    reports: Path | None = None,
) -> View:
    """Return all that is to be seen; evidence is kept beside the file, or in `reports`."""
    folder = file.resolve().parent
    read = _read(file, environment, home, clock)
    stack, variables, endpoint = read["stack"], read["variables"], read["endpoint"]
    client = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    seen = gather(
        {
            "survey": partial(_survey, endpoint, stack, clock),
            "files": partial(_see_files, folder, environment, reports),
            "key": partial(_see_key, variables, folder, environment),
            "certificates": partial(_see_certificates, stack, folder, clock),
            "helpers": partial(find_missing_helpers, client, environment),
            "withheld": partial(_find_withheld, file, stack, variables),
        },
        clock,
        LOOKING,
    )
    survey = seen["survey"]
    answers = isinstance(survey, Survey)
    return View(
        file=file,
        absent=file == DEFAULT and not os.path.lexists(file),
        stack=stack,
        variables=variables,
        withheld=_drop_error(seen["withheld"]) or (),
        key=_drop_error(seen["key"]),
        files=seen["files"],
        helpers=_drop_error(seen["helpers"]) or {},
        endpoint=endpoint,
        survey=survey,
        leads=_follow(endpoint, survey, stack, environment, clock) if answers else None,
        certificates=seen["certificates"],
    )


def _see_certificates(stack: object, folder: Path, clock: Clock) -> Seen | None:
    if not isinstance(stack, Stack):
        return None
    gateway = stack.gateway
    served = Admin(gateway.admin, gateway.listen).config
    return see_certificates(stack, folder, clock.now(), served)


def _read(
    file: Path, environment: Mapping[str, str], home: Path, clock: Clock
) -> Mapping[str, Any]:
    """Return what stack.yaml, `.env` and the client's config say."""
    readers: dict[str, Callable[[], Any]] = {
        "stack": partial(load_stack, file, environment),
        "variables": partial(load_variables, file, environment),
        "endpoint": partial(find_endpoint, environment, home),
    }
    return gather(readers, clock, READING)


def find_missing(survey: Survey, demand: Demand) -> dict[str, str]:
    """Return the images that would have to be fetched, each with the host that is asked for it."""
    return {
        reference: find_proxy(survey.proxy) or find_registry(reference)
        for reference in demand.images
        if reference not in survey.images
    }


def find_gateway(survey: Survey, stack: str) -> Container | None:
    """Return the gateway of a stack, where it runs."""
    wanted = {naming.STACK: stack, naming.ROLE: "gateway"}
    return next(
        (one for one in survey.containers if wanted.items() <= {**one.labels}.items()), None
    )


def _find_withheld(
    file: Path, stack: object, variables: Mapping[str, str] | StackctlError
) -> Sequence[tuple[str, str]]:
    if not isinstance(stack, Stack) or isinstance(variables, StackctlError):
        return ()
    return find_withheld(file, stack, variables)


def _survey(endpoint: Endpoint | StackctlError, stack: object, clock: Clock) -> Survey:
    if isinstance(endpoint, StackctlError):
        raise endpoint
    references = find_demand(stack).images if isinstance(stack, Stack) else ()
    return survey_engine(endpoint, references, clock, PATIENCE)


def _see_files(folder: Path, environment: Mapping[str, str], named: Path | None) -> Files:
    trouble = None
    try:
        find_reports(folder, named)
    except StackctlError as error:
        trouble = error
    return Files(
        folder=see_rights(folder),
        env=see_rights(folder / ".env"),
        kept=see_kept(folder / ".env", environment),
        reports=see_rights(named or folder / "reports"),
        named=named,
        trouble=trouble,
        room=see_room(folder),
    )


def _see_key(
    variables: Mapping[str, str] | StackctlError, folder: Path, environment: Mapping[str, str]
) -> Key | None:
    if isinstance(variables, StackctlError):
        return None
    file = variables.get(FILE_VARIABLE, "").strip()
    try:
        given = bool(take_key(variables, folder, environment).get(KEY_VARIABLE, "").strip())
    except StackctlError as error:
        return Key(given=False, trouble=error)
    return Key(given=given, file=see_rights(folder / file) if file else None)


def _follow(
    endpoint: Endpoint,
    survey: Survey,
    stack: Stack | StackctlError,
    environment: Mapping[str, str],
    clock: Clock,
) -> Leads:
    known = stack if isinstance(stack, Stack) else None
    runs = known is not None and find_gateway(survey, known.name) is not None
    hosts: set[str] = set()
    doors = find_demand(known).doors if known else {}
    if known:
        hosts = {*filter(needs_lookup, find_missing(survey, find_demand(known)).values())}
    answers = gather(
        {
            "here": (lambda: False) if endpoint.away else partial(_is_here, survey, known),
            "builder": partial(_find_builder, endpoint, environment),
            "nginx": partial(_ask_nginx, endpoint, survey, known),
            "miss": partial(find_miss, known.gateway.url if known else None, runs=runs),
            "room": partial(see_room, Path(survey.root or "/nowhere")),
            "listeners": partial(find_listeners, {door.port for door in doors.values()}),
            **{f"host {host}": partial(is_known, host) for host in hosts},
        },
        clock,
        FOLLOWING,
    )
    builder = answers["builder"]
    here, nginx, room, listeners, miss = (
        _drop_error(answers[name]) for name in ("here", "nginx", "room", "listeners", "miss")
    )
    return Leads(
        here=here,
        builder=builder,
        room=room if here is not False else None,
        known={host: _drop_error(answers[f"host {host}"]) for host in hosts},
        nginx=nginx or "",
        listeners=listeners,
        miss=miss,
        own={door.host: has_address(door.host) for door in doors.values()},
    )


def _drop_error(answer: Any) -> Any:
    return None if isinstance(answer, StackctlError) else answer


def _is_here(survey: Survey, stack: Stack | None) -> bool | None:
    """Tell whether the engine is on this machine: its addresses are ours, or its gateway is reached."""
    if stack is not None and find_gateway(survey, stack.name) is not None:
        admin = Admin(stack.gateway.admin, stack.gateway.listen)
        if admin.serving() is not None:
            return True
    return has_address(survey.host) if survey.host else None


def _find_builder(endpoint: Endpoint, environment: Mapping[str, str]) -> Builder:
    nothing = BuildOrder(Path(), "Dockerfile", "", {}, {})
    return find_builder(find_near(endpoint), nothing, environment)


def _ask_nginx(endpoint: Endpoint, survey: Survey, stack: Stack | None) -> str:
    gateway = find_gateway(survey, stack.name) if stack is not None else None
    if gateway is None:
        return ""
    told = ask_inside(endpoint, gateway.id, ("nginx", "-v"), PATIENCE)
    found = re.search(r"nginx/(\d+(?:\.\d+)+)", told)
    return found[1] if found else ""
