"""All checks in their order, from what was seen to what is to be said of it. Pure.

A check is a function from facts to a Finding, in the module of its subject. A new one is put here into
the order, and its facts into the view.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orchestrator.doctor import certificates, engine, files, ports, registries, room
from orchestrator.doctor.finding import Finding, doubt
from orchestrator.doctor.view import find_missing
from orchestrator.edition import find_edition
from orchestrator.engine.endpoint import Endpoint
from orchestrator.engine.redaction import Redaction
from orchestrator.engine.survey import Survey
from orchestrator.errors import StackctlError
from orchestrator.stack.model import Stack
from orchestrator.stack.sharing import find_shared
from orchestrator.stack.withheld import list_public

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.doctor.view import Files, Leads, View


def examine(view: View) -> list[Finding]:
    """Return what is to be said. What needs stack.yaml, or an engine that answers, is left out without."""
    found = [files.judge_python(sys.version_info[:3], find_edition()), *_examine_files(view)]
    found.append(_examine_engine(view))
    if isinstance(view.survey, Survey) and view.leads is not None:
        found += _examine_world(view, view.survey, view.leads)
    found.append(registries.judge_logins(view.helpers))
    public = list_public(view.stack) if isinstance(view.stack, Stack) else ""
    redaction = Redaction(view.withheld, public)
    return [finding.reword(redaction.apply) for finding in found if finding is not None]


def _examine_files(view: View) -> Iterator[Finding | None]:
    yield files.judge_stack(str(view.file), view.stack, absent=view.absent)
    if isinstance(view.stack, Stack):
        yield files.judge_volumes(
            {name: find_shared(one) for name, one in view.stack.services.items()}
        )
    demand = view.demand
    if demand is not None and not isinstance(view.variables, StackctlError):
        yield files.judge_variables(demand.variables, view.variables)
    if isinstance(view.files, StackctlError):
        yield doubt("files", f"those beside stack.yaml cannot be seen: {view.files.message}")
    else:
        yield from _examine_folder(view.files)
    yield certificates.judge_certificates(view.certificates)
    if view.key is not None:
        yield files.judge_key(view.key.trouble, view.key.file, given=view.key.given)


def _examine_folder(seen: Files) -> Iterator[Finding]:
    yield files.judge_env(seen.env, seen.kept)
    yield files.judge_reports(seen.reports, seen.folder, seen.trouble, seen.named)
    yield room.judge_disk("disk", "the folder of stack.yaml", seen.room)


def _examine_engine(view: View) -> Finding:
    if isinstance(view.endpoint, Endpoint):
        return engine.judge_engine(view.endpoint.shown, view.endpoint.named_by, view.survey)
    return engine.judge_engine("", "", view.endpoint)


def _examine_world(view: View, survey: Survey, leads: Leads) -> Iterator[Finding | None]:
    demand = view.demand
    shown = view.endpoint.shown if isinstance(view.endpoint, Endpoint) else ""
    away = isinstance(view.endpoint, Endpoint) and view.endpoint.away
    yield engine.judge_place(shown, here=leads.here, away=away)
    yield engine.judge_builder(leads.builder, demand)
    yield engine.judge_clock(survey.ahead, survey.doubt)
    yield room.judge_disk("engine disk", f"`{survey.root}`", leads.room)
    if demand is None or not isinstance(view.stack, Stack):
        return
    yield room.judge_memory(demand, survey.memory)
    yield room.judge_cpus(demand, survey.cpus)
    for door, address in demand.doors.items():
        if leads.here is False:
            yield ports.doubt_door(door, address, "it is on the engine's machine")
        else:
            owner = (door.owner or view.stack.name, door.part)
            holder = ports.find_holder(address, owner, survey.containers, leads.listeners or ())
            seen = leads.listeners is not None
            yield ports.judge_door(door, address, holder, has=leads.own[address.host], seen=seen)
    yield ports.judge_url(view.stack.gateway.url, leads.miss)
    yield registries.judge_images(find_missing(survey, demand), leads.known, here=leads.here)
    yield registries.judge_nginx(demand.gateway, leads.nginx or survey.images.get(demand.gateway))
