"""What a Dockerfile says of its last stage: ports, user, volumes, health check."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.references import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 1024**2  # bytes
_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S.*?)\s*")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_.]*)\1")
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})
_OPTIONS = re.compile(r"(?:--[a-z-]+=\S*\s+)+")


@dataclass(frozen=True)
class Stage:
    """One stage, with what it takes from the stage that it begins with."""

    name: str = ""
    base: str = ""
    ports: tuple[str, ...] = ()  # such as `8000`, TCP only
    user: str | None = None  # None: the base image's
    volumes: tuple[str, ...] = ()
    health: tuple[str, ...] | None = None  # as compose's `test`; None: the base image's
    values: dict[str, str] = field(default_factory=dict)  # of ARG and ENV
    takes_version: bool = False


@dataclass(frozen=True)
class Dockerfile:
    """All stages; a target chooses one of them."""

    stages: tuple[Stage, ...]

    def find(self, target: str | None) -> Stage | None:
        """Return a stage by its name or number, without one the last; None where there is none."""
        if not target:
            return self.stages[-1] if self.stages else None
        named = [stage for stage in self.stages if stage.name == target.lower()]
        if not named and target.isdecimal() and int(target) < len(self.stages):
            named = [self.stages[int(target)]]
        return named[0] if named else None


def parse_dockerfile(text: str) -> Dockerfile:
    """Return what a Dockerfile says. What it cannot read of it, it passes over."""
    stages: list[Stage] = []
    common: dict[str, str] = {}  # ARGs before the first FROM
    for word, rest in _list_instructions(text):
        if word == "FROM":
            stages.append(_begin(rest, stages, common))
        elif not stages:
            if word == "ARG":
                common |= _read_arguments(rest, common)
        else:
            stages[-1] = _follow(stages[-1], word, rest, common)
    return Dockerfile(tuple(stages))


def _list_instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction in one line, without comments and heredocs."""
    lines = text.lstrip("\ufeff").splitlines()
    escape = _find_escape(lines)
    begun = ""
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        position += 1
        if not line or line.startswith("#"):
            continue
        begun += line.removesuffix(escape)
        if line.endswith(escape) and position < len(lines):
            continue
        word, _, rest = begun.partition(" ")
        begun = ""
        if word.upper() in _WITH_HEREDOC:
            position = _skip_heredocs(lines, position, rest)
        yield word.upper(), rest.strip()


def _find_escape(lines: list[str]) -> str:
    """Return the character that continues a line: a directive at the top may name another."""
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if not directive:
            break
        if directive[1].lower() == "escape" and directive[2] in ("\\", "`"):
            return directive[2]
    return "\\"


def _skip_heredocs(lines: list[str], position: int, rest: str) -> int:
    for _, end in _HEREDOC.findall(rest):
        after = next(
            (at + 1 for at in range(position, len(lines)) if lines[at].strip() == end), None
        )
        position = position if after is None else after
    return position


def _begin(rest: str, earlier: list[Stage], common: dict[str, str]) -> Stage:
    words = [word for word in rest.split() if not word.startswith("--")]
    base = _fill(words[0], common) if words else ""
    named = len(words) == 3 and words[1].upper() == "AS"
    name = words[2].lower() if named else ""
    parent = next((stage for stage in earlier if stage.name and stage.name == base.lower()), None)
    return replace(parent, name=name) if parent else Stage(name, base)


def _follow(stage: Stage, word: str, rest: str, common: dict[str, str]) -> Stage:
    filled = _fill(rest, stage.values)
    match word:
        case "EXPOSE":
            found = [part.partition("/") for part in filled.split()]
            ports = [port for port, _, protocol in found if protocol in ("", "tcp")]
            return replace(stage, ports=(*stage.ports, *filter(str.isdecimal, ports)))
        case "USER":
            return replace(stage, user=filled.strip() or None)
        case "VOLUME":
            return replace(stage, volumes=(*stage.volumes, *_read_list(filled)))
        case "HEALTHCHECK":
            return replace(stage, health=_read_health(rest))
        case "ARG" | "ENV":
            values = stage.values | _read_arguments(rest, common | stage.values, word)
            takes = stage.takes_version or (
                word == "ARG" and "VERSION" in _read_arguments(rest, {})
            )
            return replace(stage, values=values, takes_version=takes)
    return stage


def _read_health(rest: str) -> tuple[str, ...]:
    options = _OPTIONS.match(rest)
    word, _, command = rest[options.end() if options else 0 :].partition(" ")
    if word.upper() != "CMD":
        return ("NONE",)
    listed = _read_json(command)
    return ("CMD", *listed) if listed is not None else ("CMD-SHELL", command.strip())


def _read_list(text: str) -> list[str]:
    listed = _read_json(text)
    return text.split() if listed is None else listed


def _read_json(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [str(each) for each in found] if isinstance(found, list) else None


def _read_arguments(rest: str, known: dict[str, str], word: str = "ARG") -> dict[str, str]:
    """Return the values of an ARG or ENV. An ARG without a value has the one from before FROM."""
    try:
        words = shlex.split(rest)
    except ValueError:
        return {}
    if word == "ENV" and words and "=" not in words[0]:
        return {words[0]: _fill(" ".join(words[1:]), known)}
    pairs = (each.partition("=") for each in words)
    return {
        name: _fill(value, known) if equals else known.get(name, "")
        for name, equals, value in pairs
    }


def _fill(text: str, values: dict[str, str]) -> str:
    try:
        return fill(text, values)
    except Unfit:
        return text
