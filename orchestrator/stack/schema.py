"""The JSON Schema of stack.yaml, made from the model: what an editor completes, explains and refuses.

It describes the file as people write it: `30s`, `64m`, and `${NAME}` wherever a value may stand. What
depends on several values, such as names that must exist, only `stackctl validate` can tell.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, BeforeValidator
from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core import PydanticUndefined, core_schema

from orchestrator.stack.descriptions import describe_key
from orchestrator.stack.forms import FORMS
from orchestrator.stack.model import Service, Stack
from orchestrator.stack.quantities import (
    Address,
    parse_bytes,
    parse_seconds,
    write_bytes,
    write_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic.fields import FieldInfo

Node = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "stack.schema.json"
# What editors with a YAML language server look for. The schema has no public address: it is a file beside
# stack.yaml, of the stackctl that reads it, and there without a network as well.
WRITE = f"stackctl schema > {FILE}"
MODELINE = f"# yaml-language-server: $schema={FILE}"

REFERENCE: Node = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_]",
    "description": "A value from the environment or from `.env`: `${NAME}` or `${NAME:-default}`.",
}
TO_REFERENCE: Node = {"$ref": "#/$defs/reference"}
SCALARS = {"string", "integer", "number", "boolean", "null"}
ABOUT = ("description", "default", "deprecated")  # what is said of a node, and not of its form
BOUNDS = {  # as pydantic writes them where a value is read before it is compared
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
WRITERS: Mapping[Callable[..., object], Callable[[Any], str]] = {
    parse_seconds: write_seconds,
    parse_bytes: write_bytes,
}
# Text that is nothing but references may turn out to be nothing.
_GIVEN: Node = {"type": ["string", "object"], "not": {"pattern": r"^(\$\{[^}]*\})*$"}}
RELATIONS: Mapping[type[BaseModel], Node] = {
    Service: {
        "anyOf": [{"required": ["build"]}, {"required": ["image"]}],
        "not": {
            "required": ["build", "image"],
            "properties": {"build": _GIVEN, "image": _GIVEN},
        },
        # Left out by a worker, and never empty.
        "allOf": [{"properties": {"port": {"not": {"type": "null"}}}}],
    },
}


@cache
def write_schema() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(build_schema(), indent=2) + "\n"


def build_schema() -> Node:
    """Return the schema, in the dialect of draft 2020-12."""
    made = Stack.model_json_schema(schema_generator=_Generator)
    definitions: Node = made.pop("$defs")
    for model in list_models(Stack):
        node = made if model is Stack else definitions[model.__name__]
        _finish_model(model, node)
    made["patternProperties"] = {"^x-": {"description": "Yours: stackctl does not read it."}}
    definitions = {name: _admit_references(node) for name, node in sorted(definitions.items())}
    return {
        "$schema": DIALECT,
        "title": "stack.yaml of stackctl",
        **_admit_references(made),
        "$defs": {"reference": REFERENCE, **definitions},
    }


def list_models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a model and all that its keys lead to, each once, in the order of the keys."""
    found = {model: None}
    for key in model.model_fields.values():
        for inner in _find_models(key.annotation):
            found |= dict.fromkeys(list_models(inner))
    return [*found]


def list_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the keys that people write in a model, by name. One of stackctl's own begins with `x-`."""
    keys = {key.alias or name: key for name, key in model.model_fields.items()}
    return {name: key for name, key in keys.items() if not name.startswith("x-")}


class _Generator(GenerateJsonSchema):
    """Describes what is written, not what is made of it."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Node:
        """Describe what a function takes. Where nobody has said it, anything may be written there."""
        of_model = schema["schema"]["type"] in ("model", "model-fields")
        if "json_schema_input_schema" not in schema and not of_model:
            return {}
        return super().function_before_schema(schema)

    def str_schema(self, schema: core_schema.StringSchema) -> Node:
        """Describe text, in words as well where it must have a form."""
        node = super().str_schema(schema)
        if "pattern" in node:
            node["patternErrorMessage"] = f"expected {FORMS[node['pattern']]}"
        return node

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Node:
        """Describe a value without its default, which is written later as a person would."""
        return self.generate_inner(schema["schema"])

    def get_title_from_name(self, name: str) -> str:  # noqa: ARG002  titles only repeat the keys
        """Return no title."""
        return ""


def _finish_model(model: type[BaseModel], node: Node) -> None:
    node.pop("title", None)
    node["description"] = " ".join(str(node.get("description", "")).split())
    properties = node.pop("properties", {})
    node["properties"] = {}
    for name, key in list_keys(model).items():
        inner = properties[name]
        default = _write_default(key)
        said = {"description": describe_key(model, name)}
        said |= {} if default is NoDefault else {"default": default}
        node["properties"][name] = inner | said
    node |= RELATIONS.get(model, {})


def _write_default(key: FieldInfo) -> Any:
    """Return a default as it is written; none of what is left out, or has keys with defaults of their own."""
    value = key.default
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel):
        return NoDefault
    if isinstance(value, Address):
        return value.port if value.everywhere else str(value)
    validators = (each.func for each in key.metadata if isinstance(each, BeforeValidator))
    writers = (WRITERS[function] for function in validators if function in WRITERS)
    write = next(writers, None)
    if write is not None:
        return write(value)
    return list(value) if isinstance(value, tuple) else value


def _find_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _find_models(inner)


def _admit_references(node: Any) -> Any:
    """Return a node in which a reference may stand in the place of each scalar, and of null."""
    if not isinstance(node, dict):
        return node
    node = _write_bounds(node)
    if "properties" in node:
        inner = node["properties"].items()
        node["properties"] = {name: _admit_references(each) for name, each in inner}
    if "patternProperties" in node and "additionalProperties" not in node:
        _open_names(node)
    for key in ("items", "additionalProperties"):
        if key in node:
            node[key] = _admit_references(node[key])
    if "anyOf" in node and "properties" not in node:
        branches = _flatten(node["anyOf"])
        kinds = [_is_scalar(each) for each in branches]
        branches = [
            each if scalar else _admit_references(each)
            for each, scalar in zip(branches, kinds, strict=True)
        ]
        node["anyOf"] = [*branches, TO_REFERENCE] if any(kinds) else branches
    elif _is_scalar(node):
        about = {key: node.pop(key) for key in ABOUT if key in node}
        node = {**about, "anyOf": [node, TO_REFERENCE]}
    return node


def _open_names(node: Node) -> None:
    """Let names be references as well, and refuse the others by what is expected of them."""
    ((pattern, values),) = node.pop("patternProperties").items()
    names = {"pattern": pattern, "patternErrorMessage": f"expected {FORMS[pattern]}"}
    names |= node.pop("propertyNames", {})
    node["propertyNames"] = {"anyOf": [names, TO_REFERENCE]}
    node["additionalProperties"] = values


def _flatten(branches: list[Node]) -> list[Node]:
    """Return alternatives without alternatives among them, each once."""
    flat: list[Node] = []
    for branch in map(_write_bounds, branches):
        inner = _flatten(branch.pop("anyOf")) if "anyOf" in branch else [{}]
        flat += [found for each in inner if (found := {**each, **branch}) not in flat]
    return flat


def _write_bounds(node: Node) -> Node:
    """Return a node with its bounds as a schema has them, and without a title."""
    return {BOUNDS.get(key, key): value for key, value in node.items() if key != "title"}


def _is_scalar(node: Node) -> bool:
    return node.get("type") in SCALARS or "const" in node or "enum" in node
