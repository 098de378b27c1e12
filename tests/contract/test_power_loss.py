"""What is on the disk of a machine that loses power right after the link was moved."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.gateway.pointer import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="to mount a disk takes root"),
]
BLUE, GREEN = Lane(Target("blue", "v1", 1, "r1")), Lane(Target("green", "v2", 1, "r2"))


@contextmanager
def mounted(disk: Path, at: Path) -> Iterator[Path]:
    """Mount the file of a disk."""
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", disk, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def move(folder: Path, *lanes: Lane) -> None:
    """Move the link of `app` as the gateway's process does."""
    lines = [f"move app r.{lane.green} {lane.green} {lane.to_json()}\n" for lane in lanes]
    told = subprocess.run(
        ["sh", "-c", SHELL, folder],
        input="".join(lines),
        text=True,
        capture_output=True,
        check=True,
    )
    assert told.stdout.split() == ["done"] * len(lanes)


def test_a_switch_that_was_told_outlives_a_power_cut(tmp_path: Path) -> None:
    """Whole: the link leads to the new lane, and that can be read. What is copied is the disk."""
    disk, cut = tmp_path / "disk", tmp_path / "cut"
    with disk.open("wb") as file:
        file.truncate(32 * 1024**2)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    with mounted(disk, tmp_path / "before") as folder:
        move(folder, BLUE)
        os.sync()
        move(folder, GREEN)
        shutil.copyfile(disk, cut)  # the page cache is not in it
        assert parse_lane((folder / "live" / "app" / "lane.json").read_text()) == GREEN
    with mounted(cut, tmp_path / "after") as folder:
        assert parse_lane((folder / "live" / "app" / "lane.json").read_text()) == GREEN
        assert len(list((folder / "live" / "app" / "share").iterdir())) == 100
