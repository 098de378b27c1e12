"""A load test as a whole: what is asked for, what can be refused at once, what is kept of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.bench.archive import (
    Archive,
    check_name,
    to_json,
    write_samples,
    write_summaries,
    write_whole,
)
from orchestrator.bench.beside import Beside
from orchestrator.bench.charts import draw_bench
from orchestrator.bench.document import (
    Occasion,
    add_verdict,
    build_document,
    compare_baseline,
    compare_previous,
    compare_turns,
    make_baseline,
)
from orchestrator.bench.k6 import find_k6, inspect, make_environment
from orchestrator.bench.report import render_page, render_report, suggest
from orchestrator.bench.script import Overrides, find_script, parse_length
from orchestrator.bench.session import Session, Task, ask_gateway, run_session
from orchestrator.catalogue.index import write_catalogue
from orchestrator.errors import ConfigurationError, StackctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.bench.document import Document
    from orchestrator.bench.session import Tick
    from orchestrator.clock import Clock
    from orchestrator.stack.quantities import Address
    from orchestrator.stack.url import PublicUrl

# Where sets of runs are compared: longer runs are hardly steadier than short ones, more of them are.
RUNS, DURATION = 12, "3s"
SLO_MISSED = 6


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    script: str
    overrides: Overrides
    runs: int | None = None
    against: str | None = None
    save: str | None = None
    alternate: str | None = None  # a service of which two versions take turns

    @property
    def turns(self) -> int:
        """Return how many runs each version gets."""
        return self.runs or (RUNS if self.against or self.save or self.alternate else 1)


class Campaign:
    """One load test. Making it refuses what can be refused before there is any load."""

    def __init__(
        self,
        folder: Path,
        wish: Wish,
        gateway: Address,
        around: Mapping[str, str],
        clock: Clock,
        reports: Path | None = None,
        public: PublicUrl | None = None,  # where clients come, if that is through a proxy
    ) -> None:
        self._archive = Archive(folder, reports)
        self._folder = folder
        self._clock = clock
        self._save = check_name(wish.save) if wish.save else None
        if wish.overrides.duration:
            parse_length(wish.overrides.duration)
        k6 = find_k6(around.get("PATH"))
        script = find_script(folder, wish.script)
        self._baseline = (
            self._archive.read_baseline(script.name, check_name(wish.against))
            if wish.against
            else None
        )
        self._overrides = choose_load(wish, self._baseline)
        url = str(public or f"http://{gateway.reachable}")
        environment = make_environment(around, url, self._overrides)
        inspected = inspect(k6, script, environment)
        runs = 2 * wish.turns if wish.alternate else wish.turns
        self._task = Task(k6, script, inspected, environment, gateway, runs, public)
        ask_gateway(gateway, public)

    @property
    def length(self) -> float:
        """Return the seconds that one run lasts."""
        return self._task.length

    def run(
        self,
        services: Sequence[Mapping[str, Any]],
        show: Callable[[Tick], None],
        beside: Beside | None = None,
    ) -> tuple[Document, StackctlError | None]:
        """Run the load and keep all of it; return what was measured and what went wrong."""
        beside = beside or Beside()
        task, started = self._task, self._clock.now()
        place = self._archive.open(task.script.name, started)
        session = run_session(task, self._clock, show, beside.act, beside.prepare)
        try:
            beside.finish()
        except StackctlError as error:
            session.error = session.error or error
        beside.settle(session)
        environment = {
            "k6": task.k6.version,
            "services": list(services),
            "cpus": os.cpu_count() or 1,
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        }
        occasion = Occasion(place.name, task.script, self._overrides, environment, started)
        document = build_document(
            occasion, session, self._clock.now(), turns=beside.turns, label=beside.label
        )
        document["release"] = beside.tell(session)
        previous = self._archive.find_previous(task.script.name, place.name)
        document = compare_baseline(compare_previous(document, previous), self._baseline)
        document = add_verdict(compare_turns(document))
        page = place / "report.md"
        inside = page.is_relative_to(self._folder)
        document["report"] = str(page.relative_to(self._folder) if inside else page)
        try:
            self._keep(place, document, session)
            write_catalogue(place.parent.parent)
        except StackctlError as error:
            return document | {"report": None}, session.error or error
        return document, session.error

    def _keep(self, place: Path, document: Document, session: Session) -> None:
        """Write everything, what matters most first."""
        write_whole(place / "bench.json", to_json(document))
        write_summaries(place, session.summaries)
        write_samples(place / "samples.csv.gz", document["series"])
        write_whole(place / "report.md", render_page(document, None))
        write_whole(place / "report.html", render_report(document, draw_bench(document)))
        if document["outcome"] != "completed":
            return  # the newest report stays one of a whole test
        name = document["script"]["name"]
        kept = self._archive.read_adjustments(name)
        adjustments = suggest(document) if kept is None else kept
        self._archive.write_newest(name, render_page(document, adjustments))
        if self._save:
            self._archive.save_baseline(name, self._save, make_baseline(document, self._save))


def choose_load(wish: Wish, baseline: Mapping[str, Any] | None) -> Overrides:
    """Return the overrides: like is compared with like. Raises ConfigurationError."""
    given = wish.overrides
    if baseline is None:
        compared = wish.save is not None or wish.alternate is not None
        short = compared and wish.runs is None and given.duration is None
        return replace(given, duration=DURATION) if short else given
    wanted = Overrides(**baseline["overrides"])
    for name in ("vus", "duration", "rate"):
        if getattr(given, name) not in (None, getattr(wanted, name)):
            raise ConfigurationError(
                f"the baseline `{baseline['name']}` was made with {name}"
                f" {getattr(wanted, name) or 'of the script'}, not {getattr(given, name)}",
                "leave the option out, or make another baseline with `--save-baseline`",
            )
    return wanted


def find_exit_code(document: Document, error: StackctlError | None) -> int:
    """Return the exit code that tells a script what came of a load test."""
    if error is not None:
        return error.exit_code
    return 0 if document["verdict"]["passed"] else SLO_MISSED
