"""How well `stackctl bench --against` tells a slower version from noise.

It takes ten minutes: `python -m benchmarks noise`, not part of `make benchmark`.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from tests.e2e.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = 10
DURATION = "4s"
WAIT = 'wishes.get("seconds", 0)'
SCRIPT = """
import http from 'k6/http';
export const options = {
  vus: 4, duration: __ENV.DURATION, thresholds: { http_req_failed: ['rate==0'] },
};
export default function () { http.get(`${__ENV.BASE_URL}/?seconds=SECONDS`); }
"""
WAITING, BUSY = "0.1", "0"  # what a request waits for: a clock, or the processors


def measure(loads: tuple[str, ...] = (WAITING, BUSY)) -> Iterator[Figure]:
    """Yield how often the same version is called slower, and one that waits 20 % longer is not."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            operator.write_stack()
            operator.up()
            for seconds in loads:
                yield _repeat(operator, seconds)
            if WAITING in loads:
                yield _slow_down(operator)
        finally:
            operator.remove_everything()


def _repeat(operator: Operator, seconds: str) -> Figure:
    (operator.folder / "k6").mkdir(exist_ok=True)
    script = operator.folder / "k6" / f"wait-{seconds}.js"
    script.write_text(SCRIPT.replace("SECONDS", seconds))
    saved = operator.run("bench", script.stem, "--save-baseline", "v1", "--duration", DURATION)
    assert saved.code == 0, saved.stderr
    found = [_compare(operator, seconds) for _ in range(TIMES)]
    how = ", ".join(f"{name} {found.count(name)}" for name in sorted(set(found)))
    name = f"same version called slower, waiting {seconds} s"
    return Figure(name, found.count("slower"), 1, "lower", f"of {TIMES}: {how}")


def _slow_down(operator: Operator) -> Figure:
    server = operator.folder / "app" / "server.py"
    text = server.read_text()
    assert WAIT in text
    server.write_text(text.replace(f"float({WAIT})", f"1.2 * float({WAIT})"))
    assert operator.deploy("v2").code == 0
    found = [_compare(operator, WAITING) for _ in range(2)]
    missed = len(found) - found.count("slower")
    return Figure("20 % slower version missed, of 2", missed, 0, "lower", ", ".join(found))


def _compare(operator: Operator, seconds: str) -> str:
    done = operator.run("bench", f"wait-{seconds}", "--against", "v1", "--output", "json")
    assert done.code in (0, 6), done.stderr
    comparison = done.document["comparison"]
    assert (done.code == 6) == (comparison["verdict"] == "slower")
    told = ", ".join(f"{each['figure']} {each['change']:+.1%}" for each in comparison["figures"])
    print(f"  {comparison['verdict']}: {told}", flush=True)
    return str(comparison["verdict"])
