"""A compose project of one or several files: `include` and `extends` are resolved, paths made relative.

A file may name others, and folders, inside of the repository only: a checkout is not trusted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.compose_file import MEND, read_compose
from orchestrator.adopt.findings import Unfit, shorten
from orchestrator.adopt.merging import merge_files, merge_services, strip_tags
from orchestrator.adopt.paths import rebase_file, rebase_service
from orchestrator.adopt.references import fill
from orchestrator.adopt.short_forms import to_text
from orchestrator.errors import ConfigurationError
from orchestrator.stack.boundary import ALLOW, find_repository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_FILES = 100
MOST_SERVICES = 500  # about what a stack.yaml has room for
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def find_compose_files(folder: Path) -> list[Path]:
    """Return the compose file of a folder, and its override, as compose finds them."""
    for name in NAMES:
        if (folder / name).is_file():
            stem, ending = name.split(".")
            beside = [folder / f"{stem}.override.{each}" for each in (ending, "yaml", "yml")]
            found = next((each for each in beside if each.is_file()), None)
            return [folder / name, *([found] if found else [])]
    return []


def read_project(
    files: Sequence[Path], variables: Mapping[str, str], *, outside: bool
) -> dict[str, Any]:
    """Return what files say together. Raises ConfigurationError."""
    document = _Reader(files[0].parent.resolve(), variables, outside=outside).read(files)
    return check_project(document, " and ".join(file.name for file in files))


def check_project(document: dict[str, Any], shown: str) -> dict[str, Any]:
    """Return a project that has services, and not too many. Raises ConfigurationError."""
    services = document.get("services")
    if not isinstance(services, dict) or not services:
        raise ConfigurationError(f"`{shown}` is no compose file: it has no `services`", MEND)
    _refuse_crowd(services, shown)
    for name, service in services.items():
        if not isinstance(service, dict):
            raise ConfigurationError(
                f"`{shown}`: services.{shorten(name)} is no mapping of keys to values", MEND
            )
    return document


def _refuse_crowd(services: Mapping[Any, Any], shown: str) -> None:
    if len(services) > MOST_SERVICES:
        raise ConfigurationError(
            f"`{shown}` has {len(services):,} services; one stack.yaml has room for {MOST_SERVICES}",
            "name a compose file with a part of them with `--from`",
        )


class _Reader:
    def __init__(self, folder: Path, variables: Mapping[str, str], *, outside: bool) -> None:
        self._folder = folder
        self._root = find_repository(folder)
        self._variables = variables
        self._outside = outside
        self._open: list[Path] = []
        self._known: dict[Path, dict[str, Any]] = {}

    def read(self, files: Sequence[Path], folder: Path | None = None) -> dict[str, Any]:
        """Return the files as one; their paths are relative to `folder`, by default that of the first."""
        folder = folder or files[0].parent.resolve()
        document: dict[str, Any] = {}
        for file in files:
            document = merge_files(document, self._read_one(file, folder))
        return {str(key): strip_tags(value) for key, value in document.items()}

    def _read_one(self, file: Path, folder: Path) -> dict[str, Any]:
        try:
            path = file.resolve()
        except (OSError, RuntimeError) as error:
            reason = "its links go in a circle"
            raise ConfigurationError(
                f"`{self._show(file)}` leads nowhere: {reason}", MEND
            ) from error
        if path in self._open:
            raise ConfigurationError(f"`{self._show(file)}` includes itself", MEND)
        self._open.append(path)
        document = dict(self._load(file))
        services = document.get("services")
        if isinstance(services, dict):
            document["services"] = {
                str(name): self._extend(file, str(name), folder, ()) for name in services
            }
        included: dict[str, Any] = {}
        for entry in _list(document.pop("include", None)):
            more = self._include(entry, folder)
            self._refuse_doubles(file, included, more)
            included = merge_files(included, more)
        self._open.pop()
        self._refuse_doubles(file, included, document)
        return merge_files(document, included)  # nothing is in both: its own come first

    def _load(self, file: Path) -> dict[str, Any]:
        path = file.resolve()
        if path not in self._known:
            if len(self._known) >= MOST_FILES:
                raise ConfigurationError(f"there are more than {MOST_FILES} compose files", MEND)
            document = read_compose(file, self._show(file))
            if isinstance(document.get("services"), dict):
                _refuse_crowd(document["services"], self._show(file))
            self._known[path] = document
        return self._known[path]

    def _include(self, entry: object, folder: Path) -> dict[str, Any]:
        written = entry if isinstance(entry, dict) else {"path": entry}
        files = [self._find(folder, each, "include") for each in _list(written.get("path"))]
        if not files:
            raise ConfigurationError("`include` names no file", MEND)
        home = files[0].parent
        if written.get("project_directory"):
            home = self._find(folder, written["project_directory"], "include")
        document = self.read(files, home.resolve())
        prefix = os.path.relpath(home.resolve(), folder)
        for service in (document.get("services") or {}).values():
            rebase_service(service, prefix)
        for group in ("secrets", "configs"):
            if isinstance(document.get(group), dict):
                parts = document[group].items()
                document[group] = {name: rebase_file(part, prefix) for name, part in parts}
        return document

    def _refuse_doubles(self, file: Path, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        services = [each.get("services") for each in (one, other)]
        names = [{*map(str, each)} if isinstance(each, dict) else set() for each in services]
        for name in sorted(names[0] & names[1]):
            raise ConfigurationError(
                f"`{self._show(file)}`: service `{name}` is there twice, by `include`", MEND
            )

    def _extend(
        self, file: Path, name: str, folder: Path, chain: tuple[tuple[Path, str], ...]
    ) -> Any:
        """Return a service with what it extends; paths are relative to the folder of the project."""
        place = (file.resolve(), name)
        told = f"`{self._show(file)}`: services.{shorten(name)}"
        if len(chain) > MOST_FILES:
            raise ConfigurationError(f"{told} extends more than {MOST_FILES} others", MEND)
        if place in chain:
            circle = " -> ".join(each for _, each in (*chain, place))
            raise ConfigurationError(f"{told}: `extends` goes in a circle: {circle}", MEND)
        services = self._load(file).get("services")
        if not isinstance(services, dict) or name not in {*map(str, services)}:
            raise ConfigurationError(f"{told} is extended, and is not there", MEND)
        service = next(value for key, value in services.items() if str(key) == name)
        if not isinstance(service, dict) or "extends" not in service:
            return service
        extends = service["extends"]
        written = extends if isinstance(extends, dict) else {"service": extends}
        base_file = file
        if written.get("file"):
            base_file = self._find(file.parent, written["file"], f"{told}.extends")
        base = self._extend(base_file, str(written.get("service")), folder, (*chain, place))
        if not isinstance(base, dict):
            raise ConfigurationError(f"{told}.extends leads to no service", MEND)
        base = strip_tags(base)
        prefix = os.path.relpath(base_file.parent.resolve(), file.parent.resolve())
        rebase_service(base, prefix)
        own = {key: value for key, value in service.items() if key != "extends"}
        return merge_services(base, own)

    def _find(self, folder: Path, written: object, place: str) -> Path:
        """Return the file or folder that is named, inside of the repository."""
        try:
            text = fill(to_text(written), self._variables)
        except Unfit as error:
            raise ConfigurationError(f"`{place}`: {error}", MEND) from error
        if "://" in text or text.startswith("git@"):
            raise ConfigurationError(f"`{place}` names what is not on this machine", MEND)
        path = folder / text
        try:
            inside = path.resolve().is_relative_to(self._root)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigurationError(f"`{place}` leads nowhere", MEND) from error
        if not inside and not self._outside:
            raise ConfigurationError(
                f"`{place}` lies outside of `{self._root}`, links followed", ALLOW
            )
        return path

    def _show(self, file: Path) -> str:
        path = Path(os.path.abspath(file))  # noqa: PTH100  links are shown as they are named
        return (
            str(path.relative_to(self._folder)) if path.is_relative_to(self._folder) else str(file)
        )


def _list(value: object) -> list[Any]:
    if value is None or isinstance(value, list):
        return value or []
    return [value]
