"""BuildKit, which the engine has and the Docker CLI speaks to; and who builds where that cannot be.

From 23 on `docker build` hands on to buildx, a program of its own; from 18.09 on it has BuildKit built
in. It is sent the archive that the classic builder gets: both know one context.
"""

from __future__ import annotations

import re
import shutil
from collections import deque
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from orchestrator.engine.endpoint import ACCOUNT
from orchestrator.errors import ImageError
from orchestrator.shell import follow, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.engine.endpoint import Endpoint
    from orchestrator.engine.values import BuildOrder

BUILT_IN, APART = (18, 9), (23, 0)  # versions of the Docker CLI that begin to have it so
UNWANTED = ("0", "f", "F", "false", "False", "FALSE")  # of DOCKER_BUILDKIT, as the CLI reads it
TAIL = 12  # lines of a failed build that are shown
NOISE = re.compile(r"#\d+ sha256:[0-9a-f]{64}|")  # the digest of a step, and nothing

# What builders say of words in a Dockerfile that they do not know, and of a frontend that might.
UNKNOWN = "unknown instruction"
CLASSIC = re.compile(rf"requires BuildKit|Unknown flag|failed to parse platform|{UNKNOWN}")
FRONTEND = "docker/dockerfile"
INSTALL = (
    "install BuildKit: buildx beside the Docker CLI (Docker's package `docker-buildx-plugin`, Debian 13's"
    " `docker-buildx`), or Debian 12's `docker.io`; the CLI must be on PATH, and DOCKER_BUILDKIT must not"
    " be 0"
)

FIXED = {
    "DOCKER_BUILDKIT": "1",
    "DOCKER_CLI_HINTS": "false",
    # The builder of just this engine: another one has its own store, without the images that are here.
    "BUILDX_BUILDER": "default",
    # An attestation has times in it: the same sources would be another image with each build.
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
}
# What is stackctl's own, and what names another engine or builder than is meant.
WITHHELD = re.compile(r"STACKCTL_.*|DOCKER_(?!CONFIG$).*|BUILDX_.*|BUILDKIT_.*")
AGENT = "SSH_AUTH_SOCK"
SECRET = "STACKCTL_SECRET_"  # noqa: S105  variables that nothing else is named by
# What makes a program load or start others: stack.yaml may say what runs in containers, not here.
STEERING = re.compile(
    r"DOCKER_(?:CONFIG|CONTE.*|HOST|CERT_PATH|TLS.*|CLI_.*|API_VERSION|DEFAULT_PLATFORM)|BUILDX_.*"
    rf"|PATH|HOME|LD_.*|GCONV_PATH|{AGENT}|SSH_ASKPASS|XDG_.*|GNUPGHOME"
    r"|PYTHON[A-Z]+|PERL5[A-Z]+|RUBYOPT|RUBYLIB|NODE_OPTIONS|BASH_ENV|ENV"
)


@dataclass(frozen=True)
class Cli:
    """The Docker CLI of this machine, as far as it is of use to the engine that is meant."""

    version: str = ""  # such as 20.10.24
    buildx: str = ""  # version of its buildx, such as v0.12.1; empty where it has none
    fault: str = ""  # why it is of no use
    command: tuple[str, ...] = ()  # how it is called
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Builder:
    """Who builds an image."""

    told: str  # who that is, and why it is no better one
    cli: Cli | None = None  # whose BuildKit it is; None: the classic builder


def choose_builder(cli: Cli) -> Builder:
    """Return who builds: BuildKit wherever it is to be had."""
    numbers = tuple(map(int, re.findall(r"\d+", cli.version)[:2]))
    if not cli.fault and BUILT_IN <= numbers < APART:
        return Builder(f"BuildKit of the Docker CLI {cli.version}", cli)
    if not cli.fault and numbers >= APART and cli.buildx:
        return Builder(f"BuildKit of docker buildx {cli.buildx}", cli)
    lacks = "buildx" if numbers >= APART else "BuildKit"
    why = cli.fault or f"the Docker CLI {cli.version} has no {lacks}"
    return Builder(f"the engine's classic builder: {why}")


def find_builder(
    endpoint: Endpoint | None, order: BuildOrder, around: Mapping[str, str]
) -> Builder:
    """Return who builds on an engine; `around` is the environment of stackctl."""
    return choose_builder(_find_cli(endpoint, order, around))


def _find_cli(endpoint: Endpoint | None, order: BuildOrder, around: Mapping[str, str]) -> Cli:
    if around.get("DOCKER_BUILDKIT") in UNWANTED:
        return Cli(fault="DOCKER_BUILDKIT asks for it")
    program = shutil.which("docker", path=around.get("PATH", ""))
    if program is None or endpoint is None:
        return Cli(fault="there is no Docker CLI on PATH")
    command = (program, *to_flags(endpoint))
    environment = to_environment(order, around)
    try:
        told = run((*command, "version", "--format", "{{.Client.Version}}"), environment)
        if told.code != 0:
            reason = (told.err.strip().splitlines() or [f"exit code {told.code}"])[-1]
            hidden = ACCOUNT.sub("…", reason)
            return Cli(fault=f"the Docker CLI does not reach the engine: {hidden}")
        buildx = run((*command, "buildx", "version"), environment)
    except (OSError, ValueError) as error:  # such as a value with a NUL
        return Cli(fault=f"the Docker CLI cannot be run: {error}")
    found = re.search(r"v\d\S*", buildx.out) if buildx.code == 0 else None
    version = told.out.strip()
    return Cli(version, found[0] if found else "", "", command, environment)


def to_flags(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the flags with which the Docker CLI talks to an engine, whatever else names one."""
    host, tls = ("--host", endpoint.address), endpoint.tls
    if tls is None or endpoint.kind != "tcp":
        return host
    # Without a word it would look for files of its own; an empty one crashes a CLI of 20.10.
    ca, cert, key = (file or '""' for file in (tls.ca, tls.cert, tls.key))
    verify = "--tlsverify" if tls.verify else "--tls"
    return (*host, verify, "--tlscacert", ca, "--tlscert", cert, "--tlskey", key)


def to_environment(order: BuildOrder, around: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a build: what stackctl's has, and the values that are nobody's to see.

    What others read in the list of processes are only names; but for names that steer programs.
    """
    kept = {
        name: value
        for name, value in around.items()
        if not WITHHELD.fullmatch(name) and (order.ssh or name != AGENT)
    }
    arguments = {
        name: value for name, value in order.arguments.items() if not STEERING.fullmatch(name)
    }
    secrets = {f"{SECRET}{number}": value for number, value in enumerate(order.secrets.values())}
    return kept | arguments | secrets | FIXED


def to_words(order: BuildOrder, dockerfile: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is said to the Docker CLI: a value that its environment has is said by its name."""
    words = ["build", "--progress", "plain", "--file", dockerfile, "--tag", order.tag]
    for name, value in order.labels.items():
        words += ["--label", f"{name}={value}"]
    for name, value in order.arguments.items():
        known = environment.get(name) == value
        words += ["--build-arg", name if known else f"{name}={value}"]
    for number, name in enumerate(order.secrets):
        words += ["--secret", f"id={name},env={SECRET}{number}"]
    for agent in order.ssh:
        words += ["--ssh", agent]
    if order.target:
        words += ["--target", order.target]
    return (*words, "-")


def build(
    cli: Cli, order: BuildOrder, dockerfile: str, archive: IO[bytes], tell: Callable[[str], None]
) -> None:
    """Build an image from an archive. Raises OSError, and ImageError with the last lines."""
    tail: deque[str] = deque(maxlen=TAIL)

    def hear(line: str) -> None:
        if not NOISE.fullmatch(line):
            tail.append(line)
            tell(line)

    words = to_words(order, dockerfile, cli.environment)
    code = follow((*cli.command, *words), cli.environment, archive, hear)
    if code != 0:
        fault = tail.pop().removeprefix("ERROR: ") if tail else f"exit code {code}"
        raise ImageError("\n  ".join([f"{order.doing}: {fault}", *tail]))


def find_hint(builder: Builder, told: str) -> str | None:
    """Return what to do where a builder does not know what a Dockerfile says; its first line is the fault."""
    fault, *_ = told.splitlines()
    if builder.cli is None:
        return INSTALL if CLASSIC.search(fault) else None
    if FRONTEND in fault:
        return (
            "BuildKit fetches the image that a line `# syntax=` names: leave the line out, or bring the"
            " image to the engine, with `docker load` if no registry is reached"
        )
    if UNKNOWN in fault:
        return (
            "if it is in a heredoc: before Docker Engine 23 a heredoc needs"
            " `# syntax=docker/dockerfile:1` as the first line of the Dockerfile"
        )
    return None
