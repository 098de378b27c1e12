"""The text of stack.yaml, read safely: `${NAME:-default}` filled in, bombs and doubles refused.

A `${…}` is replaced inside one YAML scalar, which is then typed as if it had been written there:
`port: ${PORT:-8000}` is a number, and no value can add a key, a list or a document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

LARGEST_FILE = 256 * 1024  # bytes
MOST_NODES = 20_000
DEEPEST = 40
_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}|(\{))")


class Fault(NamedTuple):
    """Something wrong at one place of the file."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return `path: message`."""
        return f"{self.path}: {self.message}" if self.path else self.message


def read_document(path: Path, variables: Mapping[str, str]) -> tuple[object, list[Fault]]:
    """Return what the file says, with its references filled in, and the faults met on the way.

    Raises ConfigurationError where there is no readable YAML document at all.
    """
    text = _read_text(path)
    try:
        _refuse_bombs(text)
        loader = _Loader(text)
        loader.variables = variables
        try:
            return loader.get_single_data(), loader.faults
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ConfigurationError(f"`{path}` is not valid YAML: {_in_one_line(error)}") from error
    except (ValueError, OverflowError) as error:  # a date such as 2024-13-45, an endless number
        raise ConfigurationError(f"`{path}` cannot be read as YAML: {error}") from error


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"`{path}` does not exist", "name the file with `--file`, or write one: see README.md"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"`{path}` cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError(
            f"`{path}` is {len(raw):,} bytes, at most {LARGEST_FILE:,} are read"
        )
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"`{path}` is not UTF-8 text: {error.reason}") from error


class _Growth:
    """Counts what a document grows to once its aliases are followed, without following them."""

    def __init__(self) -> None:
        self.total = 0
        self.open: list[tuple[str | None, int]] = []  # (anchor, total before it)
        self._sizes: dict[str, int] = {}

    def follow(self, event: yaml.Event) -> None:
        """Count one event of the parser. Raises ValueError for an alias inside of itself."""
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in self.open):
                raise ValueError(f"`*{event.anchor}` contains itself")
            self.total += self._sizes.get(event.anchor, 0)  # the loader reports unknown ones
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.total))
            self.total += 1
        elif isinstance(event, yaml.ScalarEvent):
            self.total += 1
            self._remember(event.anchor, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            self._remember(anchor, self.total - before)

    def _remember(self, anchor: str | None, size: int) -> None:
        if anchor:
            self._sizes[anchor] = size


def _refuse_bombs(text: str) -> None:
    growth = _Growth()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        growth.follow(event)
        if growth.total > MOST_NODES:
            raise ValueError(f"it grows to more than {MOST_NODES:,} values")
        if len(growth.open) > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _in_one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


class _Loader(yaml.SafeLoader):
    """A safe loader that fills in references and reports keys written twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.variables: Mapping[str, str] = {}
        self.faults: list[Fault] = []

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  as PyYAML has it
        if isinstance(node, yaml.ScalarNode) and "$" in node.value:
            node = self._filled_in(node)
        return super().construct_object(node, deep=deep)

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                self.faults.append(Fault("", f"line {line}: `{key.value}` is written twice"))
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def _filled_in(self, node: yaml.ScalarNode) -> yaml.ScalarNode:
        line = node.start_mark.line + 1

        def fill(match: re.Match[str]) -> str:
            escaped, name, default, broken = match.groups()
            if escaped:
                return "$"
            if broken:
                self.faults.append(Fault("", f"line {line}: `${{` without a name and `}}`"))
                return ""
            value = self.variables.get(name, "")
            if value == "" and default is not None:
                return str(default)
            if name not in self.variables:
                self.faults.append(Fault("", f"line {line}: `${{{name}}}` is not set"))
            return value

        value = _REFERENCE.sub(fill, node.value)
        plain = node.style is None
        tag = self.resolve(yaml.ScalarNode, value, (True, False)) if plain else node.tag  # type: ignore[no-untyped-call]
        return yaml.ScalarNode(tag, value, node.start_mark, node.end_mark, node.style)
