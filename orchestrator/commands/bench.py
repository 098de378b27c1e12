"""`stackctl bench`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.completion import offer_released, offer_scripts, offer_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.bench.campaign import Campaign, Wish
    from orchestrator.bench.during import ReleaseUnderLoad
    from orchestrator.bench.session import Tick
    from orchestrator.bench.turns import VersionTurns
    from orchestrator.clock import Clock
    from orchestrator.console import Console
    from orchestrator.errors import StackctlError
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order

EVERY = 5.0  # seconds between two lines where nobody looks now
SHORTEST_BAR, LONGEST_BAR = 8, 40  # characters
LONGEST = 100  # characters of a line of progress
AROUND = 4  # columns for what turns before the bar, and for spaces

Name = Annotated[
    str,
    typer.Argument(
        help="A script's name in k6/ beside stack.yaml, or its path.", autocompletion=offer_scripts
    ),
]
Users = Annotated[int | None, typer.Option(help="Users at once.", min=1)]
Length = Annotated[str | None, typer.Option(help="How long, such as 30s.")]
Rate = Annotated[int | None, typer.Option(help="Iterations a second.", min=1)]
Runs = Annotated[
    int | None,
    typer.Option(help="Runs; 1, or 12 short ones where they are compared.", min=1, max=50),
]
Against = Annotated[str | None, typer.Option(help="A baseline; exit 6 where this is slower.")]
Save = Annotated[
    str | None, typer.Option("--save-baseline", help="Keep this as a baseline of that name.")
]
Service = Annotated[
    str | None,
    typer.Option(
        "--during-deploy", help="A service to release meanwhile.", autocompletion=offer_released
    ),
]
Alternate = Annotated[
    str | None,
    typer.Option(
        help="A service whose active and previous version take turns; exit 6 if slower.",
        autocompletion=offer_released,
    ),
]
Version = Annotated[
    str | None,
    typer.Option("--version", help="The version of that release.", autocompletion=offer_versions),
]


def bench(  # noqa: PLR0913, PLR0917  one argument an option
    context: typer.Context,
    script: Name = "test",
    vus: Users = None,
    duration: Length = None,
    rate: Rate = None,
    runs: Runs = None,
    against: Against = None,
    save_baseline: Save = None,
    alternate: Alternate = None,
    during_deploy: Service = None,
    version: Version = None,
    junit: Annotated[Path | None, typer.Option(help="Write the objectives as JUnit XML.")] = None,
) -> int:
    """Load-test through the gateway with k6; keep a report."""
    from orchestrator.announce.markers import grouped
    from orchestrator.announce.objectives import tell_objectives
    from orchestrator.bench.campaign import Wish, find_exit_code
    from orchestrator.bench.report import summarize
    from orchestrator.bench.script import Overrides
    from orchestrator.commands.opening import opened

    wish = Wish(script, Overrides(vus, duration, rate), runs, against, save_baseline, alternate)
    order = _check_release(wish, during_deploy, version)
    with opened(context.obj) as (house, console):
        campaign = _prepare(house, wish)
        turns = _prepare_turns(house, wish)
        during = _prepare_release(house, order, campaign.length / 3)
        show = Meter(console, house.clock).show
        with grouped(os.environ, f"bench {script}"):
            document, error = campaign.run(_list_services(house), show, turns or during)
        untold = _announce(house, during)
    # Only now: as long as a progress line stands, the terminal's library takes stdout for its own.
    console.print_either(document, summarize(document))
    error = error or untold or tell_objectives(document, os.environ, junit)
    for trouble in _list_troubles(document, error):
        console.print_error(trouble)
    return find_exit_code(document, error)


class Meter:
    """Shows how the load goes: in place for who looks at it now, else a line now and then."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._due = clock.monotonic() + EVERY

    def show(self, tick: Tick) -> None:
        """Show one look at the load."""
        from orchestrator.events import Progress
        from orchestrator.terminal import is_live

        if is_live(sys.stderr):
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
            self._console.show(Progress(draw_progress(tick, columns)))
        elif self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + EVERY
            try:
                typer.echo(f"  {describe(tick)}", err=True)
            except OSError:
                return  # nobody reads it any more


def draw_progress(tick: Tick, columns: int) -> str:
    """Return a bar of the whole load test and how it goes, on one line of so many columns."""
    from orchestrator.terminal import draw_bar

    told = describe(tick)
    room = min(columns, LONGEST) - AROUND - len(told)
    share = (tick.run - 1 + min(tick.seconds / max(tick.length, 1.0), 1.0)) / tick.runs
    return f"{draw_bar(share, min(max(room, SHORTEST_BAR), LONGEST_BAR))} {told}"


def describe(tick: Tick) -> str:
    """Return in words how the load goes."""
    run = f"run {tick.run} of {tick.runs}, " if tick.runs > 1 else ""
    look = tick.look
    return (
        f"{run}{tick.seconds:.0f} of {tick.length:g} s: {look.rate:,.0f} requests/s,"
        f" p95 {look.p95_ms:.1f} ms, {look.failed:,} of {look.requests:,} failed"
    )


def _list_troubles(
    document: Mapping[str, Any], error: StackctlError | None
) -> Iterator[StackctlError]:
    """Yield why the release failed, and what ended the load test."""
    from orchestrator.errors import StackctlError

    told = (document["release"] or {}).get("error")
    if told and error is None:
        yield StackctlError(**told)
    if error is not None:
        yield error


def _list_services(house: House) -> list[dict[str, Any]]:
    """Return who answers: the active versions with their replicas."""
    from orchestrator.lifecycle.status import read_status

    return [
        {
            "name": service.name,
            "version": active.version,
            "color": active.color,
            "healthy": active.healthy,
            "wanted": active.wanted,
        }
        for service in read_status(house).services
        if (active := service.active) is not None
    ]


def _check_release(wish: Wish, service: str | None, version: str | None) -> Order | None:
    """Return what is released meanwhile; None where it is only load. Raises ConfigurationError."""
    from orchestrator.errors import ConfigurationError
    from orchestrator.release.plan import Order
    from orchestrator.release.version import parse_version

    if (service is None) != (version is None):
        raise ConfigurationError(
            "`--during-deploy SERVICE` and `--version V` belong together", "give both, or none"
        )
    if wish.alternate and (wish.against or wish.save or service):
        raise ConfigurationError(
            "versions that take turns are held against each other",
            "leave out `--against`, `--save-baseline` and `--during-deploy`",
        )
    if service is not None and (wish.against or wish.save or (wish.runs or 1) > 1):
        raise ConfigurationError(
            "a release happens in one run, and is held against no baseline",
            "leave out `--runs`, `--against` and `--save-baseline`",
        )
    if service is None or version is None:
        return None
    return Order(service, parse_version(version))


def _prepare(house: House, wish: Wish) -> Campaign:
    """Return the load test, at the door by which clients come."""
    from orchestrator.bench.campaign import Campaign

    public = house.stack.gateway.url
    door, around = house.door, os.environ
    return Campaign(house.folder, wish, door, around, house.clock, house.reports, public)


def _prepare_release(house: House, order: Order | None, after: float) -> ReleaseUnderLoad | None:
    """Return the release that is made meanwhile; None where it is only load."""
    from orchestrator.bench.during import ReleaseUnderLoad

    return ReleaseUnderLoad(house, order, after) if order else None


def _announce(house: House, release: ReleaseUnderLoad | None) -> StackctlError | None:
    """Tell others of the release, as `deploy` does; return what kept it from that."""
    from orchestrator.announce.announcement import Announcement
    from orchestrator.errors import StackctlError

    if release is None or release.result is None:
        return None
    try:
        Announcement(house, release.result, os.environ).tell()
    except StackctlError as error:
        return error
    return None


def _prepare_turns(house: House, wish: Wish) -> VersionTurns | None:
    """Return what puts the one or the other version before a run; None where none take turns."""
    from orchestrator.bench.turns import VersionTurns

    return VersionTurns(house, wish.alternate, wish.turns) if wish.alternate else None
