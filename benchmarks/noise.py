"""How well `stackctl bench` tells a slower version from noise, on the notes service.

It takes an hour on a machine that does nothing else: `python -m benchmarks noise`, not part of
`make benchmark`.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.figure import Figure
from tests.e2e.operator import REPOSITORY, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = 10
SCRIPT = "lists"
# Pages of a hundred notes, past the gateway's cache: it would answer nearly all of them by itself.
# With pauses of uneven length, so that users neither queue nor march in step.
LISTS = """import http from 'k6/http';
import { sleep } from 'k6';
import { base, load } from './load.js';
import { signUp } from './users.js';

export const options = {
  scenarios: { lists: load({ vus: 4, duration: '3s' }) },
  thresholds: { http_req_failed: ['rate<0.01'] },
};
const uncached = { headers: { 'Cache-Control': 'no-cache' } };
const list = () => http.get(`${base}/notes/?limit=100`, uncached);

export function setup() {
  const missing = 100 - list().json('notes').length;
  const headers = missing > 0 ? signUp() : {};
  for (let number = 0; number < missing; number += 1) {
    const note = JSON.stringify({ title: `note ${number}`, body: 'a word '.repeat(30) });
    http.post(`${base}/notes/`, note, { headers });
  }
}

export default function () {
  list();
  sleep(0.05 + Math.random() * 0.05);
}
"""
ASSEMBLED = "return RequestContext(app)"
# Each answer begins later by a share of the time that it took. The event loop's own clock and its
# timers count whole milliseconds, of which an answer takes few: so this looks at another clock.
SLOWED = """return RequestContext(Slow(app))


class Slow:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from time import perf_counter

        started = perf_counter()

        async def late(message: Any) -> None:
            if message["type"] == "http.response.start":
                now = perf_counter()
                while perf_counter() < now + SHARE * (now - started):
                    await asyncio.sleep(0)
            await send(message)

        await self.app(scope, receive, late if scope["type"] == "http" else send)
"""


def measure() -> Iterator[Figure]:
    """Yield how often the same notes are called slower, and how often 20 % slower ones are not."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            _prepare(operator)
            operator.up()
            assert _bench(operator) is None  # makes the notes
            assert _bench(operator, "--save-baseline", "v1") is None
            against = ("--against", "v1")
            turns = ("--alternate", "notes")
            yield _count(operator, "same notes called slower, --against", against, expected=False)
            _release(operator, "v2")
            yield _count(operator, "same notes called slower, --alternate", turns, expected=False)
            _slow_down(operator, 0.2)
            _release(operator, "v3")
            yield _count(operator, "20 % slower notes missed, --alternate", turns, expected=True)
            _slow_down(operator, 1.0)
            _release(operator, "v4")
            yield _count(
                operator, "notes of twice the time missed, --against", against, expected=True
            )
        finally:
            operator.remove_everything()


def _prepare(operator: Operator) -> None:
    operator.write_platform("notes", "auth")  # without auth nobody could write a note
    shutil.copytree(REPOSITORY / "k6", operator.folder / "k6")
    (operator.folder / "k6" / f"{SCRIPT}.js").write_text(LISTS)
    shutil.copytree(REPOSITORY / "services" / "notes", operator.folder / "notes")
    path = operator.folder / "stack.yaml"
    stack = yaml.safe_load(path.read_text())
    stack["services"]["notes"]["build"]["context"] = "notes"
    operator.write(stack)


def _slow_down(operator: Operator, share: float) -> None:
    place = Path("notes", "app.py")
    text = (REPOSITORY / "services" / "notes" / place).read_text()
    assert ASSEMBLED in text
    (operator.folder / "notes" / place).write_text(
        text.replace(ASSEMBLED, SLOWED.replace("SHARE", str(share)))
    )


def _release(operator: Operator, version: str) -> None:
    done = operator.run("deploy", "notes", "--version", version)
    assert done.code == 0, done.stderr


def _count(operator: Operator, name: str, how: tuple[str, ...], *, expected: bool) -> Figure:
    found = [_bench(operator, *how) for _ in range(TIMES)]
    told = ", ".join(
        f"{verdict} {found.count(verdict)}" for verdict in sorted(set(map(str, found)))
    )
    slower = found.count("slower")
    wrong = TIMES - slower if expected else slower
    return Figure(name, wrong, 1, "lower", f"of {TIMES}: {told}")


def _bench(operator: Operator, *options: str) -> str | None:
    """Return the verdict of a load test; None where it is held against nothing."""
    done = operator.run("bench", SCRIPT, *options, "--output", "json")
    assert done.code in (0, 6), done.stderr
    comparison: dict[str, Any] | None = done.document["comparison"]
    if comparison is None:
        return None
    told = ", ".join(
        f"{each['figure']} {each['baseline']:g} -> {each['now']:g} ({each['change']:+.1%})"
        for each in comparison["figures"]
    )
    print(f"  {comparison['verdict']}: {told}", flush=True)
    return str(comparison["verdict"])
