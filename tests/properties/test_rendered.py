"""Any valid stack and routing: the config says what was meant, word for word, and nothing else."""

from __future__ import annotations

import io
import math
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestrator.gateway.render import render
from orchestrator.gateway.routing import parse_config
from orchestrator.stack.load import load_stack
from tests.properties.budget import examples
from tests.properties.nginx import locations, named, read_config, rows, say
from tests.properties.wishes import routings, stacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.gateway.routing import Routing, Target
    from orchestrator.stack.model import Route, Stack
    from orchestrator.stack.quantities import Rate
    from tests.properties.nginx import Said

WISHES = stacks().flatmap(lambda stack: st.tuples(st.just(stack), routings(stack)))
OWN_ERRORS = (
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
)
PROBLEM = ("error_page", *OWN_ERRORS, "/stackctl/problem")
CACHED = {
    ("proxy_cache", "stackctl"),
    ("proxy_cache_lock", "on"),
    ("proxy_cache_background_update", "on"),
    (
        "proxy_cache_bypass",
        "$http_authorization",
        "$http_cookie",
        "$stackctl_fresh",
        "$stackctl_outdated",
    ),
    ("proxy_no_cache", "$http_authorization", "$http_cookie", "$stackctl_outdated"),
}
ROOT = Path(__file__).parents[2]
TEST_ALL = 'for c in /configs/*.conf; do nginx -t -q -c "$c" 2>&1 || echo "refused: $c"; done'


@examples(60)
@given(wish=WISHES)
def test_the_public_listener_says_what_was_meant(
    tmp_path: Path, wish: tuple[Stack, Routing]
) -> None:
    """Each route's locations hold just the directives that its settings lead to."""
    stack, routing = wish
    config = read_config(render(stack, routing), tmp_path)
    found = {pattern: set(say(block)) for pattern, block in locations(config.public).items()}
    assert found.pop("= /stackctl/problem")
    wanted = dict(expect_locations(stack, routing))
    if "/" not in wanted:
        wanted["/"] = {("set", "$stackctl_target", ""), ("return", "404")}
    assert found == wanted, [(p, found.get(p, set()) ^ body) for p, body in wanted.items()]


@examples(60)
@given(wish=WISHES)
def test_the_rest_of_the_config_says_what_was_meant(
    tmp_path: Path, wish: tuple[Stack, Routing]
) -> None:
    """Upstreams, versions, previews, limits and the keep-alive; and the routing is in its head."""
    stack, routing = wish
    text = render(stack, routing)
    config = read_config(text, tmp_path)
    listed = {
        f"{name}_{target.color}": (name, target) for name, target in list_targets(stack, routing)
    }
    assert config.upstreams == {
        upstream: [
            f"{stack.name}-{name}-{target.color}-{number}:{stack.services[name].port}"
            for number in range(1, target.replicas + 1)
        ]
        for upstream, (name, target) in listed.items()
    }
    versions = rows(config.http, "$stackctl_version")
    assert versions == {"default": ""} | {u: target.version for u, (_, target) in listed.items()}
    previews = {
        p: set(say(b)) for p, b in locations(config.preview).items() if p.startswith("/preview/")
    }
    assert previews == {
        f"/preview/{name}/": {
            ("proxy_pass", f"http://{name}_{lane.previewed.color}/"),
            ("add_header", "X-Stackctl-Upstream", "$upstream_addr", "always"),
        }
        for name, lane in routing.lanes.items()
        if lane.previewed and name in stack.services
    }
    zones = {tuple(zone["args"]) for zone in named(config.http, "limit_req_zone")}
    assert zones == {
        (f"$stackctl_{client}", f"zone={zone}:2m", f"rate={rate.requests}r/{rate.per}")
        for zone, client, rate, _ in list_limits(stack)
    }
    keepalive = stack.gateway.keepalive
    (told,) = named(config.http, "keepalive_timeout")
    kept = (keepalive + max(1, keepalive / 3)) * 1000
    assert told["args"] == [f"{math.ceil(kept)}ms", f"{keepalive:.0f}s"]
    assert bool(named(config.http, "gzip")) == stack.gateway.gzip
    assert parse_config(text) == routing


def test_nginx_takes_what_is_rendered(tmp_path: Path) -> None:
    """The real NGINX finds no fault in a sample of such configs, and gives no warning."""
    wishes: list[tuple[Stack, Routing]] = []

    @settings(examples(40), phases=[Phase.generate])
    @given(wish=WISHES)
    def collect(wish: tuple[Stack, Routing]) -> None:
        wishes.append(wish)

    collect()
    texts = [render(*wish) for wish in wishes]
    assert ask_nginx(texts) == "", tmp_path


def expect_locations(stack: Stack, routing: Routing) -> Iterator[tuple[str, set[Said]]]:
    """Yield what each location of the public listener must hold, by its pattern."""
    for name, service in stack.services.items():
        active = routing.lane(name).active
        for place, route in enumerate(service.routes):
            body = set(expect_route(name, place, route, active))
            yield (route.path if route.path.endswith("/") else f"{route.path}/"), body
            if not route.path.endswith("/"):
                yield f"= {route.path}", body
            if active and active.replicas > 1 and route.buffering.requests:
                yield f"@again_{name}_{place}", set(expect_again(name, route, active))


def expect_route(name: str, place: int, route: Route, active: Target | None) -> Iterator[Said]:
    """Yield the directives of one route."""
    yield ("set", "$stackctl_target", f"{name}_{active.color}" if active else "")
    for zone, client, rate, burst in limits_of(f"{name}_{place}", route):
        pause = math.ceil((60 if rate.per == "m" else 1) / rate.requests)
        yield ("set", f"$stackctl_{client}_pause", str(pause))
        if active:
            yield ("limit_req", f"zone={zone}", f"burst={burst}", "nodelay")
    if route.methods:
        kept = ("set", "$stackctl_allow", ", ".join(route.methods))
        condition = ("$request_method", "!~", f"^({'|'.join(route.methods)})$")
        yield ("if", *condition, *kept, "return", "405")
    if active is None:
        yield from expect_unreleased(name)
        return
    yield ("client_max_body_size", str(route.max_body))
    yield ("proxy_pass", f"http://{name}_{active.color}" + ("/" if route.strip_prefix else ""))
    yield from expect_patience(route)
    if not route.buffering.requests:
        yield ("proxy_request_buffering", "off")
    elif active.replicas > 1:
        yield ("error_page", "502", "504", "=", f"@again_{name}_{place}")
        yield PROBLEM
    if route.cache:
        yield from CACHED
        yield ("proxy_cache_valid", "200", f"{route.cache.ttl:.0f}s")
        yield ("proxy_cache_key", f"{active.release} $http_host $request_uri")


def expect_unreleased(name: str) -> Iterator[Said]:
    """Yield what is answered where no version was released yet."""
    yield ("default_type", "application/problem+json")
    yield ("add_header", "X-Content-Type-Options", "nosniff", "always")
    yield ("add_header", "X-Request-ID", "$stackctl_request_id", "always")
    yield ("add_header", "Retry-After", "5", "always")
    told = (
        '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"'
        f'{name} has not been released yet","request_id":"$stackctl_request_id"}}'
    )
    yield ("return", "503", told)


def expect_again(name: str, route: Route, active: Target) -> Iterator[Said]:
    """Yield the directives of the location that asks another replica."""
    for code in ("502", "504"):
        yield ("if", "$stackctl_first_try", "=", code, "return", code)
    if route.strip_prefix:
        literal = re.sub(r"[^\w/~-]", r"\\\g<0>", route.path)
        yield ("rewrite", f"^{literal}(.*)$", "/$1", "break")
    yield ("proxy_pass", f"http://{name}_{active.color}")
    yield from expect_patience(route)


def expect_patience(route: Route) -> Iterator[Said]:
    """Yield the time limits of a route, and whether its answers are buffered."""
    for kind, seconds in (
        ("connect", route.timeouts.connect),
        ("read", route.timeouts.read),
        ("send", route.timeouts.send),
        ("next_upstream", route.timeouts.read),
    ):
        yield (f"proxy_{kind}_timeout", f"{math.ceil(seconds * 1000)}ms")
    if not route.buffering.responses:
        yield ("proxy_buffering", "off")


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


def list_targets(stack: Stack, routing: Routing) -> Iterator[tuple[str, Target]]:
    """Yield the colors of the stack's services that a routing lists."""
    for name in stack.services:
        lane = routing.lane(name)
        yield from ((name, target) for target in lane.listed)


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
