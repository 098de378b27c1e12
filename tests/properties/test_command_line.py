"""What is typed: versions, names and options are taken as documented, or refused in one line."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bench.archive import check_name
from orchestrator.bench.script import find_script, parse_length, to_name
from orchestrator.errors import ConfigurationError
from orchestrator.release.version import parse_version
from orchestrator.stack import naming
from orchestrator.stack.load import load_stack
from tests.properties.budget import examples
from tests.properties.hostile import TEXTS
from tests.properties.line import run
from tests.properties.test_stack_input import FULL, FULL_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

LETTERS, DIGITS = set(string.ascii_letters), set(string.digits)
TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)  # as the engine's own reference grammar has it
CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")  # as the engine takes names
NEARLY = st.text(alphabet="abvV019._-/ \n:;", max_size=8)
COMMANDS = (
    *("up", "deploy", "rollback", "status", "plan", "validate", "render", "logs", "history"),
    *("evidence", "bench", "prune", "down", "nonsense"),
)
OPTIONS = (
    *("--file", "-f", "--output", "--no-color", "--version", "--wait", "--to", "--junit", "--keep"),
    *(
        "--every",
        "--tail",
        "--follow",
        "--limit",
        "--releases",
        "--all",
        "--key",
        "--strict",
        "--vus",
    ),
    *(
        "--duration",
        "--rate",
        "--runs",
        "--against",
        "--save-baseline",
        "--during-deploy",
        "--help",
    ),
    *(
        "--volumes",
        "--yes",
        "--detailed-exitcode",
        "--no-build",
        "--allow-downtime",
        "--",
        "show",
        "verify",
    ),
)
VALUES = st.sampled_from(
    ["web", "v1", "json", "text", "stack.yaml", "1", "-1", "nan", "inf", "1e400"]
)
ARGUMENT = TEXTS.filter(lambda text: "\0" not in text).map(
    lambda text: (
        text.encode(errors="surrogateescape").decode(errors="surrogateescape")
        if not any("\ud800" <= char < "\udc80" or "\udcff" < char <= "\udfff" for char in text)
        else "x"
    )
)


def is_printable(text: str) -> bool:
    """Tell whether a terminal and a file can take a text as it is."""
    return all(char.isprintable() or char in "\n\t" for char in text)


def check_one_line(refuse: Callable[[], object]) -> None:
    """Assert that a call is refused with one printable line, and exit code 2."""
    with pytest.raises(ConfigurationError) as raised:
        refuse()
    assert raised.value.exit_code == 2
    assert is_printable(raised.value.message)


@examples(300)
@given(
    text=TEXTS
    | NEARLY
    | st.text(LETTERS | DIGITS | set("._-"), min_size=120, max_size=140).map(str)
)
def test_a_version_is_what_an_image_tag_may_be(text: str) -> None:
    """Just the documented characters, at most 128; it is safe in tags, names of files and labels."""
    allowed = (
        0 < len(text) <= 128 and set(text) <= LETTERS | DIGITS | set("._-") and text[0] not in ".-"
    )
    if not allowed:
        check_one_line(lambda: parse_version(text))
        return
    assert parse_version(text) == text
    assert TAG.fullmatch(naming.image_tag("shop", "web", text).partition(":")[2])
    folder = f"20300101-000000-web-{text}"
    assert PurePosixPath(folder).name == folder
    assert len(folder) < 256
    assert not text.startswith("-")


@examples(150)
@given(text=(TEXTS | st.text(alphabet="abz09-_ .A\n", max_size=34)).filter(lambda t: "$" not in t))
def test_a_service_is_named_as_documented(tmp_path: Path, text: str) -> None:
    """Lower-case letters, digits and single hyphens; such a name is safe wherever it is used."""
    service = {"image": "web", "port": 80}
    document = {key: FULL[key] for key in ("version", "name", "gateway")}
    file = tmp_path / "stack.yaml"
    file.write_text(json.dumps({**document, "services": {text: service}}))
    allowed = (
        0 < len(text) <= 32
        and all(
            part and set(part) <= set(string.ascii_lowercase) | DIGITS for part in text.split("-")
        )
        and text[0] in string.ascii_lowercase
        and text not in ("gateway", "gateway-scratch", "lock")
    )
    if not allowed:
        with pytest.raises(ConfigurationError):
            load_stack(file, {})
        return
    assert list(load_stack(file, {}).services) == [text]
    name = naming.replica_name("a" * 20, text, "green", 50)
    assert CONTAINER.fullmatch(name)
    assert len(name) <= 63  # as long as a host name may be


@examples(150)
@given(text=TEXTS | NEARLY)
def test_names_of_scripts_and_baselines_stay_in_their_folders(tmp_path: Path, text: str) -> None:
    """A baseline's name is no path; a script that is not there is refused in one line."""
    (tmp_path / "k6").mkdir(exist_ok=True)
    try:
        assert PurePosixPath(check_name(text)).name == text
    except ConfigurationError as error:
        assert is_printable(error.message)  # noqa: PT017
    try:
        script = find_script(tmp_path, text)
    except ConfigurationError as error:
        assert is_printable(error.message)  # noqa: PT017
    else:
        assert script.path.is_file()
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", to_name(text))
    assert not to_name(text).startswith((".", "-"))


@examples(150)
@given(text=TEXTS | st.text(alphabet="0123456789.smh ", max_size=10))
def test_a_duration_is_a_number_or_refused(text: str) -> None:
    """What k6 would not take is refused before anything starts."""
    try:
        assert parse_length(text) >= 0
    except ConfigurationError as error:
        assert is_printable(error.message)  # noqa: PT017


@examples(80)
@given(
    command=st.sampled_from(COMMANDS),
    rest=st.lists(st.sampled_from(OPTIONS) | VALUES | ARGUMENT, max_size=5),
    json_wanted=st.booleans(),
)
def test_any_command_line_ends_in_words(
    tmp_path: Path,
    command: str,
    rest: list[str],
    json_wanted: bool,  # noqa: FBT001
) -> None:
    """No arguments lead to a traceback or an exit code that is not in the README."""
    (tmp_path / "stack.yaml").write_text(FULL_TEXT)
    ended = run(tmp_path, [command, *rest, *(("--output", "json") if json_wanted else ())])
    assert "Traceback" not in ended.err
    assert ended.code in (0, 1, 2), ended.err
    assert ended.code == 0 or "error: " in ended.err
    assert is_printable(ended.err), ended.err
    if json_wanted and ended.code and "--" not in rest and "{" in ended.out:
        assert ended.document["error"]["message"]


@pytest.mark.parametrize("option", ["--wait", "--every", "--keep", "--tail", "--limit"])
@pytest.mark.parametrize("value", ["nan", "-1", "", "1e", "0x1"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, option: str, value: str) -> None:
    """`--wait nan` would never end: it is as wrong as a word."""
    command = {"--wait": "down", "--every": "status", "--keep": "prune"}.get(option, "")
    words = [command] if command else ["logs", "web"] if option == "--tail" else ["history"]
    (tmp_path / "stack.yaml").write_text(FULL_TEXT)
    ended = run(tmp_path, [*words, option, value])
    assert ended.code == 2, ended.err
    assert "error: " in ended.err
