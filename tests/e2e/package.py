"""The package as users get it: built of what git knows, and installed where nothing else is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.operator import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TAG = "v7.8.9"
STRAY = (  # files that git knows, and nobody wants to be given
    "orchestrator/notes.txt",
    "orchestrator/commands/fixture.json",
    "orchestrator/templates.py.orig",
    "templates/draft.html",
    "templates/old/nginx.conf.j2",
)
PROGRAMS = Path(sys.executable).parent
LOCK = REPOSITORY / "requirements-run.lock"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


class Package(NamedTuple):
    """What `python -m build` has made."""

    wheel: Path
    sdist: Path


def copy_sources(place: Path) -> Path:
    """Copy what git knows or would take. Return where it is."""
    listed = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=REPOSITORY
    )
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():  # it may have been removed, and not yet for git
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, place / name)
    return place


def commit(sources: Path) -> None:
    """Commit all that is there, as a release."""
    run("git", "init", "--quiet", folder=sources)
    run("git", "add", "--all", folder=sources)
    run("git", "commit", "--quiet", "--message", "sources", folder=sources)
    run("git", "tag", TAG, folder=sources)


def build(sources: Path, place: Path) -> Package:
    """Build both distributions as `make package` does, the wheel from the other one."""
    options = ("--no-isolation", "--outdir", str(place))
    run(sys.executable, "-m", "build", *options, folder=sources)
    (wheel,), (sdist,) = place.glob("*.whl"), place.glob("*.tar.gz")
    return Package(wheel, sdist)


def install(wheel: Path, place: Path) -> Path:
    """Install a wheel with what it asks for, in the locked versions. Return its `stackctl`.

    With uv, which takes a second; with pip where uv finds no way out.
    """
    locked = place.with_suffix(".txt")
    pins = re.findall(r"^\S+==\S+(?: ; .*(?= \\))?", LOCK.read_text(), re.MULTILINE)
    locked.write_text("\n".join(pins))
    python = place / "bin" / "python"
    wanted = (str(wheel), "--constraint", str(locked))
    try:
        run(PROGRAMS / "uv", "venv", "--quiet", "--python", sys.executable, place)
        run(PROGRAMS / "uv", "pip", "install", "--system-certs", "--python", python, *wanted)
    except AssertionError:
        run(sys.executable, "-m", "venv", "--clear", place)
        run(python, "-m", "pip", "install", "--quiet", *wanted)
    return place / "bin" / "stackctl"


def forbid_writing(place: Path, *, mode: int = 0o555) -> None:
    """Let nobody write into an environment, but for a root with all rights; or with another mode let them."""
    for folder in (place, *(path for path in place.rglob("*") if path.is_dir())):
        folder.chmod(mode)


def run(
    *command: str | Path, folder: Path | None = None, environment: Mapping[str, str] = ENVIRONMENT
) -> str:
    """Run a program to its good end and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def list_parts(folder: Path = REPOSITORY) -> set[str]:
    """Return what belongs into the package, by the names that it has in the repository."""
    return {
        *_list(folder, (folder / "orchestrator").rglob("*.py")),
        *_list(folder, (folder / "templates").glob("*.j2")),
    }


def _list(folder: Path, paths: Iterable[Path]) -> set[str]:
    return {str(path.relative_to(folder)) for path in paths}
