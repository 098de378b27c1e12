"""From a file to a Stack: every fault is found before anything is touched, and told at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestrator.errors import ConfigurationError
from orchestrator.stack.boundary import (
    ALLOW,
    ALLOW_FOLDER,
    allows_outside,
    find_outside,
    find_outside_certificates,
    list_folders,
)
from orchestrator.stack.document import MEND, Fault, read_document
from orchestrator.stack.env_file import read_env_file
from orchestrator.stack.filled import OWN, quote
from orchestrator.stack.forms import FORMS
from orchestrator.stack.model import DRILL_OF, Stack
from orchestrator.stack.page_files import find_page_faults
from orchestrator.stack.relations import find_relation_faults

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


def load_stack(
    path: Path, environment: Mapping[str, str] | None = None, *, outside: bool = False
) -> Stack:
    """Read, fill in and check stack.yaml.

    Variables come from `.env` beside the file and, before it, from the environment. It may name what
    lies outside of its repository where `outside` or the environment says so. Raises
    ConfigurationError with all faults, one a line, each with its path.
    """
    variables = load_variables(path, environment)
    document, faults, keys = read_document(path, variables)
    if not isinstance(document, dict):
        found = "a list" if isinstance(document, list) else f"`{_shorten(document)}`"
        found = "nothing" if document is None else found
        raise ConfigurationError(
            f"`{path}`: expected a mapping of keys to values, found {found}", MEND
        )
    version = document.get("version", SCHEMA_VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"`{path}`: version `{_shorten(version)}` is not known, expected {SCHEMA_VERSION}", MEND
        )
    document = {
        key: value
        for key, value in document.items()
        if not str(key).startswith("x-") or key == DRILL_OF
    }
    faults += find_relation_faults(document)
    try:
        stack = Stack.model_validate(document)
    except ValidationError as error:
        details = [one for one in error.errors(include_url=False) if not _is_told_already(one)]
        faults += [_to_fault(detail, keys) for detail in details]
        raise _to_error(path, faults) from error
    if faults:
        raise _to_error(path, faults)
    if not outside:
        _keep_inside(path, stack, os.environ if environment is None else environment)
    _look_at_pages(path, stack)
    return stack


def _keep_inside(path: Path, stack: Stack, environment: Mapping[str, str]) -> None:
    if allows_outside(environment):
        return
    folder = path.resolve().parent
    if faults := list(find_outside(stack, folder)):
        raise _to_error(path, faults, ALLOW)
    if faults := list(find_outside_certificates(stack, folder, list_folders(environment))):
        raise _to_error(path, faults, ALLOW_FOLDER)


def _look_at_pages(path: Path, stack: Stack) -> None:
    if faults := list(find_page_faults(stack, path.resolve().parent)):
        raise _to_error(path, faults)


def load_variables(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that `${…}` and `secrets` see: `.env`, overridden by the environment.

    A `.env` cannot hand on, under another name, what is stackctl's own.
    """
    environment = os.environ if environment is None else environment
    seen = {name: value for name, value in environment.items() if not name.startswith(OWN)}
    return read_env_file(path.parent / ".env", seen) | dict(environment)


def _to_fault(detail: ErrorDetails, keys: Mapping[str, str]) -> Fault:
    parts = (part for part in detail["loc"] if part != "[key]")
    path = ".".join(_shorten(keys.get(str(part), part)) for part in parts)
    message = describe_fault(detail)
    value = detail["input"]
    if isinstance(value, str | int | float) and detail["type"] != "extra_forbidden":
        message += f", got `{_shorten(value)}`"
    return Fault(path, message)


def _is_told_already(detail: ErrorDetails) -> bool:
    """Whether a list is too short only for what is wrong with its entries, which is said of each."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def describe_fault(detail: ErrorDetails) -> str:
    """Return what is wrong with a value, without the value."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_type" and isinstance(detail["input"], int | float):
        return "expected text in quotes"
    if kind == "string_pattern_mismatch":
        return f"expected {FORMS[context['pattern']]}"
    if kind == "too_short":
        least = context["min_length"]
        return f"expected at least {least} {'entry' if least == 1 else 'entries'}"
    message = _EXPECTED.get(kind) or detail["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _shorten(value: object) -> str:
    text = quote(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _to_error(path: Path, faults: list[Fault], hint: str = MEND) -> ConfigurationError:
    lines = dict.fromkeys(str(fault) for fault in faults)
    count = f"{len(lines)} faults" if len(lines) > 1 else "a fault"
    return ConfigurationError("\n  ".join([f"`{path}` has {count}:", *lines]), hint)
