"""The comments of a stack.yaml that `init` writes: what each block is, and what is to be done by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.adopt.findings import shorten
from orchestrator.adopt.origin import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.adopt.parts import Part, Setting

WORKER = "A worker: no port, so no requests. What answers HTTP needs `port` and `routes`."


def comment(setting: Setting, parts: list[Part], told: str) -> dict[tuple[str, ...], list[str]]:
    """Return the comments: what each block is, and what could not be taken over."""
    comments: dict[tuple[str, ...], list[str]] = {
        ("version",): [
            f"Made by `stackctl init` of {told}. `stackctl validate` checks it, `stackctl up` brings it up.",
            "Secrets stay in the environment or in .env beside this file: `secrets` names them.",
        ],
        ("gateway",): ["The NGINX in front of all services: the only door for users."],
        ("gateway", "image"): ["NGINX 1.29.8 or later; IMAGE_PREFIX may name a registry of yours."],
        ("services",): [
            "What is released blue-green. Without `resources` a container has 512m and 1 CPU."
        ],
        ("accessories",): ["Databases and the like: `up` starts them, no release touches them."],
    }
    for part in parts:
        here = (part.group, part.name)
        if part.is_worker:
            comments[here] = [WORKER]
        for key, lines in part.comments.items():
            comments[*here, key] = lines
        if part.todos:
            comments[*here, ""] = part.todos
    left = [*_say_left(setting)]
    if left:
        comments["services", ""] = left
    return comments


def _say_left(setting: Setting) -> Iterator[str]:
    for written, role in setting.roles.items():
        finding = next(
            (each for each in setting.findings if each.key == f"services.{written}"), None
        )
        if finding is None or finding.kind != "left":
            continue
        yield f"TODO {shorten(written)}: {finding.text}"
        command = setting.project["services"][written].get("command")
        if role.kind == "left" and command not in NOTHING:
            words = " ".join(map(str, command)) if isinstance(command, list) else command
            yield f"     it ran `{shorten(words)}`"
