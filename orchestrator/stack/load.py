"""From a file to a Stack: every fault is found before anything is touched, and told at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from orchestrator.errors import ConfigurationError
from orchestrator.stack.document import Fault, read_document
from orchestrator.stack.model import Stack
from orchestrator.stack.relations import find_gateway_faults, find_relation_faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

SCHEMA_VERSION = 1
_EXPECTED = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
    "missing": "is required",
    "extra_forbidden": "unknown key",
}


def load_stack(path: Path, environment: Mapping[str, str] | None = None) -> Stack:
    """Read, fill in and check stack.yaml.

    Variables come from `.env` beside the file and, before it, from the environment. Raises
    ConfigurationError with all faults, one a line, each with its path.
    """
    variables = load_variables(path, environment)
    document, faults = read_document(path, variables)
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise ConfigurationError(f"`{path}`: expected a mapping of keys to values, found {found}")
    if document.get("version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise ConfigurationError(
            f"`{path}`: version {document['version']!r} is not known, expected {SCHEMA_VERSION}"
        )
    document = {key: value for key, value in document.items() if not str(key).startswith("x-")}
    stack, more = _check(document)
    faults += more
    if stack is None or faults:
        raise _to_error(path, faults)
    return stack


def load_variables(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that `${…}` and `secrets` see: `.env`, overridden by the environment."""
    return read_env_file(path.parent / ".env") | dict(
        os.environ if environment is None else environment
    )


def read_env_file(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; quotes around a value are dropped. A missing file is empty."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"`{path}` cannot be read: {error}") from error
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip().removeprefix("export ")
        if not entry or entry.startswith("#"):
            continue
        name, equals, value = entry.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ConfigurationError(f"`{path}` line {number}: expected `NAME=value`")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        variables[name.strip()] = value[1:-1] if quoted else value
    return variables


def _check(document: dict[str, Any]) -> tuple[Stack | None, list[Fault]]:
    faults: list[Fault] = []
    stack = None
    try:
        stack = Stack.model_validate(document)
        faults += find_gateway_faults(stack.gateway)
    except ValidationError as error:
        faults += [_to_fault(detail) for detail in error.errors(include_url=False)]
    faults += find_relation_faults(document)
    return stack, faults


def _to_fault(detail: ErrorDetails) -> Fault:
    path = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    message = _EXPECTED.get(detail["type"])
    if message is None:
        message = detail["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
    value = detail["input"]
    if isinstance(value, str | int | float) and detail["type"] != "extra_forbidden":
        message += f", got `{_shorten(value)}`"
    return Fault(path, message)


def _shorten(value: object) -> str:
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= 60 else text[:57] + "…"


def _to_error(path: Path, faults: list[Fault]) -> ConfigurationError:
    lines = dict.fromkeys(str(fault) for fault in faults)
    count = f"{len(lines)} faults" if len(lines) > 1 else "a fault"
    return ConfigurationError(
        "\n  ".join([f"`{path}` has {count}:", *lines]), "mend them, then `stackctl validate`"
    )
