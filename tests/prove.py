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


AFAR = "tests/contract/test_afar.py"
GUESTS = "tests/contract/test_gateway_guests.py"


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
        "names have owners: nothing is changed where another stack has one that is needed",
        "orchestrator/release/ownership.py",
        "        raise Conflict(foreign[0].told, foreign[0].hint)\n",
        "        return found\n",
        ("tests/unit/test_ownership.py::test_an_up_leaves_a_volume_of_another_stack_alone",),
    ),
    Safeguard(
        "data outlive their container: volumes without a name are not removed with it",
        "orchestrator/engine/docker.py",
        "force=True, v=data)",
        "force=True, v=True)",
        ("tests/contract/test_image_contract.py::test_data_of_an_image_outlive_its_container",),
    ),
    Safeguard(
        "assets are with the gateway before the switch: a page of the new version may ask the old one",
        "orchestrator/release/steps.py",
        "        store_assets(run, made, found[0])\n",
        "",
        (
            "tests/unit/test_assets.py::test_the_candidates_files_are_there_before_the_switch",
            "tests/e2e/test_assets.py::test_an_open_page_finds_its_files_after_a_release",
        ),
    ),
    Safeguard(
        "assets of other versions take the place of nothing that the client's own version has",
        "orchestrator/gateway/edition.py",
        "path not in (own.files if own else ())",
        "path",
        (
            "tests/unit/test_assets.py::test_the_latest_of_two_files_of_a_name_is_found",
            "tests/e2e/test_assets.py::test_an_open_page_finds_its_files_after_a_release",
        ),
    ),
    Safeguard(
        "an error quotes no build argument, whoever wrote it into what a builder says",
        "orchestrator/engine/images.py",
        "ImageError(redaction.apply(error.message), hint)",
        "ImageError(error.message, hint)",
        ("tests/contract/test_builders.py::test_an_error_quotes_no_argument",),
    ),
    Safeguard(
        "the witness is no user: no limit counts whoever has the release's token",
        "templates/location.conf.j2",
        '                set $stackctl_counted "";\n',
        "",
        (
            "tests/e2e/test_release.py::test_the_witness_takes_nothing_from_users_of_a_limited_route",
        ),
    ),
    Safeguard(
        "the way back: what is kept is set aside until the candidate was promoted",
        "orchestrator/release/candidate.py",
        "        engine.rename(replica.container.id, naming.aside_name(replica.name))\n",
        "        engine.remove(replica.container.id)\n",
        ("tests/properties/test_kept.py::test_a_release_that_fails_leaves_the_way_back",),
    ),
    Safeguard(
        "the drain is a counter: the old version stays until everybody who had decided for it is answered",
        "orchestrator/gateway/apply.py",
        "quiet = self._poll(is_quiet, QUIET_EVERY, within)\n",
        "quiet = True\n",
        (
            "tests/unit/test_rollout.py::test_the_previous_version_waits_for_its_last_answer",
            "tests/e2e/test_release.py::test_a_late_upload_is_answered_by_the_version_that_it_had_decided_for",
        ),
    ),
    Safeguard(
        "the counter counts: a request is seen from its decision on, its body still on the way",
        "templates/location.conf.j2",
        "            limit_conn stackctl_lanes 65535;\n",
        "",
        (
            "tests/e2e/test_release.py::test_a_late_upload_is_answered_by_the_version_that_it_had_decided_for",
        ),
    ),
    Safeguard(
        "the guard of addresses: no candidate starts where a late request would find it",
        "orchestrator/release/waiting.py",
        "    quiet = switch.await_quiet(made.candidate.color, made.config.table, made.drain_timeout)\n"
        "    if quiet.cut:\n",
        "    if switch is None:\n",
        (
            "tests/unit/test_rollout.py::test_a_candidate_waits_for_late_requests_to_its_color",
            "tests/e2e/test_release.py::test_an_upload_that_outlives_its_version_is_never_the_candidates",
        ),
    ),
    Safeguard(
        "the second choice: a request that reached nobody is sent to the color of now",
        "templates/location.conf.j2",
        "            error_page 502 504 = @{{ item.again }};\n",
        "",
        (
            "tests/e2e/test_gateway.py::test_one_dead_replica_of_two_costs_no_request",
            "tests/e2e/test_release.py::test_an_upload_that_outlives_its_version_is_never_the_candidates",
        ),
    ),
    Safeguard(
        "the second choice has no memory: replicas that are back are asked at once",
        "templates/nginx.conf.j2",
        "        server {{ server }} max_fails=0;\n",
        "        server {{ server }} max_fails=1 fail_timeout=5s;\n",
        ("tests/e2e/test_gateway.py::test_replicas_that_are_back_are_asked_at_once",),
    ),
    Safeguard(
        "nodelay: no request waits where the counter does not see it",
        "templates/location.conf.j2",
        " burst={{ limit.burst }} nodelay{% endif %};\n",
        " burst={{ limit.burst }}{% endif %};\n",
        ("tests/e2e/test_gateway.py::test_a_burst_is_answered_at_once",),
    ),
    Safeguard(
        "the sync: a switch that was told outlives a power cut",
        "orchestrator/gateway/pointer.py",
        'settle() { sync -f "$1" 2>/dev/null || sync; }\n',
        "settle() { :; }\n",
        ("tests/contract/test_power_loss.py",),
    ),
    Safeguard(
        "the preview: every replica answers through the upstream that users will take",
        "orchestrator/release/steps.py",
        "        prove_preview(house, made)\n",
        "",
        (
            "tests/unit/test_failures.py::test_a_candidate_that_nginx_cannot_reach_gets_no_user",
            "tests/unit/test_failures.py::test_a_candidate_that_dies_after_the_gate_gets_no_user",
        ),
    ),
    Safeguard(
        "the lane is read through the link: a move is believed once NGINX finds it",
        "orchestrator/gateway/apply.py",
        "            if self._admin.lane(service) != lane:\n                return None\n",
        "",
        ("tests/unit/test_failures.py::test_a_move_that_was_only_said_to_be_made_is_noticed",),
    ),
    Safeguard(
        "the public door: a switch counts once users' own way leads to the new color",
        "orchestrator/gateway/apply.py",
        "            return door() in (wanted, None) or None\n",
        "            return True\n",
        (
            "tests/unit/test_failures.py::test_a_link_that_users_do_not_follow_is_noticed_and_moved_back",
        ),
    ),
    Safeguard(
        "a color has a mark only where all users get it: nobody goes past a pause",
        "orchestrator/gateway/pointer.py",
        '    pause*) : >"$1/paused" ;;\n',
        '    pause*) : >"$1/paused" && : >"$1/blue" && : >"$1/green" ;;\n',
        (
            "tests/contract/test_pointer_contract.py::test_a_color_that_all_get_has_a_file_of_its_name",
            "tests/e2e/test_pause.py",
        ),
    ),
    Safeguard(
        "the witness goes the way that users go: what it sees is what they get",
        "templates/location.conf.j2",
        "            if (-f {{ live }}/{{ item.service }}/{{ color }}{{ way }}) {\n",
        "            if (-f {{ live }}/{{ item.service }}/{{ color }}$http_x_stackctl_witness) {\n",
        ("tests/contract/test_gateway_contract.py::test_the_witness_goes_the_way_that_users_go",),
    ),
    Safeguard(
        "no lane, no traffic: a service whose link is lost gives nobody a color by default",
        "templates/location.conf.j2",
        "            if (!-e {{ live }}/{{ item.service }}/lane.json) {\n",
        "            if (!-e {{ live }}) {\n",
        ("tests/contract/test_gateway_contract.py::test_a_service_without_a_lane_serves_nobody",),
    ),
    Safeguard(
        "what users get is persistent: the engine brings it back after a kill",
        "orchestrator/release/candidate.py",
        "    in_parallel(lambda container: engine.persist(container.id), containers)\n",
        "",
        (
            "tests/unit/test_rollout.py::test_what_users_get_comes_back_with_the_engine_and_nothing_else_does",
        ),
    ),
    Safeguard(
        "what is kept is not persistent: the engine brings no retired version back",
        "orchestrator/release/candidate.py",
        "        engine.unpersist(replica.container.id)  # or it would come back with the engine\n",
        "",
        (
            "tests/unit/test_rollout.py::test_what_users_get_comes_back_with_the_engine_and_nothing_else_does",
        ),
    ),
    Safeguard(
        "the cache's emptying: a color that comes back answers with its own version's words",
        "orchestrator/release/steps.py",
        "            candidate.switch.gateway.empty_cache(naming.upstream_name(made.order.service, color))\n",
        "            pass\n",
        ("tests/e2e/test_gateway.py::test_the_cache_never_answers_with_another_versions_words",),
    ),
    Safeguard(
        "the config's confirm: a reload counts once it is proven to be in effect",
        "orchestrator/gateway/apply.py",
        "            left = serves() and not self.workers().accepting & frozenset(outdated)\n",
        "            left = True\n",
        (
            "tests/unit/test_failures.py::test_a_reload_that_nginx_ignores_is_noticed_and_taken_back",
        ),
    ),
    Safeguard(
        "the wait for old workers: none that does not know where the candidate is serves users of it",
        "orchestrator/release/steps.py",
        "            await_old_workers(run, candidate.switch)\n",
        "            pass\n",
        (
            "tests/unit/test_failures.py::test_old_workers_that_do_not_know_the_candidate_are_waited_for",
        ),
    ),
    Safeguard(
        "keepalive_min_timeout: a change of the config closes no socket that may still be used",
        "templates/nginx.conf.j2",
        "    keepalive_min_timeout {{ gateway.kept | ms }};\n",
        "",
        ("tests/e2e/test_release.py::test_an_idle_connection_survives_a_change_of_the_config",),
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
        "the admission: the admin listener answers the host and no container",
        "templates/nginx.conf.j2",
        "        default 1;\n        127.0.0.1 0;\n        include {{ admitted }};\n",
        "        default 0;\n",
        ("tests/e2e/test_boundaries.py::test_no_container_gets_an_answer_of_the_admin_listener",),
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
        ("tests/properties/test_recovery.py::test_a_lost_lock_changes_nothing_more",),
    ),
    Safeguard(
        "the recovery: what a dead release has left is put right before anything new begins",
        "orchestrator/release/recovery.py",
        "        _carry_out(house, snapshot, snapshot.gateway, found, lease)\n",
        "        pass\n",
        (
            "tests/properties/test_recovery.py::test_a_release_that_dies_is_put_right_by_the_next_command",
            "tests/properties/test_recovery.py::test_a_first_release_that_dies_leaves_nothing",
        ),
    ),
    Safeguard(
        "the drain bound: a client that never lets go holds up no release for ever",
        "orchestrator/release/steps.py",
        "            drained = promoted.switch.await_quiet(color, table, made.drain_timeout)\n",
        "            drained = promoted.switch.await_quiet(color, table, 90.0)\n",
        (
            "tests/unit/test_rollout.py::test_connections_that_outlive_the_drain_are_cut_with_a_warning",
        ),
    ),
    Safeguard(
        "a service that must be alone is closed while one version gives way to the next one",
        "orchestrator/release/plan.py",
        "        return self.gives_way and not self.service.is_worker\n",
        "        return False\n",
        ("tests/unit/test_recreate.py::test_a_new_version_starts_once_the_old_one_has_ended",),
    ),
    Safeguard(
        "it is closed in all workers of NGINX: those of a config before have left",
        "orchestrator/release/closure.py",
        "    await_old_workers(run, switch)  #",
        "    #",
        (
            "tests/unit/test_recreate.py::test_workers_of_a_config_before_have_left_before_it_is_closed",
        ),
    ),
    Safeguard(
        "it is not opened before the version that comes back answers",
        "orchestrator/release/undo.py",
        "        await_answers(switch.house, plan.halted, switch.emit)\n",
        "",
        ("tests/unit/test_recreate.py::test_a_version_that_is_no_good_gives_way_to_the_old_one",),
    ),
    Safeguard(
        "only what the gateway has refused on purpose is not lost: an app's own 503 is",
        "orchestrator/evidence/samples.py",
        "and sample.served == CLOSED\n",
        "\n",
        ("tests/unit/test_turned_away.py::test_all_that_is_not_plainly_that_is_lost",),
    ),
    Safeguard(
        "through the engine's connection too, a request is lost where NGINX hangs up",
        "orchestrator/gateway/passage.py",
        "        return code in ABANDONED\n",
        "        return True\n",
        (f"{AFAR}::test_a_request_is_lost_by_nginx_only",),
    ),
    Safeguard(
        "a gateway that says nothing is no engine that says nothing",
        "orchestrator/gateway/passage.py",
        "            answered.set()\n",
        "",
        (f"{AFAR}::test_nginx_that_says_nothing_is_told_from_an_engine_that_does_so",),
    ),
    Safeguard(
        "a request that was not seen is lost where the gateway's log has a wrong answer",
        "orchestrator/evidence/unseen.py",
        "    if trace.status in right:\n",
        "    if trace.status:\n",
        ("tests/unit/test_unseen.py::test_the_gateways_log_decides_where_it_knows",),
    ),
    Safeguard(
        "a password for the gateway is none of the service's business: it never gets it",
        "templates/forwarded.conf.j2",
        '        1 "";\n',
        "",
        (f"{GUESTS}::test_a_password_lets_in",),
    ),
    Safeguard(
        "a route whose passwords are not there is shut",
        "orchestrator/gateway/locations.py",
        "                auth=auth,\n",
        "                auth=auth if auth and supplies.has_users(auth) else None,\n",
        (f"{GUESTS}::test_without_its_list_a_route_is_shut",),
    ),
    Safeguard(
        "who keeps a password keeps a connection: a list stays while a worker may read it",
        "orchestrator/gateway/store.py",
        "grep -qs 'is shuttin[g] down' /proc/[0-9]*/cmdline && exit\n",
        "",
        (f"{GUESTS}::test_a_list_stays_while_a_worker_may_read_it",),
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
