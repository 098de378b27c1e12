"""Input that nobody has asked for: texts, numbers and documents, and valid ones with damage."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DrawFn, SearchStrategy

DEEP = 3_000  # more than Python follows
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates as well
NASTY_TEXT = st.sampled_from(
    [
        *("", " ", ".", "..", "/", "\0", "\n", "\r\n", "\t", "\x1b[2J", "\x85", "\u2028", "\ud800"),
        *(
            "\u202e",
            "🦊",
            "é",
            "\ufeff",
            "٣",
            "²",
            "a" * 5000,
            "é" * 300,
            "-",
            "--",
            "-rf",
            "*",
            "~",
        ),
        *(
            "${A}",
            "${",
            "$$",
            "${A:-b}",
            "$(id)",
            "`id`",
            "; id",
            "| id",
            "'",
            '"',
            "\\",
            "%s",
            "%n",
        ),
        *("../../etc/passwd", "/dev/zero", "v1\n", "v1;", 'v1"; return 200 "x', "} server {", "#"),
        *(
            "[bold]x[/]",
            "<script>alert(1)</script>",
            "a | b",
            "{{ 7 * 7 }}",
            "{% x %}",
            "NaN",
            "1e999",
        ),
        *("1s", "0s", "99999h", "1/s", "0/s", "GET", "127.0.0.1:8081", "0.0.0.0", "65536", "null"),
    ]
)
TEXTS = NASTY_TEXT | ANY_TEXT
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**17, 10**400, -(10**400), 1e308, -0.0])
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
DOCUMENTS: SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
# What no parser likes: too deep, too long, cut off, not a number.
BROKEN_JSON = st.sampled_from(
    [
        *("[" * DEEP, '{"a":' * DEEP, "9" * 5000, '{"a":' + "9" * 5000 + "}", "{", '{"a"', "\x00"),
        *(
            "NaN",
            "Infinity",
            '{"a":NaN}',
            '{"a":1e999}',
            "{}" * 3,
            "null",
            "[]",
            "{}",
            '"',
            "\ufeff{}",
        ),
        '{"a":' + "[" * DEEP + "]" * DEEP + "}",
    ]
)


def write_json(document: object) -> str:
    """Return a document as JSON, with what JSON has no form for written as Python does."""
    return json.dumps(document, default=str)


def is_plain(value: object) -> bool:
    """Tell whether a value is JSON as everybody reads it, without NaN and infinities."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def is_finite(value: float) -> bool:
    """Tell whether a value can be drawn."""
    return math.isfinite(value)


@st.composite
def damaged(
    draw: DrawFn, document: Any, values: SearchStrategy[Any] = DOCUMENTS, most: int = 3
) -> Any:
    """Return a document with some of its values replaced, inserted, renamed, doubled or deleted."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = list(_find_places(document))
        if not places:
            return draw(values)
        holder, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "delete", "insert", "rename"]))
        if how == "replace":
            holder[key] = draw(values)
        elif how == "delete":
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, holder[key] if how == "rename" else draw(values))
        elif how == "insert":
            holder[draw(TEXTS)] = draw(values)
        else:
            holder[draw(TEXTS)] = holder.pop(key)
    return document


def _find_places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a document as what holds it, and its key there."""
    if isinstance(document, dict):
        for key, inner in document.items():
            yield document, key
            yield from _find_places(inner)
    elif isinstance(document, list):
        for place, inner in enumerate(document):
            yield document, place
            yield from _find_places(inner)


@st.composite
def damaged_text(draw: DrawFn, text: str) -> str:
    """Return a text cut off, with a piece taken out, or with another put in."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    how = draw(st.sampled_from(["cut", "take", "put", "swap"]))
    if how == "cut":
        return text[:start]
    middle = "" if how == "take" else draw(TEXTS)
    return text[:start] + middle + text[start if how == "put" else end :]
