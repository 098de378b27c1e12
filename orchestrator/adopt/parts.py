"""One service or accessory on its way into stack.yaml: what it gets, and what is said of it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.findings import Findings, Unfit, shorten
from orchestrator.adopt.references import fill, find_unset, rewrite
from orchestrator.adopt.short_forms import to_text
from orchestrator.adopt.stack_text import Plain, write_scalar
from orchestrator.stack.fitting import find_misfit, has_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.adopt.dockerfile import Stage
    from orchestrator.adopt.doors import Doors
    from orchestrator.stack.fitting import Group

_QUANTITY = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[A-Za-z0-9.]+)?\}")


@dataclass(frozen=True)
class Role:
    """What a service of compose becomes."""

    kind: str  # services, worker (a service without a port), accessories; or none of them: job, proxy, left
    reason: str = ""
    serves: str = (
        ""  # of a job: who waits for its end; of a worker: the service whose image it runs
    )


@dataclass(frozen=True)
class Setting:
    """What all parts have in common."""

    project: Mapping[str, Any]
    variables: Mapping[str, str]
    is_file: Callable[[str], bool]  # whether a path is a file that the stack may have
    stages: Mapping[str, Stage]  # the last stage of each Dockerfile that could be read
    roles: Mapping[str, Role]
    names: Mapping[str, str]  # of those that become something
    doors: Doors
    name: str  # of the stack
    findings: Findings = field(default_factory=Findings)


class Part:
    """A part of stack.yaml that is being written."""

    def __init__(self, setting: Setting, written: str) -> None:
        self.setting = setting
        self.written = written  # its name in the compose file
        self.name = setting.names[written]
        self.group: Group = (
            "accessories" if setting.roles[written].kind == "accessories" else "services"
        )
        self.keys: dict[str, Any] = {}
        self.comments: dict[str, list[str]] = {}
        self.todos: list[str] = []
        self.unset: dict[str, None] = {}  # variables without a value, in order

    @property
    def source(self) -> Mapping[str, Any]:
        """Return what the compose file says of it."""
        return dict(self.setting.project["services"][self.written])

    @property
    def stage(self) -> Stage | None:
        """Return what its Dockerfile says."""
        return self.setting.stages.get(self.written)

    @property
    def is_worker(self) -> bool:
        """Whether it is a service without a port."""
        return self.setting.roles[self.written].kind == "worker"

    @property
    def leader(self) -> str:
        """Return the service whose image a worker runs, by its name in the compose file; else nothing."""
        leader = self.setting.roles[self.written].serves if self.is_worker else ""
        return leader if leader in self.setting.names else ""

    def at(self, key: str) -> str:
        """Return the path of a key in the compose file."""
        return f"services.{self.written}.{key}"

    def has(self, key: str) -> bool:
        """Whether stack.yaml knows a key here."""
        return has_key(self.group, key)

    def fits(self, key: str, value: Any) -> str | None:
        """Return why a key cannot have a value; None where it can."""
        text = f"{write_scalar(key)}: {write_scalar(value)}"
        return find_misfit(self.group, key, text, self.setting.variables)

    def put(self, key: str, value: Any, at: str, text: str = "", *, changed: bool = False) -> bool:
        """Give it a key, where it may have it; else say why not."""
        reason = self.fits(key, value)
        if reason:
            self.leave(at, reason)
            return False
        self.keys[key] = value
        say = self.setting.findings.changed if changed else self.setting.findings.took
        say(self.at(at), text or f"`{key}`")
        return True

    def add(self, key: str, entry: Any, at: str, text: str = "", *, changed: bool = False) -> bool:
        """Add to a list, where the entry may be in it; else say why not."""
        before = self.keys.get(key, [])
        if not self.put(key, [*before, entry], at, text, changed=changed):
            return False
        if before and self.fits(key, self.keys[key]):
            self.keys[key] = before
        return True

    def leave(self, at: str, reason: str) -> None:
        """Say that a key is left out."""
        self.setting.findings.left(self.at(at), reason)
        self.todos.append(f"TODO {at}: {shorten(reason)}")

    def leave_whole(self, at: str, reason: str) -> None:
        """Say that a key is left out with all that is below it."""
        self.setting.findings.drop_below(self.at(at))
        self.leave(at, reason)

    @contextmanager
    def taking(self, at: str) -> Iterator[None]:
        """Leave a key out, with all that is below it, where something in the block does not fit."""
        try:
            yield
        except Unfit as error:
            self.leave_whole(at, str(error))

    def refuse(self, at: str, reason: str) -> None:
        """Say that a key is left out on purpose."""
        self.setting.findings.refused(self.at(at), reason)
        self.todos.append(f"TODO {at}: {shorten(reason)}")

    def took(self, at: str, text: str) -> None:
        """Say that a key means the same here without being written."""
        self.setting.findings.took(self.at(at), text)

    def changed(self, at: str, text: str) -> None:
        """Say that a key means something else here."""
        self.setting.findings.changed(self.at(at), text)

    def write(self, value: object) -> str:
        """Return a scalar as stack.yaml says it. Raises Unfit."""
        text = to_text(value)
        self.unset |= dict.fromkeys(find_unset(text, self.setting.variables))
        return rewrite(text, self.setting.variables)

    def fill(self, value: object) -> str:
        """Return a scalar with its references filled in: to decide with, never to write."""
        return fill(to_text(value), self.setting.variables)

    def number(self, value: object) -> int | Plain:
        """Return a whole number, or the reference that stands for one. Raises Unfit."""
        made = self.quantity(value, lambda text: str(to_number(text)))
        return made if isinstance(made, Plain) else int(made)

    def quantity(self, value: object, convert: Callable[[str], str]) -> str:
        """Return what stands for a quantity: a reference stays one, so its value is not copied.

        Raises Unfit.
        """
        text = to_text(value)
        if "$" not in text:
            return convert(text)
        convert(self.fill(value))  # what it stands for now must be one
        written = self.write(value)
        if not _QUANTITY.fullmatch(written):
            raise Unfit("more than one reference cannot be said in stack.yaml")
        return Plain(written)


def to_number(text: str) -> int:
    """Return a whole number. Raises Unfit."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Unfit("expected a whole number")
    return int(text)
