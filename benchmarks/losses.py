"""What users lose over many releases and changes of share under load, and what they notice."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from benchmarks.crowd import Crowd, present
from benchmarks.figure import Figure
from benchmarks.nginx_workers import watched
from benchmarks.scene import CLOCK, on_stage, open_door, read_events
from benchmarks.turns import Turns
from tests.e2e.load import Load, under_load
from tests.e2e.operator import PATIENCE, Operator, wait_for
from tests.soak.census import find_master
from tests.soak.clients import SCRIPT_OF_HOURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.gateway.lane import Lane

DEPLOYS, ROLLBACKS = 20, 5
HELD = (7, 14)  # deploys whose candidate is held for changes of share
SHARES = (10, 50, 90, 100, 0)
SHARE_LASTS = 1.5  # seconds; the release's own clients are halted with it, and must not time out
RATE = 300
USERS, IDLE = 100, (0.02, 50.0)
UPLOADS = (1.0, 4.0, 8.0, 12.0, 16.0, 20.0)  # seconds


@dataclass
class Season:
    """What is known so far."""

    operator: Operator
    turns: Turns = field(default_factory=Turns)
    witnessed: int = 0
    lost: list[str] = field(default_factory=list)  # by the releases' own witnesses
    changes: int = 0  # of a share


def measure() -> Iterator[Figure]:
    """Yield what was lost, which connections and workers went, and who answered out of turn."""
    with on_stage() as operator:
        operator.write_stack(keepalive="60s", drain_timeout="40s")
        operator.up()
        season = Season(operator)
        season.turns.promotes.append((0.0, 0.0, operator.serving()))
        url, master = f"http://127.0.0.1:{operator.public}/", find_master(operator)
        with (
            watched(master) as staff,
            under_load(url, operator.folder, rate=RATE, script=SCRIPT_OF_HOURS) as load,
            present(operator.public, USERS, IDLE, UPLOADS) as crowd,
        ):
            _release_all(season)
    _tell(season, load, crowd)
    yield from _judge(season, load, crowd)
    yield Figure(
        "NGINX workers replaced",
        staff.replaced,
        0,
        "lower",
        f"of {len(staff.first)}; no release needs a reload",
    )


def _release_all(season: Season) -> None:
    every, due = max(1, DEPLOYS // ROLLBACKS), False
    for number in range(1, DEPLOYS + 1):
        version = f"n{number}"
        if due or number in HELD:
            due = not _hold(season, version)
        else:
            _run(season, "deploy", "app", "--version", version)
        if number % every == 0:
            _run(season, "rollback", "app")


def _run(season: Season, *command: str) -> None:
    done = season.operator.run(*command, "--output", "json")
    assert done.code in (0, 6), done.stderr
    _note(season, done.document)


def _hold(season: Season, version: str) -> bool:
    """Deploy a version, and give its candidate several shares of the users before its promote.

    No command does that yet. So the release is halted once its candidate is healthy, the link is
    moved by the product's own code, and what the release had left is put back before it goes on.
    Returns whether it was halted in time.
    """
    operator = season.operator
    command = ("deploy", "app", "--version", version, "--output", "json")
    with operator.running(*command) as process:
        wait_for(process, "gate")
        process.send_signal(signal.SIGSTOP)
        staged = operator.ask_gateway().lane("app")
        held = staged is not None and staged.candidate is not None
        if staged is not None and held:
            _share(season, version, staged)
        process.send_signal(signal.SIGCONT)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, 6), stderr
    _note(season, json.loads(stdout))
    return held


def _share(season: Season, version: str, staged: Lane) -> None:
    with closing(open_door(season.operator)) as door:
        began = time.time()
        for share in SHARES:
            door.move("app", f"share.{secrets.token_hex(4)}", replace(staged, share=share))
            season.changes += 1
            CLOCK.sleep(SHARE_LASTS)
        door.move("app", f"share.{secrets.token_hex(4)}", staged)
        season.turns.shares.append((began, time.time(), version))


def _note(season: Season, document: Any) -> None:
    witness = document["witness"]
    season.witnessed += witness["sent"]
    season.lost += [f"{document['release']}: {loss}" for loss in witness["losses"]]
    assert len(witness["losses"]) == witness["lost"]
    season.turns.note_release(document["version"], read_events(season.operator, document))


def _tell(season: Season, load: Load, crowd: Crowd) -> None:
    """Say what each lost request was; there ought to be none."""
    if load.failed:
        print(f"  lost: {load.failed} of k6", file=sys.stderr)
    for loss in (*crowd.kept.lost, *crowd.uploads.lost, *season.lost):
        print(f"  lost: {loss}", file=sys.stderr)


def _judge(season: Season, load: Load, crowd: Crowd) -> Iterator[Figure]:
    kept, uploads = crowd.accounts
    yield Figure(
        f"lost: {DEPLOYS} deploys, {ROLLBACKS} rollbacks, {season.changes} shares",
        load.failed + len(season.lost) + len(kept.lost) + len(uploads.lost),
        0,
        "lower",
        f"of k6's {load.sent:,} at {RATE}/s, strict {kept.sent:,}, uploads {uploads.sent:,},"
        f" witness {season.witnessed:,}",
    )
    yield Figure(
        "client connections closed by the gateway",
        kept.closed + uploads.closed,
        0,
        "lower",
        f"of {kept.connections + uploads.connections}, idle {IDLE[0]:g} to {IDLE[1]:g} s",
    )
    answers = [*kept.answers, *uploads.answers]
    strangers = season.turns.count_strangers(answers)
    by_share = Turns(season.turns.promotes).count_strangers(answers) - strangers
    yield Figure(
        "answers of a version that was not promoted",
        strangers,
        0,
        "lower",
        f"of {len(answers):,}, beside {by_share} of a candidate that had a share",
    )
