"""References of compose files, `${NAME:-default}`: filled in to decide, rewritten for stack.yaml.

stack.yaml knows fewer forms: `${NAME}` and `${NAME:-default}`, with nothing nested in the default. What
cannot be said in these is Unfit. The value of a variable is never written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.adopt.findings import Unfit
from orchestrator.stack.filled import OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

DEEPEST = 20  # references inside of references
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_BEGIN = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAME})|\{{(?P<name>{_NAME})(?P<operator>:?[-?+])?)"
)


class Reference(NamedTuple):
    """A variable in a text, with what stands behind its name."""

    name: str
    operator: str  # "", or one of `-`, `?` and `+`, with `:` before it where empty counts as unset
    word: tuple[str | Reference, ...]


def parse(text: str) -> tuple[str | Reference, ...]:
    """Return the pieces of a text. Raises Unfit where a reference is not closed."""
    return _parse(text, 0, 0)[0]


def _parse(text: str, at: int, depth: int) -> tuple[tuple[str | Reference, ...], int]:
    """Return the pieces up to the end, or to the `}` of the reference that they are in, and where it is."""
    if depth > DEEPEST:
        raise Unfit(f"references are nested more than {DEEPEST} deep")
    pieces: list[str | Reference] = []
    while at < len(text) and not (depth and text[at] == "}"):
        found = _BEGIN.match(text, at)
        if not found:
            if text.startswith("${", at):
                raise Unfit("`${` begins no reference that compose knows")
            pieces.append(text[at])
            at += 1
        elif found["dollar"]:
            pieces.append("$")
            at = found.end()
        elif found["bare"]:
            pieces.append(Reference(found["bare"], "", ()))
            at = found.end()
        else:
            word, at = _parse(text, found.end(), depth + 1)
            if at >= len(text) or (word and not found["operator"]):
                raise Unfit("a reference `${…}` is not closed")
            pieces.append(Reference(found["name"], found["operator"] or "", word))
            at += 1
    return tuple(pieces), at


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Return what compose reads: a variable without a value is empty. Raises Unfit for `${X:?}`."""
    return _fill(parse(text), variables)


def _fill(pieces: tuple[str | Reference, ...], variables: Mapping[str, str]) -> str:
    return "".join(
        piece if isinstance(piece, str) else _look_up(piece, variables) for piece in pieces
    )


def _look_up(reference: Reference, variables: Mapping[str, str]) -> str:
    given = has_value(reference, variables)
    if reference.operator.endswith("+"):
        return _fill(reference.word, variables) if given else ""
    if given:
        return variables[reference.name]
    if reference.operator.endswith("?"):
        raise Unfit(f"variable `{reference.name}` has no value, and must have one: set it in .env")
    return _fill(reference.word, variables)


def has_value(reference: Reference, variables: Mapping[str, str]) -> bool:
    """Whether a variable counts as set."""
    value = variables.get(reference.name)
    return value is not None and (value != "" or not reference.operator.startswith(":"))


def rewrite(text: str, variables: Mapping[str, str]) -> str:
    """Return a text that stack.yaml reads as compose reads this one. Raises Unfit."""
    if "$" not in text:
        return text
    return "".join(
        piece.replace("$", "$$") if isinstance(piece, str) else _rewrite(piece, variables)
        for piece in parse(text)
    )


def escape(text: str) -> str:
    """Return a text without references as stack.yaml reads it."""
    return text.replace("$", "$$")


def _rewrite(reference: Reference, variables: Mapping[str, str]) -> str:
    name, operator = reference.name, reference.operator
    if name.startswith(OWN):
        raise Unfit(f"`{name}` is stackctl's own variable, and reaches nothing of a stack")
    if operator.endswith("+"):
        raise Unfit(f"`${{{name}{operator}…}}` cannot be said in stack.yaml")
    if operator.endswith("?"):
        _look_up(reference, variables)
        return f"${{{name}}}"
    if any(not isinstance(piece, str) for piece in reference.word):
        raise Unfit(f"the default of `${{{name}}}` has a reference in it")
    default = "".join(map(str, reference.word))
    if "}" in default or "${" in default:
        raise Unfit(f"the default of `${{{name}}}` has a brace in it")
    if not operator and name in variables:
        return f"${{{name}}}"
    return f"${{{name}:-{default}}}"  # compose takes an empty text for what is not set


def find_lone(text: object) -> str | None:
    """Return the variable where a text is nothing but it, without a default."""
    if not isinstance(text, str) or "$" not in text:
        return None
    pieces = parse(text)
    if len(pieces) != 1 or isinstance(pieces[0], str):
        return None
    reference = pieces[0]
    plain = not reference.operator or reference.operator.endswith("?")
    return reference.name if plain else None


def find_unset(text: str, variables: Mapping[str, str]) -> list[str]:
    """Return the variables of a text that have neither a value nor a default."""
    pieces = parse(text) if "$" in text else ()
    return [
        piece.name
        for piece in pieces
        if not isinstance(piece, str) and not piece.operator and piece.name not in variables
    ]


def split(text: str, separator: str) -> list[str]:
    """Split a text at each separator that is not inside of `${…}` or `[…]`."""
    parts, depth, square = [""], 0, 0
    for char in text:
        if char == "{" and parts[-1].endswith("$"):
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        square += {"[": 1, "]": -1}.get(char, 0) if not depth else 0
        if char == separator and not depth and square <= 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
