"""`stackctl init` on the command line: what it finds, what it writes, and that it writes over nothing."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from orchestrator.adopt.placing import add_lines, place
from orchestrator.adopt.sources import Answers, Place, read_answers
from orchestrator.errors import ConfigurationError, GatewayError
from orchestrator.stack.schema import FILE, MODELINE
from tests.fakes.command_line import Run

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = "services:\n  web:\n    image: shop:1.2\n    ports: ['8000:80']\n    environment: {KEY: '${KEY}'}\n"
FAKE = """#!/bin/sh
echo "$@" >> "{log}"
[ "$1 $2" = "compose -f" ] || exit 1
cat "{answer}"
exit {code}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a compose file."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE)
    return folder


def listing(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def fake_docker(folder: Path, answer: str, code: int = 0) -> Path:
    """Put a `docker` into a folder that answers so, and return that folder."""
    place = folder.parent / "bin"
    place.mkdir()
    (place / "answer").write_text(answer)
    text = FAKE.format(log=place / "log", answer=place / "answer", code=code)
    (place / "docker").write_text(text)
    (place / "docker").chmod(0o755)
    return place


def test_a_compose_file_is_found_and_taken_over(folder: Path) -> None:
    """The result passes `validate`, and is said line by line."""
    run = Run(folder, "init")
    assert run.code == 0, run.err
    assert "services.web.ports.0" in run.out
    assert "written: stack.yaml, stack.schema.json, .gitignore" in run.out
    assert Run(folder, "validate").code == 0
    assert (folder / ".gitignore").read_text() == "backups/\nreports/\n.env\n"
    assert stat.S_IMODE((folder / "stack.yaml").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("image", "then"),
    [
        ("build: .", "`stackctl deploy web --version v2`"),
        ("image: shop:1.2", "`stackctl deploy web --version TAG`, a tag of its image"),
        (
            f"image: shop:1.2@sha256:{'a' * 64}",
            "name its image in stack.yaml, then `stackctl deploy web --version v2`",
        ),
    ],
)
def test_the_command_of_the_next_version_is_said(folder: Path, image: str, then: str) -> None:
    """With the service's own name, of one that users get; and with what can be a version of it."""
    (folder / "Dockerfile").write_text("FROM scratch\n")
    worker = "  aside:\n    build: .\n    command: [tidy]\n"
    (folder / "compose.yaml").write_text(
        f"services:\n{worker}  web:\n    {image}\n    ports: ['8000:80']\n"
    )
    run = Run(folder, "init")
    assert run.out.splitlines()[-1] == f"each version after that: {then}", run.err


def test_scripts_get_one_document(folder: Path) -> None:
    """With the same findings, by kind."""
    run = Run(folder, "init", "--output", "json")
    document = run.document
    assert document["written"] == ["stack.yaml", "stack.schema.json", ".gitignore"]
    assert [*document] == ["from", "written", "took", "changed", "left", "refused"]
    assert {"key": "services.web.environment", "text": "1 in `secrets`"} in document["took"]


def test_an_editor_finds_the_schema_beside_it(folder: Path) -> None:
    """By the first line, without a network: what `stackctl schema` prints."""
    assert Run(folder, "init").code == 0
    assert (folder / "stack.yaml").read_text().splitlines()[0] == MODELINE
    assert (folder / FILE).read_text() == Run(folder, "schema").out


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_schema_that_is_there_stays(folder: Path, kind: str) -> None:
    """Be it an older one, or a link that leads nowhere."""
    if kind == "file":
        (folder / FILE).write_text("mine\n")
    else:
        (folder / FILE).symlink_to("nowhere")
    run = Run(folder, "init")
    assert run.code == 0, run.err
    assert "written: stack.yaml, .gitignore" in run.out
    assert (folder / FILE).is_symlink() or (folder / FILE).read_text() == "mine\n"
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_stack_that_is_there_is_not_overwritten(folder: Path, kind: str) -> None:
    """Be it a link that leads nowhere: one line, and nothing changes."""
    if kind == "file":
        (folder / "stack.yaml").write_text("mine\n")
    elif kind == "folder":
        (folder / "stack.yaml").mkdir()
    else:
        (folder / "stack.yaml").symlink_to("nowhere")
    before = listing(folder)
    Run(folder, "init").assert_refused(2, "`stack.yaml` is there already", "`--file`")
    assert listing(folder) == before


def test_another_name_can_be_given(folder: Path) -> None:
    """As for every command, with `--file`."""
    (folder / "stack.yaml").write_text("mine\n")
    assert Run(folder, "init", "--file", "other.yaml").code == 0
    assert Run(folder, "validate", "-f", "other.yaml").code == 0
    Run(folder, "init", "-f", "no/stack.yaml").assert_refused(2, "`no` is no folder", "make it")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"backups/\nreports/\n.env\n"),
        (b"a\nb", b"a\nb\nbackups/\nreports/\n.env\n"),
        (b"a\r\n.env\r\n", b"a\r\n.env\r\nbackups/\r\nreports/\r\n"),
        (b"/backups\n/reports\n*.env\n", b"/backups\n/reports\n*.env\n"),
        (b"\xff\xfe\n", b"\xff\xfe\nbackups/\nreports/\n.env\n"),
        (b"# .env\n", b"# .env\nbackups/\nreports/\n.env\n"),
    ],
)
def test_only_what_is_missing_is_ignored_anew(before: bytes, after: bytes) -> None:
    """The rest of .gitignore stays byte for byte."""
    assert add_lines(before) == after


def test_a_gitignore_that_is_a_link_is_refused(folder: Path) -> None:
    """What it leads to may be anywhere."""
    (folder / ".gitignore").symlink_to("/etc/hostname")
    Run(folder, "init").assert_refused(2, "`.gitignore` is a link", "make it a file")
    assert not (folder / "stack.yaml").exists()


def test_what_does_not_hold_is_not_written(tmp_path: Path) -> None:
    """The check runs before either file has its name; nothing is left of them."""

    def refuse(file: Path) -> None:
        assert file.read_text() == "a: 1\n"
        raise ConfigurationError(f"`{file}` has a fault", "mend")

    with pytest.raises(
        ConfigurationError, match=r"nothing was written: .*`stack\.yaml` has a fault"
    ):
        place(tmp_path / "stack.yaml", "a: 1\n", refuse)
    assert listing(tmp_path) == {}


@pytest.mark.parametrize("ignored", [None, b"mine\n"])
def test_one_file_is_not_written_without_the_other(tmp_path: Path, ignored: bytes | None) -> None:
    """Somebody else makes a stack.yaml meanwhile: .gitignore is again what it was."""
    if ignored is not None:
        (tmp_path / ".gitignore").write_bytes(ignored)

    def race(_: Path) -> None:
        (tmp_path / "stack.yaml").write_text("theirs\n")

    with pytest.raises(ConfigurationError, match="is there already"):
        place(tmp_path / "stack.yaml", "a: 1\n", race)
    kept = {} if ignored is None else {".gitignore": ignored}
    assert listing(tmp_path) == {"stack.yaml": b"theirs\n", **kept}


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path) -> None:
    """A .gitignore that is a folder, for one."""
    (folder / ".gitignore").mkdir()
    run = Run(folder, "init")
    assert run.code == 2
    assert "`stack.yaml` cannot be written: " in run.err
    assert [*listing(folder)] == ["compose.yaml"]


def test_too_many_services_for_a_stack_are_one_line(folder: Path) -> None:
    """The bound is that of stack.yaml itself."""
    lines = "".join(f"      A{n}: {'x' * 90}\n" for n in range(3000))
    (folder / "compose.yaml").write_text(
        f"{COMPOSE}  b:\n    image: redis\n    environment:\n{lines}"
    )
    Run(folder, "init").assert_refused(2, "is larger than 262,144 bytes", "`--from`")


def test_several_files_and_profiles_are_named(folder: Path) -> None:
    """The later file wins; what has a profile comes when it is asked for."""
    (folder / "more.yaml").write_text(
        "services: {web: {image: shop:2}, tool: {image: tool:1, expose: [80], profiles: [dev]}}\n"
    )
    files = ("--from", "compose.yaml", "--from", "more.yaml")
    run = Run(folder, "init", *files, "--profile", "dev")
    assert run.code == 0, run.err
    services = yaml.safe_load((folder / "stack.yaml").read_text())["services"]
    assert {name: each["version"] for name, each in services.items()} == {"web": "2", "tool": "1"}


def test_a_compose_file_elsewhere_keeps_its_paths(folder: Path) -> None:
    """They are told from the folder of stack.yaml."""
    (folder / "deploy").mkdir()
    (folder / "deploy" / "compose.yaml").write_text(
        "services: {web: {build: ../app, ports: ['80:80']}}\n"
    )
    (folder / ".git").mkdir()
    assert Run(folder, "init", "--from", "deploy/compose.yaml").code == 0
    stack = yaml.safe_load((folder / "stack.yaml").read_text())
    assert stack["services"]["web"]["build"] == "app"


def test_what_lies_outside_of_the_repository_is_refused(folder: Path) -> None:
    """By the same rule as for stack.yaml, and nothing is written."""
    (folder / "compose.yaml").write_text("services: {web: {build: ../x, ports: ['80:80']}}\n")
    run = Run(folder, "init")
    assert run.code == 2
    assert "services.web.build.context: lies outside of" in run.err
    assert not (folder / "stack.yaml").exists()
    assert Run(folder, "init", STACKCTL_ALLOW_OUTSIDE="1").code == 0


def test_rights_of_the_host_end_with_another_code(folder: Path) -> None:
    """The file is written all the same; a script sees that a person is needed."""
    (folder / "compose.yaml").write_text(f"{COMPOSE}    privileged: true\n")
    run = Run(folder, "init")
    assert run.code == 1
    assert "services.web.privileged" in run.out.partition("refused")[2]
    assert Run(folder, "validate").code == 0


def test_the_plugin_is_asked_where_it_is_there(folder: Path) -> None:
    """With references left as they are; what it makes absolute is made relative."""
    document = {
        "name": "shop",
        "services": {
            "web": {
                "build": {"context": str(folder / "app"), "dockerfile": "Dockerfile"},
                "command": None,
                "ports": [
                    {"mode": "ingress", "target": 80, "published": "8000", "protocol": "tcp"}
                ],
                "networks": {"default": None},
            }
        },
        "networks": {"default": {"name": "shop_default", "ipam": {}}},
    }
    place = fake_docker(folder, json.dumps(document))
    run = Run(folder, "init", PATH=f"{place}:{os.environ['PATH']}")
    assert run.code == 0, run.err
    stack = yaml.safe_load((folder / "stack.yaml").read_text())
    assert stack["services"]["web"]["build"] == {"context": "app", "dockerfile": "Dockerfile"}
    asked = (place / "log").read_text()
    assert "--no-interpolate --no-env-resolution" in asked
    assert f"-f {folder}/compose.yaml" in asked


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("unknown flag: --no-env-resolution\n", 16),
        ("docker: 'compose' is not a docker command.\n", 1),
        ("not JSON", 0),
        ("[" * 5000, 0),
        ("{}", 0),
        (json.dumps({"services": {"web": {"image": "x", "environment": {"A": "hunter-22"}}}}), 0),
    ],
)
def test_a_plugin_that_cannot_is_not_used(folder: Path, answer: str, code: int) -> None:
    """Nor one that tells the values of `.env`."""
    (folder / ".env").write_text("KEY=hunter-22\n")
    place = fake_docker(folder, answer, code)
    run = Run(folder, "init", PATH=f"{place}:{os.environ['PATH']}")
    assert run.code == 0, run.err
    text = (folder / "stack.yaml").read_text()
    assert "secrets: [KEY]" in text
    assert "hunter-22" not in text + run.out


def test_a_dockerfile_alone_is_enough_with_its_defaults(tmp_path: Path) -> None:
    """`--yes` takes what it says, and asks nothing."""
    (tmp_path / "Dockerfile").write_text(
        "FROM a\nEXPOSE 9000\nUSER 1\nHEALTHCHECK CMD curl http://localhost:9000/up\n"
    )
    run = Run(tmp_path, "init", "--yes")
    assert run.code == 0, run.err
    web = yaml.safe_load((tmp_path / "stack.yaml").read_text())["services"]["web"]
    assert (web["build"], web["port"], web["health"]) == (".", 9000, {"path": "/up"})


def test_a_dockerfile_can_be_named(tmp_path: Path) -> None:
    """In a folder of its own, under another name."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "prod.Dockerfile").write_text("FROM a\n")
    assert Run(tmp_path, "init", "--yes", "--from", "app/prod.Dockerfile").code == 0
    web = yaml.safe_load((tmp_path / "stack.yaml").read_text())["services"]["web"]
    assert web["build"] == {"context": "app", "dockerfile": "prod.Dockerfile"}


def test_nothing_at_all_has_defaults_too(tmp_path: Path) -> None:
    """A Dockerfile that is still to be written."""
    run = Run(tmp_path, "init", "--yes")
    assert run.code == 0, run.err
    assert Run(tmp_path, "validate").code == 0


@pytest.mark.parametrize("name", [None, "Dockerfile"])
def test_without_a_terminal_nothing_can_be_asked(tmp_path: Path, name: str | None) -> None:
    """One line says so, with the way out."""
    if name:
        (tmp_path / name).write_text("FROM a\n")
    Run(tmp_path, "init").assert_refused(2, "no terminal to ask at", "`--yes`")
    assert not (tmp_path / "stack.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--from", "no.yaml"), "`no.yaml` does not exist"),
        (("--from", "Dockerfile", "--from", "compose.yaml"), "cannot be taken together"),
        (("--yes", "--from", "no.dockerfile"), "`no.dockerfile` does not exist"),
        (("--yes", "--from", "Dockerfile"), "`Dockerfile` is no Dockerfile: it has no FROM"),
    ],
)
def test_what_is_named_must_be_there(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    """One line, and nothing is written."""
    (folder / "Dockerfile").write_text("RUN true\n")
    run = Run(folder, "init", *arguments)
    assert run.code == 2
    assert reason in run.err
    assert not (folder / "stack.yaml").exists()


def test_answers_are_written_as_they_are_given(tmp_path: Path) -> None:
    """An image, its port, the paths of health and of users."""
    from orchestrator.adopt.draft import make_draft

    answers = Answers("shop:1.2", 3000, "/up", "/shop/")
    source = read_answers(Place(tmp_path, {}), None, answers, "answers")
    web = yaml.safe_load(make_draft(source).text)["services"]["web"]
    assert (web["image"], web["version"], web["port"]) == ("shop:{version}", "1.2", 3000)
    assert web["health"] == {"path": "/up"}
    assert [route["path"] for route in web["routes"]] == ["/shop/"]


def test_a_fault_of_env_is_told_as_such(folder: Path) -> None:
    """The line is named and its value is not."""
    (folder / ".env").write_text("KEY='hunter-22\n")
    run = Run(folder, "init")
    assert run.code == 2
    assert "`.env` line 1" in run.err
    assert "hunter-22" not in run.err


def test_other_errors_of_a_check_stay_what_they_are(tmp_path: Path) -> None:
    """Their exit code as well."""

    def fail(_: Path) -> None:
        raise GatewayError("no")

    with pytest.raises(GatewayError):
        place(tmp_path / "stack.yaml", "a: 1\n", fail)
    assert listing(tmp_path) == {}
