"""`docker compose config`, where the plugin is there: it knows compose's rules best.

It is asked to leave references as they are and to read no `env_file`: values of variables stay where they
are. An older plugin, which cannot, is not used.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.shell import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHORTEST = 4  # characters of a value that is looked for in what the plugin says
OPTIONS = ("--format", "json", "--no-interpolate", "--no-env-resolution")


def resolve(
    files: Sequence[Path], environment: Mapping[str, str], withheld: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return what the plugin makes of the files; None where it is not there or does not know how.

    Nor where it tells a value of `.env`, which is `withheld`, that no file has.
    """
    folder = files[0].parent.resolve()
    named = [word for file in files for word in ("-f", str(file.resolve()))]
    where = ("--project-directory", str(folder), "--profile", "*")
    try:
        ended = run(("docker", "compose", *named, *where, "config", *OPTIONS), environment)
        document = json.loads(ended.out) if ended.code == 0 else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        return None
    told = {*_list_texts(document)} - {*_list_words(files)}
    secrets = {value for value in withheld.values() if len(value) >= SHORTEST}
    if any(secret in text for text in told for secret in secrets):
        return None
    return _shorten_paths(document, folder)


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _list_texts(inner)


def _list_words(files: Sequence[Path]) -> Iterator[str]:
    """Yield what the files themselves say, roughly: a value that stands there is no secret."""
    for file in files:
        for line in file.read_text(errors="replace").splitlines():
            words = line.strip().removeprefix("- ").strip()
            yield from (words.strip("'\""), words.partition(": ")[2].strip(" '\""))


def _shorten_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Say paths from the folder of the project: the plugin makes them absolute."""

    def shorten(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shorten(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [shorten(inner) for inner in value]
        if isinstance(value, str) and Path(value).is_absolute() and value.startswith(str(folder)):
            relative = os.path.relpath(value, folder)
            return "." if relative == "." else f"./{relative}"
        return value

    return {key: shorten(value) for key, value in document.items()}
