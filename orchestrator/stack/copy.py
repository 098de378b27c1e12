"""A copy of a stack under another name, for a drill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.stack.document import read_document
from orchestrator.stack.model import DRILL_OF
from orchestrator.stack.page_files import make_absolute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stack.quantities import Address


def write_copy(
    file: Path,
    variables: Mapping[str, str],
    target: Path,
    name: str,
    doors: tuple[Address, Address],
) -> None:
    """Write a valid stack.yaml anew, with another name and other ports; it tells nobody anything.

    References are filled in, so what is written may be secret: it is for the owner's eyes only.
    """
    document: Any = read_document(file, variables).data
    original, document["name"] = str(document["name"]), name
    document[DRILL_OF] = original
    document["gateway"] |= {"listen": str(doors[0]), "admin": str(doors[1])}
    document["gateway"].pop("tls", None)  # certificates are for the original's names
    for key in ("url", "door"):  # they lead to the original
        document["gateway"].pop(key, None)
    document.pop("notify", None)
    document.pop("secrets_command", None)  # the copy is given what it says
    document.pop("jobs", None)  # no timer knows the copy
    document.pop("volumes", None)  # the copy's own, and no data of others
    for part in (document["gateway"], *document["services"].values()):
        make_absolute(part, file.resolve().parent)
    for service in document["services"].values():
        build = service.get("build")
        if isinstance(build, str):
            service["build"] = str(file.resolve().parent / build)
        elif build:
            build["context"] = str(file.resolve().parent / build["context"])
    for group in ("services", "accessories"):
        for part in (document.get(group) or {}).values():
            _detach(part, file.resolve().parent)
    # JSON is YAML; a dollar sign is written twice, so that nothing is filled in again.
    text = json.dumps(document).replace("$", "$$")
    target.touch(mode=0o600)
    target.write_text(text)


def _detach(part: dict[str, Any], folder: Path) -> None:
    """Let a part find its files from elsewhere, and leave the original's ports on the host to it."""
    part.pop("publish", None)
    if files := part.get("env_file"):
        part["env_file"] = [str(folder / file) for file in files]
    for file in part.get("files") or ():
        file["from"] = str(folder / file["from"])
