"""`make prove`: switch one safeguard off at a time, and see the suite go red.

A test that stays green without the thing it tests is no test. Each safeguard is taken out of a copy
of the tree; the named tests must pass on the untouched copy and fail on the changed one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Safeguard:
    """Something that a promise depends on, and how to switch it off."""

    name: str
    file: str
    text: str  # occurs exactly once in the file
    instead: str
    tests: tuple[str, ...]


SAFEGUARDS = (
    Safeguard(
        "keepalive_min_timeout: a reload closes no socket that may still be used",
        "templates/nginx.conf.j2",
        "    keepalive_min_timeout {{ gateway.kept | ms }};\n",
        "",
        ("tests/e2e/test_release.py::test_an_idle_connection_survives_the_reloads",),
    ),
    Safeguard(
        "the wait for old workers: the old version outlives those who still know it",
        "orchestrator/gateway/apply.py",
        "not self.workers().leaving and not self._open_to(addresses, port)",
        "not self._open_to(addresses, port)",
        ("tests/e2e/test_release.py::test_the_old_version_outlives_its_last_idle_client",),
    ),
    Safeguard(
        "the confirm: a reload counts once it is proven to be in effect",
        "orchestrator/gateway/apply.py",
        "            if self._admin.serving() != identity:\n                return None\n",
        "            return self.workers().accepting\n",
        (
            "tests/unit/test_failures.py::test_a_reload_that_nginx_ignores_is_noticed_and_undone",
            "tests/contract/test_gateway_contract.py",
        ),
    ),
    Safeguard(
        "the gate: users get a version only after it has proven itself",
        "orchestrator/health.py",
        "                if min(streaks.values()) >= self._health.successes:\n",
        "                if attempt:\n",
        (
            "tests/e2e/test_failure.py::test_a_bad_candidate_is_removed_and_the_active_version_serves",
        ),
    ),
    Safeguard(
        "the second choice: a request that reached nobody is sent to another replica",
        "templates/location.conf.j2",
        "            error_page 502 504 = @{{ item.again }};\n",
        "",
        ("tests/e2e/test_gateway.py::test_one_dead_replica_of_two_costs_no_request",),
    ),
    Safeguard(
        "the admission: the admin listener answers the host and no container",
        "templates/nginx.conf.j2",
        "        default 1;\n        include {{ admitted }};\n",
        "        default 0;\n",
        ("tests/e2e/test_boundaries.py::test_no_container_gets_an_answer_of_the_admin_listener",),
    ),
    Safeguard(
        "the outdated worker: it answers nothing from the cache once another config is current",
        "templates/nginx.conf.j2",
        "            set $stackctl_outdated 1;\n",
        "",
        ("tests/e2e/test_gateway.py::test_no_old_answer_comes_from_the_cache_after_the_switch",),
    ),
    Safeguard(
        "the lease: of those who come at once, one changes things",
        "orchestrator/engine/lease.py",
        "                name=spec.name,\n",
        "",
        (
            "tests/contract/test_lock_contract.py::test_only_one_holds_the_lock",
            "tests/e2e/test_failure.py::test_two_releases_at_once_are_one_release",
        ),
    ),
    Safeguard(
        "the lost lease: whoever has lost the lock changes nothing more",
        "orchestrator/release/lock.py",
        "    if not lease.held:\n",
        "    if False:\n",
        ("tests/unit/test_recovery.py::test_a_lost_lock_changes_nothing_more",),
    ),
    Safeguard(
        "the recovery: what a dead release has left is put right before anything new begins",
        "orchestrator/release/repair.py",
        "        _carry_out(house, snapshot, snapshot.gateway, recovery, lease)\n",
        "        pass\n",
        (
            "tests/unit/test_recovery.py::test_a_release_that_dies_is_put_right_by_the_next_command",
            "tests/unit/test_recovery.py::test_a_first_release_that_dies_leaves_nothing",
        ),
    ),
    Safeguard(
        "the drain bound: an old worker lives no longer than `drain_timeout`",
        "templates/nginx.conf.j2",
        "worker_shutdown_timeout {{ gateway.drain_timeout | ms }};\n",
        "",
        ("tests/e2e/test_drain.py::test_a_client_that_never_hangs_up_is_cut",),
    ),
)


def main() -> int:
    """Prove every safeguard; 0 only where each one's absence was noticed."""
    wanted = sys.argv[1:]
    unproven = []
    for safeguard in SAFEGUARDS:
        if wanted and not any(word in safeguard.name for word in wanted):
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            copy = copy_tree(Path(folder))
            green, before = run(copy, safeguard.tests)
            switch_off(copy, safeguard)
            still_green, after = run(copy, safeguard.tests)
        proven = green and not still_green
        print(f"{'proven' if proven else 'NOT PROVEN':<10}  {safeguard.name}")
        print(f"            with it: {before}")
        print(f"            without: {after}  ({time.monotonic() - started:.0f} s)", flush=True)
        if not proven:
            unproven.append(safeguard.name)
    return 1 if unproven else 0


def copy_tree(folder: Path) -> Path:
    """Copy what git knows of the tree, and the settings that the set-up wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for name in (*names, ".env"):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def switch_off(copy: Path, safeguard: Safeguard) -> None:
    """Take a safeguard out of the copy."""
    file = copy / safeguard.file
    text = file.read_text()
    if text.count(safeguard.text) != 1:
        sys.exit(f"prove: `{safeguard.file}` no longer holds the text of: {safeguard.name}")
    file.write_text(text.replace(safeguard.text, safeguard.instead))


def run(copy: Path, tests: tuple[str, ...]) -> tuple[bool, str]:
    """Run tests in the copy; return whether they passed, and pytest's last line."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):  # neither passed nor failed: nothing was tested
        sys.exit(f"prove: pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0, done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
