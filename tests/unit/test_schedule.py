"""When jobs run: cron's five fields, told to systemd, and the next time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.stack.schedule import Schedule, parse_schedule
from tests.fakes.stacks import SHOP, load_shop

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 29, 9, 14, 30, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("written", "calendar", "then"),
    [
        ("* * * * *", "*-*-* *:*:00", "2026-11-29 09:15"),
        ("14 9 * * *", "*-*-* 09:14:00", "2026-11-30 09:14"),
        ("*/15 * * * *", "*-*-* *:00,15,30,45:00", "2026-11-29 09:15"),
        ("0 9-14/2 * * 1-3", "Mon,Tue,Wed *-*-* 09,11,13:00:00", "2026-11-30 09:00"),
        ("0 0 29 2 *", "*-02-29 00:00:00", "2028-02-29 00:00"),
        ("30  4 1,15 * *", "*-*-01,15 04:30:00", "2026-12-01 04:30"),
        ("0 6 * * 0,7", "Sun *-*-* 06:00:00", "2026-12-06 06:00"),
        ("59 23 31 12 *", "*-12-31 23:59:00", "2026-12-31 23:59"),
    ],
)
def test_cron_and_systemd_mean_the_same(written: str, calendar: str, then: str) -> None:
    """As `systemd-analyze calendar` reads it, and the next time that it names."""
    found = parse_schedule(written)
    assert isinstance(found, Schedule)
    assert found.to_calendar() == calendar
    assert found.find_next(NOW) == datetime.fromisoformat(f"{then}+00:00")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("@daily", "expected five fields of cron such as `15 3 * * *`"),
        ("15 3 * *", "expected five fields"),
        ("15 3 * * mon", "expected five fields"),
        (3, "expected five fields"),
        ("60 * * * *", "expected numbers from 0 to 59 for the minute"),
        ("0 24 * * *", "expected numbers from 0 to 23 for the hour"),
        ("0 0 0 * *", "expected numbers from 1 to 31 for the day of the month"),
        ("0 0 * 1-13 *", "expected numbers from 1 to 12 for the month"),
        ("5/10 * * * *", "for the minute, as in `*`, `*/15`, `0-59` or `0,59`"),
        ("*/0 * * * *", "for the minute"),
        ("9-5 * * * *", "for the minute"),
        ("1,,2 * * * *", "for the minute"),
        ("0 0 31 4,6 *", "this one never comes"),
        ("0 0 1 * 1", "cron means either and systemd both at once"),
    ],
)
def test_what_one_of_them_would_read_otherwise_is_refused(
    tmp_path: Path, written: object, told: str
) -> None:
    """In one line, at its place."""
    job = {"service": "web", "command": ["x"], "schedule": written}
    with pytest.raises(ConfigurationError) as refused:
        load_shop(tmp_path, {**SHOP, "jobs": {"nightly": job}})
    _, line = refused.value.message.split("\n")
    assert line.startswith("  jobs.nightly.schedule: ")
    assert told in line


def test_a_job_runs_in_a_service_of_the_stack(tmp_path: Path) -> None:
    """An accessory is none; it has no versions."""
    job = {"service": "db", "command": ["x"]}
    with pytest.raises(ConfigurationError, match="no service `db` in the stack; there is web"):
        load_shop(tmp_path, {**SHOP, "jobs": {"nightly": job}})
