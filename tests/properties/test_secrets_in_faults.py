"""A variable's value at any place of stack.yaml: what refuses it never says it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.stack.load import load_stack
from tests.properties.test_stack_input import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Place = tuple[str | int, ...]
DUMPER = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper  # four times as fast
VALUES = (  # each with `7h15` or 9,876 in it, which stands nowhere else
    *("7h15-is-Secret", "7h15", "/7h15/../x", "7h15/", "7h15:/x:ro", "7h15=x:Y Z", "${7h15"),
    *("9876543219", "-9876", "98765.25", "9876.1.2.3:80", "10.98.76.1/24", "9876ms", "9876k"),
    *("[7h15]", "{7h15: 1}", "7h15\n\x1b[2J", "7h15\u202e" * 40, "STACKCTL_7h15", "gateway:/7h15"),
)
PIECES = ("7h15", "9876", "98.76")


def list_places(value: Any, place: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Yield where a value stands, and where a key does (True)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, key), True
            yield from list_places(inner, (*place, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from list_places(inner, (*place, position))
    else:
        yield place, False


def put(place: Place, text: str, *, as_key: bool) -> dict[str, Any]:
    """Return the full document with a text at a place, or as the name of what is there."""
    document = deepcopy(FULL)
    inner: Any = document
    for part in place[:-1]:
        inner = inner[part]
    inner[text if as_key else place[-1]] = inner.pop(place[-1]) if as_key else text
    return document


@pytest.mark.parametrize(("place", "as_key"), [*list_places(FULL)], ids=str)
def test_no_fault_says_a_value(place: Place, *, as_key: bool, tmp_path: Path) -> None:
    """Alone or joined with text, as a value or a key, as a number or words: it is in no message."""
    file = tmp_path / "stack.yaml"
    for written in ("${T}", "a ${T}", "/${T}/b", "${T}${T}", "{version}:${T}"):
        file.write_text(yaml.dump(put(place, written, as_key=as_key), Dumper=DUMPER))
        for value in VALUES:
            try:
                load_stack(file, {"T": value})
            except ConfigurationError as error:
                told = f"{error.message}\n{error.hint}"
                assert [piece for piece in PIECES if piece in told] == [], told


def test_a_value_that_is_no_document_is_not_said(tmp_path: Path) -> None:
    """Nor where it is the whole file, the schema's number, or a key that is there twice."""
    file = tmp_path / "stack.yaml"
    for text in ("${T}", "version: ${T}", "version: 1\n${T}: 1\n${T}: 2", "- ${T}", "{${T}: 1}"):
        file.write_text(text)
        for value in VALUES:
            with pytest.raises(ConfigurationError) as raised:
                load_stack(file, {"T": value})
            told = f"{raised.value.message}\n{raised.value.hint}"
            assert [piece for piece in PIECES if piece in told] == [], told
