"""`jobs` of stack.yaml: commands that a timer runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from orchestrator.stack.fields import STRICT, Argument, Name
from orchestrator.stack.part import Resources
from orchestrator.stack.quantities import Seconds
from orchestrator.stack.schedule import Timing


class Job(BaseModel):
    """A command that runs by a timer, or by hand, in a fresh container of a service; one at a time."""

    model_config = STRICT

    service: Name
    command: Annotated[tuple[Argument, ...], Field(min_length=1)]
    schedule: Timing | None = None  # None: only by hand, or by somebody else's timer
    timeout: Annotated[Seconds, Field(ge=1, le=604800)] = 3600.0
    resources: Resources | None = None  # None: the service's
