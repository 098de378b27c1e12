"""What others wrote gives a CI system no command, and a terminal none either."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.announce.junit import bench_to_junit
from orchestrator.announce.markers import GitHubMarkers, GitLabMarkers
from orchestrator.announce.quoting import Quoted, break_commands, say
from orchestrator.console import Console, print_error
from orchestrator.engine.images import build_image
from orchestrator.errors import StackctlError
from orchestrator.settings import Settings
from orchestrator.wording import to_json
from tests.fakes.benches import make_document

if TYPE_CHECKING:
    from pathlib import Path

IGNORED = "\u200b\u00ad\u200d\ufeff\x01\x7f\u0600"  # that some comparisons pass over


def obeys(text: str) -> list[str]:
    """Return the commands that runners find in a log, at their most eager."""
    lines = re.split(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text)
    bare = [re.sub(r"[^ -~]", "", line) for line in lines]
    return [
        *(line for line in bare if line.lstrip().startswith("::")),
        *(line for line in bare if re.search(r"##[A-Za-z]*\[", line)),
        *(line for line in bare if re.search(r"section_(start|end):\d", line)),
    ]


COMMANDS = (
    "::add-mask::a",
    "  ::stop-commands::x",
    "\t\u3000\xa0::error::x",
    f"{IGNORED}:{IGNORED}:debug::x",
    "ok\r::add-mask::a",
    "ok\u2028::add-mask::a",
    "ok\x85 ::add-mask::a",
    "ok\x0b::add-mask::a",
    "::::",
    "in a line ##[stop-commands]t",
    "###[group]x",
    f"#{IGNORED}#{IGNORED}[add-mask]e",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildStatus text='x']",
    "\x1b[0Ksection_start:1:a\r\x1b[0Kx",
    "section_end:99:a",
    "::a\n::b\n\n ::c ##[d] ##[e]",
)


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_of_others_is_words(text: str) -> None:
    """Whole, in pieces of any size, and by itself or behind another line."""
    assert obeys(text)
    assert not obeys(break_commands(text))
    for size in range(1, 9):
        bare = io.StringIO()
        stream = Quoted(bare)
        for start in range(0, len(text), size):
            assert stream.write(text[start : start + size]) == len(text[start : start + size])
        assert not obeys(bare.getvalue())
        assert bare.getvalue().replace("\\", "") == text


@given(pieces=st.lists(st.text(alphabet=f":#[a \n\r1{IGNORED}") | st.sampled_from(COMMANDS)))
def test_no_way_to_cut_it_makes_a_command(pieces: list[str]) -> None:
    """Nothing is lost either, but that backslashes are added."""
    bare = io.StringIO()
    Quoted(bare).writelines(pieces)
    assert not obeys(bare.getvalue())
    assert bare.getvalue().replace("\\", "") == "".join(pieces)


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n## Part [a](b)\n",
        "[::1]:80 a::b",
        "  listen [::]:8080;",
        "section_start: a",
        ": x",
    ],
)
def test_what_is_no_command_is_left_as_it_is(text: str) -> None:
    """Headlines, addresses and colons are common."""
    assert not obeys(text)
    assert break_commands(text) == text


def test_stackctls_own_commands_are_given() -> None:
    """Past the quotes, also in the middle of what others wrote."""
    bare = io.StringIO()
    stream = Quoted(bare)
    stream.write("::group::theirs\n")
    say(stream, GitHubMarkers().begin("ours"))  # type: ignore[arg-type]
    stream.write("::endgroup::\n")
    say(stream, GitHubMarkers().annotate("error", "stackctl", "a\n::b"))  # type: ignore[arg-type]
    assert bare.getvalue().splitlines() == [
        ":\\:group::theirs",
        "::group::ours",
        ":\\:endgroup::",
        "::error title=stackctl::a%0A::b",
    ]


def test_a_title_ends_no_section_of_gitlab() -> None:
    """It is shown as it is written."""
    said = GitLabMarkers().begin("a\r\x1b[0Ksection_end:1:b\r\x1b[0K")
    assert said.count("\r") == 1


@pytest.mark.parametrize("text", COMMANDS)
def test_a_json_document_says_the_same_without_a_command(text: str) -> None:
    """It is read as it was written, and nothing has to be broken in it."""
    said = to_json({"lines": [{"text": text}]})
    assert json.loads(said) == {"lines": [{"text": text}]}
    assert not obeys(said)
    assert break_commands(said) == said


LOGS = (
    ("\x1b[32mINFO\x1b[0m ready\r", "INFO ready"),
    ("\x1b[1;38:5:9mbold\x1b[m", "bold"),
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x1b]52;c;ZXZpbA==\x1b\\", r"\x1b]52;c;ZXZpbA==\x1b\\"[:-1]),
    ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
    ("\x9b2J\x90q", r"\x9b2J\x90q"),
    ("a\u202eb\u2066c\u200b", r"a\u202eb\u2066c\u200b"),
    ("50%\r100%", r"50%\r100%"),
    ("straße \u2713\ttab", "straße \u2713\ttab"),
)


@pytest.mark.parametrize(("printed", "shown"), LOGS)
def test_logs_are_shown_without_what_a_terminal_acts_upon(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, printed: str, shown: str
) -> None:
    """Colors are left out; all else is an escape that can be read. A script gets it as it was."""
    with Console(Settings(tmp_path, "text", color=True)) as console:
        console.print_logs([("web-1", printed)])
    assert capsys.readouterr().out == f"web-1 | {shown}\n"
    with Console(Settings(tmp_path, "json", color=True)) as console:
        console.print_logs([("web-1", printed)])
    out = capsys.readouterr().out
    assert json.loads(out)["lines"] == [{"container": "web-1", "text": printed}]
    assert out.strip().isprintable()


@pytest.mark.parametrize("text", ["\ufffe", "\uffff", "\ud800", "\0", "\x1b[2J", "\x0b"])
def test_a_junit_report_is_well_formed_whatever_it_says(text: str) -> None:
    """What XML has no form for is shown as an escape, in names, messages and texts."""
    document = make_document()
    document["script"]["name"] = f"a{text}b"
    document["error"] = {"message": f"a{text}b", "hint": f"a{text}b"}
    read = ET.fromstring(bench_to_junit(document).encode())  # noqa: S314  our own
    failure = read.find("testcase/failure")
    assert failure is not None
    shown = f"a{ascii(text)[1:-1]}b"
    assert (read.get("name"), failure.get("message"), failure.text) == (
        f"bench {shown}",
        shown,
        shown,
    )


@given(text=st.text())
def test_any_text_fits_into_a_junit_report(text: str) -> None:
    """No character of Unicode makes it unreadable."""
    document = make_document()
    document["error"] = {"message": text, "hint": text}
    ET.fromstring(bench_to_junit(document).encode())  # noqa: S314  our own


class Builder:
    """An engine whose build prints several lines at once, and fails."""

    def build(self, **_: object) -> list[dict[str, str]]:
        """Build nothing."""
        return [{"stream": "a\n::add-mask::a\n\n##[group]b\n"}, {"error": "exit code 3"}]


def test_a_failed_build_gives_no_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each of its lines is one of the error's, and stands behind spaces."""
    from orchestrator.engine.values import BuildOrder

    (tmp_path / "Dockerfile").write_text("FROM scratch")
    order = BuildOrder(tmp_path, "Dockerfile", "shop-web:v1", {}, {})
    heard: list[str] = []
    with pytest.raises(StackctlError) as raised:
        build_image(Builder(), order, heard.append, {})  # type: ignore[arg-type]
    assert heard[1:] == ["a", "::add-mask::a", "##[group]b"]
    print_error(raised.value, as_json=False)
    printed = capsys.readouterr().err
    assert "\n  ::add-mask::a\n  ##[group]b\n" in printed
    assert not obeys(break_commands(printed))
