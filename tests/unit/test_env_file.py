"""`.env` says to stackctl what it says to Docker Compose; what it says to no two readers alike is refused."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.stack.env_file import LARGEST
from orchestrator.stack.load import load_variables

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"OUTER": "outer", "EMPTY": "", "A": "of the environment"}
WORD = "xyzzy"  # a secret in each file that is refused, and in no message


def read(folder: Path, content: str | bytes) -> dict[str, str]:
    """Return the variables of a folder whose `.env` holds this, in an environment of our own."""
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / ".env").write_bytes(raw)
    return load_variables(folder / "stack.yaml", ENVIRONMENT)


def refuse(folder: Path, content: str | bytes) -> ConfigurationError:
    """Read what must not be read, and return what is said about it."""
    with pytest.raises(ConfigurationError) as raised:
        read(folder, content)
    assert raised.value.message.startswith(f"`{folder / '.env'}`")
    return raised.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("V=a", "a"),
        ("V=", ""),
        ("V=   ", ""),
        ("V=''", ""),
        (" V = a b ", "a b"),
        ("export V=a", "a"),
        ("export\tV=a", "a"),
        ("V=a=b:c", "a=b:c"),
        ("V=it's", "it's"),
        ('V=a"b"', 'a"b"'),
        ("V=a # c", "a"),
        ("V=a   #c # d", "a"),
        ("V=a#b", "a#b"),
        ("V=#a", "#a"),
        ("V='a' # c", "a"),
        ('V="a" # c', "a"),
        ('V="a"#c', "a"),
        ('V="a # b"', "a # b"),
        ("V=' a '", " a "),
        ("V='a\nb' # c", "a\nb"),
        ('V="a\nW=b"', "a\nW=b"),
        ('V="a\r\nb"\r\n', "a\r\nb"),
        ("V=a\\nb", "a\\nb"),
        ("V='a\\nb\\\\c'", "a\\nb\\\\c"),
        ("V='it\\'s'", "it's"),
        ('V="a\\nb\\tc\\rd\\\\e"', "a\nb\tc\rd\\e"),
        ('V="\\a\\b\\f\\v\\0101"', "\a\b\f\vA"),
        ('V="say \\"a\\""', 'say "a"'),
        ('V="\\d\\c\\\'\\0"', "\\d\\c\\'\\0"),
        ("V=a\u2028b", "a\u2028b"),
        ("V=a\nV=b", "b"),
    ],
)
def test_a_value_is_what_compose_reads(tmp_path: Path, written: str, value: str) -> None:
    """Comments, quotes, escapes and blanks around `=` mean what they mean there."""
    assert read(tmp_path, written)["V"] == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$OUTER", "outer"),
        ("${OUTER}", "outer"),
        ('"<${OUTER}>"', "<outer>"),
        ("'${OUTER}$OUTER'", "${OUTER}$OUTER"),
        ("$OUTER-$OTHER.", "outer-other."),
        ("${QUOTED}", "$OUTER"),
        ("${A}", "of the environment"),
        ("$$OUTER", "$OUTER"),
        ('"\\$OUTER \\\\$OUTER"', "$OUTER \\outer"),
        ("a$ $1 $.", "a$ $1 $."),
        ("<${EMPTY}>", "<>"),
        ("${UNSET:-a b}", "a b"),
        ("${EMPTY:-a}", "a"),
        ("${EMPTY-a}", ""),
        ("${UNSET-a}", "a"),
        ("${OUTER-a}", "outer"),
        ("${UNSET:-}", ""),
        ("${OUTER:?a}", "outer"),
        ("<${EMPTY?a}>", "<>"),
        ("${OUTER:+a}", "a"),
        ("<${EMPTY:+a}>", "<>"),
        ("${EMPTY+a}", "a"),
        ("<${UNSET+a}>", "<>"),
        ('"${UNSET:-say \\"a\\"}"', 'say "a"'),
    ],
)
def test_a_reference_is_what_compose_reads(tmp_path: Path, written: str, value: str) -> None:
    """Outside of single quotes it has the value of the environment, then of the lines above."""
    above = "A=of the file\nOTHER=other\nQUOTED='$OUTER'\n"
    assert read(tmp_path, f"{above}V={written}\n")["V"] == value


@pytest.mark.parametrize("name", ["my.name", "my-name", "a[1]", "1st", "naïve", "export", "_"])
def test_names_are_those_of_compose(tmp_path: Path, name: str) -> None:
    """Letters and digits of any script, dots, dashes and brackets."""
    assert read(tmp_path, f"{name}=a")[name] == "a"


def test_a_name_alone_leaves_it_to_the_environment(tmp_path: Path) -> None:
    """It has the value that it has there, or none."""
    assert read(tmp_path, "OUTER\nUNSET\nexport EMPTY\nV=a") == {**ENVIRONMENT, "V": "a"}


@pytest.mark.parametrize("content", ["", "\n \n", "# V=a\n\t # 'b\n", "\r\n#\r\n", b"\xef\xbb\xbf"])
def test_blank_lines_and_comments_set_nothing(tmp_path: Path, content: str | bytes) -> None:
    """Nor does a file without any line."""
    assert read(tmp_path, content) == ENVIRONMENT


@pytest.mark.parametrize(
    ("written", "reason", "hint"),
    [
        (f"V: {WORD}", "expected `NAME=value`", "a name has letters"),
        (f"V W={WORD}", "expected `NAME=value`", "a name has letters"),
        (f"V {WORD}", "expected `NAME=value`", "a name has letters"),
        (f"'V'={WORD}", "expected `NAME=value`", "a name has letters"),
        (f"V # {WORD}=", "expected `NAME=value`", "a name has letters"),
        (f"={WORD}", "expected `NAME=value`", "a name has letters"),
        (f"export ='{WORD}'", "expected `NAME=value`", "a name has letters"),
        (f"{WORD}/+", "expected `NAME=value`", "of many lines into quotes"),
        (f"V='{WORD}", "a quote is not closed", "`\\'`"),
        (f'V="{WORD}\\"', "a quote is not closed", "`\\'`"),
        (f"V='it's {WORD}'", "text after the closing quote", "`\\'`"),
        (f'V="a"{WORD}', "text after the closing quote", "`\\'`"),
        (f"V={WORD}\t# c", "`#` may begin a comment here", "into quotes"),
        (f"V= # {WORD}", "`#` may begin a comment here", "into quotes"),
        (f"V=pa${WORD}", "a reference to a variable without a value", "single quotes keep a `$`"),
        (
            f'V="${{{WORD}}}"',
            "a reference to a variable without a value",
            "single quotes keep a `$`",
        ),
        (
            f"V=${{UNSET:?{WORD}}}",
            "a reference to a variable without a value",
            "give it one above",
        ),
        (
            f"V=${{EMPTY:?{WORD}}}",
            "a reference to a variable without a value",
            "give it one above",
        ),
        (
            f"V=${{BELOW}}{WORD}\nBELOW=a",
            "a reference to a variable without a value",
            "give it one above",
        ),
        (f"V=${{{WORD}", "`${` begins no reference", "`${NAME:-default}`"),
        (f"V=${{{WORD}.b}}", "`${` begins no reference", "`${NAME:-default}`"),
        (f"V=${{UNSET:-${{{WORD}}}}}", "`${` begins no reference", "no `$` and no brace"),
        (f"V=a\0{WORD}", "the value holds NUL", "no variable can hold it"),
        (f'V="\\0000{WORD}"', "the value holds NUL", "no variable can hold it"),
        (f"V=a\r{WORD}\n", "a carriage return that ends no line", "`\\r`"),
    ],
)
def test_what_is_refused_says_where_and_why(
    tmp_path: Path, written: str, reason: str, hint: str
) -> None:
    """The line, a reason and what to write instead; of the value nothing, it may be a secret."""
    error = refuse(tmp_path, f"\n# 'a\nK='b\nc'\n\n  {written}")
    assert f"line 6: {reason}" in error.message
    assert hint in str(error.hint)
    assert WORD not in f"{error.message}{error.hint}"


def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    """UTF-8 it is, with or without a mark."""
    assert "line 2 is not UTF-8 text" in refuse(tmp_path, b"\xef\xbb\xbf\n\xff=").message
    assert "line 1 is not UTF-8 text" in refuse(tmp_path, "A=b\n".encode("utf-16")).message


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """A link in a circle is no file that is missing."""
    (tmp_path / ".env").symlink_to(".env")
    with pytest.raises(ConfigurationError, match=re.escape("cannot be read: Too many levels")):
        load_variables(tmp_path / "stack.yaml", {})


@pytest.mark.parametrize("kind", ["pipe", "device", "too large"])
def test_what_would_be_read_for_ever_is_refused(tmp_path: Path, kind: str) -> None:
    """In one line: a pipe is not waited for, and `/dev/zero` not read until no memory is left."""
    path = tmp_path / ".env"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(LARGEST + 1)
    with pytest.raises(ConfigurationError, match=re.escape("cannot be read: it is ")) as raised:
        load_variables(tmp_path / "stack.yaml", {})
    assert "\n" not in raised.value.message


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """Secrets may lie where only their owner can read."""
    (tmp_path / "secrets").write_text("V=a\n")
    (tmp_path / ".env").symlink_to("secrets")
    assert load_variables(tmp_path / "stack.yaml", {}) == {"V": "a"}


def test_a_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    """Some editors write one before the first name."""
    assert read(tmp_path, b"\xef\xbb\xbfV=a\r\nW=b\r\n")["V"] == "a"


def test_a_folder_or_nothing_of_that_name_sets_nothing(tmp_path: Path) -> None:
    """Some call their virtual environment so; what it would have said is told where it is missing."""
    assert load_variables(tmp_path / "stack.yaml", {}) == {}
    (tmp_path / ".env").mkdir()
    assert load_variables(tmp_path / "stack.yaml", {}) == {}
