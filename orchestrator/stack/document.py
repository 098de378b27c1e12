"""The text of stack.yaml, read safely: `${NAME:-default}` filled in, bombs and doubles refused.

A `${…}` is replaced inside one YAML scalar, which is then typed as if it had been written there:
`port: ${PORT:-8000}` is a number, and no value can add a key, a list or a document.

Only what looks like nothing else is typed: `null`, `true`, `8000` and `0.5`. YAML 1.1 would also make
false of `no`, 511 of `0777` and 60050 of `1000:50`; here these stay the text that was written.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from orchestrator.errors import ConfigurationError
from orchestrator.stack.filled import OWN, mark, to_printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

MEND = "mend the file, then `stackctl validate`"
LARGEST_FILE = 256 * 1024  # bytes
MOST_NODES = 20_000
DEEPEST = 40
DISPUTED = frozenset("\t\ufeff!")  # characters on which PyYAML and libyaml do not agree
_REFERENCE = re.compile(
    r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?-((?:[^}$]|\$(?!\{))*))?\}|(\{))"
)
_FORMS = {  # of plain scalars that are not text: expression, first characters
    "null": (r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)\Z", [*"tTfF"]),
    "int": (r"(?:0|-?[1-9][0-9]{0,17})\Z", [*"-0123456789"]),
    "float": (r"-?[0-9]{1,18}\.[0-9]{1,18}\Z", [*"-0123456789"]),
    "merge": (r"<<\Z", ["<"]),
}


class Fault(NamedTuple):
    """Something wrong at one place of the file."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return `path: message` in one line."""
        return to_printable(f"{self.path}: {self.message}" if self.path else self.message)


class Document(NamedTuple):
    """What a file says, with its references filled in, and the faults met on the way."""

    data: object
    faults: list[Fault]
    keys: Mapping[str, str]  # that hold a variable's value: as they are written


def find_references(path: Path) -> frozenset[str]:
    """Return the variables that a file refers to. Raises ConfigurationError where it cannot be read."""
    return frozenset(found[2] for found in _REFERENCE.finditer(_read_text(path)) if found[2])


def read_document(path: Path, variables: Mapping[str, str]) -> Document:
    """Read a file. Values with a variable's value in them are `Filled`.

    Raises ConfigurationError where there is no readable YAML document at all.
    """
    text = _read_text(path)
    try:
        loader = Loader(parse(text), variables)
        return Document(loader.get_single_data(), loader.faults, loader.keys)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"`{path}` is not valid YAML: {in_one_line(error)}",
            "quote `${…}` inside of `{…}` and `[…]`" if "${" in text else MEND,
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"`{path}` is not accepted: {to_printable(str(error))}", MEND
        ) from error


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)  # no more: `/dev/zero` never ends
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"`{path}` does not exist", "name the file with `--file`, or write one: `stackctl init`"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"`{path}` cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError(f"`{path}` is larger than {LARGEST_FILE:,} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"`{path}` is not UTF-8 text: {error.reason}") from error


class _Growth:
    """Counts what a document grows to once its aliases are followed, without following them."""

    def __init__(self) -> None:
        self.total = 0
        self.open: list[tuple[str | None, int]] = []  # (anchor, total before it)
        self._sizes: dict[str | None, int] = {}

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


def parse(
    text: str,
    *,
    fast: bool = yaml.__with_libyaml__,
    most: int = MOST_NODES,
    tags: Collection[str] = (),
) -> list[yaml.Event]:
    """Return what the text is made of: at most so many values, and no tags but these.

    Raises YAMLError, ValueError where it is a trap.

    libyaml, where PyYAML has it, is many times as fast and says the same but of tabs, tags and byte
    order marks. What it refuses is read again, so that the words for it are PyYAML's own everywhere.
    """
    if fast and not DISPUTED & {*text}:
        with suppress(yaml.YAMLError):
            return _refuse_traps(yaml.parse(text, Loader=yaml.CSafeLoader), most, tags)
    return _refuse_traps(yaml.parse(text, Loader=yaml.SafeLoader), most, tags)


def _refuse_traps(
    events: Iterable[yaml.Event], most: int, tags: Collection[str]
) -> list[yaml.Event]:
    growth, kept = _Growth(), []
    for event in events:
        tag = getattr(event, "tag", None)
        if tag and tag not in tags:
            raise ValueError(f"it has the tag `{tag}`, expected none")
        growth.follow(event)
        if growth.total > most:
            raise ValueError(f"it grows to more than {most:,} values")
        if len(growth.open) > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        kept.append(event)
    return kept


def in_one_line(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text, and where."""
    mark = getattr(error, "problem_mark", None)
    problem = to_printable(getattr(error, "problem", None) or str(error).splitlines()[0])
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


class Loader(Composer, SafeConstructor, Resolver):
    """A safe loader that fills in references and reports keys written twice."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def __init__(self, events: Iterable[yaml.Event], variables: Mapping[str, str]) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self.faults: list[Fault] = []
        self.keys: dict[str, str] = {}
        self._written: dict[yaml.Node, str] = {}  # of scalars that hold a variable's value
        self._variables = variables
        self._events = deque(events)

    def peek_event(self) -> yaml.Event:
        """Return the next event."""
        return self._events[0]

    def get_event(self) -> yaml.Event:
        """Take the next event."""
        return self._events.popleft()

    def check_event(self, *kinds: type[yaml.Event]) -> bool:
        """Whether the next event is of a kind."""
        return isinstance(self._events[0], kinds)

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Fill in the references of a scalar."""
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if "$" in node.value:
            written, node.value = node.value, self._fill_in(node)
            if self._reveals(written):
                self._written[node] = written
            if not node.style:  # a plain one, typed as if the value had been written there
                node.tag = self.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Report keys that are written twice."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                told = to_printable(self._written.get(key, str(key.value)))
                self.faults.append(Fault("", f"line {line}: `{told}` is written twice"))
            seen.add(key.value)
            if key in self._written:
                self.keys[key.value] = self._written[key]
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002  PyYAML's
        """Mark a value that holds a variable's."""
        made = super().construct_object(node, deep)
        return mark(made, self._written[node]) if node in self._written else made

    def _reveals(self, text: str) -> bool:
        """Whether a variable has a value that is filled in; a default stands in the file anyway."""
        return any(self._variables.get(found[2] or "") for found in _REFERENCE.finditer(text))

    def _fill_in(self, node: yaml.ScalarNode) -> str:
        line = node.start_mark.line + 1

        def fill(match: re.Match[str]) -> str:
            escaped, name, default, broken = match.groups()
            if escaped:
                return "$"
            if broken:
                self.faults.append(Fault("", f"line {line}: `${{` without a name and `}}`"))
                return ""
            if name.startswith(OWN):
                told = (
                    f"line {line}: `${{{name}}}` is stackctl's own, and reaches nothing of a stack"
                )
                self.faults.append(Fault("", told))
                return ""
            value = self._variables.get(name, "")
            if value == "" and default is not None:
                return str(default)
            if name not in self._variables:
                self.faults.append(Fault("", f"line {line}: `${{{name}}}` is not set"))
            return value

        return _REFERENCE.sub(fill, node.value)


for _kind, (_form, _first) in _FORMS.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_form), _first)
