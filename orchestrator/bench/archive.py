"""`reports/bench/`: load tests, baselines, and the newest report of each script."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

from orchestrator.bench.document import SCHEMA
from orchestrator.bench.shape import fits_baseline, fits_previous
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.files import find_free
from orchestrator.reports import (
    PRIVATE,
    PUBLIC,
    PUBLIC_FOLDER,
    list_folders,
    make_folder,
    read_own,
    replace_own,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HEADING = "## Architecture adjustments"
BEGIN = "<!-- adjustments: what stands between these two lines is kept -->"
END = "<!-- adjustments: end -->"
COLUMNS = ("requests", "rate", "failed", "p50_ms", "p95_ms")


class Archive:
    """The reports beside one stack.yaml, or where else they are kept."""

    def __init__(self, folder: Path, reports: Path | None = None) -> None:
        self._reports = reports or folder / "reports"
        self._benches = self._reports / "bench"

    def open(self, script: str, now: datetime) -> Path:
        """Make the folder of a load test before there is any load. Raises StackctlError."""
        folder = find_free(self._benches, f"{now:%Y%m%d-%H%M%S}-{script}")
        try:
            make_folder(folder)
        except OSError as error:
            raise StackctlError(
                f"no report can be written to `reports/bench`: {error.strerror}",
                "make room or mend the rights",
            ) from error
        return folder

    def find_previous(self, script: str, bench: str) -> dict[str, Any] | None:
        """Return the newest load test with a script that came to its end before this one."""
        for folder in reversed(list_folders(self._benches)):
            if not "0" <= folder.name < bench:
                continue
            found = _read(folder / "bench.json")
            if (
                found is not None
                and fits_previous(found)
                and found["script"].get("name") == script
                and found.get("outcome") == "completed"
            ):
                return found
        return None

    def read_baseline(self, script: str, name: str) -> dict[str, Any]:
        """Return a baseline. Raises ConfigurationError."""
        found = _read(self._place_baseline(script, name))
        if found is None:
            known = sorted(path.stem for path in self._list_baselines(script))
            told = ", ".join(f"`{each}`" for each in known) or "none"
            raise ConfigurationError(
                f"there is no baseline `{name}` of `{script}`",
                f"there is: {told}; make one with `stackctl bench {script} --save-baseline {name}`",
            )
        if not fits_baseline(found):
            raise ConfigurationError(
                f"the baseline `{name}` of `{script}` is none: a field is missing or of another kind",
                f"make it anew: `stackctl bench {script} --save-baseline {name}`",
            )
        return found

    def save_baseline(self, script: str, name: str, baseline: Mapping[str, Any]) -> None:
        """Write a baseline over what had its name. Raises StackctlError."""
        path = self._place_baseline(script, name)
        try:
            make_folder(path.parent, PUBLIC_FOLDER, there=True)
        except OSError as error:
            raise _to_error(path, error) from error
        write_whole(path, to_json(baseline), PUBLIC)

    def read_adjustments(self, script: str) -> str | None:
        """Return what a person wrote into the newest report; None where there is none."""
        try:
            return find_adjustments(read_own(self._place_newest(script)).decode())
        except (OSError, ValueError):
            return None

    def write_newest(self, script: str, page: str) -> None:
        """Write the newest report of a script. Raises StackctlError."""
        write_whole(self._place_newest(script), page, PUBLIC)

    def _place_newest(self, script: str) -> Path:
        return self._reports / ("k6-report.md" if script == "test" else f"k6-{script}-report.md")

    def _list_baselines(self, script: str) -> Iterator[Path]:
        return (self._benches / "baselines" / script).glob(
            "*.json"
        )  # their names are all that is read

    def _place_baseline(self, script: str, name: str) -> Path:
        return self._benches / "baselines" / script / f"{check_name(name)}.json"


def check_name(name: str) -> str:
    """Return the name of a baseline. Raises ConfigurationError."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"`{name}` is no name for a baseline",
            "letters, digits, `.`, `_` and `-`, at most 64, the first a letter or a digit",
        )
    return name


def find_adjustments(page: str) -> str | None:
    """Return what stands between the markers, else under the heading, of a report."""
    if BEGIN in page and END in page.partition(BEGIN)[2]:
        return page.partition(BEGIN)[2].rpartition(END)[0].strip("\n")
    lines = page.splitlines()
    if HEADING not in lines:
        return None
    rest = lines[lines.index(HEADING) + 1 :]
    kept = [line for line in rest if line not in (BEGIN, END)]
    return "\n".join(kept).strip("\n")


def write_samples(path: Path, series: Mapping[str, Any]) -> None:
    """Write the points, in buckets of a second or more, as CSV. Raises StackctlError."""
    rows = [",".join(("second", "lane", *COLUMNS))]
    for lane, columns in series["versions"].items():
        for number in range(series["buckets"]):
            values = ["" if (v := columns[name][number]) is None else v for name in COLUMNS]
            rows.append(",".join(str(v) for v in (number * series["seconds"], lane, *values)))
    write_whole(path, gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0))


def write_summaries(folder: Path, summaries: Sequence[Mapping[str, Any]]) -> None:
    """Write k6's own summaries, one a run. Raises StackctlError."""
    for number, summary in enumerate(summaries, start=1):
        name = "summary.json" if number == 1 else f"summary-{number}.json"
        write_whole(folder / name, to_json(summary))


def write_whole(path: Path, content: str | bytes, mode: int = PRIVATE) -> None:
    """Replace a file below `reports/` in one step. Raises StackctlError."""
    try:
        # Half of a surrogate pair, which no file can hold, becomes an escape: JSON's own, too.
        raw = content.encode(errors="backslashreplace") if isinstance(content, str) else content
        replace_own(path, raw, mode)
    except OSError as error:
        raise _to_error(path, error) from error


def _to_error(path: Path, error: OSError) -> StackctlError:
    return StackctlError(
        f"`{path.parent.name}/{path.name}` cannot be written: {error.strerror}",
        "make room; what was measured is printed, and what fitted was kept",
    )


def to_json(facts: Mapping[str, Any]) -> str:
    """Return facts as people like to read JSON, a list of numbers on one line."""
    text = json.dumps(facts, indent=1, ensure_ascii=False, default=str)
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda match: " ".join(match[0].split()), text) + "\n"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None
