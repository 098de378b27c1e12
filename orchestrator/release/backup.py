"""What an accessory holds, kept before a migration changes it: the output of a command in its container."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from orchestrator.clock import poll
from orchestrator.engine.values import OUT
from orchestrator.errors import CandidateError, ConfigurationError, StackctlError
from orchestrator.release.beside import Beside
from orchestrator.release.observe import observe
from orchestrator.reports import make_folder, opened_folder
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.ports import Session
    from orchestrator.release.house import House
    from orchestrator.stack.model import Backup

LOOK_EVERY = 0.1  # seconds
FORM = "%Y%m%d-%H%M%S-%f.dump"
DUMP, PARTIAL = r"[0-9]{8}-[0-9]{6}-[0-9]{6}\.dump", ".partial"
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
HINT = "nothing was changed; see what it says: `stackctl backup {}`"
Complain = Callable[[bytes], None]  # takes what it says of its errors


def back_up(
    house: House,
    name: str,
    tell: Callable[[str, float], None] = lambda *_: None,
    complain: Complain = lambda _: None,
) -> Dump:
    """Keep what an accessory's `backup` prints. The caller holds the lock.

    It is there whole, or not at all; then the oldest beyond `keep` go. Raises ConfigurationError,
    CandidateError where the command fails, EngineError.
    """
    wanted = require_backup(house, name)
    tell(f"until {name} is backed up", wanted.deadline)
    found = observe(house).accessories.get(name)
    if found is None or not found.running:
        raise CandidateError(f"`{name}` does not run, and cannot be backed up", HINT.format(name))
    folder = house.folder / wanted.folder / name
    try:
        make_folder(folder.parent, there=True)
        make_folder(folder, there=True)
        with opened_folder(folder) as place:
            kept = _Place(place)
            kept.remove_partial()
            begin, file = house.clock.monotonic(), house.clock.now().strftime(FORM)
            grace = house.stack.accessories[name].stop_grace
            command = Beside(house.engine, house.clock, found.id, wanted.command, grace)
            size = _write(kept, command, _Order(name, wanted, file, complain))
            kept.remove_old(wanted.keep)
    except OSError as error:
        raise CandidateError(
            f"the backup of `{name}` cannot be written: {error.strerror}", HINT.format(name)
        ) from error
    return Dump(folder / file, size, house.clock.monotonic() - begin)


def require_backup(house: House, name: str) -> Backup:
    """Return how an accessory is backed up. Raises ConfigurationError."""
    part = house.stack.accessories.get(name)
    if part is None or part.backup is None:
        able = [key for key, one in house.stack.accessories.items() if one.backup]
        known = ", ".join(f"`{each}`" for each in able) or "no accessory"
        raise ConfigurationError(f"`{name}` has no `backup` in stack.yaml; {known} has one")
    return part.backup


@dataclass(frozen=True)
class Dump:
    """What was kept of an accessory."""

    file: Path
    size: int  # bytes
    seconds: float  # that it took


@dataclass(frozen=True)
class _Order:
    name: str
    wanted: Backup
    file: str
    complain: Complain


def _write(kept: _Place, command: Beside, order: _Order) -> int:
    """Write what a command prints, and return how many bytes. Raises CandidateError, OSError; then nothing is left of it."""
    partial = order.file + PARTIAL
    try:
        with command.begun() as session, kept.create(partial) as file:
            session.end_input()
            intake = _Intake(session, file, order.complain)
            threading.Thread(target=intake.run, daemon=True).start()
            within = order.wanted.deadline
            ended = poll(
                lambda: intake.over.is_set() or None,
                clock=command.clock,
                every=LOOK_EVERY,
                within=within,
            )
            if ended is None:
                with put_off():
                    left = "" if command.end(session) else "; it may run on in its container"
                raise _failed(order.name, f"did not end within {within:g} s{left}")
            if intake.error is not None:
                raise intake.error
            if code := session.exit_code():
                raise _failed(order.name, f"ended with exit code {code}")
            if not intake.taken:
                raise _failed(order.name, "printed nothing")
            file.flush()
            os.fsync(file.fileno())
        kept.rename(partial, order.file)
        return intake.taken
    finally:
        kept.remove(partial)


def _failed(name: str, how: str) -> CandidateError:
    return CandidateError(f"the backup of `{name}` {how}", HINT.format(name))


@dataclass
class _Intake:
    """Writes what a command prints to a file, in a thread of its own: a signal is not kept waiting."""

    session: Session
    file: BinaryIO
    complain: Complain
    taken: int = 0  # bytes
    error: StackctlError | OSError | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Take all, to the end of the command."""
        try:
            for stream, data in self.session.output():
                if stream == OUT:
                    self.file.write(data)
                    self.taken += len(data)
                else:
                    self.complain(data)
        except (StackctlError, OSError) as error:
            self.error = error
        except ValueError:  # the file is closed: nobody waits any more
            pass
        finally:
            self.over.set()


class _Place:
    """The folder of an accessory's backups, by its descriptor: no link leads out of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def create(self, name: str) -> BinaryIO:
        """Make a file that only its owner may read."""
        return os.fdopen(os.open(name, NEW, 0o600, dir_fd=self._descriptor), "wb")

    def rename(self, old: str, new: str) -> None:
        """Give a file its name, also after a crash."""
        os.rename(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is fine."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def _list(self) -> list[str]:
        with os.scandir(self._descriptor) as entries:
            return [entry.name for entry in entries]

    def remove_partial(self) -> None:
        """Remove what a stackctl that died has begun."""
        for name in self._list():
            if re.fullmatch(DUMP + PARTIAL, name):
                self.remove(name)

    def remove_old(self, keep: int) -> None:
        """Remove all but the newest."""
        dumps = sorted(name for name in self._list() if re.fullmatch(DUMP, name))
        for name in dumps[:-keep]:
            self.remove(name)
