"""How well `stackctl bench` tells a slower version from noise, on the notes service.

It takes half an hour: `python -m benchmarks noise`, not part of `make benchmark`.
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
SCRIPT = "test"  # GET /notes/ by 20 users
DURATION = "3s"
ASSEMBLED = "return RequestContext(app)"
SLOWED = """return RequestContext(Slow(app))


class Slow:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = asyncio.get_running_loop().time()

        async def late(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await asyncio.sleep(SHARE * (asyncio.get_running_loop().time() - started))
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
            assert _bench(operator, "--save-baseline", "v1", "--duration", DURATION) is None
            against = ("--against", "v1")
            yield _count(operator, "same notes called slower, --against", against, TIMES, 0)
            _release(operator, "v2")
            turns = ("--alternate", "notes", "--duration", DURATION)
            yield _count(operator, "same notes called slower, --alternate", turns, TIMES, 0)
            _slow_down(operator, 0.2)
            _release(operator, "v3")
            yield _count(operator, "20 % slower notes missed, --alternate", turns, TIMES, TIMES)
        finally:
            operator.remove_everything()


def _prepare(operator: Operator) -> None:
    operator.write_platform("notes")
    shutil.copytree(REPOSITORY / "k6", operator.folder / "k6")
    shutil.copytree(REPOSITORY / "services" / "notes", operator.folder / "notes")
    path = operator.folder / "stack.yaml"
    stack = yaml.safe_load(path.read_text())
    stack["services"]["notes"]["build"]["context"] = "notes"
    operator.write(stack)


def _slow_down(operator: Operator, share: float) -> None:
    app = operator.folder / "notes" / "notes" / "app.py"
    text = app.read_text()
    assert ASSEMBLED in text
    app.write_text(text.replace(ASSEMBLED, SLOWED.replace("SHARE", str(share))))


def _release(operator: Operator, version: str) -> None:
    done = operator.run("deploy", "notes", "--version", version)
    assert done.code == 0, done.stderr


def _count(operator: Operator, name: str, how: tuple[str, ...], times: int, slower: int) -> Figure:
    found = [_bench(operator, *how) for _ in range(times)]
    told = ", ".join(
        f"{verdict} {found.count(verdict)}" for verdict in sorted(set(map(str, found)))
    )
    wrong = abs(found.count("slower") - slower)
    return Figure(name, wrong, 1, "lower", f"of {times}: {told}")


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
