"""The reference of stack.yaml as Markdown, read off its schema: a table for each mapping of keys. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.stack.forms import ADDRESS, DURATION, FORMS, SIZE, TEXT
from orchestrator.stack.quantities import write_bytes, write_seconds
from orchestrator.stack.schema import MODELINE, WRITE

Node = Mapping[str, Any]

HEAD = f"""\
# stack.yaml

Every key, as `stackctl schema --reference` prints it. Unknown keys are errors; keys that begin with `x-` are
yours at the top level, such as for anchors.

Editors complete keys, explain them and mark what is wrong, where a YAML language server reads the schema that
`{WRITE}` writes. The first line of stack.yaml leads to it, beside the file:
`{MODELINE}`. What depends on several values, `stackctl validate` tells.

- A duration is `500ms`, `1.5s`, `2m` or `1h`; a number is one of seconds. A size is `512k`, `16m` or `1g`, of
  1024 each; a number is one of bytes.
- `${{NAME}}` stands for a variable of the environment, or of `.env` beside the file, and `${{NAME:-default}}`
  for the default where that is unset or empty. It may stand in any value. `$$` is a dollar.
- A list is written `[a, b]`, or with each item on a line of its own after `- `.
"""
DEFINITIONS = "#/$defs/"
UNSAID = ("reference", "null")  # which may stand nearly everywhere
NUMBERS = (ADDRESS, DURATION, SIZE)  # forms that say of themselves that a number is one as well
QUANTITIES = {DURATION: ("a duration", write_seconds), SIZE: ("a size", write_bytes)}


class Section(NamedTuple):
    """A mapping of keys, and where in the file it stands."""

    node: Node
    places: list[str]

    @property
    def title(self) -> str:
        """Return its heading."""
        return self.places[0] or "The top level"


def write_reference(schema: Node) -> str:
    """Return the page that describes a schema of `build_schema`."""
    sections = _list_sections(schema)
    parts = [HEAD, *(_write_section(each, sections) for each in sections.values())]
    return "\n".join(parts)


def _list_sections(schema: Node) -> dict[str, Section]:
    """Return the mappings of a schema by the names of their definitions, in the order of the file."""
    sections: dict[str, Section] = {}

    def visit(name: str, node: Node, place: str) -> None:
        section = sections.setdefault(name, Section(node, []))
        section.places.append(place)
        for key, inner in node["properties"].items():
            for way, found in _find_definitions(inner):
                visit(found, schema["$defs"][found], f"{place}.{key}{way}".lstrip("."))

    visit("", schema, "")
    return sections


def _find_definitions(node: Any, way: str = "") -> Iterator[tuple[str, str]]:
    """Yield the mappings that a key leads to, and what stands between."""
    if not isinstance(node, dict):
        return
    name = str(node.get("$ref", "")).removeprefix(DEFINITIONS)
    if name and name not in UNSAID:
        yield way, name
    for inner in node.get("anyOf", ()):
        yield from _find_definitions(inner, way)
    yield from _find_definitions(node.get("additionalProperties"), f"{way}.NAME")
    yield from _find_definitions(node.get("items"), f"{way}[]")


def _write_section(section: Section, sections: Mapping[str, Section]) -> str:
    node, (_, *others) = section
    also = f" Also at {_join([f'`{place}`' for place in others], 'and')}." if others else ""
    rows = [
        f"| `{key}` | {inner['description']} | {_tell_form(inner, sections)} | {_tell_default(node, key)} |"
        for key, inner in node["properties"].items()
    ]
    head = ["| key | what it is | form | default |", "|---|---|---|---|"]
    return "\n".join(
        [f"## {section.title}", "", f"{node['description']}{also}", "", *head, *rows, ""]
    )


def _tell_default(node: Node, key: str) -> str:
    if key in node.get("required", ()):
        return "required"
    if "default" not in node["properties"][key]:
        return ""
    value = node["properties"][key]["default"]
    if value in ([], {}):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(text, float):
        return f"`{text:g}`"
    return f"`{text if isinstance(text, str) else json.dumps(text)}`"


def _tell_form(node: Node, sections: Mapping[str, Section]) -> str:
    """Return in words what may be written."""
    if "anyOf" in node:
        bounds = {key: value for key, value in node.items() if key in ("minimum", "maximum")}
        branches = [{**bounds, **each} for each in node["anyOf"]]
        number = any(each.get("pattern") in NUMBERS for each in branches)
        told = [
            _tell_form(each, sections)
            for each in branches
            if not (number and each.get("type") in ("number", "integer"))
        ]
        return _join([*dict.fromkeys(filter(None, told))], "or")
    if "$ref" in node:
        return _tell_link(node["$ref"].removeprefix(DEFINITIONS), sections)
    if "enum" in node:
        return _join([f"`{word}`" for word in node["enum"]], "or")
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    return _tell_type(node, sections)


def _tell_link(name: str, sections: Mapping[str, Section]) -> str:
    if name in UNSAID:
        return ""
    title = sections[name].title
    anchor = "".join(
        char for char in title.lower().replace(" ", "-") if char.isalnum() or char in "-_"
    )
    return f"[keys](#{anchor})"


def _tell_type(node: Node, sections: Mapping[str, Section]) -> str:
    kind = node.get("type")
    if kind == "string":
        return _tell_text(node)
    if kind == "array":
        return f"a list; each: {_tell_form(node['items'], sections)}"
    if kind == "object" and isinstance(node.get("additionalProperties"), dict):
        (names, *_) = node.get("propertyNames", {}).get("anyOf", [{}])
        name = f"; each name: {FORMS[names['pattern']]}" if "pattern" in names else ""
        return f"a mapping{name}; each value: {_tell_form(node['additionalProperties'], sections)}"
    words = {
        "boolean": "`true` or `false`",
        "integer": f"a whole number{_tell_range(node, str)}",
        "number": f"a number{_tell_range(node, '{:g}'.format)}",
        "object": "a mapping",
    }
    return words.get(str(kind), "")


def _tell_text(node: Node) -> str:
    pattern = node.get("pattern", TEXT)
    if pattern in QUANTITIES:
        word, write = QUANTITIES[pattern]
        return word + _tell_range(node, write)
    return "text" if pattern == TEXT else FORMS[pattern]


def _tell_range(node: Node, write: Any) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        return f" above {write(node['exclusiveMinimum'])}" + (
            f", {write(most)} at most" if most else ""
        )
    if least is not None and most is not None:
        return f", {write(least)} to {write(most)}"
    if least is not None and least > 0:
        return f", {write(least)} or more"
    return ""


def _join(words: list[str], last: str) -> str:
    *first, end = words or [""]
    return f"{', '.join(first)} {last} {end}" if first else end
