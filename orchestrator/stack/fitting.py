"""Whether one key of stack.yaml may have a value, asked of the model itself.

So whoever writes a stack.yaml knows at once which key it cannot have, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from orchestrator.stack.document import Loader, parse
from orchestrator.stack.gateway import Gateway
from orchestrator.stack.load import describe_fault
from orchestrator.stack.model import Accessory, Service, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Group = Literal["services", "accessories", "gateway", "stack"]
_MODELS: dict[Group, tuple[type[BaseModel], dict[str, Any]]] = {
    "services": (Service, {"image": "a", "port": 80}),
    "accessories": (Accessory, {"image": "a", "port": 80}),
    "gateway": (Gateway, {"image": "a"}),
    "stack": (Stack, {"version": 1, "name": "a", "gateway": {"image": "a"}, "services": {}}),
}


def has_key(group: Group, key: str) -> bool:
    """Whether a part of the stack knows a key."""
    return key in _MODELS[group][0].model_fields


def find_misfit(group: Group, key: str, text: str, variables: Mapping[str, str]) -> str | None:
    """Return why a key cannot have a value, written in YAML as `key: value`; None where it can."""
    model, rest = _MODELS[group]
    if not has_key(group, key):
        return f"stack.yaml has no key `{key}` yet"
    loader = Loader(parse(text), variables)
    document = loader.get_single_data()
    if loader.faults:
        return loader.faults[0].message.partition(": ")[2]
    try:
        model.model_validate({**rest, **document})
    except ValidationError as error:
        faults = [each for each in error.errors(include_url=False) if each["loc"][0] == key]
        return describe_fault(faults[0]) if faults else None
    return None
