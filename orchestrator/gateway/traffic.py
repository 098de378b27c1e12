"""What the gateway's access log says of real traffic: pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple


class Traffic(NamedTuple):
    """Answers of a service's versions to real clients, by version and status class."""

    requests: int
    failed: int  # answered with 5xx
    versions: dict[str, dict[str, int]]  # version -> {"2xx": …}

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return self._asdict()


def count_traffic(log: str, service: str) -> Traffic:
    """Count the requests of one service in the access log; lines of others are passed over.

    Requests of the witness do not count: it reports for itself.
    """
    answers: Counter[tuple[str, str]] = Counter()
    for line in log.split("\n"):  # not splitlines: a path may hold U+2028
        entry = _parse(line)
        if entry is None or entry.get("witness"):
            continue
        target, status = str(entry.get("target", "")), str(entry.get("status", ""))
        if target.rpartition("_")[0] == service and status.isdecimal():
            answers[str(entry.get("version", "")), f"{status[0]}xx"] += 1
    versions: dict[str, dict[str, int]] = {}
    for (version, status), number in sorted(answers.items()):
        versions.setdefault(version, {})[status] = number
    failed = sum(number for (_, status), number in answers.items() if status == "5xx")
    return Traffic(answers.total(), failed, versions)


def _parse(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
