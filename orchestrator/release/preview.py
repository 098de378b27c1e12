"""The proof that a candidate can be reached the way that traffic will take."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from orchestrator.asking import Unanswered
from orchestrator.clock import poll
from orchestrator.errors import CandidateError, EngineError
from orchestrator.gateway.admin import UPSTREAM
from orchestrator.health import judge
from orchestrator.release.gate import require_running

if TYPE_CHECKING:
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan

ASK_EVERY = 0.005  # seconds; users wait for the answer
# Where health has a port of its own, any other answer on the traffic's port shows that it is reached.
UNREACHED = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
LOOK_EVERY = 1.0  # seconds; a replica that has ended answers nobody any more
PATIENCE = 15.0  # seconds; NGINX may hold failures of what ran there before against it for some


def prove_preview(house: House, plan: Plan) -> None:
    """Return once every replica answered through its upstream. Raises CandidateError."""
    order, health = plan.order, plan.service.health
    missing = set(plan.upstream.servers if plan.upstream else ())
    last, looked = "no answer", house.clock.monotonic()

    def ask() -> bool | None:
        nonlocal last, looked
        if house.clock.monotonic() - looked >= LOOK_EVERY:
            with suppress(EngineError):  # what is only looked at must not end the release
                require_running(house, plan)
            looked = house.clock.monotonic()
        try:
            answer = house.admin.preview(
                order.service,
                plan.candidate.color,
                health.path,
                health.timeout,
                health.headers,
                health.body,
            )
        except Unanswered as error:
            last = f"no answer ({error})"
            return None
        verdict = judge(answer, order.version, health)
        last = verdict.text
        if verdict.healthy or (health.port and answer.status not in UNREACHED):
            # After a second try NGINX names every address; the last one answered.
            missing.discard(answer.header(UPSTREAM).split(", ")[-1])
        return not missing or None

    if not poll(ask, clock=house.clock, every=ASK_EVERY, within=PATIENCE):
        raise CandidateError(
            f"the preview of `{order.service}` `{order.version}` is not reached at"
            f" {', '.join(sorted(missing))}: {last}",
            "the candidate is healthy, but not through the gateway: `stackctl logs gateway`",
        )
