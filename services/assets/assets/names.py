"""What clients call their files: kept to be shown, and never part of a path of ours."""

import re
import unicodedata
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote, unquote

from assets.problems import Refusal

MAX_NAME_CHARACTERS = 200
UNNAMED = "unnamed"

# What parts a path, what looks like it, and slashes and dots in more bytes than they take.
_SEPARATORS = re.compile(
    r"[/\\:\u2215\u2216\u29f5\u29f8\u29f9]|%c[01]%|%e0%[89]|%f0%8", re.IGNORECASE
)
_OLD_ESCAPE = re.compile(r"%u([0-9a-f]{4})", re.IGNORECASE)
# Names of devices to Windows, with any extension.
_RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?", re.IGNORECASE
)
# Control, private, half, unassigned and non-characters, ends of lines, and what is not seen: that
# holds the marks that turn the direction of a text, as in "gpj.exe" read backwards.
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of scripts, and of emoji
_AT = "body.file.filename"


class UnsafeNameError(Refusal):
    """A name that would be dangerous to whoever saves the file under it."""

    status = 422

    def __init__(self, detail: str) -> None:
        super().__init__(detail, at=_AT)


def safe_name(raw: bytes) -> str:
    """Read a client's name for its file. Raise `UnsafeNameError` for one that is not safe."""
    try:
        name = unicodedata.normalize("NFC", raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise UnsafeNameError("must be UTF-8") from None
    if not name:
        return UNNAMED
    if len(name) > MAX_NAME_CHARACTERS:
        raise UnsafeNameError(f"must have {MAX_NAME_CHARACTERS} characters at most")
    for form in forms_of(name):
        refuse_unsafe(form)
    return name


def forms_of(name: str) -> Iterator[str]:
    """Give a name as it is, and as somebody may decode or simplify it, however often."""
    yield name
    before = None
    while name != before:  # each time around has less left to decode
        before = name
        for simplified in (unquote, without_old_escapes, partial(unicodedata.normalize, "NFKC")):
            name = simplified(name)
            yield name


def without_old_escapes(name: str) -> str:
    """Decode `%u2215`, which some servers took for a character."""
    return _OLD_ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)


def refuse_unsafe(name: str) -> None:
    """Raise `UnsafeNameError` for a name that means more than a name."""
    if _SEPARATORS.search(name):
        raise UnsafeNameError("must not hold a separator of paths")
    if any(unicodedata.category(c) in _UNSEEN and c not in _JOINERS for c in name):
        raise UnsafeNameError("must not hold control characters")
    if not name.strip(_JOINERS):
        raise UnsafeNameError("must hold more than joiners")
    if name != name.strip() or name.endswith("."):
        raise UnsafeNameError("must neither start nor end with a space, nor end with a dot")
    if _RESERVED.fullmatch(name):
        raise UnsafeNameError("must not be a reserved name")


def disposition(kind: str, name: str) -> str:
    """Write a Content-Disposition (RFC 6266): a plain name for old clients, and the whole one."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
