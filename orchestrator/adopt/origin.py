"""Where the image of a part comes from: `image` and `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.images import split_image
from orchestrator.adopt.paths import is_remote
from orchestrator.adopt.references import find_unset
from orchestrator.adopt.short_forms import to_list, to_mapping, to_pairs, to_text

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Part

NOTHING: tuple[object, ...] = (None, "", [], {})


def put_image(part: Part, value: object) -> None:
    """Take over `image`. Its tag is the version of a service."""
    if part.source.get("build") not in NOTHING:
        part.changed("image", "is the name of what `build` makes: stackctl names it by itself")
        return
    leader = part.setting.project["services"][part.leader] if part.leader else {}
    if leader.get("build") not in NOTHING:
        put_build(part, leader["build"])
        part.changed("image", f"is what `build` of `{part.leader}` makes, which is done once")
        return
    written = part.write(value)
    image = split_image(written)
    whole = image.name.startswith("$") and not image.tag  # the variable may have a tag of its own
    if part.group == "accessories" or image.digest or whole:
        part.put("image", written, "image")
        return
    tag = image.tag or "latest"
    reason = part.fits("version", tag) or part.fits("image", f"{image.name}:{{version}}")
    if reason:
        unset = find_unset(to_text(value), part.setting.variables)
        empty = f"`${{{unset[0]}}}` has no value: set it in .env" if unset else ""
        part.leave("image", empty or reason)
        return
    part.keys["image"], part.keys["version"] = f"{image.name}:{{version}}", tag
    part.changed("image", "the tag is `version`: `deploy --version` brings another")
    if tag == "latest":
        part.todos.append("TODO version: `latest` is whatever the registry has; name a fixed tag")


def put_build(part: Part, value: object) -> None:
    """Take over `build`, with the keys that stack.yaml knows."""
    written = {"context": value} if isinstance(value, str) else to_mapping(value)
    context = part.write(written.get("context", "."))
    if is_remote(context):
        raise Unfit("the context is not on this machine: clone it, and name the folder")
    build: dict[str, Any] = {"context": shorten_path(context)}
    reason = part.fits("build", build)
    if reason:
        raise Unfit(reason)
    said = {"context"}
    for key, inner in written.items():
        if key == "context" or inner in NOTHING:
            continue
        with part.taking(f"build.{key}"):
            said |= {key} if _add_to_build(part, build, key, inner) else set()
    part.keys["build"] = build if len(build) > 1 else build["context"]
    for key in sorted(said & written.keys()) or ["context"]:
        part.took(
            f"build.{key}" if len(written) > 1 or written is value else "build", f"`build.{key}`"
        )


def _add_to_build(part: Part, build: dict[str, Any], key: str, value: object) -> bool:
    """Add a key, where it may be there, and return whether it is."""
    made: Any
    if key in ("dockerfile", "target"):
        made = part.write(value)
    elif key == "args":
        made = _read_arguments(part, value)
        if not made:
            return True
    elif key == "secrets":
        made = _read_secrets(part, value)
    elif key == "ssh":
        made = [to_text(each) for each in to_pairs(value)]
    else:
        part.leave(f"build.{key}", f"stack.yaml has no `build.{key}`")
        return False
    reason = part.fits("build", {**build, key: made})
    if reason:
        part.leave(f"build.{key}", reason)
        return False
    build[key] = made
    return True


def _read_arguments(part: Part, value: object) -> dict[str, str]:
    """Return the arguments; one without a value has that of the variable of its name."""
    pairs = to_pairs(value)
    if "VERSION" in pairs:
        part.todos.append("build.args.VERSION is always the version that is released")
    return {
        name: part.write(f"${{{name}}}" if inner is None else inner)
        for name, inner in pairs.items()
        if name != "VERSION"
    }


def _read_secrets(part: Part, value: object) -> list[str]:
    """Return the secrets of a build that come from variables."""
    known = part.setting.project.get("secrets") or {}
    made = []
    for entry in to_list(value):
        name = to_text(entry.get("source") if isinstance(entry, dict) else entry)
        where = known.get(name) if isinstance(known, dict) else None
        variable = where.get("environment") if isinstance(where, dict) else None
        if not isinstance(variable, str):
            raise Unfit(f"secret `{name}` is no variable: stackctl hands variables to a build")
        made.append(variable if variable == name else f"{name}:{variable}")
    return made


def shorten_path(path: str) -> str:
    """Return a path without a `./` that says nothing."""
    short = path.removeprefix("./").rstrip("/")
    return short or "."
