"""What the builders of a real engine know of a Dockerfile, and what neither of them tells."""

from __future__ import annotations

import json
import os
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.buildkit import INSTALL
from orchestrator.engine.connection import connect
from orchestrator.engine.docker import DockerEngine
from orchestrator.errors import ImageError, Interrupted
from orchestrator.stack import naming
from tests.contract.bench import PYTHON, Bench, surroundings
from tests.contract.test_image_contract import BUILDERS, order

if TYPE_CHECKING:
    from orchestrator.engine.values import Image

TOKEN = "not-to-be-quoted"  # noqa: S105  it is what nobody may see
ON_BOTH = pytest.mark.parametrize("kind", BUILDERS)
WITH_BUILDKIT = pytest.mark.parametrize("kind", BUILDERS[1:])
CLASSIC = pytest.mark.parametrize("kind", BUILDERS[:1])


def anew(bench: Bench) -> str:
    """Return a line behind which nothing comes from a cache."""
    return f"ENV ONLY={bench.stack}"


def build(bench: Bench, *lines: str, **wishes: Any) -> Image:
    """Build an image of these lines."""
    return bench.engine.build(replace(order(bench, *lines), **wishes), lambda _: None)


@ON_BOTH
def test_a_build_ends_with_the_stage_that_is_asked_for(bench: Bench) -> None:
    """The last one, unless another is named."""
    lines = ("AS one", "USER 10001", "FROM one AS two", "USER 10002")
    text = f"FROM {PYTHON} {lines[0]}\n" + "\n".join(lines[1:]) + "\n"
    wanted = order(bench)
    (bench.folder / "Dockerfile").write_text(text)

    assert bench.engine.build(wanted, lambda _: None).user == "10002"
    assert bench.engine.build(replace(wanted, target="one"), lambda _: None).user == "10001"


@ON_BOTH
def test_arguments_arrive_as_they_are(bench: Bench) -> None:
    """Whatever is in them, and whatever they are called."""
    arguments = {"EMPTY": "", "LINES": 'one\n"two" = 2', "HOME": "/elsewhere", "DOCKER_HOST": "a=b"}
    names = [f'{name}="${{{name}}}"' for name in arguments]
    wanted = order(bench, *(f"ARG {name}" for name in arguments), f"LABEL {' '.join(names)}")
    image = bench.engine.build(replace(wanted, arguments=arguments), lambda _: None)

    assert {name: image.labels[name] for name in arguments} == arguments


@WITH_BUILDKIT
def test_a_step_may_have_a_cache_of_its_own(bench: Bench) -> None:
    """What is in it is not in the image."""
    lines = (
        anew(bench),
        "RUN --mount=type=cache,target=/cache touch /cache/kept",
        "RUN ! test -e /cache/kept",
    )
    said: list[str] = []
    assert bench.engine.build(order(bench, *lines), said.append).id
    assert said[0].startswith(f"building `{bench.stack}-app:v1` with BuildKit of ")


@CLASSIC
@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=cache,target=/cache true",
        "COPY --link . /all",
        f"FROM --platform=$BUILDPLATFORM {PYTHON}",
    ],
    ids=["mount", "link", "platform"],
)
def test_what_the_classic_builder_does_not_know_has_a_hint(bench: Bench, line: str) -> None:
    """One, and the same for all of it."""
    with pytest.raises(ImageError) as caught:
        build(bench, line)
    assert caught.value.hint == INSTALL


@CLASSIC
@pytest.mark.parametrize("wishes", [{"secrets": {"word": TOKEN}}, {"ssh": ("default",)}])
def test_secrets_without_buildkit_are_refused(bench: Bench, wishes: dict[str, Any]) -> None:
    """Before anything is built, and without them."""
    with pytest.raises(
        ImageError, match="need BuildKit; the builder here is the engine's classic"
    ) as caught:
        build(bench, **wishes)
    assert caught.value.hint == INSTALL
    assert bench.engine.images(bench.stack) == ()


@WITH_BUILDKIT
def test_a_secret_is_for_one_step_and_in_no_image(bench: Bench) -> None:
    """Neither in what is told, nor in the image's history, nor in its files."""
    said: list[str] = []
    secret = f'{TOKEN}, "quoted"\nand a second line'
    lines = (
        anew(bench),
        "RUN --mount=type=secret,id=word cat /run/secrets/word && wc -c /run/secrets/word",
        "RUN ! test -s /run/secrets/word",
    )
    image = bench.engine.build(replace(order(bench, *lines), secrets={"word": secret}), said.append)

    told = "\n".join(said)
    assert f"{len(secret)} /run/secrets/word" in told
    assert TOKEN not in told
    assert "second line" not in told
    client: Any = connect()
    try:
        assert TOKEN not in json.dumps([client.history(image.id), client.inspect_image(image.id)])
    finally:
        client.close()
    container = bench.run("files", image=image.id)
    search = ("grep", "-rlsF", "--exclude-dir=proc", "--exclude-dir=sys", TOKEN, "/")
    assert bench.engine.execute(container, search, user="0").text == ""


@WITH_BUILDKIT
def test_a_step_may_speak_to_an_agent(bench: Bench) -> None:
    """Of whoever builds; no other step knows of it."""
    place = str(bench.folder / "agent")
    around = {**surroundings("buildkit"), "SSH_AUTH_SOCK": place}
    lines = (
        anew(bench),
        'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"',
        'RUN test -z "$SSH_AUTH_SOCK"',
    )
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(place)
        agent.listen()
        wanted = replace(order(bench, *lines), ssh=("default",), left_out=("agent",))
        assert DockerEngine(around=around).build(wanted, lambda _: None).tags


@WITH_BUILDKIT
def test_a_build_that_is_interrupted_ends_in_the_engine_too(bench: Bench) -> None:
    """It leaves no image, and lets go of the cache that another one waits for."""
    cache = f"RUN --mount=type=cache,id={bench.stack},sharing=locked,target=/cache"
    lines = (anew(bench), f"{cache} echo begun && sleep 60 && touch /cache/slept")

    def press(line: str) -> None:
        if line.endswith(" begun"):
            raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        bench.engine.build(order(bench, *lines), press)
    assert bench.engine.images(bench.stack) == ()
    assert build(bench, anew(bench), f"{cache} ! test -e /cache/slept").id


@ON_BOTH
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("ARG TOKEN", "SPEAK $TOKEN"), "unknown instruction: SPEAK"),
        (("ARG TOKEN", "RUN echo it is $TOKEN && false"), "it is ${TOKEN}"),
        (("ARG TOKEN", "COPY $TOKEN /there"), "${TOKEN}"),
    ],
    ids=["no instruction", "a step that fails", "no file"],
)
def test_an_error_quotes_no_argument(bench: Bench, lines: tuple[str, ...], words: str) -> None:
    """Wherever the engine, the builder or the step itself wrote it; its name is told."""
    wanted = order(bench, *lines)
    said: list[str] = []
    with pytest.raises(ImageError) as caught:
        bench.engine.build(
            replace(wanted, arguments={**wanted.arguments, "TOKEN": TOKEN}), said.append
        )
    assert words in caught.value.message
    assert TOKEN not in "\n".join([caught.value.message, *said])


@WITH_BUILDKIT
def test_a_frontend_that_cannot_be_fetched_is_told_as_that(bench: Bench) -> None:
    """The line that wants it stands in the Dockerfile."""
    wanted = order(bench)
    text = f"# syntax=localhost:1/docker/dockerfile:1\nFROM {PYTHON}\nRUN true\n"
    (bench.folder / "Dockerfile").write_text(text)
    with pytest.raises(ImageError) as caught:
        bench.engine.build(wanted, lambda _: None)
    assert "`# syntax=`" in str(caught.value.hint)


@ON_BOTH
def test_a_dockerfile_outside_of_its_folder_makes_the_same_image_again(bench: Bench) -> None:
    """And so does a folder in which nothing but times has changed."""
    wanted = order(bench, anew(bench), "COPY . /all")
    folder = bench.folder / "context"
    folder.mkdir()
    (folder / "file").write_text("one")
    wanted = replace(wanted, context=folder, dockerfile="../Dockerfile")
    first = bench.engine.build(wanted, lambda _: None)
    os.utime(folder / "file", (1, 1))

    assert bench.engine.build(wanted, lambda _: None).id == first.id
    (folder / "file").write_text("two")
    assert bench.engine.build(wanted, lambda _: None).id != first.id


@CLASSIC
def test_without_a_docker_cli_the_classic_builder_builds(bench: Bench) -> None:
    """Which one it is and why is told first."""
    said: list[str] = []
    wanted = order(bench, "USER 10001")
    assert DockerEngine(around={"PATH": str(bench.folder)}).build(wanted, said.append).tags
    assert said[0] == (
        f"building `{naming.image_tag(bench.stack, 'app', 'v1')}` with the engine's classic builder:"
        " there is no Docker CLI on PATH"
    )
