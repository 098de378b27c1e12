"""One compose file, read safely: bombs, doubles and foreign tags are refused; references stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml.composer import Composer

from orchestrator.errors import ConfigurationError
from orchestrator.files import read_file
from orchestrator.stack.document import Loader, in_one_line, parse
from orchestrator.stack.filled import to_printable

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1024**2  # bytes
MOST_VALUES = 100_000
RESET, OVERRIDE = "!reset", "!override"
MEND = "mend the compose file, or name another with `--from`"


class Reset(NamedTuple):
    """`!reset`: takes away what an earlier file has set."""


class Override(NamedTuple):
    """`!override`: replaces what an earlier file has set, instead of adding to it."""

    value: Any


class _Raw(Loader):
    """Leaves references as they are, and knows compose's two tags."""

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = Composer.compose_scalar_node(self, anchor)
        return node

    def reset(self, _: yaml.Node) -> Reset:
        return Reset()

    def override(self, node: yaml.Node) -> Override:
        if isinstance(node, yaml.MappingNode):
            return Override(self.construct_mapping(node, deep=True))
        if isinstance(node, yaml.SequenceNode):
            return Override(self.construct_sequence(node, deep=True))
        return Override(node.value)


_Raw.add_constructor(RESET, _Raw.reset)  # type: ignore[type-var]
_Raw.add_constructor(OVERRIDE, _Raw.override)  # type: ignore[type-var]


def read_compose(path: Path, shown: str) -> dict[str, Any]:
    """Return what a compose file says. Raises ConfigurationError, one line that names it as `shown`."""
    text = read_text(path, shown, LARGEST)
    try:
        loader = _Raw(parse(text, most=MOST_VALUES, tags=(RESET, OVERRIDE)), {})
        document = loader.get_single_data()
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"`{shown}` is not valid YAML: {in_one_line(error)}", MEND
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"`{shown}` is not accepted: {to_printable(str(error))}", MEND
        ) from error
    if loader.faults:
        raise ConfigurationError(f"`{shown}`: {loader.faults[0]}", MEND)
    if not isinstance(document, dict):
        found = {list: "a list", type(None): "nothing"}.get(type(document), "a text or a number")
        raise ConfigurationError(f"`{shown}` is no compose file: it is {found}", MEND)
    return {str(key): value for key, value in document.items()}


def read_text(path: Path, shown: str, most: int, mend: str = MEND) -> str:
    """Return a text file of at most so many bytes. Raises ConfigurationError."""
    try:
        return read_file(path, most).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(f"`{shown}` does not exist", mend) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or "no text"
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise ConfigurationError(f"`{shown}` {what}: {reason}", mend) from error
