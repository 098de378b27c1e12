"""A small stack.yaml for tests, changed at one place at a time."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.stack.load import load_stack

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.stack.model import Stack

SHOP: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "gateway": {"image": "nginx:1.30"},
    "services": {
        "web": {
            "build": {"context": "web"},
            "port": 8000,
            "routes": [{"path": "/web/", "timeouts": {}}],
            "witness": [{"path": "/web/"}],
            "health": {},
            "resources": {},
            "env": {},
        }
    },
    "accessories": {"db": {"image": "mongo:8", "port": 27017, "health": {"command": ["ready"]}}},
}


def shop_with(place: str, value: object, document: dict[str, Any] = SHOP) -> dict[str, Any]:
    """Return the document with `value` at a dotted place such as `services.web.routes.0.path`."""
    document = deepcopy(document)
    *way, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
    inner: Any = document
    for part in way:
        inner = inner[part]
    inner[last] = value
    return document


def load_shop(folder: Path, document: object = SHOP) -> Stack:
    """Write a document as stack.yaml and load it with an empty environment."""
    file = folder / "stack.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return load_stack(file, {})
