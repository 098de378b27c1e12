"""Backups on a real engine: before a migration, by hand, and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.operator import EVERY_BYTE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Operator

DUMP = "echo noise >&2; test -e /data/rows || echo empty; cat /data/rows; test ! -e /data/broken"


LATE = "trap '' TERM; echo half of it; sleep 600 | cat"


def dumps(operator: Operator) -> list[Path]:
    """Return the backups that there are, the newest last."""
    return sorted((operator.folder / "backups" / "db").iterdir())


def test_a_database_is_kept_before_it_is_migrated(operator: Operator) -> None:
    """Byte by byte; where it cannot be, nothing is migrated, and users keep what they have."""
    operator.write_stack({"needs": ["db"], "migrate": ["true"]})
    database = {
        "image": "${IMAGE_PREFIX:-}python:3.13-slim",
        "command": ["sleep", "infinity"],
        "init": True,
        "volumes": ["rows:/data"],
        "backup": {"command": ["sh", "-c", DUMP], "keep": 2},
    }
    operator.write({**operator.read(), "accessories": {"db": database}})
    operator.up()
    assert [path.read_text() for path in dumps(operator)] == ["empty\n"]

    restore = ("exec", "--no-tty", "db", "--", "sh", "-c", "cat >/data/rows")
    assert operator.pipe(*restore, given=EVERY_BYTE).returncode == 0
    released = operator.deploy("v2")
    assert released.code == 0
    kept = dumps(operator)
    assert kept[-1].read_bytes() == EVERY_BYTE
    (named,) = operator.evidence(released)["backups"]
    assert operator.folder / named["file"] == kept[-1]
    assert (named["accessory"], named["size"]) == ("db", len(EVERY_BYTE))

    assert operator.run("exec", "db", "--", "touch", "/data/broken").code == 0
    failed = operator.deploy("v3")
    assert (failed.code, failed.document["error"]["message"]) == (
        1,
        "the backup of `db` ended with exit code 1",
    )
    assert operator.serving() == "v2"
    assert dumps(operator) == kept
    by_hand = operator.run("backup", "db")
    assert (by_hand.code, "noise" in by_hand.stderr) == (1, True)

    assert operator.run("exec", "db", "--", "rm", "/data/broken").code == 0
    by_hand = operator.run("backup")
    assert (by_hand.code, by_hand.stdout) == (0, f"wrote {dumps(operator)[-1]}\n")
    assert len(dumps(operator)) == 2
    assert dumps(operator)[-1].read_bytes() == EVERY_BYTE


def test_a_backup_whose_time_is_up_leaves_nothing(operator: Operator) -> None:
    """No half file, and nobody at work in the container, however stubborn and many they are."""
    operator.write_stack()
    database = {
        "image": "${IMAGE_PREFIX:-}python:3.13-slim",
        "command": ["tail", "-f", "/dev/null"],
        "init": True,
        "stop_grace": "1s",
        "backup": {"command": ["sh", "-c", LATE], "deadline": "2s"},
    }
    operator.write({**operator.read(), "accessories": {"db": database}})
    operator.up()
    late = operator.run("backup", "db", "--output", "json")
    assert (late.code, late.document["error"]["message"]) == (
        1,
        "the backup of `db` did not end within 2 s",
    )
    assert dumps(operator) == []
    left = str(operator.engine.top(f"{operator.name}-db"))
    assert ("tail" in left, "sleep" in left, "cat" in left) == (True, False, False)
