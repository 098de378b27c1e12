"""The seal of a release's folder: what it says, who signed it, and that no byte of it is free."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.seal import (
    Link,
    NewerSchemaError,
    Seal,
    is_signed,
    read_seal,
    sign,
    write_seal,
)

SEAL = Seal("r2", 2, Link("r1", "a" * 64), {"events.jsonl": "b" * 64})
TEXT = write_seal(sign(SEAL, b"key"))


def test_a_seal_is_read_as_it_was_written() -> None:
    """With and without a signature, and where none came before it."""
    for seal in (SEAL, sign(SEAL, b"key"), replace(SEAL, previous=None, number=1)):
        assert read_seal(write_seal(seal)) == seal


def test_a_signature_is_that_of_its_key() -> None:
    """Another key makes another one, and so does another content."""
    signed = sign(SEAL, b"key")

    assert is_signed(signed, b"key")
    assert not is_signed(signed, b"other")
    assert not is_signed(SEAL, b"key")
    assert not is_signed(replace(signed, files={}), b"key")
    assert not is_signed(replace(SEAL, signature="ü"), b"key")
    assert "key" not in json.loads(write_seal(signed))["signature"]


def is_refused(text: str) -> bool:
    """Tell whether a text is taken for no seal."""
    try:
        read_seal(text)
    except ValueError:
        return True
    return False


@given(position=st.integers(0, len(TEXT) - 1), other=st.characters(codec="utf-8"))
def test_no_byte_of_a_seal_is_free(position: int, other: str) -> None:
    """Whatever stands in its place, white space as well: it is no seal any more."""
    changed = TEXT[:position] + other + TEXT[position + 1 :]
    assert is_refused(changed) is (changed != TEXT)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"schema": true}', '{"schema": 1}', '{"schema": 1, "files": 3}'],
    ids=["empty", "list", "null", "object", "boolean-schema", "no-fields", "wrong-files"],
)
def test_what_is_no_seal_is_refused(text: str) -> None:
    """Any JSON, and what is none."""
    assert is_refused(text)


def test_a_seal_of_a_later_stackctl_is_known_as_such() -> None:
    """It is not called forged."""
    with pytest.raises(NewerSchemaError, match="its schema is 7"):
        read_seal('{"schema": 7, "merkle": []}')
