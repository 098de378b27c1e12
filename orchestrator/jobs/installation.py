"""Timers on this machine: written, found, and removed; a file of somebody else's is never touched."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.files import read_file, replace_file
from orchestrator.jobs.timers import HANDED_ON, Caller
from orchestrator.shell import run
from orchestrator.stack.document import find_references
from orchestrator.stack.load import load_variables
from orchestrator.stack.secret import parse_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from orchestrator.stack.model import Stack

SYSTEM = Path("/etc/systemd/system")
LARGEST = 64 * 1024  # bytes of a unit


def ask_systemd(command: Sequence[str]) -> str:
    """Run `systemctl`; return why it failed, or nothing."""
    program = shutil.which(command[0])
    if program is None:
        return "there is no such program"
    try:
        ended = run((program, *command[1:]), os.environ)
    except OSError as error:
        return error.strerror or str(error)
    told = [f"exit code {ended.code}", *ended.err.strip().splitlines()]
    return told[-1] if ended.code else ""


@dataclass(frozen=True)
class Place:
    """Where systemd finds units: those of the machine, or of a user."""

    folder: Path
    user: bool
    ask: Callable[[Sequence[str]], str] = ask_systemd  # returns why systemd refuses, or nothing

    @property
    def systemctl(self) -> tuple[str, ...]:
        """Return the begin of a command to the systemd that reads this folder."""
        return ("systemctl", "--user") if self.user else ("systemctl",)


@dataclass(frozen=True)
class Installed:
    """What was done with timers."""

    written: tuple[str, ...] = ()  # paths
    removed: tuple[str, ...] = ()
    failed: str = ""  # why systemd was not told
    left: tuple[str, ...] = ()  # commands that somebody has to type for it


def find_place(environment: Mapping[str, str], *, user: bool) -> Place:
    """Return where the units belong."""
    if not user:
        return Place(SYSTEM, user=False)
    home = Path(environment.get("HOME") or Path.home())
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return Place(settings / "systemd" / "user", user=True)


def find_caller(file: Path, argv0: str, python: str, environment: Mapping[str, str]) -> Caller:
    """Return how a timer is to start this stackctl."""
    program: tuple[str, ...] = (python, "-m", "orchestrator")
    script = Path(argv0)
    if script.name == "stackctl" and os.access(script, os.X_OK):
        program = (str(script.absolute()),)
    kept = {name: environment[name] for name in HANDED_ON if environment.get(name)}
    return Caller(program, file.resolve(), kept)


def list_missing(stack: Stack, file: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the variables that jobs need, and that only this environment has: a timer's will not."""
    services = [stack.services[job.service] for job in stack.jobs.values() if job.schedule]
    if not services:
        return []
    secrets = {parse_secret(entry).variable for service in services for entry in service.secrets}
    return list_passing(file, environment, secrets)


def list_passing(
    file: Path, environment: Mapping[str, str], others: Collection[str] = ()
) -> list[str]:
    """Return the variables that stack.yaml names, and `others`, which only this environment has."""
    lasting, wanted = load_variables(file, {}), {*others} | find_references(file)
    return sorted(name for name in wanted if name in environment and name not in lasting)


def install(place: Place, stack: Stack, caller: Caller, units: Mapping[str, str]) -> Installed:
    """Write the units, remove those of jobs that are no more, and let systemd know.

    Raises ConfigurationError where one of the files is somebody else's: then nothing was written.
    """
    refuse_foreign(place, caller, units)
    old = [path for path in list_own(place, stack.name, caller) if path.name not in units]
    stopped = _tell(place, ("disable", "--now"), [path.name for path in old])
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        for name, text in units.items():
            replace_file(place.folder / name, text.encode())
        for path in old:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _to_error(place, error) from error
    timers = [name for name in units if name.endswith(".timer")]
    told = [
        stopped,
        _tell(place, ("daemon-reload",), [""]),
        _tell(place, ("enable", "--now"), timers),
    ]
    return _sum_up([place.folder / name for name in units], old, told)


def remove(place: Place, stack: str, caller: Caller) -> Installed:
    """Remove the units of a stack, and let systemd know. Raises ConfigurationError."""
    old = list_own(place, stack, caller)
    stopped = _tell(place, ("disable", "--now"), [path.name for path in old])
    try:
        for path in old:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _to_error(place, error) from error
    return _sum_up([], old, [stopped, _tell(place, ("daemon-reload",), [""] if old else [])])


def list_own(place: Place, stack: str, caller: Caller) -> list[Path]:
    """Return the units that were written for this stack.yaml, the timers first."""
    found = sorted(place.folder.glob(caller.unit.format(stack=stack, job="*")), reverse=True)
    return [path for path in found if _read_first(path) == caller.mark]


def refuse_foreign(place: Place, caller: Caller, units: Mapping[str, str]) -> None:
    """Raise ConfigurationError where a file is there that is not ours, or another stack.yaml's."""
    for name in units:
        path = place.folder / name
        if not os.path.lexists(path) or _read_first(path) == caller.mark:
            continue
        other = _read_first(path).removeprefix(caller.hand)
        if other != _read_first(path):
            raise ConfigurationError(
                f"`{path}` is of another stack of this name, at `{other}`",
                f"give one of them another `name`, or go there: `stackctl {caller.by} remove`",
            )
        raise ConfigurationError(
            f"`{path}` was not written by stackctl, and is left alone", "move it away"
        )


def _read_first(path: Path) -> str:
    """Return the first line of a unit; empty where it cannot be read, or is a link."""
    if path.is_symlink():
        return ""
    try:
        return read_file(path, LARGEST).decode(errors="replace").partition("\n")[0]
    except OSError:
        return ""


@dataclass(frozen=True)
class _Told:
    failed: str = ""
    left: tuple[str, ...] = ()


def _sum_up(written: Sequence[Path], removed: Sequence[Path], told: Sequence[_Told]) -> Installed:
    """Return what was done; where systemd refused something, with all that is to be typed."""
    failed = next((each.failed for each in told if each.failed), "")
    left = tuple(line for each in told for line in each.left) if failed else ()
    return Installed(tuple(map(str, written)), tuple(map(str, removed)), failed, left)


def _tell(place: Place, words: Sequence[str], units: Sequence[str]) -> _Told:
    """Let systemd do something with units; where it cannot, say why and what is to be typed."""
    timers = [name for name in units if not name.endswith(".service")]
    if not timers:
        return _Told()
    command = (*place.systemctl, *words, *filter(None, timers))
    line = " ".join(command)
    reason = place.ask(command)
    # Once its file is gone, a unit can only be stopped.
    by_hand = line.replace(" disable --now ", " stop ")
    return _Told(f"`{line}`: {reason}" if reason else "", (by_hand,))


def _to_error(place: Place, error: OSError) -> StackctlError:
    return StackctlError(
        f"`{error.filename or place.folder}` cannot be written: {error.strerror}",
        "units of the machine are root's; `--user` writes those of your user",
    )
