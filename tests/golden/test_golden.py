"""Each case's nginx.conf: as expected, taken by the real NGINX, and saying what was meant."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.certificates.pair import Pair
from orchestrator.gateway.addresses import COLORS, AddressTable, fit_table
from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT, TLS_PORT
from orchestrator.gateway.admission import ADMITTED, HOST
from orchestrator.gateway.capacity import CALLS, STREAMS, find_capacity
from orchestrator.gateway.config import Config, parse_config
from orchestrator.gateway.files import (
    CURRENT,
    FOLDER,
    LIVE,
    certificate_folder,
    config_file,
    config_folder,
    pack_certificates,
    pack_config,
    users_file,
)
from orchestrator.gateway.render import GRPC_ERRORS, render
from orchestrator.gateway.shared import Part, render_door
from orchestrator.gateway.supplies import name_users
from orchestrator.stack.guests import find_basic_auth, list_basic_auth
from orchestrator.stack.load import load_stack
from tests.fakes.authority import Authority
from tests.golden.cases import Case, load_text, read_cases
from tests.properties.hosts import leads, moved_from, of_host, servers
from tests.properties.nginx import Said, locations, named, pairs, rows, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.gateway.addresses import Upstream
    from orchestrator.stack.routes import Route
ROOT = Path(__file__).parents[2]
# Of a path: neither dots that lead elsewhere nor a fragment.
PLAIN = r"(?!(?:[^?#]*(?:/|%2[Ff]))?(?:\.|%2[Ee]){1,2}(?:[/?#]|%2[Ff]|$))[^#]*"
SAME_HOST = r"~*^([^ ]+) \1\.?(?::[0-9]*)?$"  # of `$host $http_host`: they name one host
CASES = read_cases()
# Of the door that stacks share: a stack with a star and a word of NGINX's maps, and another one.
PARTS = {
    "shop": Part("172.31.0.2", ("shop.example", "*.shop.example", "default")),
    "blog": Part("172.31.0.3", ("blog.example",)),
}
DOOR = Path(__file__).with_name("door.conf")
TEST_ALL = """
for config in /configs/*.conf; do
    nginx -t -q -c "$config" 2>&1
    echo "=== $config $?"
done
"""
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def many_services(number: int = 60) -> Config:
    """Return a config with a long head, and with more replicas than NGINX expects rows in a map."""
    services = "".join(
        f"  service-{n}: {{ image: web, port: 80, replicas: 50, routes: [{{ path: /{n}/ }}] }}\n"
        for n in range(number)
    )
    stack = load_text(f"version: 1\nname: shop\ngateway: {{ image: nginx }}\nservices:\n{services}")
    pool = (f"172.30.{high}.{low}" for high in range(256) for low in range(1, 255))
    return render(stack, fit_table(AddressTable(), stack, pool, ()))


@each_case
def test_the_config_is_the_expected_one(case: Case) -> None:
    """A stack and its addresses always lead to the same bytes."""
    config = case.render()
    if os.environ.get("UPDATE_GOLDEN"):
        case.update(config.text)
        return
    assert config.text == case.expected


@each_case
def test_the_config_tells_what_it_was_made_of(case: Case) -> None:
    """Its id and its addresses can be read back from its first lines."""
    read = parse_config(case.expected)
    assert isinstance(read, Config)
    assert (read.table, read.text) == (case.table, case.expected)
    assert read.id == case.render().id


def test_the_shared_doors_config_is_the_expected_one() -> None:
    """What its stacks have of it always leads to the same bytes."""
    config = render_door(PARTS)
    if os.environ.get("UPDATE_GOLDEN"):
        DOOR.write_text(config.text)
    assert config.text == DOOR.read_text()


def test_a_long_head_is_read_back() -> None:
    """It is cut into pieces that NGINX can read, and put together again."""
    config = many_services()
    head = config.text.partition("# Rendered")[0]
    assert len(head) > 4096
    assert all(len(line) < 4096 for line in head.splitlines())
    assert parse_config(config.text) == config


def test_each_case_has_an_id_of_its_own() -> None:
    """Whatever differs in the text differs in the id."""
    assert len({case.render().id for case in CASES}) == len(CASES)


@pytest.fixture(scope="module")
def verdicts() -> Iterator[Mapping[str, str]]:
    """Yield what NGINX says of each config; nothing where it takes it.

    All are tested in one container that may do no more than the gateway's own.
    """
    configs = {case.name: case.expected for case in CASES}
    configs |= {"many_services": many_services().text, "door": DOOR.read_text()}
    image = load_stack(ROOT / "stack.yaml").gateway.image
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine answers: {error}")
    container = client.containers.create(
        image,
        ["sleep", "300"],
        entrypoint=[],
        user="101:101",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        volumes=["/configs", FOLDER],
        tmpfs={"/tmp": ""},
        init=True,
    )
    try:
        container.put_archive("/configs", pack(configs))
        container.put_archive(FOLDER, pack_certificates(make_pairs()))
        container.put_archive(FOLDER, pack_config(render_door(PARTS)))
        container.start()
        output = container.exec_run(["sh", "-c", TEST_ALL]).output
        assert isinstance(output, bytes)
        yield read_verdicts(output.decode())
    finally:
        container.remove(force=True, v=True)
        client.close()


def make_pairs() -> list[Pair]:
    """Return a pair for each certificate that a case names, with the key of its kind."""
    made = {
        "ec": Authority().issue("shop.example"),
        "rsa": Authority().issue("shop.example", key=rsa.generate_private_key(65537, 2048)),
    }
    return [
        Pair(one, made[one.kind].chain, made[one.kind].key_pem)
        for one in {one for case in CASES for one in case.certificates.certificates}
    ]


def pack(configs: Mapping[str, str]) -> bytes:
    """Return a tar archive of `<name>.conf` files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in configs.items():
            entry = tarfile.TarInfo(f"{name}.conf")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def read_verdicts(output: str) -> dict[str, str]:
    """Tell the complaints about each config apart; an exit code other than 0 is one."""
    found = re.findall(r"((?:(?!=== ).*\n)*)=== /configs/(\w+)\.conf (\d+)\n", output)
    return {name: said if code == "0" else f"{said}exit code {code}" for said, name, code in found}


@pytest.mark.engine
@pytest.mark.parametrize("name", [*(case.name for case in CASES), "many_services", "door"])
def test_nginx_takes_the_config(verdicts: Mapping[str, str], name: str) -> None:
    """The real NGINX finds no fault and gives no warning."""
    assert verdicts[name] == ""


@each_case
def test_a_long_head_of_an_answer_has_room(case: Case) -> None:
    """And an answer that could not be used is told from a replica that could not be reached."""
    http = case.read().http
    sizes = ("proxy_buffer_size", "proxy_buffers", "proxy_busy_buffers_size")
    assert [said for name in sizes for said in say(named(http, name))] == [
        ("proxy_buffer_size", "68k"),
        ("proxy_buffers", "18", "4k"),
        ("proxy_busy_buffers_size", "68k"),
    ]
    details = rows(http, "$stackctl_unusable")
    assert details["default"] == "no replica of the service could be reached"
    assert "was reached" in details["~[0-9]"]


@each_case
def test_headers_that_a_service_may_believe_are_the_gateways(case: Case) -> None:
    """None of the forwarded family is passed on, nor what differs from one by underscores."""
    http = case.read().http
    told = {line[1].lower(): line[2] for line in say(named(http, "proxy_set_header"))}
    family = {name: value for name, value in told.items() if "forwarded" in name and value}
    assert family.keys() == {
        f"x-forwarded-{each}" for each in ("for", "host", "port", "prefix", "proto")
    } - {"x-forwarded-prefix" for _ in [0] if not any(r.strip_prefix for _, (_, r) in routes(case))}
    assert told["forwarded"] == told["x-forwarded-scheme"] == ""
    assert family["x-forwarded-for"] == told["x-real-ip"] == "$remote_addr"
    assert told["host"] == "$stackctl_host"
    assert rows(http, "$stackctl_host") == {"default": "$host", SAME_HOST: "$http_host"}
    for name in [*told, "content-length", "transfer-encoding"]:
        if "-" in name and "_" not in name and name != "if-match":
            assert told[name.replace("-", "_")] == ""
            assert told[name[::-1].replace("-", "_", 1)[::-1]] == ""
    assert say(named(http, "underscores_in_headers")) == [("underscores_in_headers", "on")]
    assert named(http, "ignore_invalid_headers") == []  # other names are no names


@each_case
def test_only_the_public_listener_takes_a_proxys_word(case: Case) -> None:
    """The admin listener goes by who is connected, whoever is trusted."""
    config = case.read()
    trusted = [str(network) for network in case.stack.gateway.trusted_proxies]
    fronts = [case.front] if case.front else []
    assert [line[1] for line in say(named(config.public, "set_real_ip_from"))] == fronts + trusted
    for site in config.secured.values() if fronts else ():
        assert say(named(site, "set_real_ip_from")) == [("set_real_ip_from", case.front)]
        assert say(named(site, "real_ip_header")) == [("real_ip_header", "proxy_protocol")]
    for block in (config.http, config.admin):
        assert not [line for line in say(block) if "real_ip" in line[0]]
    if trusted:
        assert pairs(config.http, "geo", "$stackctl_untrusted") == [
            ("default", "1"),
            *((network, "0") for network in trusted),
        ]
        assert ("real_ip_header", "X-Forwarded-For") in say(config.public)
        assert ("include", HOST) in say(config.public)  # 127.0.0.1 is among them


@each_case
def test_both_colors_are_listed(case: Case) -> None:
    """Each color has its own port and replicas, and a twin of them that forgets failures."""
    config = case.read()
    wanted = {f"{service}_{color}": upstream for service, color, upstream in colors(case)}

    assert config.upstreams.keys() == wanted.keys() | {f"{name}_again" for name in wanted}
    for name, upstream in wanted.items():
        block, twin = say(config.upstreams[name]), say(config.upstreams[f"{name}_again"])
        assert [line for line in block if line[0] == "server"] == [
            ("server", server, "max_fails=3", "fail_timeout=5s") for server in upstream.servers
        ]
        assert ("zone", f"{name}_peers", "64k") in block
        assert twin == [("server", server, "max_fails=0") for server in upstream.servers]


@each_case
def test_requests_by_http2_are_bounded_as_connections_are(case: Case) -> None:
    """Those of users, wherever HTTP/2 is spoken; services that call each other are none of them."""
    config, tls = case.read(), case.stack.gateway.tls
    prior = any(service.speaks_h2c for service in case.stack.services.values())
    spoken = bool(tls and tls.http2) or calls(case) or prior
    bound = ("limit_conn", "stackctl_all", str(find_capacity(case.stack.gateway).requests))
    for host, server in servers(config):
        public = locations(server)
        for pattern in dict(routes(case, host)):
            assert (bound in say(public[pattern])) == spoken
    assert not [name for name, server in config.inner.items() if bound in say(server)]
    few = [("http2_max_concurrent_streams", str(CALLS if calls(case) else STREAMS))]
    assert say(named(config.http, "http2_max_concurrent_streams")) == (few if spoken else [])


@each_case
def test_a_link_decides(case: Case) -> None:
    """Each route asks the link of its service which color it gets, and is counted for that color."""
    for host, server in servers(case.read()):
        public = locations(server)
        wanted = dict(routes(case, host))
        assert {name for name in public if name.startswith(("/", "=", "@"))} - {
            *leads(server)
        } == wanted.keys() | {place for place, _ in second_choices(case, host)} | {
            "= /stackctl/problem",
            "@stackctl_late",
            *({"/"} - {*leads(server)}),
            *({"= /stackctl/page"} if wanted else set()),
            *bridges(case, host),
            *({"= /stackctl/sheet"} if case.shows_pages else set()),
            *(f"@stackctl_call_{status}" for status in GRPC_ERRORS if calls(case, wanted)),
        }
        for pattern, (service, route) in wanted.items():
            said = say(public[pattern])
            assert said[0] == ("set", "$stackctl_method", "$request_method")
            asked = said.index(decision(service)[0])
            before, after = said[:asked], said[asked + 3 :]
            assert said[asked : asked + 3] == decision(service)
            assert missing_lane(service) in after
            assert [line for line in before if "-f" in line] == marks(case, service, route, said)
            assert ("limit_conn", "stackctl_lanes", "65535") in said
            # NGINX would look for the location of a path that it has understood otherwise.
            last = after.index(("break",))
            assert after.index(missing_lane(service)) < last
            assert {line[0] for line in after[last + 1 :]}.isdisjoint({"set", "if", "rewrite"})
            passed = ("proxy_pass", f"http://$stackctl_target{rest(route)}")
            if case.stack.services[service].speaks_grpc:
                passed = ("grpc_pass", "grpc://$stackctl_target")
            assert passed in said
            assert [line for line in said if "rewrite" in line] == [understood(route)]
        if "/" not in wanted and "/" not in leads(server):
            closes = host is None and case.stack.gateway.unknown_hosts == "close"
            assert say(public["/"]) == [
                ("set", "$stackctl_method", "$request_method"),
                ("set", "$stackctl_target", ""),
                ("set", "$stackctl_color", ""),
                ("set", "$stackctl_unreleased", ""),
                ("return", "444" if closes else "404"),
            ]


@each_case
def test_the_second_choice_looks_at_the_link_again(case: Case) -> None:
    """What reached nobody goes to the color of now, by the upstream that forgets failures."""
    for host, server in servers(case.read()):
        public = locations(server)
        for place, (service, route) in second_choices(case, host):
            said = say(public[place])
            for code in ("502", "504"):
                assert ("if", "$stackctl_first_try", "=", code, "return", code) in said
            assert said[2:5] == decision(service)
            assert ("proxy_pass", f"http://${{stackctl_target}}_again{rest(route)}") in said
            # The first choice has done so: the path is short already.
            assert [line for line in said if {"rewrite", "$stackctl_rest"} & {*line}] == []


@each_case
def test_what_other_versions_have_is_found(case: Case) -> None:
    """The gateway answers what the color of the client does not have, to reads, within the route's limits."""
    for host, server in servers(case.read()):
        public, wanted = locations(server), bridges(case, host)
        for service, place, route in of_host(case.stack, host):
            name = f"@assets_{service}_{place}"
            trunk = route.path.rstrip("/")
            now = f"/etc/stackctl/assets/{service}/now/$stackctl_color"
            for said in [say(public[path]) for path in {route.path, f"{trunk}/"} & public.keys()]:
                asks = ("if", "-f", f"{now}$uri", "set", "$stackctl_asset", "$request_method")
                assert (
                    (asks in said) == (("error_page", "418", "=", name) in said) == (name in wanted)
                )
            if name in wanted:
                bridge = say(public[name])
                limits = [line for line in bridge if line[0] in ("limit_req", "limit_conn")]
                own = say(public[f"{trunk}/"])
                lanes = ("limit_conn", "stackctl_lanes", "65535")
                assert limits == [
                    line for line in own if line[0] in ("limit_req", "limit_conn") and line != lanes
                ]
                assert [one for one in bridge if "auth" in one[0]] == [
                    one for one in own if "auth" in one[0]
                ]
                assert ("root", now) in bridge
                assert not [line for line in bridge if line[0] == "proxy_pass"]


@each_case
def test_what_has_moved_is_led_to_its_route(case: Case) -> None:
    """A host to the first name of its route, with the path that was asked; a path to the route's."""
    scheme, host = ("$scheme", "$stackctl_host_port")
    for name, server in servers(case.read()):
        wanted = moved_from(case.stack, name)
        assert len(leads(server)) == sum(1 if one.path.endswith("/") else 2 for one in wanted)
        for one in wanted:
            origin = f"{scheme}://{one.target}{host}" if one.target else ""
            answers = say(locations(server)[one.path.rstrip("/") + "/"])
            last = "$request_uri" if one.whole else f"{one.new}$is_args$args"
            assert answers[-1] == ("return", str(one.status), f"{origin}{last}")
            if not one.whole:
                old = one.path.rstrip("/").replace(".", r"\.")
                known = rf"^{old}/(?![/\\\\])(?<stackctl_rest>.*)$"
                kept = f"{origin}{one.new.rstrip('/')}/$stackctl_rest"
                assert answers[0] == (
                    *("if", "$request_uri", "~", known),
                    *("return", str(one.status), kept),
                )


@each_case
def test_a_client_keeps_its_bucket(case: Case) -> None:
    """There are 100 buckets of 1 % each, by a client's address and agent."""
    http = case.read().http
    buckets = pairs(http, "split_clients", "$stackctl_bucket")
    assert buckets == [("1%", str(number)) for number in range(99)] + [("*", "99")]


@each_case
def test_the_host_can_ask_each_color_and_replica(case: Case) -> None:
    """For its health only. A preview goes through the upstream, a probe to replicas that are listed."""
    config = case.read()
    admin = locations(config.admin)
    previews = {path: say(block) for path, block in admin.items() if path.startswith("= /preview/")}
    assert previews == {
        f"= /preview/{service}/{color}{case.stack.services[service].health.path}": [
            ("set", "$args", ""),
            *previewed(case, service, color),
            ("add_header", "X-Stackctl-Upstream", "$upstream_addr", "always"),
        ]
        for service, color, _ in colors(case)
    }
    assert rows(config.http, "$stackctl_address") == {"default": ""} | probed(case, by_grpc=False)
    asked = {path: say(block) for path, block in admin.items() if "/probe/" in path}
    calls = [asked.pop(path) for path in [*asked] if "Health/Check" in path]
    assert bool(calls) is asks_by_grpc(case)
    *prior, others = asked  # what is looked for first stands first
    assert "[a-z0-9-]+" in others
    assert [re.split(r"[>-]", path)[1] for path in prior] == [
        name
        for name, service in case.stack.services.items()
        if service.speaks_h2c and not service.health.port
    ]
    for path, probe in asked.items():
        assert probe[0] == ("if", "$stackctl_address", "=", "", "return", "404")
        assert probe[1:3] == BY_HTTP2 or path not in prior
        assert ("proxy_pass", "http://$stackctl_address$stackctl_path") in probe
    for call in calls:
        assert call[:5] == [
            ("if", "$stackctl_callee", "=", "", "return", "404"),
            *BY_CALL,
            ("grpc_pass", "grpc://$stackctl_callee"),
        ]
        assert rows(config.http, "$stackctl_callee") == {"default": ""} | probed(case, by_grpc=True)


def test_each_way_to_who_speaks_http2_is_in_http2() -> None:
    """Also the second choice; who takes a WebSocket up is not told of it there."""
    (case,) = (case for case in CASES if case.name == "h2c")
    config = case.read()
    for said in (say(block) for _, one in servers(config) for block in locations(one).values()):
        if any(line[0] == "proxy_pass" for line in said):
            (blue, *_) = (line[2] for line in said if line[:2] == ("set", "$stackctl_target"))
            service = case.stack.services[blue.removesuffix("_blue")]
            assert (("proxy_http_version", "2") in said) is service.speaks_h2c
    assert rows(config.http, "$stackctl_upgrade") == {"default": "$http_upgrade", "": ""}
    named_so = [line for line in say(config.http) if line[:2] == ("proxy_set_header", "Upgrade")]
    assert named_so == [("proxy_set_header", "Upgrade", "$stackctl_upgrade")]
    (connection,) = (
        value for value, to in pairs(config.http, "map", "$stackctl_connection") if to == "upgrade"
    )
    assert not re.search(connection.removeprefix("~*"), "1websocket")
    assert re.search(connection.removeprefix("~*"), "WebSocket", re.IGNORECASE)


def test_a_post_reaches_the_health_service_of_grpc_only() -> None:
    """At no other path of the admin listener, and not at all where no service is asked so."""
    (case,) = (case for case in CASES if case.name == "grpc_health")
    asked = rows(case.read().http, "$stackctl_unasked")
    assert asked.pop("default") == "1"

    def takes(line: str) -> bool:
        return any(re.search(pattern.removeprefix("~"), line) for pattern in asked)

    check = "/grpc.health.v1.Health/Check"
    assert {*asked.values()} == {"0"}
    assert takes("GET /serving")
    assert takes("HEAD /serving")
    assert takes(f"POST /probe/calls-blue-1{check}")
    assert takes(f"POST /preview/calls/blue{check}")
    for path in (
        check,
        "/serving",
        "/probe/calls-blue-1/shop.Orders/Buy",
        f"/probe/calls-blue-1/a{check}",
        f"/probe/calls-blue-1{check}s",
        f"/preview/calls/red{check}",
    ):
        assert not takes(f"POST {path}")
        assert not takes(f"PUT {path}")


@each_case
def test_the_admin_listener_tells_what_serves(case: Case) -> None:
    """The id of the config as JSON, and the whole text of this one and of the next to start with."""
    admin = locations(case.read().admin)
    identity = case.render().id
    (answer,) = named(admin["= /serving"], "return")
    code, text = answer["args"]
    assert code == "200"
    assert json.loads(text) == {"config": identity}
    files = [named(admin[path], "alias")[0]["args"] for path in ("= /config", "= /current")]
    assert files == [[config_file(identity)], [CURRENT]]


@each_case
def test_the_admin_listener_tells_who_gets_traffic(case: Case) -> None:
    """Lanes are read through the links, one or all; and whether a color is still asked is counted."""
    admin = locations(case.read().admin)
    lane = f"{LIVE}/$stackctl_lane/lane.json"
    assert say(admin["~ ^/lane/(?<stackctl_lane>[a-z0-9-]+)$"]) == [
        ("default_type", "text/plain"),
        ("if", "!-f", lane, "return", "200", ""),
        ("alias", lane),
    ]
    lanes = f"{config_folder(case.render().id)}/lanes"
    assert say(admin["= /lanes"])[1:] == [
        ("ssi", "on"),
        ("ssi_types", "text/plain"),
        ("alias", lanes),
    ]
    assert say(admin["~ ^/busy/(?<stackctl_asked>[a-z0-9-]+_(?:blue|green))$"]) == [
        ("set", "$stackctl_target", "$stackctl_asked"),
        ("limit_conn", "stackctl_lanes", "1"),
        ("limit_conn_dry_run", "on"),
        ("add_header", "X-Stackctl-Busy", "$limit_conn_status", "always"),
        ("empty_gif",),
    ]


@each_case
def test_the_admin_listener_is_for_the_host(case: Case) -> None:
    """Before any location is looked for: by its address, by the name it uses, and no page of others."""
    config = case.read()
    known = pairs(config.http, "map", "$stackctl_stranger")
    assert known == [("default", "1"), ("127.0.0.1", "0"), ("include", ADMITTED)]
    assert named(config.public, "listen")[0]["args"][0] == str(PUBLIC_PORT)
    assert [listen["args"] for listen in named(config.admin, "listen")] == [[str(ADMIN_PORT)]]
    assert say(named(config.admin, "if")) == [
        ("if", "$stackctl_stranger", "return", "403"),
        ("if", "$stackctl_misnamed", "return", "403"),
        ("if", "$stackctl_led", "return", "403"),
        ("if", "$stackctl_unasked", "return", "405")
        if asks_by_grpc(case)
        else ("if", "$request_method", "!~", "^(GET|HEAD)$", "return", "405"),
    ]
    called = rows(config.http, "$stackctl_misnamed")
    hosts = {one.health.host for one in case.stack.services.values() if one.health.host}
    assert called == {"default": "1", "localhost": "0", "[::1]": "0", r"~^127\.[0-9.]+$": "0"} | {
        host.partition(":")[0].lower(): "0" for host in hosts
    }
    assert rows(config.http, "$stackctl_led") == {"default": "1", ";": "0", ";none": "0"}


def colors(case: Case) -> Iterator[tuple[str, str, Upstream]]:
    """Yield each color of each service, and how it is reached."""
    for service in case.stack.services:
        for color in COLORS:
            yield service, color, case.table.require(service, color)


def routes(case: Case, host: str | None = None) -> Iterator[tuple[str, tuple[str, Route]]]:
    """Yield the patterns of all routes of a host, each with its service."""
    for service, _, route in of_host(case.stack, host):
        if not route.path.endswith("/"):
            yield f"= {route.path}", (service, route)
        yield route.path.rstrip("/") + "/", (service, route)


def calls(case: Case, wanted: Mapping[str, tuple[str, Route]] | None = None) -> bool:
    """Whether any service speaks gRPC, or any that these routes lead to."""
    services = case.stack.services if wanted is None else {name for name, _ in wanted.values()}
    return any(case.stack.services[name].speaks_grpc for name in services)


BY_HTTP2: list[Said] = [("set", "$stackctl_h2c", "1"), ("proxy_http_version", "2")]
BY_CALL = [
    ("if", "$request_method", "!=", "POST", "return", "405"),
    ("client_max_body_size", "1k"),
    ("rewrite", "^", "/grpc.health.v1.Health/Check", "break"),
]


def probed(case: Case, *, by_grpc: bool) -> dict[str, str]:
    """Return where each replica is asked for its health, by its name and the path."""
    return {
        f"{service}-{color}-{number}{health.path}": f"{address}:{health.port or upstream.port}"
        for service, color, upstream in colors(case)
        for number, address in enumerate(upstream.addresses, start=1)
        for health in [case.stack.services[service].health]
        if (health.service is not None) is by_grpc
    }


def asks_by_grpc(case: Case) -> bool:
    """Whether any service is asked for its health by gRPC."""
    return any(one.health.service is not None for one in case.stack.services.values())


def previewed(case: Case, service: str, color: str) -> list[Said]:
    """Return how a color is asked; one that speaks gRPC and is asked elsewhere need only take the connection."""
    if case.stack.services[service].health.service is not None:
        return [*BY_CALL, ("grpc_pass", f"grpc://{service}_{color}")]
    if case.stack.services[service].speaks_grpc:
        return [("grpc_pass", f"grpc://{service}_{color}"), ("error_page", "502", "=", "@spoken")]
    path = case.stack.services[service].health.path
    asked: list[Said] = [("proxy_pass", f"http://{service}_{color}{path}")]
    return [*BY_HTTP2, *asked] if case.stack.services[service].speaks_h2c else asked


def second_choices(case: Case, host: str | None) -> Iterator[tuple[str, tuple[str, Route]]]:
    """Yield the second choice of each route that has one, with its service: what streams has none."""
    for service, place, route in of_host(case.stack, host):
        if route.buffering.requests and not case.stack.services[service].speaks_grpc:
            yield f"@again_{service}_{place}", (service, route)


def bridges(case: Case, host: str | None) -> set[str]:
    """Return the locations that have files of other versions: one for each route that leads to some."""
    return {
        f"@assets_{service}_{place}"
        for service, place, route in of_host(case.stack, host)
        for one in case.stack.services[service].assets
        if one.path.startswith(route.path.rstrip("/") + "/")
    }


def decision(service: str) -> list[Said]:
    """Return what decides for a color."""
    asked = f"{LIVE}/{service}/share/$stackctl_bucket"
    return [
        ("set", "$stackctl_target", f"{service}_blue"),
        ("set", "$stackctl_color", "blue"),
        (
            "if",
            "-e",
            asked,
            *("set", "$stackctl_target", f"{service}_green"),
            *("set", "$stackctl_color", "green"),
        ),
    ]


def marks(case: Case, service: str, route: Route, said: list[Said]) -> list[Said]:
    """Return what looks for files before a color is chosen: a witness's token, and marks of a color.

    A witness goes the way that users go, or it could not speak for them. Nobody who is refused later
    finds a mark, and at a route that may answer with a file of another version there is none.
    """
    (token,) = (line for line in said if line[:3] == ("if", "-f", "$stackctl_token"))
    if "$stackctl_asset" in {word for line in said for word in line}:
        return [token]
    guarded = find_basic_auth(case.stack.services[service], route)
    listed = route.allow and not (guarded and guarded.satisfy == "any")
    turned = [line[1] for line in said if line[-3:] == ("set", "$stackctl_way", "/none")]
    expected = ["$stackctl_unlisted"] * bool(listed) + ["$request_method"] * bool(route.methods)
    assert turned == expected
    way = "$stackctl_way" if expected else ""
    return [
        token,
        *(
            (
                *("if", "-f", f"{LIVE}/{service}/{color}{way}"),
                *("set", "$stackctl_target", f"{service}_{color}"),
                *("set", "$stackctl_color", color, "break"),
            )
            for color in ("blue", "green")
        ),
    ]


def missing_lane(service: str) -> Said:
    """Return what answers where nobody decides."""
    return (
        *("if", "!-e", f"{LIVE}/{service}/lane.json", "set", "$stackctl_target", ""),
        *("set", "$stackctl_color", ""),
        *("set", "$stackctl_unreleased", service, "return", "503"),
    )


def rest(route: Route) -> str:
    """Return what a service gets as its path, where it is not as it came."""
    return "$stackctl_rest" if route.strip_prefix else ""


def understood(route: Route) -> Said:
    """Return what sends a path as it was understood, also one with a line break in it."""
    literal = route.path.replace(".", "\\.")
    if route.strip_prefix:
        stripped = ("rewrite", f"(?s)^{literal}(.*)$", "/$1")
        known = f"^{literal[:-1]}(?<stackctl_rest>/{PLAIN})$"
        return ("if", "$request_uri", "!~", known, *stripped)
    plain = PLAIN if route.path.endswith("/") else rf"(?:/{PLAIN}|\?[^#]*)?"
    return (
        "if",
        "$request_uri",
        "!~",
        f"^{literal}{plain}$",
        "rewrite",
        "(?s)^(.*)$",
        "$1",
    )


@each_case
def test_a_service_has_a_name_inside(case: Case) -> None:
    """Each with a port, in a server of its own in which the link decides; other names are refused."""
    config = case.read()
    named_inside = {name for name, one in case.stack.services.items() if not one.is_worker}
    assert config.inner.keys() == ({"", *named_inside} if named_inside else set())
    for name in named_inside:
        inside = locations(config.inner[name])["/"]
        assert ("limit_conn", "stackctl_lanes", "65535") in say(inside)
        (decided,) = (one for one in say(inside) if f"/live/{name}/share/" in " ".join(one))
        assert decided[-2:] == ("$stackctl_color", "green")
    if named_inside:
        assert say(config.inner[""])[-1][:2] == ("return", "421")


@each_case
def test_who_needs_a_password_is_asked(case: Case) -> None:
    """At each route that says so, or whose service does, and nowhere else; a witness has a token."""
    config = case.read()
    for host, server in servers(config):
        public = locations(server)
        for pattern, (service, route) in routes(case, host):
            wanted = find_basic_auth(case.stack.services[service], route)
            said = say(public[pattern])
            asked = [line for line in said if line[0].startswith("auth_basic")]
            if wanted is None:
                assert asked == []
                continue
            file = users_file(name_users(wanted) * 2)
            assert asked == [("auth_basic", "$stackctl_realm"), ("auth_basic_user_file", file)]
            assert ("set", "$stackctl_realm", wanted.realm) in said
            (token,) = (line for line in said if line[:3] == ("if", "-f", "$stackctl_token"))
            assert "set $stackctl_realm off" in " ".join(token)
    for server in config.inner.values():
        assert not [line for line in say(server) if "auth_basic" in " ".join(line)]


@each_case
def test_a_password_for_the_gateway_reaches_no_service(case: Case) -> None:
    """Where one is asked for, `Authorization` is the gateway's; all others have it as it came."""
    http = case.read().http
    passed = [line for line in say(named(http, "proxy_set_header")) if line[1] == "Authorization"]
    guarded = any(list_basic_auth(case.stack))
    assert passed == [("proxy_set_header", "Authorization", "$stackctl_authorization")] * guarded
    if guarded:
        assert rows(http, "$stackctl_authorization") == {"default": "$http_authorization", "1": ""}


@each_case
def test_who_has_a_certificate_is_served_with_tls(case: Case) -> None:
    """And sent there where stack.yaml says so; who has none is served without, and gets no handshake."""
    config = case.read()
    tls, table = case.stack.gateway.tls, case.certificates
    assert [say([one])[0] for one in named(config.public, "listen")] == [
        ("listen", str(PUBLIC_PORT), "backlog=4096")
    ]
    secured = {*config.secured}
    listener = ("listen", str(TLS_PORT), "ssl", *(["proxy_protocol"] if case.front else []))
    names = {name for one in table.certificates for name in one.names}
    assert secured == {name for name in names | config.sites.keys() if tls and table.of(name)}
    doors = [server["block"] for server in named(config.http, "server")]
    refusing = [say(one) for one in doors if named(one, "ssl_reject_handshake")]
    assert len(refusing) == (1 if tls else 0)
    for name in secured:
        said, wanted = say(config.secured[name]), table.of(name)
        assert tls is not None
        assert listener in said
        assert ("http2", "on" if tls.http2 else "off") in said
        assert [line[1] for line in said if line[0] == "ssl_certificate"] == [
            f"{certificate_folder(one.id)}/chain.pem" for one in wanted
        ]
        assert [line[1] for line in said if line[0] == "ssl_certificate_key"] == [
            f"{certificate_folder(one.id)}/key.pem" for one in wanted
        ]
        proto = "$stackctl_proto" if case.stack.gateway.trusted_proxies else "$scheme"
        suffix = "" if tls.listen.port == 443 else f":{tls.listen.port}"
        sent = ("return", "308", f"https://$host{suffix}$request_uri")
        assert (("if", "$stackctl_unsecured", *sent) in say(config.sites[name])) == tls.redirect
        asked = pairs(config.http, "map", "$stackctl_unsecured") if tls.redirect else []
        assert asked == ([("default", ""), ("http", "1")] if tls.redirect else [])
        assert (f'map "{proto}$http_x_stackctl_witness"' in case.expected) == tls.redirect


@each_case
def test_the_port_that_a_client_used_is_told(case: Case) -> None:
    """With TLS it is another one."""
    config, tls = case.read(), case.stack.gateway.tls
    if tls is not None:
        plain = str(case.stack.gateway.listen.port)
        assert pairs(config.http, "map", "$stackctl_own_port") == [
            ("default", plain),
            ("https", str(tls.listen.port)),
        ]
        assert "$stackctl_own_port" in case.expected.partition("proxy_set_header")[2]
