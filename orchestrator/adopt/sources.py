"""What a repository has that a stack.yaml can be made of; all of it is read here, and within bounds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.adopt.compose_file import read_text
from orchestrator.adopt.dockerfile import LARGEST, Stage, parse_dockerfile
from orchestrator.adopt.draft import Source
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.health import find_path
from orchestrator.adopt.paths import rebase_file, rebase_service
from orchestrator.adopt.plugin import resolve
from orchestrator.adopt.project import check_project, find_compose_files, read_project
from orchestrator.adopt.references import fill
from orchestrator.errors import ConfigurationError
from orchestrator.stack.boundary import allows_outside, find_repository
from orchestrator.stack.env_file import read_env_file
from orchestrator.stack.load import load_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SERVICE = "web"  # what the one service is called that no compose file names
PORT = 8000  # where nothing says one


class Place(NamedTuple):
    """Where the stack.yaml will be, and what it may be made of."""

    folder: Path
    environment: Mapping[str, str]
    profiles: tuple[str, ...] = ()

    @property
    def outside(self) -> bool:
        """Whether files outside of the repository may be read."""
        return allows_outside(self.environment)

    @property
    def variables(self) -> dict[str, str]:
        """Return what references see. Raises ConfigurationError."""
        return load_variables(self.folder / "stack.yaml", self.environment)

    def find(self, path: str) -> Path | None:
        """Return where a path leads; None for what lies outside of the repository."""
        try:
            found = (self.folder / path).resolve()
            inside = found.is_relative_to(find_repository(self.folder))
        except (OSError, RuntimeError, ValueError):
            return None
        return found if inside or self.outside else None

    def is_file(self, path: str) -> bool:
        """Whether a path is a file that the stack may have."""
        found = self.find(path)
        return found is not None and found.is_file()


class Answers(NamedTuple):
    """What a person says of the one service, where there is no compose file."""

    image: str = ""  # "": built from the Dockerfile
    port: int = PORT
    health: str = ""  # "": nobody knows
    path: str = "/"


def guess(dockerfile: Path | None) -> Answers:
    """Return what a Dockerfile says, as far as it does. Raises ConfigurationError."""
    if dockerfile is None:
        return Answers()
    stage = read_stage(dockerfile)
    return Answers(
        port=int(stage.ports[0]) if stage.ports else PORT,
        health=find_path(stage.health or ()) or "",
    )


def find_files(folder: Path, given: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """Return the compose files, or the Dockerfile, that were named or that are there."""
    dockerfiles = [path for path in given if _is_dockerfile(path)]
    if dockerfiles and len(given) > 1:
        raise ConfigurationError(
            "a Dockerfile and another file cannot be taken together",
            "name the compose files: each tells of its Dockerfiles",
        )
    if dockerfiles:
        return [], dockerfiles[0]
    files = [*given] or find_compose_files(folder)
    found = next(
        (folder / name for name in ("Dockerfile", "Containerfile") if (folder / name).is_file()),
        None,
    )
    return files, None if files else found


def _is_dockerfile(path: Path) -> bool:
    name = path.name.lower()
    return name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile")


def read_compose_source(place: Place, files: Sequence[Path]) -> Source:
    """Read compose files. Raises ConfigurationError."""
    variables = place.variables
    project = read_project(files, variables, outside=place.outside)
    shown = " and ".join(file.name for file in files)
    withheld = read_env_file(place.folder / ".env", place.environment)
    resolved = resolve(files, place.environment, withheld)
    if resolved is not None:
        project = check_project(resolved | _list_extensions(project), shown)
    home = files[0].parent.resolve()
    prefix = os.path.relpath(home, place.folder.resolve())
    for service in project["services"].values():
        rebase_service(service, prefix)
    for group in ("secrets", "configs"):
        if isinstance(project.get(group), dict):
            parts = project[group].items()
            project[group] = {name: rebase_file(part, prefix) for name, part in parts}
    named = variables.get("COMPOSE_PROFILES", "").split(",")
    return Source(
        project=project,
        fallback=home.name,
        variables=variables,
        stages=_read_stages(place, project["services"], variables),
        is_file=place.is_file,
        profiles=(*place.profiles, *filter(None, named)),
        told=shown,
    )


def _list_extensions(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the plugin leaves out, so that it is told as well."""
    return {key: value for key, value in project.items() if key == "version"}


def read_answers(place: Place, dockerfile: Path | None, answers: Answers, told: str) -> Source:
    """Say as a compose file would what a Dockerfile and a person say. Raises ConfigurationError."""
    service: dict[str, Any] = {"expose": [answers.port]}
    if answers.image:
        service["image"] = answers.image
    else:
        service["build"] = _find_build(place, dockerfile)
    if answers.health:
        service["healthcheck"] = {"test": ["CMD", "curl", f"http://localhost{answers.health}"]}
    stage = read_stage(dockerfile) if dockerfile else None
    return Source(
        project={"services": {SERVICE: service}},
        fallback=place.folder.resolve().name,
        variables=place.variables,
        stages={SERVICE: stage} if stage else {},
        is_file=place.is_file,
        profiles=(),
        told=told,
        path=answers.path,
    )


def _find_build(place: Place, dockerfile: Path | None) -> object:
    if dockerfile is None:
        return "."
    relative = Path(os.path.relpath(dockerfile.parent.resolve(), place.folder.resolve()))
    if dockerfile.name == "Dockerfile":
        return str(relative)
    return {"context": str(relative), "dockerfile": dockerfile.name}


def read_stage(dockerfile: Path) -> Stage:
    """Return the last stage of a Dockerfile. Raises ConfigurationError."""
    text = read_text(dockerfile, dockerfile.name, LARGEST, "name another with `--from`")
    stage = parse_dockerfile(text).find(None)
    if stage is None:
        raise ConfigurationError(
            f"`{dockerfile.name}` is no Dockerfile: it has no FROM", "name another with `--from`"
        )
    return stage


def _read_stages(
    place: Place, services: Mapping[str, Any], variables: Mapping[str, str]
) -> dict[str, Stage]:
    """Return the stage that each service is built to, where its Dockerfile can be read."""
    stages = {}
    for name, service in services.items():
        build = service.get("build")
        written = {"context": build} if isinstance(build, str) else build
        if isinstance(written, dict):
            stage = _try_stage(place, written, lambda text: fill(str(text), variables))
            if stage is not None:
                stages[name] = stage
    return stages


def _try_stage(
    place: Place, build: Mapping[str, Any], read: Callable[[object], str]
) -> Stage | None:
    try:
        context, file = read(build.get("context", ".")), read(build.get("dockerfile", "Dockerfile"))
        target = read(build["target"]) if build.get("target") else None
        path = place.find(os.path.join(context, file))  # noqa: PTH118  text of a compose file
        if path is None:
            return None
        return parse_dockerfile(read_text(path, file, LARGEST)).find(target)
    except (ConfigurationError, Unfit):
        return None  # `build` says what is wrong with it, when it comes to that
