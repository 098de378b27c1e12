"""Who builds an image, what the Docker CLI is told, and what others can read of it."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engine.build_context import pack_context
from orchestrator.engine.buildkit import (
    FIXED,
    INSTALL,
    Builder,
    Cli,
    build,
    choose_builder,
    find_builder,
    find_hint,
    to_environment,
    to_flags,
    to_words,
)
from orchestrator.engine.endpoint import DEFAULT_HOST, Endpoint, Tls
from orchestrator.engine.redaction import Redaction
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import ImageError

HERE = Endpoint(DEFAULT_HOST)
FAR = Endpoint("tcp://far.example:2376", Tls("/ca", "/cert", "/key"))
ORDER = BuildOrder(
    context=Path("/srv/shop/notes"),
    dockerfile="Dockerfile",
    tag="shop-notes:v1",
    arguments={"VERSION": "v1", "TOKEN": "not-to-be-seen"},
    labels={"io.stackctl.stack": "shop"},
    target="web",
    secrets={"npmrc": "nor-this"},
    ssh=("default",),
)


def redact(order: BuildOrder) -> Redaction:
    """Return what hides the values of a build."""
    return Redaction((*order.arguments.items(), *order.secrets.items()), order.tag)


@pytest.mark.parametrize(
    ("cli", "told"),
    [
        (Cli("28.2.2", "v0.24.0"), "BuildKit of docker buildx v0.24.0"),
        (Cli("20.10.24+dfsg1"), "BuildKit of the Docker CLI 20.10.24+dfsg1"),
        (Cli("20.10.24", "v0.10.2"), "BuildKit of the Docker CLI 20.10.24"),
        (Cli("18.09.1"), "BuildKit of the Docker CLI 18.09.1"),
        (Cli("23.0.1", "v0.10.2"), "BuildKit of docker buildx v0.10.2"),
    ],
)
def test_buildkit_builds_where_the_docker_cli_has_it(cli: Cli, told: str) -> None:
    """In itself up to 22, in a program of its own from 23 on."""
    assert choose_builder(cli) == Builder(told, cli)


@pytest.mark.parametrize(
    ("cli", "why"),
    [
        (Cli("28.2.2"), "the Docker CLI 28.2.2 has no buildx"),
        (Cli("17.03.2"), "the Docker CLI 17.03.2 has no BuildKit"),
        (Cli("4.3.1", "v1"), "the Docker CLI 4.3.1 has no BuildKit"),  # Podman's
        (Cli("20.10.24", fault="it does not reach the engine"), "it does not reach the engine"),
        (Cli(), "the Docker CLI  has no BuildKit"),
    ],
)
def test_otherwise_the_classic_builder_builds(cli: Cli, why: str) -> None:
    """And why is told."""
    assert choose_builder(cli) == Builder(f"the engine's classic builder: {why}")


@pytest.mark.parametrize(
    ("endpoint", "flags"),
    [
        (HERE, ("--host", "unix:///var/run/docker.sock")),
        (Endpoint("10.0.0.7:2375"), ("--host", "tcp://10.0.0.7:2375")),
        (Endpoint("https://far:1"), ("--host", "tcp://far:1")),
        (Endpoint("ssh://me@far"), ("--host", "ssh://me@far")),
        (
            FAR,
            (
                *("--host", "tcp://far.example:2376", "--tlsverify", "--tlscacert", "/ca"),
                *("--tlscert", "/cert", "--tlskey", "/key"),
            ),
        ),
        (
            Endpoint("tcp://far:1", Tls(verify=False)),
            (
                *("--host", "tcp://far:1", "--tls", "--tlscacert", '""'),
                *("--tlscert", '""', "--tlskey", '""'),
            ),
        ),
    ],
)
def test_the_docker_cli_is_told_which_engine_is_meant(
    endpoint: Endpoint, flags: tuple[str, ...]
) -> None:
    """Whatever context it has, and whatever variables say."""
    assert to_flags(endpoint) == flags


def test_others_see_only_names_of_what_is_handed_to_a_build() -> None:
    """The list of processes is for all to read; an environment is not."""
    environment = to_environment(ORDER, {"PATH": "/bin"})
    words = to_words(ORDER, "Dockerfile", environment)

    assert words == (
        *("build", "--progress", "plain", "--file", "Dockerfile", "--tag", "shop-notes:v1"),
        *("--label", "io.stackctl.stack=shop", "--build-arg", "VERSION", "--build-arg", "TOKEN"),
        *("--secret", "id=npmrc,env=STACKCTL_SECRET_0", "--ssh", "default", "--target", "web", "-"),
    )
    assert {name: value for name, value in environment.items() if name not in FIXED} == {
        "PATH": "/bin",
        "VERSION": "v1",
        "TOKEN": "not-to-be-seen",
        "STACKCTL_SECRET_0": "nor-this",
    }


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LD_PRELOAD", "DOCKER_CONFIG", "BUILDX_BUILDER", "BASH_ENV"]
)
def test_no_argument_of_a_build_steers_what_runs_here(name: str) -> None:
    """It is a value of that build's, told in the open."""
    order = replace(ORDER, arguments={name: "elsewhere"}, ssh=())
    environment = to_environment(order, {"PATH": "/bin", "HOME": "/root"})

    assert environment.get(name) != "elsewhere"
    assert f"{name}=elsewhere" in to_words(order, "Dockerfile", environment)


def test_a_build_knows_what_stackctl_knows_less_what_would_lead_it_elsewhere() -> None:
    """Helpers for credentials need a lot of variables; another engine or builder is not meant."""
    around = {
        "PATH": "/bin",
        "AWS_PROFILE": "shop",
        "DOCKER_CONFIG": "/config",
        "DOCKER_HOST": "tcp://other:1",
        "DOCKER_CONTEXT": "other",
        "DOCKER_TLS_VERIFY": "1",
        "BUILDX_BUILDER": "other",
        "STACKCTL_EVIDENCE_KEY": "key",
        "SSH_AUTH_SOCK": "/agent",
        "TOKEN": "another",
    }
    plain = replace(ORDER, ssh=(), secrets={}, arguments={"TOKEN": "its own"})
    kept = {"PATH": "/bin", "AWS_PROFILE": "shop", "DOCKER_CONFIG": "/config", "TOKEN": "its own"}
    agent = {"SSH_AUTH_SOCK": "/agent"}

    assert to_environment(plain, around) == kept | FIXED
    assert to_environment(replace(plain, ssh=("default",)), around) == kept | agent | FIXED


def write_cli(folder: Path, script: str) -> None:
    """Write a Docker CLI that does this, in sh."""
    file = folder / "docker"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


BUILDX = """
shift 2
case "$1 $2" in
"version "*) echo 28.2.2 ;;
"buildx version") echo github.com/docker/buildx v0.24.0 abc ;;
*) printf '%s\\n' "$@" >"$HOME/argv"; /usr/bin/env >"$HOME/environment"; /bin/cat >"$HOME/archive"
   echo "#1 sha256:%s"; echo; echo "#2 RUN echo $TOKEN"; echo "ERROR: step 2 said nor-this"; exit $EXIT ;;
esac
""".replace("%s", "0" * 64)


@pytest.mark.parametrize("code", [0, 1])
def test_buildx_is_sent_the_archive_and_its_last_lines_are_told(tmp_path: Path, code: int) -> None:
    """The same archive that the classic builder gets; the last line is the fault."""
    write_cli(tmp_path, BUILDX)
    around = {"PATH": str(tmp_path), "HOME": str(tmp_path), "EXIT": str(code)}
    builder = find_builder(HERE, ORDER, around)
    assert builder.cli is not None
    assert builder.told == "BuildKit of docker buildx v0.24.0"

    said: list[str] = []
    with (tmp_path / "docker").open("rb") as archive:
        if code:
            with pytest.raises(ImageError) as caught:
                build(builder.cli, ORDER, "Dockerfile", archive, said.append)
            doing = "building `shop-notes:v1` from `/srv/shop/notes`"
            assert caught.value.message == (
                f"{doing}: step 2 said nor-this\n  #2 RUN echo not-to-be-seen"
            )
            redacted = f"{doing}: step 2 said ${{npmrc}}\n  #2 RUN echo ${{TOKEN}}"
            assert redact(ORDER).apply(caught.value.message) == redacted
        else:
            build(builder.cli, ORDER, "Dockerfile", archive, said.append)
    assert said == ["#2 RUN echo not-to-be-seen", "ERROR: step 2 said nor-this"]
    assert (tmp_path / "archive").read_bytes() == (tmp_path / "docker").read_bytes()
    assert "not-to-be-seen" not in (tmp_path / "argv").read_text()
    assert "BUILDX_BUILDER=default\n" in (tmp_path / "environment").read_text()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 1", "the Docker CLI does not reach the engine: exit code 1"),
        (
            "echo no >&2; echo at tcp://me:word@far >&2; exit 1",
            "the Docker CLI does not reach the engine: at tcp://…@far",
        ),
        ('[ "$3" = version ] && echo 29.1.0', "the Docker CLI 29.1.0 has no buildx"),
    ],
)
def test_a_docker_cli_that_is_of_no_use_is_told(tmp_path: Path, script: str, why: str) -> None:
    """One that does not reach the engine that is meant builds nothing for it."""
    write_cli(tmp_path, script)
    found = find_builder(HERE, ORDER, {"PATH": str(tmp_path)})
    assert found == Builder(f"the engine's classic builder: {why}")


def test_a_value_that_no_environment_can_hold_goes_another_way(tmp_path: Path) -> None:
    """To the classic builder, or with a secret nowhere."""
    write_cli(tmp_path, BUILDX)
    for value in ("a\0b", "\ud800"):
        order = replace(ORDER, secrets={"word": value})
        found = find_builder(HERE, order, {"PATH": str(tmp_path)})
        assert "classic builder: the Docker CLI cannot be run" in found.told


def test_whoever_wants_the_classic_builder_gets_it(tmp_path: Path) -> None:
    """In the word that `docker build` knows for that; and where there is no CLI."""
    write_cli(tmp_path, BUILDX)
    unwanted = find_builder(HERE, ORDER, {"PATH": str(tmp_path), "DOCKER_BUILDKIT": "0"})
    assert unwanted.told.endswith(": DOCKER_BUILDKIT asks for it")
    for around in ({}, {"PATH": ""}, {"PATH": str(tmp_path / "none")}):
        assert find_builder(HERE, ORDER, around).told.endswith("there is no Docker CLI on PATH")


@pytest.mark.parametrize(
    ("cli", "fault", "hint"),
    [
        (None, "the --mount option requires BuildKit. Refer to", INSTALL),
        (None, "dockerfile parse error line 3: unknown instruction: ECHO", INSTALL),
        (None, "dockerfile parse error line 2: Unknown flag: link", INSTALL),
        (None, "returned a non-zero code: 1", None),
        (Cli(), "exit code: 1\n  #2 resolve image config for docker/dockerfile:1", None),
    ],
)
def test_what_a_builder_does_not_know_has_a_hint(
    cli: Cli | None, fault: str, hint: str | None
) -> None:
    """Only that: a step that fails is the Dockerfile's."""
    assert find_hint(Builder("", cli), fault) == hint


def test_values_are_put_by_their_names() -> None:
    """In lines of theirs, quoted and escaped too; not what stands in any text, nor in the tag."""
    order = replace(
        ORDER,
        arguments={"A": "key", "B": "keys and more", "C": "keys", "D": "notes"},
        secrets={"PEM": "-----BEGIN\nabcdef\x1b\n"},
    )
    redaction = redact(order)
    told = "key keys notes keys and more keys+and+more abcdef\\x1b abcdef\x1b -----BEGIN"
    redacted = "key ${C} notes ${B} ${B} ${PEM} ${PEM} ${PEM}"
    assert redaction.apply(told) == redacted
    nothing = redact(replace(order, arguments={}, secrets={}))
    assert nothing.apply(told) == told


def test_who_owns_a_file_is_not_sent(tmp_path: Path) -> None:
    """BuildKit keeps owners: the same sources would be another image for somebody else."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("../Dockerfile")
    if os.geteuid() == 0:
        os.chown(tmp_path / "Dockerfile", 1000, 1000)
    order = replace(ORDER, context=tmp_path)
    with pack_context(order) as (archive, name):
        packed = io.BytesIO(archive.read())
    with tarfile.open(fileobj=packed) as tar:
        entries = tar.getmembers()

    assert name == "Dockerfile"
    assert [entry.name for entry in entries] == ["Dockerfile", "folder", "folder/link"]
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {
        (0, 0, "", "")
    }


def test_a_dockerfile_may_have_patterns_of_its_own(tmp_path: Path) -> None:
    """As `docker build` knows them, in place of the folder's."""
    for name, text in (
        ("web.Dockerfile", "FROM scratch\n"),
        ("web.Dockerfile.dockerignore", "one\n"),
        (".dockerignore", "two\n"),
        ("one", ""),
        ("two", ""),
    ):
        (tmp_path / name).write_text(text)
    order = replace(ORDER, context=tmp_path, dockerfile="web.Dockerfile")
    with pack_context(order) as (archive, _), tarfile.open(fileobj=archive) as tar:
        names = tar.getnames()
    assert "two" in names
    assert "one" not in names
