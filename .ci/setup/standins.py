"""Local images that stand in for the official ones, from Debian's packages and Python's."""

from __future__ import annotations

import hashlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import commands as programs
import system
from commands import Commands

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "localhost/"
LABEL = "stackctl.recipe"
BASE = f"{PREFIX}debian:trixie-python3"
SUITE = "trixie"
PACKAGES = "ca-certificates,python3,python3-pip"
# As in the official images: no translations of package lists, no waiting for the disk.
OPTIONS = ('--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io")
# The machine's own trust store: behind a TLS proxy, only this one knows the proxy's authority.
TRUST = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Recipe:
    """An image, the directory it is built from (none: the base), and a digest of all that goes in."""

    image: str
    directory: Path | None
    digest: str


def recipes(directory: Path) -> list[Recipe]:
    """List the base, then the images that are built on it."""
    trust = TRUST.read_bytes() if TRUST.exists() else b""
    base = digest(
        SUITE.encode(), PACKAGES.encode(), *(option.encode() for option in OPTIONS), trust
    )
    found = [Recipe(BASE, None, base)]
    for name, image in (
        ("python", "python:3.13-slim"),
        ("nginx", "nginx:1.30"),
        ("mongo", "mongo:8"),
        ("postgres", "postgres:17"),
        ("redis", "redis:8"),
    ):
        files = sorted(file for file in (directory / name).iterdir() if file.is_file())
        parts = [part for file in files for part in (file.name.encode(), file.read_bytes())]
        found.append(Recipe(f"{PREFIX}{image}", directory / name, digest(base.encode(), *parts)))
    return found


def digest(*parts: bytes) -> str:
    """Digest parts so that no two lists of parts look the same."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:16]


def current(wanted: list[Recipe]) -> bool:
    """Tell whether every image is here and was built from today's recipe."""
    return not outdated(wanted, labels([recipe.image for recipe in wanted]))


def outdated(wanted: list[Recipe], found: dict[str, str]) -> list[Recipe]:
    """Pick the recipes whose image is missing or carries another digest."""
    return [recipe for recipe in wanted if found.get(recipe.image) != recipe.digest]


def labels(images: list[str]) -> dict[str, str]:
    """Map those of the images that are here to the recipe they were built from (empty: not ours)."""
    found: dict[str, str] = {}
    for image in images:
        told = programs.output(
            "docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image
        )
        if told is not None:
            found[image] = (json.loads(told) or {}).get(LABEL, "")
    return found


def build(wanted: list[Recipe], commands: Commands, tell: Callable[[str], None]) -> None:
    """Build what is outdated: the base first, then the others side by side."""
    stale = outdated(wanted, labels([recipe.image for recipe in wanted]))
    for recipe in stale:
        if recipe.directory is None:
            _build_base(recipe, commands, tell)
    derived = [recipe for recipe in stale if recipe.directory is not None]
    tell(f"building {', '.join(recipe.image for recipe in derived)}")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda recipe: _build(recipe, commands), derived))


def file_name(image: str) -> str:
    """Turn an image's name into one that a log file can have."""
    return image.replace("/", "-").replace(":", "-")


def _build_base(recipe: Recipe, commands: Commands, tell: Callable[[str], None]) -> None:
    if system.program("mmdebstrap") is None:
        tell("installing mmdebstrap from the distribution's packages")
        system.install(commands, "images-packages", "mmdebstrap", "debian-archive-keyring")
    tell(f"building {recipe.image} from Debian's packages")
    trust = (f"--customize-hook=upload {TRUST} {TRUST}",) if TRUST.exists() else ()
    bootstrap = (
        "mmdebstrap",
        "--variant=minbase",
        *OPTIONS,
        f"--include={PACKAGES}",
        *trust,
        SUITE,
    )
    with tempfile.TemporaryDirectory() as directory:
        files = f"{directory}/base.tar"
        commands.run("images-base", *bootstrap, files, following=f"mmdebstrap {SUITE} /dev/null")
        change = ("--change", f"LABEL {LABEL}={recipe.digest}")
        commands.run(
            "images-import",
            "docker",
            "import",
            *change,
            files,
            recipe.image,
            following="docker version",
        )


def _build(recipe: Recipe, commands: Commands) -> None:
    label = f"images-build-{file_name(recipe.image)}"
    arguments = ("--force-rm", "--label", f"{LABEL}={recipe.digest}", "--tag", recipe.image)
    commands.run(
        label,
        "docker",
        "build",
        *arguments,
        str(recipe.directory),
        following=f"docker build {recipe.directory}",
    )
