"""Timers of jobs: what is written for systemd and for cron, and what is left alone."""

from __future__ import annotations

import shlex
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.jobs.installation import (
    Place,
    find_caller,
    find_place,
    install,
    list_missing,
    list_own,
    remove,
)
from orchestrator.jobs.listing import list_jobs
from orchestrator.jobs.record import JobRun, add_run
from orchestrator.jobs.renewals import call_renewal, find_renewal
from orchestrator.jobs.timers import Caller, list_tasks, write_crontab, write_units
from tests.fakes.stacks import SHOP, load_shop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.stack.model import Stack

JOBS: dict[str, Any] = {
    "nightly": {"service": "web", "command": ["x"], "schedule": "15 3 * * 1-5"},
    "by-hand": {"service": "web", "command": ["x"]},
}
UNITS = ["stackctl-shop-nightly.service", "stackctl-shop-nightly.timer"]


class Systemd:
    """Notes what it is told, and refuses it where it is `broken`."""

    def __init__(self, *, broken: str = "") -> None:
        self.told: list[str] = []
        self._broken = broken

    def __call__(self, command: Sequence[str]) -> str:
        """Take a command; return why it fails."""
        self.told.append(" ".join(command))
        return self._broken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a name that shells, systemd and cron read in their own ways."""
    folder = tmp_path / "100% $HOME 'a' \"b\""
    folder.mkdir()
    return folder


def load(folder: Path, **jobs: object) -> Stack:
    """Return a stack with jobs."""
    return load_shop(folder, {**SHOP, "jobs": jobs or JOBS})


def call(folder: Path, **environment: str) -> Caller:
    """Return how timers start stackctl."""
    return Caller(("/opt/stackctl",), folder / "stack.yaml", environment)


def units_of(stack: Stack, caller: Caller) -> dict[str, str]:
    """Return the units of a stack's jobs."""
    return write_units(stack.name, list_tasks(stack), caller)


def lines_of(stack: Stack, caller: Caller) -> str:
    """Return the lines for cron of a stack's jobs."""
    return write_crontab(list_tasks(stack), caller)


def test_a_unit_says_where_and_with_what(folder: Path) -> None:
    """Each word as it is, however systemd would read it; a job without a schedule has none."""
    units = units_of(load(folder), call(folder, DOCKER_HOST="unix:///a b"))
    assert sorted(units) == UNITS
    service, timer = (units[name] for name in UNITS)
    written = str(folder).replace("%", "%%").replace('"', '\\"')
    assert f"WorkingDirectory={str(folder).replace('%', '%%')}\n" in service
    assert 'Environment="DOCKER_HOST=unix:///a b"\n' in service
    file = written.replace("$", "$$")
    command = f'"/opt/stackctl" "--file" "{file}/stack.yaml" "run" "--job" "nightly"'
    assert f"ExecStart={command}\n" in service
    assert "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 03:15:00\n" in timer


def test_a_line_of_cron_is_one_of_a_shell(folder: Path) -> None:
    """Cron makes a line break of a percent sign that has no backslash."""
    text = lines_of(load(folder), call(folder, DOCKER_HOST="unix:///a b"))
    begin, line, end = text.splitlines()
    assert (begin.split(": ")[-1], end.split(": ")[-1]) == ("begin", "end")
    assert line.startswith("15 3 * * 1-5 cd ")
    assert "%" not in line.replace(r"\%", "")
    words = shlex.split(line.replace(r"\%", "%"))
    assert words[5:] == [
        *("cd", str(folder), "&&", "DOCKER_HOST=unix:///a b", "/opt/stackctl"),
        *("--file", str(folder / "stack.yaml"), "run", "--job", "nightly"),
    ]


def test_nothing_can_begin_a_line_of_its_own(folder: Path) -> None:
    """Not in a unit, and not in a crontab."""
    caller = call(folder, DOCKER_HOST="x\nExecStartPre=/bin/evil")
    for write in (units_of, lines_of):
        with pytest.raises(ConfigurationError, match="line break"):
            write(load(folder), caller)


def test_what_is_written_is_found_and_removed(tmp_path: Path) -> None:
    """Units of jobs that are no more go with the next one; systemd hears of all."""
    systemd = Systemd()
    place = Place(tmp_path / "units", user=True, ask=systemd)
    stack, caller = load(tmp_path), call(tmp_path)
    assert remove(place, "shop", caller).removed == ()
    assert systemd.told == []

    done = install(place, stack, caller, units_of(stack, caller))
    assert [path.rpartition("/")[2] for path in done.written] == UNITS
    assert systemd.told == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now stackctl-shop-nightly.timer",
    ]
    mode = stat.S_IMODE((place.folder / UNITS[0]).stat().st_mode)
    assert mode & 0o022 == 0

    other = load(tmp_path, weekly=JOBS["nightly"])
    install(place, other, caller, units_of(other, caller))
    assert systemd.told[2] == "systemctl --user disable --now stackctl-shop-nightly.timer"
    assert {path.name for path in place.folder.iterdir()} == {
        name.replace("nightly", "weekly") for name in UNITS
    }
    (place.folder / "stackctl-shop-own.timer").write_text("[Timer]\n")
    removed = remove(place, "shop", caller)
    assert len(removed.removed) == 2
    assert [path.name for path in place.folder.iterdir()] == ["stackctl-shop-own.timer"]


def test_a_file_of_somebody_else_is_never_overwritten(tmp_path: Path) -> None:
    """Written by hand, for another checkout, or a link: nothing is written at all."""
    systemd = Systemd()
    place = Place(tmp_path / "units", user=False, ask=systemd)
    place.folder.mkdir()
    stack, caller = load(tmp_path), call(tmp_path)
    other = tmp_path / "other"
    timer = place.folder / UNITS[1]
    for write, told in (
        (lambda: timer.write_text("[Timer]\n"), "was not written by stackctl"),
        (lambda: timer.write_text(f"{call(other).mark}\n"), "of another stack of this name, at"),
        (lambda: timer.symlink_to("/dev/null"), "was not written by stackctl"),
    ):
        write()
        with pytest.raises(ConfigurationError, match=told):
            install(place, stack, caller, units_of(stack, caller))
        assert remove(place, "shop", caller).removed == ()
        assert [path.name for path in place.folder.iterdir()] == [UNITS[1]]
        timer.unlink()
    assert systemd.told == []


def test_where_systemd_cannot_be_told_somebody_is(tmp_path: Path) -> None:
    """The files are there, and what is to be typed is said."""
    place = Place(tmp_path / "units", user=False, ask=Systemd(broken="no bus"))
    stack, caller = load(tmp_path), call(tmp_path)
    done = install(place, stack, caller, units_of(stack, caller))
    assert done.failed == "`systemctl daemon-reload`: no bus"
    assert done.left[-1] == "systemctl enable --now stackctl-shop-nightly.timer"
    assert len(list_own(place, "shop", caller)) == 2


def test_the_list_has_the_next_time_and_the_last_run(tmp_path: Path) -> None:
    """The next time only where there is a timer."""
    place = Place(tmp_path / "units", user=False, ask=Systemd())
    stack, caller = load(tmp_path), call(tmp_path)
    now = datetime(2026, 11, 29, 9, tzinfo=UTC)
    rows = {
        row["job"]: row["told"]
        for row in list_jobs(stack, place, caller, tmp_path / "reports", {}, now)
    }
    assert (rows["nightly"]["next"], rows["nightly"]["last"]) == ("no timer", "never")
    assert rows["by-hand"]["schedule"] == "by hand"

    install(place, stack, caller, units_of(stack, caller))
    add_run(
        tmp_path / "reports",
        JobRun("nightly", "failed", 3, "too little memory", "2026-11-29T03:15:00"),
    )
    row = list_jobs(stack, place, caller, tmp_path / "reports", {}, now)[0]
    assert row["next"].startswith("2026-11-30T03:15")
    assert row["told"]["last"] == "2026-11-29T03:15:00 failed with 3: too little memory"


def test_a_timer_has_only_what_lasts(tmp_path: Path) -> None:
    """Of the environment where it is written, what names the engine; a secret is only spoken of."""
    web = {**SHOP["services"]["web"], "secrets": ["TOKEN", "KEPT", "MAYBE?"]}
    (tmp_path / ".env").write_text("KEPT=1\n")
    stack = load_shop(tmp_path, {**SHOP, "services": {"web": web}, "jobs": JOBS})
    around = {"TOKEN": "word", "KEPT": "2", "DOCKER_HOST": "ssh://a", "HOME": str(tmp_path)}
    assert list_missing(stack, tmp_path / "stack.yaml", around) == ["TOKEN"]
    caller = find_caller(tmp_path / "stack.yaml", "pytest", "/usr/bin/python3", around)
    assert caller.environment == {"DOCKER_HOST": "ssh://a"}
    assert caller.program == ("/usr/bin/python3", "-m", "orchestrator")
    assert find_place(around, user=True).folder == tmp_path / ".config" / "systemd" / "user"


def test_a_timer_of_certificates_is_none_of_the_jobs(tmp_path: Path) -> None:
    """It runs twice a day, and comes and goes by its own command, whatever the jobs are called."""
    place = Place(tmp_path / "units", user=False, ask=Systemd())
    stack, caller = load(tmp_path, certs=JOBS["nightly"]), call(tmp_path)
    renewing, task = call_renewal(caller), find_renewal("shop")
    units = write_units("shop", [task], renewing)
    install(place, stack, renewing, units)
    install(place, stack, caller, units_of(stack, caller))
    assert sorted(units) == ["stackctl-shop.certs.service", "stackctl-shop.certs.timer"]
    assert len(list_own(place, "shop", caller)) == 2
    assert len(list_own(place, "shop", renewing)) == 2
    assert '"certs" "renew"\n' in units["stackctl-shop.certs.service"]
    assert "`stackctl certs install`" in units["stackctl-shop.certs.timer"]
    first, second = task.schedule.hours
    assert (second - first, len(task.schedule.minutes)) == (12, 1)
    assert find_renewal("other").schedule.written != task.schedule.written
    remove(place, "shop", caller)
    assert {path.name for path in place.folder.iterdir()} == {*units}
    assert len(remove(place, "shop", renewing).removed) == 2
    assert " certs renew\n" in write_crontab([task], renewing)
