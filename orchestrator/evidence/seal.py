"""The seal of a release's folder: the hash of every file in it and of the seal before: pure.

Every byte of a seal is checked: its text must be the one that `write_seal` makes of its fields, and
its digest that of all other fields. So a seal can only be changed on purpose; whoever does that must
make every later seal anew, and cannot where they are signed with a key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
FILE = "seal.json"
KEY_VARIABLE = "STACKCTL_EVIDENCE_KEY"
METHOD = "hmac-sha256:"


class NewerSchemaError(ValueError):
    """What was read comes from a later stackctl."""


@dataclass(frozen=True)
class Link:
    """The seal that was the last one when this one was made."""

    release: str
    sha256: str  # of its file


@dataclass(frozen=True)
class Seal:
    """What seals one release's folder."""

    release: str
    number: int  # in the order of sealing, from 1
    previous: Link | None
    files: Mapping[str, str]  # every other file in the folder, and its SHA-256
    signature: str | None = None


def sign(seal: Seal, key: bytes) -> Seal:
    """Return the seal with the signature that only this key makes."""
    unsigned = replace(seal, signature=None)
    made = hmac.new(key, _to_text(_to_fields(unsigned)).encode(), hashlib.sha256).hexdigest()
    return replace(unsigned, signature=METHOD + made)


def is_signed(seal: Seal, key: bytes) -> bool:
    """Tell whether this key has signed it."""
    expected = sign(seal, key).signature or ""
    return hmac.compare_digest((seal.signature or "").encode(), expected.encode())


def write_seal(seal: Seal) -> str:
    """Return the text of seal.json."""
    fields = _to_fields(seal)
    digest = hashlib.sha256(_to_text(fields).encode()).hexdigest()
    return _to_text(fields | {"digest": digest})


def read_seal(text: str) -> Seal:
    """Return what seal.json says. Raises ValueError where `write_seal` has not written it."""
    fields = json.loads(text)
    check_schema(fields, SCHEMA)
    try:
        previous = fields["previous"]
        seal = Seal(
            release=str(fields["release"]),
            number=int(fields["number"]),
            previous=None if previous is None else Link(**previous),
            files={str(name): str(digest) for name, digest in fields["files"].items()},
            signature=fields["signature"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of another kind: {error}") from error
    if write_seal(seal) != text:
        raise ValueError("it was edited")
    return seal


def claim_place(text: str) -> tuple[int, str] | None:
    """Return the number and the release that a seal claims, unchecked; None where it has neither."""
    try:
        fields = json.loads(text)
        number, release = fields["number"], fields["release"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return None
    return (number, release) if type(number) is int and isinstance(release, str) else None


def check_schema(fields: Any, known: int) -> None:
    """Raise NewerSchemaError where a later stackctl has written this, ValueError where none has."""
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if type(schema) is not int:
        raise ValueError("it has no schema")
    if schema > known:
        raise NewerSchemaError(f"its schema is {schema}, this stackctl knows up to {known}")


def _to_fields(seal: Seal) -> dict[str, object]:
    return {"schema": SCHEMA, **asdict(seal)}


def _to_text(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, indent=2) + "\n"
