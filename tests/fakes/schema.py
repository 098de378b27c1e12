"""The published schema, asked as an editor asks it: of a file whose references are not filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from orchestrator.stack.document import read_document
from orchestrator.stack.schema import build_schema

if TYPE_CHECKING:
    from pathlib import Path


class Echo(Mapping[str, str]):
    """Variables of which each has its own name as its value: so a reference stays as it was written."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@cache
def validator() -> jsonschema_rs.Draft202012Validator:
    """Return what checks a document."""
    return jsonschema_rs.Draft202012Validator(build_schema())


def list_complaints(document: object) -> list[str]:
    """Return what an editor would say of a document."""
    written = json.loads(json.dumps(document))  # no more than text, numbers, lists and mappings
    return [error.message for error in validator().iter_errors(written)]


def read_as_written(file: Path) -> Any:
    """Return what a file says. Raises ConfigurationError where it is no YAML."""
    return read_document(file, Echo()).data
