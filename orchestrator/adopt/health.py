"""`healthcheck`: a service is asked by HTTP, an accessory by a command of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.short_forms import to_duration, to_list, to_mapping, to_seconds, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.adopt.parts import Part

_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::([0-9]+|\$\{[^}]*\}))?(/[A-Za-z0-9._~/-]*)?"
)
ANY_ANSWER = [200, 301, 302, 303, 307, 308, 401, 403, 404]
UNKNOWN = (
    "TODO health: nothing says how to ask whether it is well. Until you name a path that answers 200",
    "only if it is, any answer that is no server's error counts.",
)
MOST_PATIENCE, MOST_DEADLINE = 60.0, 3600.0  # seconds


def put_healthcheck(part: Part, value: object) -> None:
    """Take over `healthcheck`."""
    written = to_mapping(value)
    test = written.get("test")
    if written.get("disable") is True or test in ("NONE", ["NONE"]):
        if part.is_worker:
            part.took("healthcheck", "none: a worker must run for `health.steady`, and not end")
            return
        raise Unfit("is switched off; stackctl asks each new version in any case")
    command = _read_test(part, test) if test else None
    if command is not None:
        _put_test(part, command)
    for key in [each for each in written if each not in ("test", "disable")]:
        with part.taking(f"healthcheck.{key}"):
            _put_time(part, key, written)
    if command is None and not written.keys() - {"disable"}:
        part.took("healthcheck", "is not switched off")


def find_path(test: Iterable[str]) -> str | None:
    """Return the path that a command asks for, where it asks its own container by HTTP."""
    url = _URL.search(" ".join(test))
    return (url[2] or "/") if url else None


def put_image_health(part: Part) -> None:
    """Take over the HEALTHCHECK of the Dockerfile, where compose says nothing."""
    stage = part.stage
    if (
        stage is not None
        and stage.health
        and stage.health != ("NONE",)
        and "health" not in part.keys
    ):
        url = _URL.search(" ".join(stage.health))
        if url:
            _put_path(part, url, "HEALTHCHECK")


def put_unknown_health(part: Part) -> None:
    """Ask for any answer, where nothing says how to ask."""
    if "path" not in part.keys.get("health", {}):
        health = {**part.keys.get("health", {}), "path": "/", "expect": ANY_ANSWER}
        part.keys["health"] = health
        part.comments["health"] = [*UNKNOWN]


def _read_test(part: Part, test: object) -> list[str]:
    """Return the command. A text is one for a shell."""
    if isinstance(test, str):
        return ["sh", "-c", part.write(test)]
    words = [part.write(each) for each in to_list(test)]
    if words[:1] == ["CMD-SHELL"]:
        return ["sh", "-c", " ".join(words[1:])]
    return words[1:] if words[:1] == ["CMD"] else words


def _put_test(part: Part, command: list[str]) -> None:
    at = "healthcheck.test"
    if part.group == "accessories":
        part.put("health", {"command": command}, at, "`health.command`")
        return
    url = _URL.search(" ".join(command))
    if part.is_worker and url:
        part.leave(
            at,
            "asks by HTTP, and it is a worker: one that users ask has a `port`, another a `health.command`",
        )
    elif part.is_worker:
        part.put("health", {"command": command}, at, "`health.command`")
    elif url:
        _put_path(part, url, at)
    else:
        part.leave(at, "is a command: a service is asked by HTTP, see `health.path`")


def _put_path(part: Part, url: re.Match[str], at: str) -> None:
    health: dict[str, Any] = {"path": url[2] or "/"}
    port = str(part.keys.get("port", ""))
    if (url[1] or "").isdecimal() and port.isdecimal() and url[1] != port:
        health["port"] = int(url[1])
    query = url.string[url.end() : url.end() + 1] == "?"
    text = "`health.path`, which has no query" if query else "`health.path`"
    part.put("health", health, at, text, changed=query)


def _put_time(part: Part, key: str, written: dict[str, Any]) -> None:
    """Take over one of the times; each means less here, since a release waits for it."""
    at = f"healthcheck.{key}"
    if key == "timeout":
        seconds = min(max(_read_seconds(written[key]), 0.1), MOST_PATIENCE)
        health = {**part.keys.get("health", {}), "timeout": to_duration(seconds)}
        if part.group == "accessories" and "command" not in health:
            part.took(at, "only a `health.command` has one")
        else:
            part.put("health", health, at, "`health.timeout`")
    elif key == "start_period":
        _put_deadline(part, at, _read_seconds(written[key]))
    elif key in ("interval", "start_interval", "retries"):
        to_text(written[key])
        part.changed(at, "a release asks more often: see `health`")
    else:
        part.leave(at, "unknown key")


def _read_seconds(value: object) -> float:
    text = to_text(value)
    if "$" in text:  # what it stands for is not copied
        raise Unfit("comes from a variable: write what you want at `health`")
    return to_seconds(text)


def _put_deadline(part: Part, at: str, seconds: float) -> None:
    """Give a slow start the time that it has in compose, where that is more than by default."""
    deadline = to_duration(min(seconds + 60, MOST_DEADLINE))
    if seconds <= 0:
        part.took(at, "`deadline`")
    elif part.group == "accessories":
        part.put("deadline", deadline, at, "it and 60 s are `deadline`", changed=True)
    else:
        health = {**part.keys.get("health", {}), "deadline": deadline}
        part.put("health", health, at, "it and 60 s are `health.deadline`", changed=True)
