"""Any valid stack and addresses: the config says what was meant, word for word, and nothing else."""

from __future__ import annotations

import io
import math
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import docker
import docker.errors
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestrator.gateway.addresses import COLORS
from orchestrator.gateway.capacity import find_capacity
from orchestrator.gateway.config import parse_config
from orchestrator.gateway.files import LIVE
from orchestrator.gateway.render import render
from orchestrator.stack.load import load_stack
from tests.properties.budget import examples
from tests.properties.hosts import Moved, moved_from, of_host, servers
from tests.properties.nginx import locations, named, read_config, rows, say
from tests.properties.wishes import stacks, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from orchestrator.gateway.addresses import AddressTable, Upstream
    from orchestrator.stack.model import Stack
    from orchestrator.stack.quantities import Networks, Rate
    from orchestrator.stack.routes import Route
    from tests.properties.nginx import Said

WISHES = stacks().flatmap(lambda stack: st.tuples(st.just(stack), tables(stack)))
OF_ANY_PROTOCOL = stacks(("http", "grpc", "h2c")).flatmap(
    lambda stack: st.tuples(st.just(stack), tables(stack))
)
OWN_ERRORS = [
    "400",
    "403",
    "404",
    "405",
    "408",
    "412",
    "413",
    "414",
    "416",
    "429",
    "431",
    "500",
    "503",
]
PROBLEM = ("error_page", *OWN_ERRORS, "/stackctl/problem")
CACHED = {
    ("proxy_cache", "$stackctl_target"),
    ("proxy_cache_lock", "on"),
    ("proxy_cache_background_update", "on"),
}
# Of a path: neither dots that lead elsewhere nor a fragment.
PLAIN = r"(?!(?:[^?#]*(?:/|%2[Ff]))?(?:\.|%2[Ee]){1,2}(?:[/?#]|%2[Ff]|$))[^#]*"
ROOT = Path(__file__).parents[2]
TEST_ALL = 'for c in /configs/*.conf; do nginx -t -q -c "$c" 2>&1 || echo "refused: $c"; done'


@examples(60)
@given(wish=WISHES)
def test_the_public_listener_says_what_was_meant(
    tmp_path: Path, wish: tuple[Stack, AddressTable]
) -> None:
    """Each route's locations hold just the directives that its settings lead to, in that order."""
    stack, table = wish
    config = read_config(render(stack, table).text, tmp_path)
    told = told_by(stack)
    for host, server in servers(config):
        found = {pattern: say(block) for pattern, block in locations(server).items()}
        assert found.pop("= /stackctl/problem")
        assert found.pop("@stackctl_late")
        page = found.pop("= /stackctl/page", None)
        wanted = {pattern: list(body) for pattern, body in expect_locations(stack, host, told)}
        if "/" not in wanted:
            wanted["/"] = list(expect_nowhere())
        assert found.keys() == wanted.keys()
        lanes = ("limit_conn", "stackctl_lanes", "65535")
        assert bool(page) == any(lanes in body for body in wanted.values())
        for pattern, body in wanted.items():
            assert {*found[pattern]} == {*body}, pattern
            assert in_turn(found[pattern]) == in_turn(body), pattern


@examples(60)
@given(wish=WISHES)
def test_the_rest_of_the_config_says_what_was_meant(
    tmp_path: Path, wish: tuple[Stack, AddressTable]
) -> None:
    """Upstreams, previews, probes, limits, caches and the keep-alive; and the head tells the table."""
    stack, table = wish
    rendered = render(stack, table)
    config = read_config(rendered.text, tmp_path)
    assert {name: say(block) for name, block in config.upstreams.items()} == dict(
        expect_upstreams(stack, table)
    )
    assert {
        path: say(block)
        for path, block in locations(config.admin).items()
        if path.startswith("= /preview/")
    } == {
        f"= /preview/{name}/{color}{health_of(stack, name)}": [
            ("set", "$args", ""),
            ("proxy_pass", f"http://{name}_{color}{health_of(stack, name)}"),
            ("add_header", "X-Stackctl-Upstream", "$upstream_addr", "always"),
        ]
        for name, color, _ in list_colors(stack, table)
    }
    assert rows(config.http, "$stackctl_address") == {"default": ""} | {
        f"{name}-{color}-{number}{health_of(stack, name)}": f"{address}:{upstream.port}"
        for name, color, upstream in list_colors(stack, table)
        for number, address in enumerate(upstream.addresses, start=1)
    }
    zones = {tuple(zone["args"]) for zone in named(config.http, "limit_req_zone")}
    assert zones == {
        (f"$stackctl_{client}", f"zone={zone}:2m", f"rate={rate.requests}r/{rate.per}")
        for zone, client, rate, _ in list_limits(stack)
    }
    crowds = [tuple(zone["args"]) for zone in named(config.http, "limit_conn_zone")]
    assert [zone for zone in crowds if zone[1].partition(":")[0].endswith("_connections")] == [
        (
            "$stackctl_counted",
            f"zone={name}_{place}_connections:{find_capacity(stack.gateway).zone}m",
        )
        for name, service in stack.services.items()
        for place, route in enumerate(service.routes)
        if route.connections
    ]
    caches = [tuple(cache["args"][:2]) for cache in named(config.http, "proxy_cache_path")]
    assert caches == [
        (f"/tmp/cache_{name}_{color}", f"keys_zone={name}_{color}:4m")
        for name, color, _ in list_colors(stack, table)
        if any(route.cache for route in stack.services[name].routes)
    ]
    keepalive = stack.gateway.keepalive
    (told,) = named(config.http, "keepalive_timeout")
    kept = (keepalive + max(1, keepalive / 3)) * 1000
    assert told["args"] == [f"{math.ceil(kept)}ms", f"{keepalive:.0f}s"]
    assert bool(named(config.http, "gzip")) == stack.gateway.gzip
    switched = [route.gzip for service in stack.services.values() for route in service.routes]
    assert bool(named(config.http, "gzip_types")) == (stack.gateway.gzip or True in switched)
    assert parse_config(rendered.text) == rendered


@examples(30)
@given(wish=WISHES, other=WISHES)
def test_the_same_wish_has_the_same_id(
    wish: tuple[Stack, AddressTable], other: tuple[Stack, AddressTable]
) -> None:
    """And another text has another one, so that an id says whether a config serves already."""
    first, again, second = render(*wish), render(*wish), render(*other)
    assert first == again
    assert (first.id == second.id) == (first.text == second.text)


def test_nginx_takes_what_is_rendered(tmp_path: Path) -> None:
    """The real NGINX finds no fault in a sample of such configs, whatever services speak, and gives no warning."""
    wishes = [*draw_some(WISHES), *draw_some(OF_ANY_PROTOCOL)]
    texts = [render(*wish).text for wish in wishes]
    assert ask_nginx(texts) == "", tmp_path


def draw_some(
    strategy: SearchStrategy[tuple[Stack, AddressTable]],
) -> list[tuple[Stack, AddressTable]]:
    """Return a sample."""
    found: list[tuple[Stack, AddressTable]] = []

    @settings(examples(25), phases=[Phase.generate])
    @given(wish=strategy)
    def collect(wish: tuple[Stack, AddressTable]) -> None:
        found.append(wish)

    collect()
    return found


def in_turn(body: list[Said]) -> list[Said]:
    """Return the directives that NGINX obeys in the order in which they stand."""
    return [line for line in body if line[0] in ("set", "if", "rewrite", "return", "break")]


class Told(NamedTuple):
    """How a client has come, in the words of the config."""

    scheme: str
    host: str
    gzip: bool  # without a word of the route
    caches: bool  # whether any route is cached
    callers: list[tuple[str, ...]]  # lists of what says who a caller is
    each_address: int  # requests in flight
    guests: list[tuple[Networks, ...]]  # lists of clients that are let in


def told_by(stack: Stack) -> Told:
    """Return how clients come: a proxy that is trusted may know better."""
    routes = [route for service in stack.services.values() for route in service.routes]
    caches = any(route.cache for route in routes)
    callers = list(dict.fromkeys(filter(None, map(callers_of, routes))))
    guests = list(dict.fromkeys(route.allow for route in routes if route.allow))
    fitting = find_capacity(stack.gateway).each_address
    rest = (stack.gateway.gzip, caches, callers, fitting, guests)
    if stack.gateway.trusted_proxies:
        return Told("$stackctl_proto", "$stackctl_outer_host", *rest)
    return Told("$scheme", "$stackctl_host", *rest)


def health_of(stack: Stack, service: str) -> str:
    """Return the path that a service is asked for its health at."""
    return stack.services[service].health.path


def callers_of(route: Route) -> tuple[str, ...]:
    """Return what says who a caller of a cached route is, in NGINX's words."""
    names = route.cache.identity if route.cache else ()
    return tuple(dict.fromkeys("$http_" + re.sub("-", "_", name.lower()) for name in names))


def expect_locations(
    stack: Stack, host: str | None, told: Told
) -> Iterator[tuple[str, Iterator[Said]]]:
    """Yield what each location of a host on the public listener must hold, by its pattern."""
    for name, place, route in of_host(stack, host):
        for pattern in patterns(route.path):
            yield pattern, expect_route(name, place, route, told)
        if route.buffering.requests:
            yield f"@again_{name}_{place}", expect_again(name, route, told)
    for moved in moved_from(stack, host):
        for pattern in patterns(moved.path):
            yield pattern, expect_lead(moved, told)


def patterns(path: str) -> list[str]:
    """Return the patterns of a path and all that is below it."""
    return [path] if path.endswith("/") else [f"= {path}", f"{path}/"]


def expect_lead(moved: Moved, told: Told) -> Iterator[Said]:
    """Yield what leads to another host, or to another path."""
    origin = f"{told.scheme}://{moved.target}$stackctl_host_port" if moved.target else ""
    if moved.whole:
        yield ("return", str(moved.status), f"{origin}$request_uri")
        return
    known = rf"^{quoted(moved.path.rstrip('/'))}/(?![/\\\\])(?<stackctl_rest>.*)$"
    kept = f"{origin}{moved.new.rstrip('/')}/$stackctl_rest"
    yield ("if", "$request_uri", "~", known, "return", str(moved.status), kept)
    yield ("return", str(moved.status), f"{origin}{moved.new}$is_args$args")


def expect_nowhere() -> Iterator[Said]:
    """Yield what answers where no route fits."""
    yield ("set", "$stackctl_method", "$request_method")
    yield ("set", "$stackctl_target", "")
    yield ("set", "$stackctl_color", "")
    yield ("set", "$stackctl_unreleased", "")
    yield ("return", "404")


def expect_witness(route: Route) -> Iterator[Said]:
    """Yield what lets a release's witness in, wherever users may be refused."""
    past = ["set", "$stackctl_counted", ""]
    if route.allow:
        past += ["set", "$stackctl_unlisted", "0"]
    yield ("set", "$stackctl_stop", "$stackctl_sign")
    past += ["set", "$stackctl_stop", "none"]
    yield ("if", "-f", "$stackctl_token", *past)


def expect_marks(name: str, route: Route) -> Iterator[Said]:
    """Yield what decides for a color that all get, where nothing further is to be asked."""
    way = ""
    if route.allow or route.methods:
        way = "$stackctl_way"
        yield ("set", "$stackctl_way", "")
    turned = ("set", "$stackctl_way", "/none")
    if route.allow:
        yield ("if", "$stackctl_unlisted", *turned)
    if route.methods:
        yield ("if", "$request_method", "!~", f"^({'|'.join(route.methods)})$", *turned)
    for color in ("blue", "green"):
        target = ("set", "$stackctl_target", f"{name}_{color}", "set", "$stackctl_color", color)
        yield ("if", "-f", f"{LIVE}/{name}/{color}{way}", *target, "break")


def expect_guests(name: str, route: Route) -> Iterator[Said]:
    """Yield who is let in by a list, and while the service is paused."""
    if route.allow:
        yield ("if", "$stackctl_unlisted", "return", "403")
    stopped = ("set", "$stackctl_target", "paused", "set", "$stackctl_color", "")
    told_so = (*stopped, "set", "$stackctl_paused", name, "return", "503")
    yield ("if", "-f", f"{LIVE}/{name}/$stackctl_stop", *told_so)


def expect_route(name: str, place: int, route: Route, told: Told) -> Iterator[Said]:
    """Yield the directives of one route."""
    yield ("set", "$stackctl_method", "$request_method")
    limits = list(limits_of(f"{name}_{place}", route))
    for _, client, rate, _ in limits:
        pause = math.ceil((60 if rate.per == "m" else 1) / rate.requests)
        yield ("set", f"$stackctl_{client}_pause", str(pause))
    yield ("set", "$stackctl_counted", "$binary_remote_addr")
    if route.allow:
        number = told.guests.index(route.allow)
        yield ("set", "$stackctl_unlisted", f"$stackctl_unlisted_{number}")
    yield from expect_witness(route)
    yield from expect_path(route)
    yield from expect_marks(name, route)
    yield from expect_decision(name)
    yield from expect_guests(name, route)
    if route.methods:
        kept = ("set", "$stackctl_allow", ", ".join(route.methods))
        condition = ("$request_method", "!~", f"^({'|'.join(route.methods)})$")
        yield ("if", *condition, *kept, "return", "405")
    nobody = ("set", "$stackctl_target", "", "set", "$stackctl_color", "")
    refused = (*nobody, "set", "$stackctl_unreleased", name, "return", "503")
    yield ("if", "!-e", f"{LIVE}/{name}/lane.json", *refused)
    yield ("break",)
    yield ("limit_conn", "stackctl_lanes", "65535")
    yield ("limit_conn", "stackctl_clients", str(told.each_address))
    if route.connections:
        yield ("limit_conn", f"{name}_{place}_connections", str(route.connections))
    for zone, _, _, burst in limits:
        # NGINX knows no burst of 0.
        yield ("limit_req", f"zone={zone}", *((f"burst={burst}", "nodelay") if burst else ()))
    yield ("client_max_body_size", str(route.max_body))
    yield ("proxy_pass", f"http://$stackctl_target{'$stackctl_rest' * bool(strips(route))}")
    yield from expect_patience(route, told)
    yield from expect_redirects(route, told)
    if route.buffering.requests:
        yield ("error_page", "502", "504", "=", f"@again_{name}_{place}")
        yield PROBLEM
    else:
        yield ("proxy_request_buffering", "off")
    if route.cache:
        yield from CACHED
        known = callers_of(route)
        caller = [f"$stackctl_caller_{told.callers.index(known)}"] if known else []
        yield ("proxy_cache_bypass", *caller, "$stackctl_fresh", "$stackctl_witness")
        yield ("proxy_no_cache", *caller, "$stackctl_huge")
        yield ("proxy_cache_key", f"{told.scheme} {told.host} $stackctl_host $request_uri")
        yield ("proxy_cache_valid", "200", f"{route.cache.ttl:.0f}s")


def strips(route: Route) -> str:
    """Return what is taken from the front of a path; empty where nothing is."""
    return route.path.rstrip("/") if route.strip_prefix else ""


def quoted(text: str) -> str:
    """Return a path for a regular expression."""
    return re.sub(r"[^\w/~-]", r"\\\g<0>", text)


def expect_path(route: Route) -> Iterator[Said]:
    """Yield what decides which path the service gets: as sent, or as understood."""
    if prefix := strips(route):
        yield ("set", "$stackctl_prefix", prefix)
        stripped = ("rewrite", f"(?s)^{quoted(route.path)}(.*)$", "/$1")
        known = f"^{quoted(prefix)}(?<stackctl_rest>/{PLAIN})$"
        yield ("if", "$request_uri", "!~", known, *stripped)
    else:
        plain = PLAIN if route.path.endswith("/") else rf"(?:/{PLAIN}|\?[^#]*)?"
        plainly = f"^{quoted(route.path)}{plain}$"
        yield ("if", "$request_uri", "!~", plainly, "rewrite", "(?s)^(.*)$", "$1")


def expect_redirects(route: Route, told: Told) -> Iterator[Said]:
    """Yield what gives redirects the prefix back that was stripped, unless they have it."""
    if prefix := strips(route):
        origin = f"{told.scheme}://{told.host}"
        yield ("proxy_redirect", f"{origin}{prefix}/", f"{origin}{prefix}/")
        yield ("proxy_redirect", f"{origin}/", f"{origin}{prefix}/")
        yield ("proxy_redirect", f"~^/(?!/|{quoted(prefix[1:])}(?:[/?#]|$))(.*)$", f"{prefix}/$1")


def expect_decision(name: str) -> Iterator[Said]:
    """Yield what decides for a color: the link of the service, and nothing else."""
    asked = f"{LIVE}/{name}/share/$stackctl_bucket"
    yield ("set", "$stackctl_target", f"{name}_blue")
    yield ("set", "$stackctl_color", "blue")
    green = ("set", "$stackctl_target", f"{name}_green", "set", "$stackctl_color", "green")
    yield ("if", "-e", asked, *green)


def expect_again(name: str, route: Route, told: Told) -> Iterator[Said]:
    """Yield the directives of the location that decides again: the path is stripped already."""
    for code in ("502", "504"):
        yield ("if", "$stackctl_first_try", "=", code, "return", code)
    yield from expect_decision(name)
    rest = "$stackctl_rest" * bool(strips(route))
    yield ("proxy_pass", f"http://${{stackctl_target}}_again{rest}")
    yield from expect_patience(route, told)
    yield from expect_redirects(route, told)


def expect_upstreams(stack: Stack, table: AddressTable) -> Iterator[tuple[str, list[Said]]]:
    """Yield what each upstream must hold, by its name: a color's, and its twin without memory."""
    for service, color, upstream in list_colors(stack, table):
        name = f"{service}_{color}"
        servers = [f"{address}:{upstream.port}" for address in upstream.addresses]
        yield (
            name,
            [
                ("zone", f"{name}_peers", "64k"),
                ("least_conn",),
                *(("server", server, "max_fails=3", "fail_timeout=5s") for server in servers),
                ("keepalive", "64"),
                ("keepalive_timeout", "4s"),
            ],
        )
        yield f"{name}_again", [("server", server, "max_fails=0") for server in servers]


def expect_patience(route: Route, told: Told) -> Iterator[Said]:
    """Yield the time limits of a route, and whether its answers are buffered."""
    if route.gzip is not None and route.gzip != told.gzip:
        yield ("gzip", "on" if route.gzip else "off")
    if not route.security_headers:
        yield ("add_header", "X-Request-ID", "$stackctl_request_id", "always")
        yield ("add_header", "X-Stackctl-Served", "$stackctl_served", "always")
        if told.caches:
            yield ("add_header", "X-Cache", "$upstream_cache_status", "always")
    for kind, seconds in (
        ("connect", route.timeouts.connect),
        ("read", route.timeouts.read),
        ("send", route.timeouts.send),
        ("next_upstream", route.timeouts.read),
    ):
        yield (f"proxy_{kind}_timeout", f"{math.ceil(seconds * 1000)}ms")
    if not route.buffering.responses:
        yield ("proxy_buffering", "off")
    elif route.buffering.disk != 4 * 1024**2:
        yield ("proxy_max_temp_file_size", str(route.buffering.disk))


def limits_of(place: str, route: Route) -> Iterator[tuple[str, str, Rate, int]]:
    """Yield a route's limits: zone, client, rate and burst."""
    wanted = route.rate_limit
    for client, rate in (
        ("reader", wanted.reads if wanted else None),
        ("writer", wanted.writes if wanted else None),
    ):
        if wanted and rate:
            second = rate.requests if rate.per == "s" else math.ceil(rate.requests / 60)
            yield (
                f"{place}_{client}",
                client,
                rate,
                second if wanted.burst is None else wanted.burst,
            )


def list_limits(stack: Stack) -> Iterator[tuple[str, str, Rate, int]]:
    """Yield the limits of all routes."""
    for name, service in stack.services.items():
        for place, route in enumerate(service.routes):
            yield from limits_of(f"{name}_{place}", route)


def list_colors(stack: Stack, table: AddressTable) -> Iterator[tuple[str, str, Upstream]]:
    """Yield the colors of the stack's services; what else the table knows is not rendered."""
    for name in stack.services:
        for color in COLORS:
            yield name, color, table.require(name, color)


def ask_nginx(texts: list[str]) -> str:
    """Return what the real NGINX says of configs; nothing where it takes them all."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, text in enumerate(texts):
            entry = tarfile.TarInfo(f"{number}.conf")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine answers: {error}")
    image = load_stack(ROOT / "stack.yaml").gateway.image
    container = client.containers.create(
        image, ["sleep", "300"], entrypoint=[], network_mode="none", init=True, user="101:101",
        volumes=["/configs"], tmpfs={"/tmp": ""},
    )  # fmt: skip
    try:
        container.put_archive("/configs", buffer.getvalue())
        container.start()
        output = container.exec_run(["sh", "-c", TEST_ALL]).output
        assert isinstance(output, bytes)
        return output.decode()
    finally:
        container.remove(force=True, v=True)
        client.close()
