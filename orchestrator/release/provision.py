"""What a container gets that does not stand in stack.yaml: values of variables, and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.engine.outfit import PackedFile
from orchestrator.errors import ConfigurationError
from orchestrator.files import read_file
from orchestrator.stack.env_file import read_env_files
from orchestrator.stack.secret import parse_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.release.house import House
    from orchestrator.stack.part import Part

LARGEST = 4 * 1024**2  # bytes of one of `files`
MOST = 16 * 1024**2  # bytes of all files of a part


@dataclass(frozen=True)
class Provision:
    """What a part is given; no message and no output says any of it."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: tuple[PackedFile, ...] = ()


NOTHING = Provision()


def provide(house: House, part: Part, place: str) -> Provision:
    """Return what a part is given; `place` is such as `services.web`.

    `env` in stack.yaml wins over what `env_file` sets, `secrets` win over both. Raises
    ConfigurationError where a variable is not set or a file cannot be read.
    """
    found = read_env_files(part.env_file, house.folder, house.variables, place)
    return Provision(
        {name: value for name, value in found.items() if name not in part.env}
        | pick_secrets(part.secrets, house.secrets, place),
        tuple(_read_files(part, house.folder, place)),
    )


def pick_secrets(
    entries: Iterable[str], variables: Mapping[str, str], owner: str
) -> dict[str, str]:
    """Return the values of `secrets` by the names that the container knows them by.

    Raises ConfigurationError naming the variables that are not set.
    """
    wanted = [parse_secret(entry) for entry in entries]
    needed = {one.variable for one in wanted if not one.optional}
    missing = {variable for variable in needed if variable not in variables}
    if missing:
        raise ConfigurationError(
            f"{owner}: secret {', '.join(f'`{name}`' for name in sorted(missing))} is not set",
            "set it in the environment or in `.env` beside stack.yaml; a name with `?` behind it may be"
            " unset",
        )
    return {one.name: variables[one.variable] for one in wanted if one.variable in variables}


def _read_files(part: Part, folder: Path, place: str) -> Iterator[PackedFile]:
    """Yield the files of a part. One is named by its place alone: its path may hold a variable's value."""
    room = MOST
    own = (folder / ".env").resolve()
    for position, wanted in enumerate(part.files):
        told, path = f"{place}.files.{position}.from", folder / wanted.source
        try:
            if path.resolve() == own:
                raise ConfigurationError(
                    f"{told} is the `.env` beside stack.yaml, which holds what is stackctl's own",
                    "`env_file` and `secrets` hand on what a container needs of it",
                )
            content = read_file(path, LARGEST)
        except (OSError, RuntimeError) as error:  # the latter: links in a circle
            reason = error.strerror if isinstance(error, OSError) else "it leads nowhere"
            raise ConfigurationError(
                f"{told} cannot be read: {reason}",
                f"it is a file of at most {LARGEST:,} bytes in the repository",
            ) from error
        room -= len(content)
        if room < 0:
            raise ConfigurationError(
                f"{place}.files are larger than {MOST:,} bytes in all",
                "put large files into the image, or into a volume",
            )
        yield PackedFile(wanted.to, int(wanted.mode, 8), content)
