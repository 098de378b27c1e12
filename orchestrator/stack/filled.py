"""Values of stack.yaml that hold a variable's value: they remember what the file has in their place.

Such a value may be a secret. So a fault quotes what is written, `${NAME}`, and never what it stands for.
"""

from __future__ import annotations

OWN = "STACKCTL_"  # how the names of stackctl's own variables begin: nothing of a stack gets them


class Filled:
    """What the loader puts where a reference was filled in, until the model takes plain values."""

    written: str


class FilledText(str, Filled):  # noqa: SLOT000  it has room for how it was written
    """Text in which a variable's value stands."""


class FilledInt(int, Filled):
    """A whole number that a variable gave, all of it or some digits."""


class FilledFloat(float, Filled):
    """A number with a point that a variable gave, all of it or some digits."""


def mark(value: object, written: str) -> object:
    """Return a scalar that knows how it was written. `true`, `false` and `null` tell nothing."""
    filled: Filled
    if isinstance(value, str):
        filled = FilledText(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        filled = FilledInt(value)
    elif isinstance(value, float):
        filled = FilledFloat(value)
    else:
        return value
    filled.written = written
    return filled


def to_text(key: object) -> str:
    """Return a key as text that still knows how it was written."""
    if isinstance(key, Filled) and not isinstance(key, str):
        text = FilledText(key)
        text.written = key.written
        return text
    return key if isinstance(key, str) else str(key)


def quote(value: object) -> str:
    """Return a value as a fault may show it: as it was written, in one line."""
    if isinstance(value, Filled):
        return to_printable(value.written)
    return str(value).lower() if isinstance(value, bool) else to_printable(str(value))


def to_printable(text: str) -> str:
    """Write what a terminal would act upon, such as a line end or an escape, as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
