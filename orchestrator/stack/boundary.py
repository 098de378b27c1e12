"""The repository that stack.yaml lies in: it may name nothing outside.

Whoever writes stack.yaml, in a pull request or in a checkout of somebody else's, would else put any file
of this machine into an image, or write over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stack.document import Fault
from orchestrator.stack.listing import list_parts
from orchestrator.stack.page_files import list_error_pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.stack.model import Stack

ALLOW_VARIABLE = "STACKCTL_ALLOW_OUTSIDE"
ALLOW = f"move it into the repository; where you trust this stack.yaml, set `{ALLOW_VARIABLE}=1`"


# Folders of certificates that other programs keep, such as `/etc/letsencrypt`; `:` stands between two.
FOLDERS_VARIABLE = "STACKCTL_CERTIFICATES"
ALLOW_FOLDER = (
    f"where you trust this stack.yaml, name its folder in `{FOLDERS_VARIABLE}`, such as"
    f" `{FOLDERS_VARIABLE}=/etc/letsencrypt`"
)


def allows_outside(environment: Mapping[str, str]) -> bool:
    """Tell whether stack.yaml may name what lies outside: `.env`, which a checkout brings, cannot."""
    return environment.get(ALLOW_VARIABLE, "").strip().lower() in ("1", "true", "yes")


def list_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders outside that certificates may come from; `.env` cannot name any."""
    named = environment.get(FOLDERS_VARIABLE, "").split(":")
    return tuple(Path(name).resolve() for name in named if name.startswith("/"))


def find_outside(stack: Stack, folder: Path) -> Iterator[Fault]:
    """Yield each path that leads out of the repository, with all links followed.

    `folder` is the one of stack.yaml: paths are relative to it.
    """
    return _leave(_list_paths(stack, folder), (find_repository(folder),))


def find_outside_certificates(
    stack: Stack, folder: Path, permitted: Iterable[Path]
) -> Iterator[Fault]:
    """Yield each certificate, and each key, that lies neither in the repository nor in what is permitted."""
    return _leave(_list_certificates(stack, folder), (find_repository(folder), *permitted))


def _leave(paths: Iterable[tuple[str, Path]], roots: Sequence[Path]) -> Iterator[Fault]:
    for place, path in paths:
        try:
            found = path.resolve()
        except (OSError, RuntimeError):  # links in a circle, or a name that is too long
            yield Fault(place, "leads nowhere")
            continue
        if not any(map(found.is_relative_to, roots)):
            # Where it leads to is not said: it may hold the value of a variable.
            yield Fault(place, f"lies outside of `{roots[0]}`, links followed")


def find_repository(folder: Path) -> Path:
    """Return the top of the Git repository that a folder lies in; the folder itself without one."""
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _list_paths(stack: Stack, folder: Path) -> Iterator[tuple[str, Path]]:
    yield from _list_builds(stack, folder)
    for place, part in list_parts(stack):
        for position, file in enumerate(part.env_file):
            yield f"{place}.env_file.{position}", folder / file
        for position, packed in enumerate(part.files):
            yield f"{place}.files.{position}.from", folder / packed.source
    for place, pages in list_error_pages(stack):
        for status, file in pages.items():
            yield f"{place}.{status}", folder / file
    if stack.notify.metrics is not None:
        yield "notify.metrics", folder / stack.notify.metrics


def _list_certificates(stack: Stack, folder: Path) -> Iterator[tuple[str, Path]]:
    tls = stack.gateway.tls
    for position, files in enumerate(tls.certificates if tls else ()):
        yield f"gateway.tls.certificates.{position}.certificate", folder / files.certificate
        yield f"gateway.tls.certificates.{position}.key", folder / files.key


def _list_builds(stack: Stack, folder: Path) -> Iterator[tuple[str, Path]]:
    for name, service in stack.services.items():
        if service.build is not None:
            context, place = folder / service.build.context, f"services.{name}.build"
            yield f"{place}.context", context
            yield f"{place}.dockerfile", context / service.build.dockerfile
            for file in (".dockerignore", f"{service.build.dockerfile}.dockerignore"):
                if _is_link(context / file):  # what is read there is sent along
                    yield f"{place}.context", context / file


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a name that is too long
        return False
