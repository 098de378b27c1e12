"""When a job runs: the five fields of cron, as cron and systemd both can be told them.

Times are those of the machine that has the timer.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from orchestrator.stack.forms import FORMS, SCHEDULE

FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
ITEM = re.compile(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?")
LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")  # by the numbers of cron
FARTHEST = 366 * 9  # days: from one 29 February to the next, past a year such as 2100


class Schedule(NamedTuple):
    """The minutes at which something runs."""

    written: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]  # of the month
    months: tuple[int, ...]
    weekdays: tuple[int, ...]  # 0 is Sunday

    def find_next(self, after: datetime) -> datetime | None:
        """Return the first time after another one, both of the machine; None where none comes."""
        for day in range(FARTHEST):
            date = after.date() + timedelta(days=day)
            if (
                date.month not in self.months
                or date.day not in self.days
                or date.isoweekday() % 7 not in self.weekdays
            ):
                continue
            times = (time(hour, minute) for hour in self.hours for minute in self.minutes)
            found = (datetime.combine(date, each, after.tzinfo) for each in times)
            first = next((each for each in found if each > after), None)
            if first is not None:
                return first
        return None

    def to_calendar(self) -> str:
        """Return it as the `OnCalendar` of a systemd timer."""
        days = "" if len(self.weekdays) == len(WEEKDAYS) else f"{self._name_weekdays()} "
        date = f"*-{_list(self.months, 12)}-{_list(self.days, 31)}"
        return f"{days}{date} {_list(self.hours, 24)}:{_list(self.minutes, 60)}:00"

    def _name_weekdays(self) -> str:
        return ",".join(WEEKDAYS[day] for day in self.weekdays)


def parse_schedule(value: object) -> object:
    """Turn `15 3 * * *` into a schedule. Raises ValueError."""
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, str) or not re.fullmatch(SCHEDULE, value):
        raise ValueError(f"expected {FORMS[SCHEDULE]}")
    parts = value.split()
    minutes, hours, days, months, weekdays = (
        _parse_field(part, *field) for part, field in zip(parts, FIELDS, strict=True)
    )
    if "*" not in (parts[2], parts[4]):
        raise ValueError(
            "expected `*` for the day of the month or for the day of the week: of both, cron means either"
            " and systemd both at once"
        )
    if all(days[0] > LONGEST_MONTHS.get(month, 31) for month in months):
        raise ValueError("expected a day that its months have: this one never comes")
    weekdays = tuple(sorted({day % 7 for day in weekdays}))  # 7 is Sunday as well
    return Schedule(" ".join(parts), minutes, hours, days, months, weekdays)


def _parse_field(text: str, name: str, low: int, high: int) -> tuple[int, ...]:
    """Return the numbers that a field means, in their order."""
    found: set[int] = set()
    for item in text.split(","):
        match = ITEM.fullmatch(item)
        first, last, step = match.groups() if match else (None, None, "0")
        begin = int(first) if first else low
        end = int(last) if last else begin if first else high
        alone = first is not None and last is None and step is not None  # `5/10` is no range
        if alone or not low <= begin <= end <= high or not 0 < int(step or 1) <= high:
            raise ValueError(
                f"expected numbers from {low} to {high} for the {name}, as in `*`, `*/{min(high, 15)}`,"
                f" `{low}-{high}` or `{low},{high}`"
            )
        found.update(range(begin, end + 1, int(step or 1)))
    return tuple(sorted(found))


def _list(numbers: tuple[int, ...], every: int) -> str:
    return "*" if len(numbers) == every else ",".join(f"{number:02}" for number in numbers)


_Written = Annotated[str, Field(pattern=SCHEDULE)]
Timing = Annotated[Schedule, BeforeValidator(parse_schedule, json_schema_input_type=_Written)]
