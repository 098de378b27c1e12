"""The releases of a soak, in order, and what came of each."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.stack.quantities import Address
from tests.e2e.operator import STACKCTL
from tests.soak import census, command, host
from tests.soak.clients import Crowd, in_use
from tests.soak.halt import Halted
from tests.soak.switches import list_workers, watched
from tests.soak.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.operator import Operator
    from tests.soak.census import Census
    from tests.soak.command import Ran

WARM_UP = (("deploy", "w1"), ("deploy", "w2"), ("deploy", "w3"), ("rollback", ""))
KEPT_IMAGES = 3
PRUNE_EVERY = 10  # releases
LOST = 6  # stackctl's exit code where a release went through and lost a request

Step = tuple[str, str]  # deploy or rollback, and the version to deploy


@dataclass(frozen=True)
class Release:
    """A release that went through."""

    verb: str
    version: str
    outcome: str
    sent: int  # by the release's own witness
    lost: int
    losses: list[str]
    ran: Ran


@dataclass
class Journey:
    """What is known of a soak so far."""

    deploys: int
    rollbacks: int
    crowd: Crowd = field(default_factory=Crowd)
    warm_up: Crowd = field(default_factory=Crowd)
    releases: list[Release] = field(default_factory=list)
    left: int = 0  # processes that outlived their command
    most_leaving: int = 0  # NGINX workers at once
    seconds: float = 0.0
    start: Census = field(default_factory=dict)
    end: Census = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def travel(self, operator: Operator) -> None:
        """Bring the stack up, release over and over under load, and count before and after.

        Raises Halted where a command fails.
        """
        operator.write_stack()
        self._run(operator, (0,), "up")
        self.versions = census.read_versions(operator)
        address = Address("127.0.0.1", operator.public)
        master = census.find_master(operator)
        if not list_workers(master).accepting:
            raise Halted("NGINX's processes are not to be seen here: run it where the engine runs")
        with watched(operator.ask_gateway(), master) as switches:
            with in_use(self.warm_up, address, operator.folder / "warm-up", switches):
                self._release(operator, WARM_UP, [])
            self.start = census.take(operator)
            switches.most_leaving = 0
            try:
                with in_use(self.crowd, address, operator.folder / "load", switches):
                    self._release_all(operator)
            finally:
                self.crowd.tallies["the releases' own witnesses"] = sum_up(self.releases)
                self.most_leaving = switches.most_leaving
            self.end = census.take(operator)

    def _release_all(self, operator: Operator) -> None:
        began = host.now()
        try:
            self._release(operator, plan(self.deploys, self.rollbacks), self.releases)
        finally:
            self.seconds = host.now() - began

    def _release(self, operator: Operator, steps: Sequence[Step], releases: list[Release]) -> None:
        """Take the steps one after the other, and prune now and then as a user would."""
        for number, (verb, version) in enumerate(steps, 1):
            options = ("--version", version) if verb == "deploy" else ()
            ran = self._run(operator, (0, LOST), verb, "app", *options)
            releases.append(read_release(verb, ran))
            print(tell(releases[-1], number, len(steps)), file=sys.stderr, flush=True)
            if number % PRUNE_EVERY == 0 or number == len(steps):
                self._run(operator, (0,), "prune", "--keep", str(KEPT_IMAGES))

    def _run(self, operator: Operator, expected: tuple[int, ...], *arguments: str) -> Ran:
        argv = (*STACKCTL, *arguments, "--output", "json")
        ran = command.run(argv, operator.folder, operator.environment)
        self.left += ran.left
        if ran.code not in expected:
            said = f"{ran.stderr.strip()}\n{ran.stdout.strip()}"
            raise Halted(f"`stackctl {' '.join(arguments)}` ended with {ran.code}:\n{said}")
        return ran


def plan(deploys: int, rollbacks: int) -> list[Step]:
    """Return the steps: versions from v2 on, the rollbacks spread evenly among them."""
    every = deploys // rollbacks if rollbacks else deploys + 1
    steps: list[Step] = []
    for number in range(1, deploys + 1):
        steps.append(("deploy", f"v{number + 1}"))
        if number % every == 0 and number // every <= rollbacks:
            steps.append(("rollback", ""))
    return steps


def read_release(verb: str, ran: Ran) -> Release:
    """Read the document that a release printed."""
    document = ran.document
    witness = document["witness"]
    return Release(
        verb,
        document["version"],
        document["outcome"],
        witness["sent"],
        witness["lost"],
        [f"{loss['client']} {loss['request']}: {loss['lost']}" for loss in witness["losses"]],
        ran,
    )


def sum_up(releases: Sequence[Release]) -> Tally:
    """Count what the releases' own witnesses sent."""
    tally = Tally(sum(release.sent for release in releases))
    for release in releases:
        tally.lost += release.lost
        tally.losses += [f"{release.verb} {release.version}: {loss}" for loss in release.losses]
    return tally


def tell(release: Release, number: int, of: int) -> str:
    """Return a release as a line."""
    ran = release.ran
    return (
        f"{number:>3}/{of}  {release.verb:<8} {release.version:<4} {release.outcome}"
        f"  exit {ran.code}  {ran.seconds:5.1f} s  witness {release.lost} of {release.sent} lost"
        f"  peak {ran.memory:.1f} MiB, {ran.files} files"
    )
