"""What several parts of stack.yaml have in common: how strict they are, and fields of the same form."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StrictInt, StrictStr

from orchestrator.stack.forms import URL_PATH

# Only what a file has is built into a validator, once: all at import took 60 ms of every command.
STRICT = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _refuse_dot_segments(path: str) -> str:
    if {".", ".."} & {*path.split("/")}:
        msg = "expected a path without `.` and `..`, which no request has"
        raise ValueError(msg)
    return path


Port = Annotated[StrictInt, Field(ge=1, le=65535)]
UrlPath = Annotated[
    StrictStr, Field(pattern=URL_PATH, max_length=200), AfterValidator(_refuse_dot_segments)
]
