"""What every command of a stack works with: the wish, the world and the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.certificates.acme import open_acme
from orchestrator.evidence.seal import KEY_VARIABLE
from orchestrator.gateway.afar import ask_inside
from orchestrator.gateway.apply import Gateway
from orchestrator.stack.secret import parse_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from orchestrator.asking import Ask
    from orchestrator.certificates.account import Account
    from orchestrator.certificates.authority import Authority
    from orchestrator.certificates.records import Records
    from orchestrator.clock import Clock
    from orchestrator.engine.ports import Engine, Inside
    from orchestrator.engine.values import Container
    from orchestrator.events import Emit
    from orchestrator.gateway.admin import Admin
    from orchestrator.gateway.passage import Entrance
    from orchestrator.stack.model import Stack
    from orchestrator.stack.part import Part
    from orchestrator.stack.quantities import Address
    from orchestrator.stack.vault import Vault
    from orchestrator.whereabouts import Whereabouts


@dataclass(frozen=True)
class House:
    """One stack and the engine, gateway and clock it lives with."""

    stack: Stack
    folder: Path  # of stack.yaml: `build` folders are relative to it
    engine: Engine
    admin: Admin
    clock: Clock
    emit: Emit  # the console's view of the events; the evidence has its own
    variables: Mapping[str, str] = field(repr=False)  # where `secrets` come from
    vault: Vault | None = field(default=None, repr=False)  # and where else, with `secrets_command`
    kept_in: Path | None = None  # what reports are kept in; None: `reports/` beside stack.yaml
    entrance: Entrance | None = None  # where the engine is on another machine
    ask_inside: Callable[[Inside, str], Ask] = ask_inside  # a port of a container of that id
    # Who issues certificates, and by whom it is shown records of names.
    open_authority: Callable[[Account, Records | None], Authority] = open_acme

    @cached_property
    def whereabouts(self) -> Whereabouts:
        """Return which engine is meant; it is asked once."""
        return self.engine.whereabouts()

    @property
    def reports(self) -> Path:
        """Return the folder that holds what releases and load tests leave."""
        return self.kept_in or self.folder / "reports"

    @property
    def door(self) -> Address:
        """Return where this machine finds the public door, as clients do."""
        if self.stack.gateway.url:
            return self.stack.gateway.url.address
        return self.entrance.door if self.entrance else self.stack.gateway.listen.reachable

    @property
    def releases(self) -> Path:
        """Return the folder that holds the evidence of all releases."""
        return self.reports / "releases"

    def shorten(self, path: Path) -> str:
        """Return a path as it is told: relative to stack.yaml's folder where it lies in that."""
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)

    @property
    def secrets(self) -> Mapping[str, str]:
        """Return where `secrets` are looked up; that may run a program."""
        return self.variables if self.vault is None else self.vault

    def must_ask(self, part: Part) -> bool:
        """Whether only a program that has not been run may know what a part is given."""
        wanted = map(parse_secret, part.secrets)
        missing = any(one.variable not in self.variables for one in wanted)
        return self.vault is not None and not self.vault.asked and missing

    @property
    def evidence_key(self) -> bytes | None:
        """Return the key that evidence is signed with; None where there is none."""
        return self.variables.get(KEY_VARIABLE, "").strip().encode() or None

    def open_gateway(self, container: Container) -> Gateway:
        """Return the gateway that a container is, as a context manager that closes it."""
        return Gateway(self.engine, container, self.admin, self.clock)
