"""`environment` and `env_file`: a value stays a reference, so none of `.env` is ever copied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.adopt.calls import lead_calls, rename_hosts
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.origin import shorten_path
from orchestrator.adopt.references import escape, find_lone
from orchestrator.adopt.short_forms import to_list, to_pairs, to_text

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Part

SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


def put_environment(part: Part, value: object) -> None:
    """Take over `environment`: values to `env`, variables that are handed on to `secrets`."""
    counts = {"env": 0, "secrets": 0}
    pairs = to_pairs(value)
    left: dict[str, str] = {}
    for name, inner in pairs.items():
        try:
            counts[_put_one(part, name, inner)] += 1
        except Unfit as error:
            left[name] = str(error)
    if not left:
        told = [f"{count} in `{key}`" for key, count in counts.items() if count]
        part.took("environment", ", ".join(told) or "empty")
        return
    for name in pairs:
        if name in left:
            part.leave(f"environment.{name}", left[name])
        else:
            part.took(f"environment.{name}", "`env` or `secrets`")


def _put_one(part: Part, name: str, value: object) -> str:
    """Take over one variable, and return the key that it went to. Raises Unfit."""
    lone = name if value is None else find_lone(value)
    if lone is not None:
        entry = lone if lone == name else f"{name}:{lone}"
        if (
            value is None
            and lone not in part.setting.variables
            and not part.fits("secrets", [f"{entry}?"])
        ):
            entry = f"{entry}?"  # compose leaves it out where nobody sets it
        return _try(part, "secrets", [*part.keys.get("secrets", []), entry])
    written = lead_calls(part, name, rename_hosts(part, name, part.write(value)))
    made = _try(part, "env", {**part.keys.get("env", {}), escape(name): written})
    if SECRET.search(name) and "$" not in written and written:
        part.todos.append(
            f"env.{name} looks like a secret: set it in .env, and name it in `secrets`"
        )
    return made


def _try(part: Part, key: str, value: list[str] | dict[str, str]) -> str:
    entry = value[-1:] if isinstance(value, list) else dict([[*value.items()][-1]])
    reason = part.fits(key, entry)
    if reason:
        raise Unfit(reason)
    part.keys[key] = value
    return key


def put_env_files(part: Part, value: object) -> None:
    """Take over `env_file` by its path: what the files say is not copied."""
    for position, entry in enumerate(to_list([value] if isinstance(value, dict) else value)):
        at = f"env_file.{position}"
        path = to_text(entry.get("path") if isinstance(entry, dict) else entry)
        if not part.has("env_file"):
            part.leave(
                at,
                f"`{path}`: name the variables that it sets under `secrets`, and set them in .env",
            )
        elif not part.setting.is_file(part.fill(path)):
            part.leave(at, f"`{path}` is no file of this repository")
        else:
            part.add("env_file", shorten_path(part.write(path)), at)
