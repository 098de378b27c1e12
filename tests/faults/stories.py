"""Faults that are no single moment: a version, a config, a client or a clock that behaves badly."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from orchestrator.drill.boundary import parse_boundary
from orchestrator.drill.load import under_load
from tests.e2e.operator import REPOSITORY, Operator
from tests.faults.account import Account, give_account
from tests.faults.clock import MOVED
from tests.faults.site import SERVICE, open_site, somebody
from tests.faults.sockets import Listeners, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.evidence.samples import Sample

Story = Callable[[Operator], Account]
SOCKETS = 200
UPLOAD = 60.0  # seconds


def build_fails(operator: Operator) -> Account:
    """A Dockerfile that ends with an error."""
    with users(operator) as samples, operator.unbuildable():
        done = operator.deploy("v2")
    return give_account(
        "a build that fails",
        f"exit code {done.code}; users kept {operator.serving()}",
        samples,
        {"exit code 1": done.code == 1, "users keep v1": operator.serving() == "v1"},
    )


def nginx_refuses(operator: Operator) -> Account:
    """A template that renders to something that NGINX does not take."""
    tree = operator.folder / "tree"
    for part in ("orchestrator", "templates"):
        shutil.copytree(
            REPOSITORY / part, tree / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    template = tree / "templates" / "nginx.conf.j2"
    template.write_text(template.read_text().replace("daemon off;", "daemon off; nonsense on;"))
    known = operator.environment["PYTHONPATH"]
    with users(operator) as samples:
        operator.environment["PYTHONPATH"] = str(tree)
        try:
            done = operator.deploy("v2")
        finally:
            operator.environment["PYTHONPATH"] = known
    return give_account(
        "`nginx -t` that fails",
        f"exit code {done.code}; users kept {operator.serving()}",
        samples,
        {
            "exit code 1": done.code == 1,
            "NGINX's own words are told": "nonsense" in done.stderr,
            "users keep v1": operator.serving() == "v1",
        },
    )


def falls_ill(operator: Operator) -> Account:
    """A version whose health fails from its first user on; it still answers."""
    with users(operator) as samples:
        done = operator.deploy("shy")
        ill = operator.status()["services"][-1]["active"]
        back = operator.run("rollback", SERVICE)
    return give_account(
        "an app that turns unhealthy right after promote",
        f"exit code {done.code}; `status` shows {ill['healthy']} of {ill['wanted']} healthy;"
        f" `rollback` brought {operator.serving()} back, exit code {back.code}",
        samples,
        {
            "the release ends": done.code == 0,
            "status shows it": ill["healthy"] == 0,
            "rollback works": (back.code, operator.serving()) == (0, "v1"),
        },
    )


def names_are_slow(operator: Operator) -> Account:
    """Two of three questions to the engine's name server get no answer."""
    rule = "OUTPUT -d 127.0.0.11 -m statistic --mode nth --every 3 --packet {} -j DROP"
    pid = operator.engine.inspect_container(f"{operator.name}-gateway")["State"]["Pid"]
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net", "iptables"]
    rules = [rule.format(packet).split() for packet in (0, 1)]
    with users(operator) as samples:
        for each in rules:
            subprocess.run([*enter, "-I", *each], check=True)
        done = operator.deploy("v2")
        for each in rules:
            subprocess.run([*enter, "-D", *each], check=True)
    expected = {0: "v2", 1: "v1"}
    return give_account(
        "a name server that drops two of three questions",
        f"exit code {done.code} after {done.document['seconds']['total']:.0f} s; users have"
        f" {operator.serving()}",
        samples,
        {"users have what it says": operator.serving() == expected.get(done.code)},
    )


def ignores_sigterm(operator: Operator) -> Account:
    """The version that is replaced does not stop when it is asked to."""
    assert operator.deploy("deaf").code == 0
    with users(operator) as samples:
        done = operator.deploy("v2")
    return give_account(
        "an app that ignores SIGTERM",
        f"exit code {done.code}; retired in {done.document['seconds']['retire']:.1f} s, of which 3 s"
        " are its `stop_grace`",
        samples,
        {"exit code 0": done.code == 0, "users have v2": operator.serving() == "v2"},
    )


def sockets_are_open(operator: Operator) -> Account:
    """Many WebSockets, open through the whole release."""
    with users(operator) as samples, Listeners(operator.public, SOCKETS) as listeners:
        done = operator.deploy("v2")
        drained = operator.evidence(done)["drain"]
    with Listeners(operator.public, SOCKETS) as later:
        assert later.closed == 0
    return give_account(
        f"an app with {SOCKETS} open WebSockets",
        f"exit code {done.code}; {listeners.answered:,} echoes; {listeners.closed} were closed at the"
        f" end of the drain, its evidence counts {drained['cut']}; {SOCKETS} new ones reach v2",
        samples,
        {
            "exit code 0": done.code == 0,
            "the drain is bounded": listeners.closed == SOCKETS,
            "they are counted": drained["cut"] > 0,
        },
    )


def upload_is_slow(operator: Operator, seconds: float) -> Account:
    """An upload that began before the release and ends long after its switch."""
    upload = Upload(operator.public, seconds)
    with users(operator) as samples:
        upload.start()
        done = operator.deploy("v2")
        alive = upload.is_alive()
        upload.join(30)
    return give_account(
        f"an upload of {seconds:g} s across the switch",
        f"exit code {done.code}; the upload got {upload.status} from {upload.version}; the drain"
        f" waited {done.document['seconds']['drain']:.0f} s for it",
        samples,
        {
            "exit code 0": done.code == 0,
            "the upload is answered by who was there first": upload.version == "v1",
            "the old version outlived it": not alive,
        },
    )


def shape_changes(operator: Operator) -> Account:
    """stack.yaml has another number of replicas and another route from one release to the next."""
    file = operator.folder / "stack.yaml"
    before = file.read_text()
    stack = yaml.safe_load(before)
    stack["services"][SERVICE]["replicas"] = 3
    stack["services"][SERVICE]["routes"].append({"path": "/new/"})
    try:
        with users(operator) as samples:
            file.write_text(yaml.safe_dump(stack, sort_keys=False))
            more = operator.deploy("v2")
            added = operator.get("/new/")[0]
            file.write_text(before)
            less = operator.deploy("v1")
            gone = operator.get("/new/")[0]
    finally:
        file.write_text(before)
    return give_account(
        "replicas and routes changed in a release",
        f"exit codes {more.code} and {less.code}; the config was changed in"
        f" {more.document['seconds'].get('configure', 0):.2f} s",
        samples,
        {
            "both releases go well": (more.code, less.code) == (0, 0),
            "the config is a step of its own": "configure" in more.document["seconds"],
            "the new route comes and goes": added
            == gone
            == 200,  # the root has it before and after
            "users have v1": operator.serving() == "v1",
        },
    )


def uploads_meet_two_releases(operator: Operator, seconds: float) -> Account:
    """Uploads that are being sent through two releases in a row, of which the second wants their color."""
    uploads = [Upload(operator.public, seconds + number / 2) for number in range(6)]
    with users(operator) as samples:
        for upload in uploads:
            upload.start()
        done = [operator.deploy(version) for version in ("v2", "v3")]
        for upload in uploads:
            upload.join(60)
    told = sorted({f"{upload.status} from {upload.version}" for upload in uploads})
    return give_account(
        f"two releases in a row under uploads of {seconds:g} s",
        f"exit codes {done[0].code} and {done[1].code}; the uploads got {', '.join(told)}",
        samples,
        {
            "both releases go well": [each.code for each in done] == [0, 0],
            "every upload is answered by a version that was promoted by then": {
                upload.version for upload in uploads
            }
            <= {"v1", "v2"},
            "users have v3": operator.serving() == "v3",
        },
    )


def clock_moves(operator: Operator, hours: int) -> Account:
    """The clock of the machine that runs stackctl jumps in the middle of a release."""
    site = replace(open_site(operator), actor="tests.faults.clock")
    moved = site.file.with_name(MOVED)
    boundary = parse_boundary("after gate")
    wanted = "v2" if operator.serving() == "v1" else "v1"
    with (
        users(operator) as samples,
        site.rehearse(boundary, "deploy", SERVICE, wanted) as actor,
    ):
        assert actor.arrive(), actor.finish().err
        moved.write_text(str(hours))
        ended = actor.finish()
    moved.unlink()
    verified = operator.run("evidence", "verify")
    after = operator.deploy("v3")
    operator.deploy("v1")
    return give_account(
        f"the clock moved by {hours:+} h",
        f"exit code {ended.code}; the evidence is {'sound' if verified.code == 0 else 'broken'}; the"
        f" next release, with the clock put right, ends with {after.code}",
        samples,
        {
            "exit code 0": ended.code == 0,
            "the evidence is sound": verified.code == 0,
            "lossless by its own evidence": json.loads(ended.out)["witness"]["lost"] == 0,
            "the next release goes well": after.code == 0,
        },
    )


STORIES: tuple[Story, ...] = (
    build_fails,
    nginx_refuses,
    falls_ill,
    names_are_slow,
    ignores_sigterm,
    sockets_are_open,
    shape_changes,
    lambda operator: uploads_meet_two_releases(operator, 3),
    lambda operator: clock_moves(operator, 1),
    lambda operator: clock_moves(operator, -1),
)


def tell_all(upload: float) -> Iterator[Account]:
    """Yield the accounts of all stories, each from a stack on which users have v1."""
    with somebody() as operator:
        operator.up()
        for story in STORIES:
            if operator.serving() != "v1":
                operator.deploy("v1")
            yield story(operator)
    with somebody(drain_timeout=f"{upload + 15:.0f}s") as operator:
        operator.up()
        yield upload_is_slow(operator, upload)


@contextmanager
def users(operator: Operator) -> Iterator[list[Sample]]:
    """Let users come while the block runs."""
    with under_load(open_site(operator).house, SERVICE) as samples:
        yield samples
