"""Which script is run, and what k6 is handed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.bench.k6 import K6, find_error, find_k6, inspect, make_environment
from orchestrator.bench.script import (
    Overrides,
    Script,
    find_length,
    find_script,
    list_scripts,
    parse_length,
    to_name,
    write_wrapper,
)
from orchestrator.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
BODY = "export default function () {}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a script and what scripts share."""
    (tmp_path / "k6").mkdir()
    (tmp_path / "k6" / "notes.js").write_text(BODY)
    (tmp_path / "k6" / "load.js").write_text("export const base = 1;\n")
    return tmp_path


def make_script(path: Path, text: str) -> Script:
    """Write a script and find it."""
    path.write_text(text)
    return find_script(path.parent, path.name)


def test_a_script_has_a_name_or_a_path(folder: Path) -> None:
    """Both lead to the same file, known by its place beside stack.yaml."""
    named, placed = find_script(folder, "notes"), find_script(folder, "k6/notes.js")
    assert named == placed
    assert (named.name, named.file) == ("notes", "k6/notes.js")
    other = folder.parent / f"{folder.name}-other.js"
    other.write_text(BODY)
    assert find_script(folder, str(other)).file == other.name


def test_a_script_is_another_one_when_a_module_of_it_changes(folder: Path) -> None:
    """Directly, or through a module that it imports; a file that it does not is nothing to it."""
    inner, outer = folder / "k6" / "inner.js", folder / "k6" / "outer.js"
    (folder / "k6" / "all.js").write_text(f"import {{ go }} from './outer.js';\n{BODY}")
    outer.write_text('import http from "k6/http";\nexport * from "./inner.js";\n')
    inner.write_text('import "./outer.js";\nconst a = open("./words.txt");\n')
    seen = [find_script(folder, "all").sha256, find_script(folder, "all").sha256]
    assert len(set(seen)) == 1
    for changed in (inner, outer, folder / "k6" / "words.txt"):
        text = changed.read_text() if changed.exists() else ""
        changed.write_text(f"{text}// other\n")
        seen.append(find_script(folder, "all").sha256)
    assert len(set(seen)) == 4
    (folder / "k6" / "load.js").write_text("// none of its business")
    assert find_script(folder, "all").sha256 == seen[-1]


@pytest.mark.parametrize(
    "wanted", ["nope", "k6/nope.js", "a/../b.js", "null\0.js", "/dev/zero", "k6/"]
)
def test_a_missing_script_lists_what_is_there(folder: Path, wanted: str) -> None:
    """The hint names the scripts, and not the modules that they share."""
    with pytest.raises(ConfigurationError) as caught:
        find_script(folder, wanted)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("there is: `notes`")


def test_the_shipped_scripts_are_found() -> None:
    """Those that the command's help promises."""
    assert {"test", "notes", "auth", "assets-upload"} <= set(list_scripts(ROOT))
    assert not {"load", "users"} & set(list_scripts(ROOT))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("notes", "notes"),
        ("assets-upload", "assets-upload"),
        ("../../etc/x", "etc-x"),
        ('<b>"a" |`', "b-a"),
        ("…", "script"),
        ("a" * 99, "a" * 60),
    ],
    ids=["plain", "dash", "climbing", "markup", "nothing", "long"],
)
def test_a_name_is_harmless(stem: str, name: str) -> None:
    """It names folders and stands in pages."""
    assert to_name(stem) == name


def test_a_hostile_name_stays_in_its_string(tmp_path: Path) -> None:
    """The wrapper's imports are strings that nothing in a path can end."""
    script = make_script(tmp_path / "a\"; throw 1; '#%41 $.js", BODY)
    first = write_wrapper(script, tmp_path / 'a"b.json').splitlines()[0]
    place = first.removeprefix("import * as script from ").removesuffix(";")
    assert json.loads(place).startswith("file:///")
    assert not set(json.loads(place)) & set("\"'# $")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1.5s", 1.5)]
)
def test_a_duration_is_read_as_k6_reads_it(text: str, seconds: float) -> None:
    """Numbers with units, one behind the other."""
    assert parse_length(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "7x", "s", "-1s", "1s "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Before k6 sees it."""
    with pytest.raises(ConfigurationError, match="expected a duration"):
        parse_length(text)


def test_the_length_is_that_of_the_longest_scenario() -> None:
    """Durations, stages and starts count; graceful stops do not."""
    stages = {"startTime": "10s", "stages": [{"duration": "20s"}, {"duration": "1m0s"}]}
    found = {"a": {"duration": "30s", "gracefulStop": "30s"}, "b": stages}
    assert find_length({"scenarios": found, "totalDuration": "2m"}) == 90
    assert find_length({"scenarios": None, "totalDuration": "2m"}) == 120


def test_only_the_command_line_changes_the_load() -> None:
    """A RATE that happens to be in the environment does not; what the script reads else, does.

    But no key of ours.
    """
    around = {
        "RATE": "9",
        "K6_VUS": "9",
        "BASE_URL": "x",
        "TOKEN": "t",
        "STACKCTL_EVIDENCE_KEY": "k",
    }
    made = make_environment(around, "http://127.0.0.1:1", Overrides(vus=3, duration="2s"))
    assert {k: v for k, v in made.items() if not k.startswith("K6_CSV")} == {
        "TOKEN": "t",
        "VUS": "3",
        "DURATION": "2s",
        "BASE_URL": "http://127.0.0.1:1",
    }


def test_no_k6_is_told(tmp_path: Path) -> None:
    """Neither on PATH nor beside this Python."""
    with pytest.raises(ConfigurationError, match="neither on PATH nor beside this Python"):
        find_k6(str(tmp_path), tmp_path / "python")


def test_the_k6_on_path_comes_first(tmp_path: Path) -> None:
    """With the version that it tells."""
    program = tmp_path / "k6"
    program.write_text("#!/bin/sh\necho 'k6 v9.8.7 (commit/0)'\n")
    program.chmod(0o755)
    assert find_k6(str(tmp_path)) == K6(str(program), "v9.8.7")


def test_a_syntax_error_is_told_in_k6s_words(tmp_path: Path) -> None:
    """With its line, and without the place of the script."""
    script = make_script(tmp_path / "bad.js", "export default function () {\n  let = ;\n}\n")
    with pytest.raises(ConfigurationError) as caught:
        inspect(find_k6(), script, {})
    assert "cannot read `bad.js`" in caught.value.message
    assert "bad.js: Line 2:9 Unexpected token ;" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_the_statistics_are_those_that_thresholds_need(tmp_path: Path) -> None:
    """So that each threshold's value can be told."""
    text = "export const options = {thresholds: {http_req_duration: ['p(99.9)<9', 'p(95)<5']}};"
    inspected = inspect(find_k6(), make_script(tmp_path / "a.js", text + BODY), {})
    assert inspected.statistics[-1] == "p(99.9)"
    assert inspected.statistics.count("p(95)") == 1


def test_the_last_error_of_a_log_is_found(tmp_path: Path) -> None:
    """On one line, whatever else stands in the log."""
    script = make_script(tmp_path / "a.js", BODY)
    log = [
        "no json",
        "3",
        json.dumps({"level": "error", "msg": "first"}),
        json.dumps({"level": "error", "msg": f"boom\n at file://{tmp_path}/a.js:3:5"}),
        json.dumps({"level": "info", "msg": "later"}),
    ]
    assert find_error("\n".join(log), script) == "boom at a.js:3:5"
    assert find_error("", script) == ""
