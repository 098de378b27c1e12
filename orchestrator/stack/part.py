"""What services and accessories have in common: how their containers are made."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictFloat, StrictInt, StrictStr

from orchestrator.stack.fields import STRICT, Argument, Text, refuse_own
from orchestrator.stack.forms import ENVIRONMENT, MOUNT, SECRET
from orchestrator.stack.quantities import Bytes, Seconds

Environment = Annotated[StrictStr, Field(pattern=ENVIRONMENT, max_length=200)]
Secret = Annotated[StrictStr, Field(pattern=SECRET, max_length=200), AfterValidator(refuse_own)]
Mount = Annotated[StrictStr, Field(pattern=MOUNT, max_length=255)]


class Resources(BaseModel):
    """The most a container may take."""

    model_config = STRICT

    memory: Annotated[Bytes, Field(ge=6 * 1024**2)] = 512 * 1024**2
    cpus: Annotated[StrictFloat, Field(gt=0, le=256)] = 1.0
    pids: Annotated[StrictInt, Field(ge=1)] = 512


class Part(BaseModel):
    """A service or an accessory, as far as the engine is told of it."""

    model_config = STRICT

    entrypoint: tuple[Argument, ...] = ()  # in place of the image's, and of its command; none: both
    command: tuple[Argument, ...] = ()  # in place of the image's
    env: dict[Environment, Text] = {}
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    stop_grace: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0
