"""What is read of a Dockerfile: its last stage, or the one that is asked for."""

from __future__ import annotations

import pytest

from orchestrator.adopt.dockerfile import parse_dockerfile

MANY = r"""
# syntax=docker/dockerfile:1
# escape=\
ARG PORT=9000
FROM --platform=$BUILDPLATFORM node:22 AS Build
EXPOSE 1
USER builder
RUN <<EOF
EXPOSE 2
USER root
EOF
RUN cat <<-"ONE" <<TWO > /x
EXPOSE 3
	ONE
EXPOSE 4
TWO

FROM debian:13 as base
ARG PORT
ENV HOME=/app DATA="/var/lib/app data"
VOLUME ["$DATA", "/two"]
VOLUME /three /four

from base
expose $PORT/tcp 53/udp \
  # a comment inside

  8125
user   app:app
HEALTHCHECK --interval=5s --start-interval=1s \
  CMD curl --max-time=3 http://localhost:9000/up
ARG VERSION=dev
"""


def test_the_last_stage_counts_with_what_it_begins_with() -> None:
    """Continuations, comments, heredocs, directives, arguments and earlier stages are understood."""
    stage = parse_dockerfile(MANY).find(None)
    assert stage is not None
    assert stage.ports == ("9000", "8125")
    assert stage.user == "app:app"
    assert stage.volumes == ("/var/lib/app data", "/two", "/three", "/four")
    assert stage.health == ("CMD-SHELL", "curl --max-time=3 http://localhost:9000/up")
    assert stage.takes_version


@pytest.mark.parametrize(("target", "ports"), [("build", ("1",)), ("0", ("1",)), ("base", ())])
def test_a_target_is_another_stage(target: str, ports: tuple[str, ...]) -> None:
    """By its name, whatever the case, or by its number."""
    stage = parse_dockerfile(MANY).find(target)
    assert stage is not None
    assert stage.ports == ports


def test_a_target_that_is_not_there_is_none() -> None:
    """Nor is there a stage in a file without FROM."""
    assert parse_dockerfile(MANY).find("nope") is None
    assert parse_dockerfile("RUN true\n").find(None) is None


def test_the_escape_directive_changes_what_continues_a_line() -> None:
    """As in Dockerfiles for Windows; only at the top of the file."""
    text = "# escape=`\nFROM a\nEXPOSE 80 `\n 81\nUSER a\\\nEXPOSE 82\n"
    stage = parse_dockerfile(text).find(None)
    assert stage is not None
    assert (stage.ports, stage.user) == (("80", "81", "82"), "a\\")


@pytest.mark.parametrize(
    ("line", "health"),
    [
        ("HEALTHCHECK NONE", ("NONE",)),
        ('HEALTHCHECK CMD ["curl", "http://localhost/"]', ("CMD", "curl", "http://localhost/")),
        ("HEALTHCHECK CMD [ -f /x ]", ("CMD-SHELL", "[ -f /x ]")),
    ],
)
def test_both_forms_of_a_health_check_are_read(line: str, health: tuple[str, ...]) -> None:
    """As a list, and as a line for a shell."""
    stage = parse_dockerfile(f"FROM a\n{line}\n").find(None)
    assert stage is not None
    assert stage.health == health


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "FROM",
        "FROM a\nEXPOSE",
        "FROM a\nENV 'a\nARG\nVOLUME [",
        "FROM a\nRUN <<EOF",
        "# escape=x",
    ],
)
def test_what_is_broken_is_passed_over(text: str) -> None:
    """No input is a traceback; the builder will say what is wrong."""
    parse_dockerfile(text).find(None)
