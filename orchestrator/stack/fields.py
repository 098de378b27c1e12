"""What several parts of stack.yaml have in common: how strict they are, and fields of the same form."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr

from orchestrator.stack.filled import OWN
from orchestrator.stack.forms import FILE, IMAGE, NAME, TEXT, URL_PATH, VARIABLE, VERSION, WORD

# Only what a file has is built into a validator, once: all at import took 60 ms of every command.
STRICT = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def refuse_own(entry: str) -> str:
    """Keep stackctl's own variables, such as the key of the evidence, out of every container and build."""
    if entry.rpartition(":")[2].startswith(OWN):
        msg = f"expected a variable other than `{OWN}…`: those are stackctl's own, and reach nothing of a stack"
        raise ValueError(msg)
    return entry


def refuse_dot_segments(path: str) -> str:
    """Keep `.` and `..` out of a path."""
    if {".", ".."} & {*path.split("/")}:
        msg = "expected a path without `.` and `..`, which no request has"
        raise ValueError(msg)
    return path


def _scalar_to_text(value: object) -> object:
    """Let people write `DEBUG: true` or `WORKERS: 2`: the environment only knows text.

    Not so `RATE: 1.10`, which YAML has read as 1.1.
    """
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


# A container's name is a host name, `<stack 20>-<service 32>-green-50`: DNS allows 63 characters.
Name = Annotated[StrictStr, Field(pattern=NAME, max_length=32)]
Image = Annotated[StrictStr, Field(pattern=IMAGE, max_length=255)]
Version = Annotated[StrictStr, Field(pattern=VERSION)]
Variable = Annotated[StrictStr, Field(pattern=VARIABLE, max_length=100)]
Word = Annotated[StrictStr, Field(pattern=WORD, max_length=100)]
File = Annotated[StrictStr, Field(pattern=FILE, max_length=4096)]
Argument = Annotated[StrictStr, Field(pattern=TEXT)]
Text = Annotated[
    StrictStr,
    Field(pattern=TEXT),
    BeforeValidator(_scalar_to_text, json_schema_input_type=Argument | int | bool),
]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
UrlPath = Annotated[
    StrictStr, Field(pattern=URL_PATH, max_length=200), AfterValidator(refuse_dot_segments)
]
