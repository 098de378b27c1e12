"""`.env` as Docker Compose reads it; what Compose and others read differently is refused.

python-dotenv says where a statement begins and ends. What stands right of the `=` is read here: Compose
takes single quotes literally, knows more escapes and more kinds of references.

A fault names the line and never quotes it: a part of a secret is a secret.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from types import MappingProxyType
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.files import read_file
from orchestrator.stack.filled import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dotenv.parser import Binding

LARGEST = 1024 * 1024  # bytes
_LONE_RETURN = re.compile(r"\r(?!\n)")
_HEAD = re.compile(r"(?:export\s+)?+([\w.\-\[\]]+)\s*")
_QUOTED = re.compile(r"""(['"])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:([abfnrtv"\\$])|0([0-3][0-7]{2}))')
_ESCAPED = dict(zip('abfnrtv"\\', '\a\b\f\n\r\t\v"\\', strict=True))
_ESCAPED["$"] = "$$"  # references are filled in afterwards
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAME})"
    rf"|\{{(?P<name>{_NAME})(?:(?P<operator>:?[-?+])(?P<word>[^${{}}\n]*))?\}}|\{{)"
)
_KEEP = "single quotes keep a `$` as it is"


def read_env_file(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the file sets; references see the environment, then the lines above.

    A missing file sets nothing. Nor does a folder: some call their virtual environment `.env`.
    Raises ConfigurationError.
    """
    try:
        content = read_file(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        raise _to_unreadable(f"`{path}`", error) from error
    return read_env(content, f"`{path}`", environment)


def read_env_files(
    files: Iterable[str], folder: Path, variables: Mapping[str, str], place: str
) -> dict[str, str]:
    """Return what `env_file` of a part sets, the last file that sets a name first.

    `place` is such as `services.web`. A file is named by its place alone: its path may hold the value
    of a variable. Raises ConfigurationError, also where one is missing.
    """
    known = {name: value for name, value in variables.items() if not name.startswith(OWN)}
    found: dict[str, str] = {}
    for position, file in enumerate(files):
        told = f"{place}.env_file.{position}"
        try:
            content = read_file(folder / file, LARGEST)
        except OSError as error:
            raise _to_unreadable(told, error) from error
        found |= read_env(content, told, known, found)
    return {name: value for name, value in found.items() if not name.startswith(OWN)}


def read_env(
    content: bytes,
    told: str,
    environment: Mapping[str, str],
    before: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return what a text sets that is written as `.env` is; faults call it what is `told`.

    References see the environment, then the lines above, then what was set `before`.

    Raises ConfigurationError.
    """
    text = _decode(content, told)
    if not text.strip():
        return {}
    from dotenv.parser import parse_stream

    variables: dict[str, str] = {}
    known = ChainMap(dict(environment), variables, dict(before))
    for statement in parse_stream(io.StringIO(text)):
        try:
            variables |= _read_statement(statement, known)
        except ConfigurationError as error:
            written, line = statement.original
            line += written.count("\n", 0, written.index(written.strip()))
            raise ConfigurationError(f"{told} line {line}: {error.message}", error.hint) from error
    return variables


def _to_unreadable(told: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{told} cannot be read: {error.strerror}",
        f"it is a file of at most {LARGEST:,} bytes, or a link to one",
    )


def _decode(content: bytes, told: str) -> str:
    try:
        text = content.decode("utf-8-sig")  # some editors of Windows begin with a mark
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{told} line {line} is not UTF-8 text: {error.reason}") from error
    if lone := _LONE_RETURN.search(text):
        line = text.count("\n", 0, lone.start()) + 1
        raise ConfigurationError(
            f"{told} line {line}: a carriage return that ends no line",
            "end lines as Unix or Windows does; write `\\r` in double quotes for one in a value",
        )
    return text


def _read_statement(statement: Binding, known: Mapping[str, str]) -> dict[str, str]:
    """Return what one statement sets. Its faults do not know yet where they are."""
    text = statement.original.string.strip()
    if not text or text.startswith("#"):
        return {}
    head, equals, written = text.partition("=")
    name = _HEAD.fullmatch(head)
    if not name:
        raise ConfigurationError(
            "expected `NAME=value`",
            "a name has letters, digits, `_`, `.` and `-`; put a value of many lines into quotes",
        )
    if not equals:
        return {}  # only the environment can have a value for it
    value = _read_value(written.lstrip(), statement, known)
    if "\0" in value:
        raise ConfigurationError("the value holds NUL", "take it out: no variable can hold it")
    return {name[1]: value}


def _read_value(written: str, statement: Binding, known: Mapping[str, str]) -> str:
    quoted = _QUOTED.match(written)
    if statement.error:
        quotes = "write a quote inside of quotes as `\\'` or `\\\"`"
        if quoted:
            raise ConfigurationError(
                "text after the closing quote", f"{quotes}, and a comment after ` # `"
            )
        raise ConfigurationError("a quote is not closed", f"close it; {quotes}")
    if not quoted:
        value = written.partition(" #")[0].rstrip()
        if value != statement.value:
            raise ConfigurationError(
                "`#` may begin a comment here or belong to the value",
                "put the value into quotes: `NAME='' # comment` or `NAME='# value'`",
            )
        return _fill_in(value, known)
    if quoted[1] == "'":
        return quoted[2].replace("\\'", "'")
    return _fill_in(_ESCAPE.sub(_unescape, quoted[2]), known)


def _unescape(escape: re.Match[str]) -> str:
    letter, octal = escape.groups()
    return _ESCAPED[letter] if letter else chr(int(octal, 8))


def _fill_in(text: str, known: Mapping[str, str]) -> str:
    """Replace references. One to nothing is refused: a `$` of a password looks the same."""

    def fill(reference: re.Match[str]) -> str:
        if reference["dollar"]:
            return "$"
        name = reference["bare"] or reference["name"]
        if not name:
            raise ConfigurationError(
                "`${` begins no reference that is known here",
                f"write `${{NAME}}`, or `${{NAME:-default}}` with no `$` and no brace in it; {_KEEP}",
            )
        operator, word = reference["operator"] or "", str(reference["word"])
        value = known.get(name)
        given = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return word if given else ""
        if given:
            return str(value)
        if operator.endswith("-"):
            return word
        raise ConfigurationError(
            "a reference to a variable without a value",
            f"give it one above or in the environment, or write `${{NAME:-default}}`; {_KEEP}",
        )

    return _REFERENCE.sub(fill, text)
