"""Stacks of the test's app that the fault suite breaks."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.console import Console
from orchestrator.drill.exercise import Exercise
from orchestrator.drill.site import Site
from orchestrator.settings import Settings
from orchestrator.wiring import open_house
from tests.e2e.operator import Operator
from tests.faults.first_release import OLDER, FirstRelease

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICE = "app"
VERSIONS = ("v1", "v2")
IDLE = {"keepalive": "1s", "drain_timeout": "4s"}  # short, so that a case is over soon


@contextmanager
def somebody(**gateway: object) -> Iterator[Operator]:
    """Give an operator with a stack.yaml of two services; all that is theirs is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="stackctl-faults-") as folder:
        operator = Operator(Path(folder), f"f{secrets.token_hex(3)}")
        try:
            operator.write_stack(
                {"migrate": ["python", "-c", "print('nothing to migrate')"]},
                beside={OLDER: "/web/"},
                **{**IDLE, **gateway},
            )
            prefix = operator.environment.get("IMAGE_PREFIX", "")
            (operator.folder / ".env").write_text(f"IMAGE_PREFIX={prefix}\n")
            yield operator
        finally:
            operator.remove_everything()


def open_site(operator: Operator, environment: Mapping[str, str] | None = None) -> Site:
    """Return an operator's stack as the drill sees it."""
    file = operator.folder / "stack.yaml"
    console = Console(Settings(file, "text", color=False))
    house = open_house(file, console)
    return Site(file, environment or operator.environment, house)


def choose_exercise(site: Site, command: str) -> Exercise:
    """Return the exercise that can run cases of a command."""
    if command == "up":
        return FirstRelease(site, SERVICE, VERSIONS)
    return Exercise(site, SERVICE, VERSIONS)
