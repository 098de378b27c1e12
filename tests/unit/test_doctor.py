"""`stackctl doctor`: from facts to findings, and what it says where there is nothing to look at."""

from __future__ import annotations

import io
import json
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rich.console import Console

from orchestrator.dashboard import draw_findings
from orchestrator.doctor import engine, files, ports, registries, room
from orchestrator.doctor.demand import ADMIN, LISTEN, Demand, Door, find_demand
from orchestrator.doctor.examination import examine
from orchestrator.doctor.files import Kept, Rights
from orchestrator.doctor.finding import Finding, Verdict, approve, doubt, fault, find_worst, warn
from orchestrator.doctor.gathering import Late, gather
from orchestrator.doctor.listeners import find_listeners
from orchestrator.doctor.ports import Holder, Listener
from orchestrator.doctor.view import Files, Key, Leads, View, find_missing
from orchestrator.engine.buildkit import Builder, Cli
from orchestrator.engine.credentials import find_missing_helpers
from orchestrator.engine.endpoint import Endpoint
from orchestrator.engine.survey import Survey
from orchestrator.engine.values import Container
from orchestrator.errors import ConfigurationError, EngineError, StackctlError
from orchestrator.gateway.container import OLDEST_NGINX
from orchestrator.stack import naming
from orchestrator.stack.quantities import Address
from orchestrator.stack.sharing import warn_of_shared
from tests.fakes.clock import FakeClock
from tests.fakes.command_line import Run
from tests.fakes.stacks import SHOP, load_shop, shop_with

if TYPE_CHECKING:
    from orchestrator.stack.model import Stack

OK, UNKNOWN, WARNING, FAULT = Verdict
GIB = 1024**3
SOCKET = "unix:///var/run/docker.sock"
SURVEY = Survey(
    version="20.10.24",
    api="1.41",
    system="Debian",
    root="/var/lib/docker",
    memory=8 * GIB,
    cpus=2,
    host="172.17.0.1",
    ahead=0.0,
    doubt=0.1,
    proxy="",
    containers=(),
    images={"nginx:1.30": "1.30.0", "mongo:8": ""},
)
DEMAND = Demand(
    gateway="nginx:1.30",
    images={},
    doors={},
    memory=2 * GIB,
    peak=3 * GIB,
    cpus={"services.web": 1.0, "gateway": 2.0},
    variables=frozenset(),
    builds=True,
    needs_buildkit=False,
)
DOOR = Address("0.0.0.0", 8080)
DATABASE = Door("publish", "db", "accessories.db.publish.0")
CLASSIC = Builder("the engine's classic builder: there is no Docker CLI on PATH")
MODERN = Builder("BuildKit of docker buildx v0.12.1", Cli("28.2.2", "v0.12.1"))


def own(mode: int = 0o100600, **more: bool) -> Rights:
    """Return the rights of something of ours."""
    return Rights(mode, 0, mine=more.get("mine", True), folder=stat.S_ISDIR(mode))


FOLDER = own(0o040755)
ENGINE = [
    (engine.judge_engine(SOCKET, "", SURVEY), OK, "Docker 20.10.24 (API 1.41) at unix", ""),
    (engine.judge_engine("tcp://a", "DOCKER_HOST", SURVEY), OK, "which DOCKER_HOST names", ""),
    (
        engine.judge_engine(SOCKET, "", replace(SURVEY, version="19.03.1")),
        WARNING,
        "is older than 20.10",
        "install Docker 20.10",
    ),
    (
        engine.judge_engine(SOCKET, "", EngineError("none answers", "start it")),
        FAULT,
        "none",
        "start",
    ),
    (engine.judge_engine(SOCKET, "", Late("no answer")), FAULT, SOCKET, "`docker info`"),
    (engine.judge_place(SOCKET, here=True), OK, "on this machine", ""),
    (
        engine.judge_place("tcp://a", here=False),
        FAULT,
        "tcp://a",
        "run stackctl on the engine's machine",
    ),
    (
        engine.judge_place("ssh://a", here=False, away=True),
        OK,
        "its connection leads to the gateway",
        "",
    ),
    (engine.judge_place(SOCKET, here=None), UNKNOWN, "cannot be told", ""),
    (engine.judge_builder(MODERN, DEMAND), OK, "buildx v0.12.1", ""),
    (engine.judge_builder(MODERN, None), OK, "buildx v0.12.1", ""),
    (engine.judge_builder(CLASSIC, DEMAND), WARNING, "no `RUN --mount`", "install BuildKit"),
    (engine.judge_builder(CLASSIC, None), WARNING, "no `RUN --mount`", "install BuildKit"),
    (
        engine.judge_builder(CLASSIC, replace(DEMAND, needs_buildkit=True)),
        FAULT,
        "`secrets` and `ssh` need BuildKit",
        "install BuildKit",
    ),
    (engine.judge_builder(Late("no answer"), DEMAND), UNKNOWN, "no answer", ""),
    (engine.judge_clock(0.0, 0.1), OK, "agree", ""),
    (engine.judge_clock(-2.4, 0.5), OK, "agree", ""),
    (engine.judge_clock(-2.6, 0.5), WARNING, "2.6 s behind", "NTP"),
    (engine.judge_clock(70.0, 0.1), WARNING, "70.0 s ahead of", "NTP"),
]
ROOM = [
    (room.judge_memory(DEMAND, 3 * GIB), OK, "2.0 GiB, 3.0 GiB while", ""),
    (room.judge_memory(DEMAND, 3 * GIB - 1), WARNING, "the engine has 3.0 GiB", "lower `resources"),
    (room.judge_memory(DEMAND, 0), UNKNOWN, "does not say", ""),
    (room.judge_cpus(DEMAND, 2), OK, "the 2 of", ""),
    (room.judge_cpus(DEMAND, 1), FAULT, "gateway 2", "to 1 or less"),
    (room.judge_cpus(DEMAND, 0), UNKNOWN, "does not say", ""),
    (room.judge_disk("disk", "/", 3 * GIB), OK, "3.0 GiB free in /", ""),
    (room.judge_disk("disk", "/", GIB), WARNING, "only 1.0 GiB free", "make room"),
    (room.judge_disk("disk", "/", 1024**2), FAULT, "only 1 MiB free", "make room"),
    (room.judge_disk("disk", "/", None), UNKNOWN, "cannot be seen", ""),
]
PORTS = [
    (ports.judge_door(LISTEN, DOOR, None, has=True, seen=True), OK, "8080 is free", ""),
    (ports.judge_door(LISTEN, DOOR, None, has=True, seen=False), UNKNOWN, "who listens", ""),
    (ports.judge_door(LISTEN, DOOR, None, has=False, seen=True), FAULT, "0.0.0.0", "give it"),
    (
        ports.judge_door(LISTEN, DOOR, Holder("container `a`", ours=True), has=True, seen=True),
        OK,
        "this stack's gateway",
        "",
    ),
    (
        ports.judge_door(LISTEN, DOOR, Holder("`nginx` (process 7)"), has=True, seen=False),
        FAULT,
        "taken by `nginx` (process 7)",
        "stop that, or choose another `gateway.listen`",
    ),
    (
        ports.judge_door(DATABASE, DOOR, Holder("`mongod` (process 7)"), has=True, seen=True),
        FAULT,
        "taken by `mongod` (process 7)",
        "stop that, or choose another `accessories.db.publish.0`",
    ),
    (
        ports.judge_door(DATABASE, DOOR, Holder("container `a`", ours=True), has=True, seen=True),
        OK,
        "held by this stack's `db`",
        "",
    ),
]
IMAGES = [
    (registries.judge_images({}, {}, here=True), OK, "has all", ""),
    (registries.judge_images({"a:1": "hub"}, {"hub": True}, here=True), OK, "fetched: `a:1`", ""),
    (registries.judge_images({"a:1": "10.0.0.1"}, {}, here=True), OK, "fetched: `a:1`", ""),
    (
        registries.judge_images({"a:1": "hub"}, {"hub": False}, here=True),
        FAULT,
        "no name server knows `hub`",
        "mend this machine's DNS",
    ),
    (
        registries.judge_images({"a:1": "hub"}, {"hub": None}, here=None),
        FAULT,
        "in time where they are: `hub`",
        "mend this machine's DNS",
    ),
    (registries.judge_images({"a:1": "hub"}, {"hub": False}, here=False), OK, "fetched", ""),
    (registries.judge_logins({}), OK, "is installed", ""),
    (
        registries.judge_logins(
            {"docker-credential-desktop": (), "docker-credential-x": ("r.io",)}
        ),
        WARNING,
        "`docker-credential-desktop`, for all registries; `docker-credential-x`, for `r.io`",
        "install them, or take them out",
    ),
    (registries.judge_nginx("n:1", "1.29.8"), OK, "is NGINX 1.29.8", ""),
    (registries.judge_nginx("n:1", "1.29.7"), FAULT, "needs 1.29.8 or later", "`gateway.image`"),
    (registries.judge_nginx("n:1", "1.30"), OK, "is NGINX 1.30", ""),
    (registries.judge_nginx("n:1", ""), UNKNOWN, "does not tell its version", ""),
    (registries.judge_nginx("n:1", None), UNKNOWN, "is not on the engine yet", ""),
]
FILES = [
    (files.judge_python((3, 11, 2), "1.0"), OK, "Python 3.11.2, stackctl 1.0", ""),
    (files.judge_python((3, 10, 9), "1.0"), FAULT, "Python 3.10.9", "install Python 3.11"),
    (
        files.judge_stack("s", ConfigurationError("2 faults", "mend"), absent=False),
        FAULT,
        "2 faults",
        "mend",
    ),
    (files.judge_stack("s", ConfigurationError("no"), absent=True), WARNING, "no", "validate"),
    (files.judge_stack("s", Late("no answer"), absent=False), FAULT, "`s` no answer", "plain file"),
    (files.judge_variables({"A", "B"}, {"A", "B", "C"}), OK, "every variable is set, of 2", ""),
    (
        files.judge_variables({"A", "B"}, {"A"}),
        FAULT,
        "`B` not set, of 2 variables",
        "`.env`",
    ),
    (files.judge_env(None, Kept.OPEN), OK, "there is none", ""),
    (files.judge_env(own(0o040755), Kept.OPEN), OK, "there is none", ""),
    (files.judge_env(own(), Kept.IGNORED), OK, "0600", ""),
    (files.judge_env(own(), Kept.NOWHERE), OK, "0600", ""),
    (files.judge_env(own(), Kept.OPEN), WARNING, "Git does not ignore it", "add `.env`"),
    (files.judge_env(own(), Kept.TRACKED), FAULT, "in version control", "git rm --cached"),
    (files.judge_env(own(0o100640), Kept.IGNORED), WARNING, "0640", "chmod 600"),
    (files.judge_env(own(0o100604), Kept.IGNORED), WARNING, "0604", "chmod 600"),
    (files.judge_env(own(0o100602), Kept.IGNORED), FAULT, "anybody may write", "chmod 600"),
    (files.judge_env(own(mine=False), Kept.IGNORED), WARNING, "user 0", "`chown`"),
    (files.judge_reports(FOLDER, FOLDER, None), OK, "`reports/`", ""),
    (files.judge_reports(None, FOLDER, None), OK, "the folder of stack.yaml", ""),
    (files.judge_reports(None, None, None), FAULT, "does not exist", "`--file`"),
    (files.judge_reports(own(), FOLDER, None), FAULT, "is no folder", "move it away"),
    (files.judge_reports(own(0o040777), FOLDER, None), WARNING, "anybody may change", "chmod o-w"),
    (
        files.judge_reports(FOLDER._replace(writable=False, owner=7), FOLDER, None),
        FAULT,
        "user 7",
        "`chown`",
    ),
    (files.judge_reports(FOLDER, FOLDER, StackctlError("is a link", "no")), FAULT, "a link", "no"),
    (files.judge_reports(FOLDER, FOLDER, None, Path("/kept")), OK, "to `/kept`", ""),
    (
        files.judge_reports(own(), FOLDER, None, Path("/kept")),
        FAULT,
        "`/kept` is no",
        "move it away",
    ),
    (files.judge_reports(None, FOLDER, None, Path("/kept")), OK, "the first release makes it", ""),
    (files.judge_key(None, None, given=False), OK, "not signed", ""),
    (files.judge_key(None, None, given=True), OK, "sealed and signed", ""),
    (files.judge_key(None, own(), given=True), OK, "sealed and signed", ""),
    (files.judge_key(None, own(0o100644), given=True), WARNING, "0644", "chmod 600"),
    (files.judge_key(StackctlError("unread", "name"), None, given=False), FAULT, "unread", "name"),
]


@pytest.mark.parametrize(
    ("finding", "verdict", "text", "mend"), [*ENGINE, *ROOM, *PORTS, *IMAGES, *FILES]
)
def test_a_fact_leads_to_its_finding(
    finding: Finding, verdict: Verdict, text: str, mend: str
) -> None:
    """Each check has its verdict, its words, and a mend where something is to be done."""
    assert (finding.verdict, text in finding.text) == (verdict, True), finding
    assert mend in finding.mend, finding
    assert bool(finding.mend) == (verdict in (WARNING, FAULT))


def test_what_is_not_asked_for_is_not_told() -> None:
    """Nobody builds, or no secret is wanted: there is nothing to be said."""
    assert engine.judge_builder(CLASSIC, replace(DEMAND, builds=False)) is None
    assert files.judge_variables(set(), {"A"}) is None


def test_the_gravest_verdict_counts() -> None:
    """A fault goes before a warning, that one before what is not known."""
    found = [approve("a", ""), doubt("b", ""), warn("c", "", "m"), fault("d", "", "m")]
    assert [find_worst(found[:count]) for count in range(5)] == [OK, OK, UNKNOWN, WARNING, FAULT]


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("nginx:1.30", "registry-1.docker.io"),
        ("example/notes:v1", "registry-1.docker.io"),
        ("docker.io/library/nginx", "registry-1.docker.io"),
        ("ghcr.io/a/b:1", "ghcr.io"),
        ("localhost/nginx", "localhost"),
        ("registry:5000/a", "registry"),
        ("10.0.0.7:5000/a@sha256:1", "10.0.0.7"),
    ],
)
def test_an_image_comes_from_a_registry(reference: str, host: str) -> None:
    """The host is told from the reference as Docker tells it."""
    assert registries.find_registry(reference) == host
    assert registries.needs_lookup(host) == (host not in ("localhost", "10.0.0.7"))


def test_a_proxy_is_asked_in_a_registrys_place() -> None:
    """Then only its name has to be known; it is told without an account."""
    found = find_missing(replace(SURVEY, proxy="http://me:word@proxy:3128", images={}), NEEDY)
    assert {*found.values()} == {"proxy"}
    assert {*find_missing(SURVEY, NEEDY).values()} == {"registry-1.docker.io"}
    assert registries.find_proxy("http://[::1") == ""


NEEDY = replace(DEMAND, images={"nginx:1.30": "gateway", "redis:8": "accessories.cache"})


def test_a_door_is_held_by_whoever_meets_it() -> None:
    """A container before the process that publishes its port; IPv6 at all addresses, and no other port."""
    gateway = container("shop-gateway", "shop", "gateway", DOOR)
    listeners = (Listener("0.0.0.0", 8080, "`docker-proxy` (process 7)"),)
    assert ports.find_holder(DOOR, ("shop", "gateway"), (gateway,), listeners) == Holder(
        "container `shop-gateway` of stack `shop`", ours=True
    )
    other = ports.find_holder(DOOR, ("other", "gateway"), (gateway,), ())
    assert other == Holder("container `shop-gateway` of stack `shop`")
    database = container("shop-db", "shop", "accessory", DOOR, service="db")
    for part, ours in (("db", True), ("gateway", False)):
        held_by = ports.find_holder(DOOR, ("shop", part), (database,), ())
        assert held_by is not None
        assert held_by.ours == ours
    inner = Address("127.0.0.1", 8080)
    for host, address, held in (
        ("::", DOOR, True),
        ("::1", inner, False),
        ("127.0.0.1", DOOR, True),
        ("127.0.0.2", inner, False),
        ("0.0.0.0", inner, True),
        ("0.0.0.0", Address("127.0.0.1", 8081), False),
    ):
        found = ports.find_holder(address, ("shop", "gateway"), (), (Listener(host, 8080),))
        assert (found is not None) == held, (host, address)


def container(name: str, stack: str, role: str, door: Address, service: str = "") -> Container:
    """Return a container that runs and publishes a port."""
    labels = {naming.STACK: stack, naming.ROLE: role, naming.SERVICE: service}
    return Container("id", name, "image", "running", labels, doors={8080: door})


def test_a_process_that_listens_is_named(tmp_path: Path) -> None:
    """By the inode of its socket; one whose descriptors cannot be read has no name."""
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode"
    row = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1"
    (tmp_path / "net").mkdir()
    rows = [
        row.format("00000000:1F90", "0A", 11),
        row.format("0100007F:1F91", "0A", 12),
        row.format("0100007F:1F92", "0A", 13),
        row.format("0100007F:1F90", "01", 14),
    ]
    (tmp_path / "net/tcp").write_text("\n".join([head, *rows]))
    (tmp_path / "7/fd").mkdir(parents=True)
    (tmp_path / "7/fd/3").symlink_to("socket:[11]")
    (tmp_path / "7/comm").write_bytes(b"ngi\xffnx\n")
    (tmp_path / "8").mkdir()
    assert find_listeners({8080, 8081}, tmp_path) == (
        Listener("0.0.0.0", 8080, "`ngi\ufffdnx` (process 7)"),
        Listener("127.0.0.1", 8081),
    )
    assert find_listeners({8080}, tmp_path / "8") is None


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (None, {}),
        ("{", {}),
        ("[]", {}),
        ({"credsStore": "here"}, {}),
        ({"credsStore": "gone"}, {"docker-credential-gone": ()}),
        ({"credHelpers": {"r.io": "gone", "s.io": "here"}}, {"docker-credential-gone": ("r.io",)}),
        ({"credHelpers": ["gone"]}, {}),
    ],
)
def test_a_helper_that_is_not_installed_is_found(
    tmp_path: Path, config: object, missing: dict[str, tuple[str, ...]]
) -> None:
    """Without asking any of them; a config that is none names none."""
    (tmp_path / "docker-credential-here").touch(mode=0o755)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text)
    assert find_missing_helpers(tmp_path, {"PATH": str(tmp_path)}) == missing


def test_what_a_stack_demands(tmp_path: Path) -> None:
    """Both colors where both run, the largest service once more for a release, and each image once."""
    document = shop_with("services.web.replicas", 2)
    document["services"]["web"] |= {"secrets": ["KEY", "NAME:OTHER"]}
    document["services"]["web"]["build"]["secrets"] = ["id:TOKEN"]
    document["accessories"]["db"] |= {
        "secrets": ["KEY", "WORD"],
        "publish": ["127.0.0.1:27018:27017"],
    }
    document["services"]["api"] = {"image": "api:{version}", "port": 1, "keep": "running"}
    found = find_demand(load_shop(tmp_path, document))
    half = GIB // 2
    assert found.memory == (2 + 2 + 1 + 1) * half
    assert found.peak == found.memory + 2 * half
    assert found.images == {
        "nginx:1.30": "gateway",
        "mongo:8": "accessories.db",
        "api:v1": "services.api",
    }
    assert found.variables == {"KEY", "OTHER", "TOKEN", "WORD"}
    assert (found.builds, found.needs_buildkit) == (True, True)
    inner = Address("127.0.0.1", 8081)
    assert found.doors == {LISTEN: DOOR, ADMIN: inner, DATABASE: Address("127.0.0.1", 27018)}


def test_questions_are_waited_for_no_longer_than_all_may_take() -> None:
    """Who answers is heard, an error is an answer, and who is silent is late."""
    silent = threading.Event()

    def fail() -> None:
        raise EngineError("no")

    try:
        asked = {"a": lambda: 1, "b": fail, "c": silent.wait}
        first = gather({"a": asked["a"], "b": asked["b"]}, FakeClock(), 60.0)
        assert first["a"] == 1
        assert first["b"].message == "no"
        assert isinstance(gather({"c": asked["c"]}, FakeClock(), 0.0)["c"], Late)
    finally:
        silent.set()


def test_a_bug_in_a_question_is_told_as_one() -> None:
    """It does not look like a fault of the machine."""

    def stumble() -> None:
        raise LookupError("bug")

    with pytest.raises(LookupError, match="bug"):
        gather({"a": stumble}, FakeClock(), 60.0)


def view(stack: Stack | StackctlError, **more: object) -> View:
    """Return what is seen where all is well."""
    seen = View(
        file=Path("stack.yaml"),
        absent=False,
        stack=stack,
        variables={},
        withheld=(),
        key=Key(given=False),
        files=Files(FOLDER, own(), Kept.IGNORED, FOLDER, None, 9 * GIB),
        helpers={},
        endpoint=Endpoint(SOCKET),
        survey=SURVEY,
        leads=Leads(
            here=True,
            builder=MODERN,
            room=9 * GIB,
            known={},
            nginx="",
            listeners=(),
            own={"0.0.0.0": True, "127.0.0.1": True},
        ),
    )
    return replace(seen, **more)  # type: ignore[arg-type]


def test_all_is_well(tmp_path: Path) -> None:
    """Each check is there once, in its order."""
    found = examine(view(load_shop(tmp_path)))
    assert [one.check for one in found] == [
        *("python", "stack", "volumes", ".env", "reports", "disk", "key"),
        *("engine", "place", "builder", "clock", "engine disk"),
        *("memory", "cpus", "listen", "admin", "images", "nginx", "logins"),
    ]
    assert {one.verdict for one in found} == {OK}


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ({"volumes": ["data:/data"]}, WARNING),
        ({"volumes": ["data:/data:ro"]}, OK),
        ({"volumes": ["data:/data:shared"]}, OK),
        ({"volumes": ["data:/data"], "strategy": "recreate"}, OK),
    ],
)
def test_a_volume_that_two_versions_write_to_is_warned_of(
    tmp_path: Path, keys: dict[str, Any], verdict: Verdict
) -> None:
    """Unless stack.yaml says that this is meant, or has only one of them run."""
    web = {**SHOP["services"]["web"], **keys}
    stack = load_shop(tmp_path, {**SHOP, "services": {"web": web}})
    found = {one.check: one for one in examine(view(stack))}["volumes"]
    assert (found.verdict, "web `data:/data`" in found.text) == (verdict, verdict is WARNING)
    assert bool(list(warn_of_shared("services.web", stack.services["web"]))) == bool(found.mend)


def test_each_check_is_documented(tmp_path: Path) -> None:
    """docs/doctor.md says of each what makes it a fault or a warning."""
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    checks = {one.check for one in examine(view(load_shop(tmp_path)))} | {"secrets"}
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert {check for check in checks if f"`{check}`" not in rows} == set()


def test_without_a_stack_only_what_needs_none_is_looked_at() -> None:
    """The engine, the machine and the folder."""
    found = examine(view(ConfigurationError("does not exist", "write one"), absent=True))
    assert [one.check for one in found] == [
        *("python", "stack", ".env", "reports", "disk", "key"),
        *("engine", "place", "builder", "clock", "engine disk", "logins"),
    ]
    assert [one.check for one in found if one.verdict is not OK] == ["stack"]
    assert find_worst(found) is WARNING


def test_without_an_engine_the_rest_is_looked_at(tmp_path: Path) -> None:
    """That none answers is one fault, and not one for each thing that it would be asked."""
    for more in (
        {"survey": EngineError("none answers", "start it"), "leads": None},
        {
            "endpoint": EngineError("no such context", "name one"),
            "survey": Late("x"),
            "leads": None,
        },
    ):
        found = examine(view(load_shop(tmp_path), **more))
        assert [one.check for one in found if one.verdict is FAULT] == ["engine"]
        assert {"place", "memory", "listen"} & {one.check for one in found} == set()


def test_an_engine_elsewhere_is_a_fault_and_its_doors_are_not_known(tmp_path: Path) -> None:
    """Who listens on this machine says nothing of the engine's."""
    leads = view(load_shop(tmp_path)).leads
    assert leads is not None
    away = replace(leads, here=False, room=None, listeners=(Listener("0.0.0.0", 8080, "me"),))
    found = {one.check: one.verdict for one in examine(view(load_shop(tmp_path), leads=away))}
    assert found["place"] is FAULT
    assert {found[each] for each in ("listen", "admin", "engine disk")} == {UNKNOWN}


def test_no_value_of_a_variable_is_told(tmp_path: Path) -> None:
    """Whatever stack.yaml has from a variable stands there by its name."""
    stack = load_shop(tmp_path, shop_with("gateway.image", "secret.example/nginx:1.30"))
    found = examine(view(stack, withheld=(("REGISTRY", "secret.example"),)))
    told = " ".join(f"{one.text} {one.mend}" for one in found)
    assert "secret.example" not in told
    assert "${REGISTRY}/nginx:1.30" in told


def test_the_oldest_nginx_has_three_numbers() -> None:
    """As the official image tells its version."""
    assert len(OLDEST_NGINX) == 3


def test_the_command_ends_with_1_where_there_is_a_fault(tmp_path: Path) -> None:
    """In words and as one document; it needs no stack.yaml, and writes nothing."""
    nowhere = find_nowhere(tmp_path)
    run = Run(tmp_path, "doctor", "--output", "json", **nowhere)
    assert (run.code, run.err, run.document["verdict"]) == (1, "", "fault")
    faults = [one for one in run.document["findings"] if one["verdict"] == "fault"]
    assert [one["check"] for one in faults] == ["engine"]
    assert faults[0]["mend"] == "start it, or name another in DOCKER_HOST"

    run = Run(tmp_path, "doctor", **nowhere)
    lines = run.out.splitlines()
    assert run.code == 1
    assert any(line.startswith("fault    engine") for line in lines)
    assert any(line.strip().startswith("mend: start it") for line in lines)
    assert lines[-1].endswith("1 warning, 1 fault")
    assert [line for line in lines if line != line.rstrip()] == []
    assert [*tmp_path.iterdir()] == []


def test_a_bad_stack_is_a_fault_among_others(tmp_path: Path) -> None:
    """All its faults are told, and the rest is looked at."""
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(SHOP | {"a": 1, "b": 2}))
    found = look(tmp_path)
    assert "a: unknown key" in found["stack"]["text"]
    assert "b: unknown key" in found["stack"]["text"]
    assert found["stack"]["verdict"] == found["engine"]["verdict"] == "fault"
    assert look(tmp_path, "-f", "no.yaml")["stack"]["verdict"] == "fault"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_too_long_goes_on_below_its_beginning(width: int) -> None:
    """No line is longer than the terminal is wide, or ends with spaces; controls are shown."""
    words = "words that go on " * 12
    out = io.StringIO()
    findings = [approve("a", words), warn("longer", "short \x1b[1m", words)]
    Console(file=out, width=width, color_system=None).print(draw_findings(findings))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    assert lines[0].startswith("ok       a       words")
    assert lines[1][:18].strip() in {"w", "t", "g", "o"}  # a word begins below the first one
    assert "warning  longer  short \\x1b[1m" in lines
    assert lines[lines.index("warning  longer  short \\x1b[1m") + 1].startswith(" " * 17 + "mend: ")
    assert lines[-1] == "1 ok, 1 warning"


def test_what_lies_beside_a_stack_is_looked_at(tmp_path: Path) -> None:
    """The rights of `.env` and of the key's file, variables that it sets, and where evidence goes."""
    document = shop_with("services.web.secrets", ["A_WORD", "OTHER"])
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / ".env").write_text("A_WORD=a\nSTACKCTL_EVIDENCE_KEY_FILE=key\n")
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "reports").symlink_to("elsewhere")
    found = look(tmp_path)
    assert found["stack"]["verdict"] == "ok"
    assert found["secrets"]["text"].startswith("`OTHER` not set")
    assert found[".env"]["text"] == "others may read it (mode 0644)"
    assert (found["reports"]["verdict"], found["key"]["verdict"]) == ("fault", "fault")
    assert "`reports` is a link" in found["reports"]["text"].replace(f"{tmp_path}/", "")

    (tmp_path / "reports").unlink()
    (tmp_path / ".env").chmod(0o600)
    (tmp_path / "key").write_text("a key of the evidence")
    (tmp_path / "key").chmod(0o644)
    found = look(tmp_path, OTHER="b")
    assert {found[each]["verdict"] for each in ("secrets", ".env", "reports")} == {"ok"}
    assert found["key"]["text"] == "others may read its file (mode 0644)"


def find_nowhere(folder: Path) -> dict[str, str]:
    """Return an environment without an engine, and without programs."""
    return {"DOCKER_HOST": f"unix://{folder}/none.sock", "HOME": str(folder), "PATH": ""}


def look(folder: Path, *options: str, **more: str) -> dict[str, dict[str, str]]:
    """Return what the command finds in a folder, by check."""
    run = Run(folder, "doctor", "--output", "json", *options, **find_nowhere(folder), **more)
    return {one["check"]: one for one in run.document["findings"]}
