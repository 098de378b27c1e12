"""How long it takes from `pip install` to the first proven release of each example, in minutes."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.figure import Figure
from tests.e2e.operator import REPOSITORY, Operator
from tests.e2e.package import ENVIRONMENT, build, commit, copy_sources, run

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = {"chat": "chat", "site": "site", "django": "web"}  # the folder, and the service
GOALS = {"cold": 5, "warm": 1}  # minutes
MINUTE = 60  # seconds


def measure() -> Iterator[Figure]:
    """Yield the minutes of install, `init`, `up` and `deploy` under a witness that lost nothing.

    Cold: pip has no cache, and nothing of the example is built. Warm: the same once more. The base
    images are there both times.
    """
    with tempfile.TemporaryDirectory(prefix="stackctl-adoption-") as place:
        sources = copy_sources(Path(place) / "sources")
        commit(sources)
        wheel = build(sources, Path(place) / "dist").wheel
        for example, service in EXAMPLES.items():
            mark = secrets.token_hex(4)
            for kind, goal in GOALS.items():
                folder = Path(place) / f"{example}-{kind}"
                folder.mkdir()
                spent = _adopt(wheel, folder, example, service, mark, cold=kind == "cold")
                yield Figure(
                    f"install to a proven release, {example}, {kind}",
                    sum(spent.values()) / MINUTE,
                    goal,
                    "lower",
                    "minutes: " + ", ".join(f"{what} {took:.1f} s" for what, took in spent.items()),
                )


def _adopt(
    wheel: Path, folder: Path, example: str, service: str, mark: str, *, cold: bool
) -> dict[str, float]:
    """Return the seconds of each step that somebody takes."""
    operator = Operator(folder, f"b{secrets.token_hex(3)}")
    for name in ("SECRET_KEY", "DATABASE_PASSWORD"):  # of those that have some
        operator.environment[name] = secrets.token_hex(32)
    shutil.copytree(REPOSITORY / "examples" / example, folder, dirs_exist_ok=True)
    for file in folder.glob("requirements.txt"):  # no layer of another run has this line
        file.write_text(f"{file.read_text()}# {mark}\n")
    spent: dict[str, float] = {}
    version = "v2"

    def timed(what: str, *command: str | Path) -> str:
        started = time.monotonic()
        said = run(*command, folder=folder, environment={**operator.environment, **ENVIRONMENT})
        spent[what] = time.monotonic() - started
        return said

    try:
        timed("venv", sys.executable, "-m", "venv", "venv")
        options = ("--quiet", *(["--no-cache-dir"] if cold else []))
        timed("install", folder / "venv/bin/pip", "install", *options, wheel)
        stackctl = folder / "venv/bin/stackctl"
        timed("init", stackctl, "init", "--from", "compose.yaml")
        image = _move_in(operator, service)
        if image is not None:  # nothing is built: another tag is another version
            version = f"1.30-{operator.name}"
            operator.engine.tag(f"{_base_of(operator)}:1.30", _base_of(operator), version)
        timed("up", stackctl, "up")
        said = timed(
            "deploy", stackctl, "deploy", service, "--version", version, "--output", "json"
        )
        document: dict[str, Any] = json.loads(said)
        if document["witness"]["lost"] or not document["witness"]["sent"]:
            raise SystemExit(f"nothing was proven: {document['witness']}")
    finally:
        operator.remove_everything()
        if not version.startswith("v"):
            operator.engine.remove_image(f"{_base_of(operator)}:{version}")
    return spent


def _base_of(operator: Operator) -> str:
    """Return the image that the example without a Dockerfile runs."""
    return operator.environment["IMAGE_PREFIX"] + "nginx"


def _move_in(operator: Operator, service: str) -> str | None:
    """Give the stack a name and doors of its own; return the image of the service, if it builds none."""
    stack: dict[str, Any] = yaml.safe_load((operator.folder / "stack.yaml").read_text())
    stack["name"] = operator.name
    doors = {"listen": operator.public, "admin": operator.admin}
    stack["gateway"] |= {key: f"127.0.0.1:{port}" for key, port in doors.items()}
    operator.write(stack)
    image: str | None = stack["services"][service].get("image")
    return image
