"""The text of a stack.yaml: blocks with a comment over each, and scalars as PyYAML quotes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.stack.filled import to_printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDEST = 100  # characters of a list or a mapping that stands in one line
BREAKS = frozenset("\n\r\x85\u2028\u2029")
_REFERENCE = re.compile(r"\$\{[^}]*\}")
Path = tuple[str, ...]


class Plain(str):  # noqa: SLOT000  it is text that says how it is written
    """A reference that stands for a number: without quotes it is typed as what it stands for."""


def write_yaml(data: Mapping[str, Any], comments: Mapping[Path, Sequence[str]]) -> str:
    """Return data as YAML, with comments: over the key that a path leads to; `""` is the end of a block."""
    return "\n".join(_write_block(data, (), comments)) + "\n"


def write_scalar(value: object) -> str:
    """Return a value in one line, as it may stand anywhere."""
    return str(value) if isinstance(value, Plain) else _dump([_bare(value)], flow=True)[1:-1]


def _write_value(value: object) -> str:
    """Return a value as it may stand behind a key of a block: there fewer need quotes."""
    if not isinstance(value, str) or isinstance(value, Plain):
        return write_scalar(value)
    if "$" in value and not {"/", ":"} & {*_REFERENCE.sub("", value)}:
        return write_scalar(value)  # what it stands for might be typed as a number
    return _dump({"k": str(value)}, flow=False).removeprefix("k: ")


def _dump(value: object, *, flow: bool) -> str:
    return str(
        yaml.dump(
            value,
            Dumper=_Dumper,
            default_flow_style=flow,
            width=2**30,
            allow_unicode=True,
            sort_keys=False,
        )
    ).removesuffix("\n")


class _Dumper(yaml.SafeDumper):
    """Writes every scalar in one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if {*text} & BREAKS else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _write_block(
    data: Mapping[str, Any], path: Path, comments: Mapping[Path, Sequence[str]]
) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in data.items():
        here = (*path, key)
        if not path and here != (next(iter(data)),) and isinstance(value, dict):
            yield ""
        yield from _comment(comments.get(here, ()), indent)
        head = f"{indent}{write_scalar(key)}:"
        if isinstance(value, dict) and value and not _is_short(value, here, comments, indent):
            yield head
            yield from _write_block(value, here, comments)
        elif isinstance(value, list) and len(write_scalar(value)) + len(head) > WIDEST:
            yield head
            yield from (f"{indent}  - {write_scalar(entry)}" for entry in value)
        else:
            yield f"{head} {_write_value(value)}"
    yield from _comment(comments.get((*path, ""), ()), indent)


def _is_short(
    value: Mapping[str, Any], path: Path, comments: Mapping[Path, Sequence[str]], indent: str
) -> bool:
    """Whether a mapping reads well in one line: it holds only scalars, and nothing is said of them."""
    commented = any(other[: len(path)] == path and len(other) > len(path) for other in comments)
    flat = all(not isinstance(inner, dict | list | Plain) for inner in value.values())
    deep = len(path) > 2 and len(value) < 4 and flat and not commented
    return deep and len(indent) + len(write_scalar(dict(value))) <= WIDEST - len(path[-1])


def _comment(lines: Sequence[str], indent: str) -> Iterator[str]:
    yield from (f"{indent}# {to_printable(line)}".rstrip() for line in lines)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _bare(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_bare(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
