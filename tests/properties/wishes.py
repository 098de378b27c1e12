"""Valid stacks with all that routes can say, the addresses of their colors, and lanes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from hypothesis import assume
from hypothesis import strategies as st

from orchestrator.gateway.addresses import COLORS, AddressTable, Upstream
from orchestrator.gateway.lane import Lane, Target
from orchestrator.stack.model import Stack
from orchestrator.stack.protocol import OF_HTTP, OF_HTTP_HEALTH
from orchestrator.stack.relations import find_relation_faults

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from orchestrator.stack.model import Color

BOTH: tuple[tuple[Color, Color], ...] = (("blue", "green"), ("green", "blue"))
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# What the model admits, with the words that mean something to NGINX or to the templates.
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True) | st.sampled_from(
    [
        "a" * 32,
        "default",
        "server",
        "include",
        "http",
        "web",
        "again",
        "problem",
        "stackctl",
        "x-blue",
    ]
)
WORDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.sampled_from(
    ["v" * 128, "default", "hostnames", "volatile", "include", "_", "0", "v1..2", "v1--"]
)
PARTS = st.from_regex(r"[A-Za-z0-9._~-]{1,5}", fullmatch=True).filter(
    lambda part: part not in (".", "..")  # which are refused
)
PATHS = st.sampled_from(
    [
        "/",
        "/stackctl/",
        "/stackctl/problems",
        "/default",
        "/~a/",
        "/-/",
        "/a.b/",
        "/a.b",
        "/" + "a" * 199,
    ]
) | st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)).flatmap(
    lambda path: st.sampled_from([path, path + "/"])
)
RATES = st.builds("{}/{}".format, st.integers(1, 9_999_999), st.sampled_from("sm"))
LIMITS = (
    st.none()
    | RATES
    | st.fixed_dictionaries(
        {}, optional={"reads": RATES, "writes": RATES, "burst": st.integers(0, 1_000_000)}
    )
)
SPANS = st.integers(100, 999_999).map("{}ms".format) | st.floats(0.1, 3600)
SHORT = st.integers(100, 75_000).map("{}ms".format) | st.floats(0.1, 75)
NAMED = ["shop.example", "Shop.Example:80", "localhost:8000", "[::1]:1", "[fd00::1]", "127.0.0.1"]
HOSTS = st.sampled_from([*NAMED, "default", "hostnames", "include", "volatile", "test", "a"])
DOMAINS = st.sampled_from(
    [
        "shop.example",
        "www.shop.example",
        "*.shop.example",
        "*.eu.shop.example",
        "localhost",
        "7",
        "*.x",
    ]
)
SOME_HOSTS = DOMAINS | st.lists(DOMAINS, min_size=1, max_size=3, unique=True)
MOVES = st.builds(
    lambda host, path, status: {"from": host + path, "status": status} if status else host + path,
    DOMAINS | st.just(""),
    PATHS | st.just(""),
    st.sampled_from([None, 301, 308]),
).filter(bool)
ROUTES = st.fixed_dictionaries(
    {"path": PATHS},
    optional={
        "host": SOME_HOSTS,
        "redirect_from": st.lists(MOVES, max_size=2),
        "strip_prefix": st.booleans(),
        "methods": st.lists(st.sampled_from(METHODS), unique=True),
        "allow": st.lists(
            st.ip_addresses().map(str) | st.sampled_from(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]),
            min_size=1,
            max_size=2,
            unique=True,
        ),
        "rate_limit": LIMITS,
        "cache": st.none()
        | st.fixed_dictionaries(
            {"ttl": st.integers(1, 86400)},
            optional={
                "identity": st.lists(
                    st.sampled_from(["Authorization", "cookie", "X-Api-Key", "api_key"]), max_size=3
                )
            },
        ),
        "gzip": st.none() | st.booleans(),
        "security_headers": st.booleans(),
        "max_body": st.integers(0, 10**17) | st.integers(0, 999_999_999).map("{}k".format),
        "timeouts": st.fixed_dictionaries(
            {}, optional={"connect": SHORT, "read": SPANS, "send": SPANS}
        ),
        "websocket": st.booleans(),
        "connections": st.none() | st.integers(1, 65535),
        "buffering": st.booleans()
        | st.fixed_dictionaries(
            {},
            optional={
                "requests": st.booleans(),
                "responses": st.booleans(),
                "disk": st.sampled_from([0, "1m", "4m"]) | st.integers(1024**2, 10**15),
            },
        ),
    },
)
SERVICES = st.fixed_dictionaries(
    {"image": st.just("web"), "port": st.integers(1, 65535)},
    optional={
        "replicas": st.integers(1, 50),
        "hosts": SOME_HOSTS,
        "redirect_from": st.lists(MOVES, max_size=2),
        "routes": st.lists(ROUTES, max_size=4),
        "health": st.fixed_dictionaries({}, optional={"path": PATHS, "host": HOSTS}),
    },
)
GATEWAYS = st.fixed_dictionaries(
    {"image": st.just("nginx:1.30")},
    optional={
        "keepalive": st.integers(1, 300),
        "drain_timeout": st.integers(2, 3600),
        "gzip": st.booleans(),
        "connections": st.none() | st.integers(1, 65535),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "memory": st.integers(32, 10**6).map("{}m".format),
                "cpus": st.floats(0.01, 256),
                "pids": st.integers(1, 10**6),
            },
        ),
        "pause": st.fixed_dictionaries(
            {},
            optional={
                "retry_after": st.integers(1, 86400).map("{}s".format),
                "allow": st.lists(
                    st.ip_addresses().map(str) | st.sampled_from(["127.0.0.1", "10.0.0.0/8"]),
                    max_size=3,
                    unique=True,
                ),
            },
        ),
        "trusted_proxies": st.lists(
            st.ip_addresses().map(str)
            | st.sampled_from(["127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "0.0.0.0/1", "::/1"]),
            max_size=3,
            unique=True,
        ),
    },
)


@st.composite
def stacks(draw: DrawFn, protocols: tuple[str, ...] = ("http",)) -> Stack:
    """Return a stack that stack.yaml could describe, with services that speak one of `protocols`."""
    document: dict[str, Any] = {
        "version": 1,
        "name": draw(NAMES.filter(lambda name: len(name) <= 20)),
        "gateway": draw(GATEWAYS),
        "services": draw(st.dictionaries(NAMES, SERVICES, min_size=1, max_size=3)),
    }
    for service in document["services"].values():
        _speak(service, draw(st.sampled_from(protocols)))
    _mend(document)
    if list(find_relation_faults(document)):
        _leave_redirects_out(document)
    assume(not list(find_relation_faults(document)))
    return Stack.model_validate(document)


def _speak(service: dict[str, Any], protocol: str) -> None:
    """Let a service speak a protocol, without what only another one has."""
    if protocol == "http":
        return
    service["protocol"] = protocol
    for route in service.get("routes", []):
        for key in OF_HTTP if protocol == "grpc" else ("websocket",):
            route.pop(key, None)
    if protocol == "grpc":
        for key in OF_HTTP_HEALTH:
            service.get("health", {}).pop(key, None)


def _mend(document: dict[str, Any]) -> None:
    """Take out what does not go together, rather than to throw whole stacks away."""
    taken: set[tuple[str | None, str]] = set()
    for service in document["services"].values():
        routes = []
        for route in service.get("routes", []):
            path = route["path"]
            hosts = route.get("host") or service.get("hosts") or [None]
            claims = {(h, path.rstrip("/")) for h in ([hosts] if isinstance(hosts, str) else hosts)}
            dots = {".", ".."} & {*path.split("/")}
            if claims & taken or dots or (route.get("strip_prefix") and path[-1] != "/"):
                continue
            taken |= claims
            routes.append(route)
        service["routes"] = routes


def _leave_redirects_out(document: dict[str, Any]) -> None:
    for service in document["services"].values():
        for part in (service, *service["routes"]):
            part.pop("redirect_from", None)


POOL = [str(address) for address in IPv4Network("10.77.0.0/22").hosts()]
SHAPES = st.tuples(st.integers(1, 65535), st.integers(1, 50))  # port and number of replicas


@st.composite
def tables(draw: DrawFn, stack: Stack) -> AddressTable:
    """Return the addresses of a stack, of which each color has its own shape.

    One service that stack.yaml does not have is among them.
    """
    free = iter(draw(st.sampled_from([POOL, POOL[::-1], POOL[1::2] + POOL[::2]])))
    colors = {(name, color): draw(SHAPES) for name in (*stack.services, "gone") for color in COLORS}
    upstreams: dict[str, dict[Color, Upstream]] = {}
    for (name, color), (port, replicas) in colors.items():
        addresses = tuple(next(free) for _ in range(replicas))
        upstreams.setdefault(name, {})[color] = Upstream(port, addresses)
    return AddressTable(upstreams)


def targets(color: Color) -> SearchStrategy[Target]:
    """Return what a release may have left of a color."""
    return st.builds(Target, st.just(color), WORDS, st.integers(1, 50), WORDS)


@st.composite
def lanes(draw: DrawFn) -> Lane:
    """Return a lane in which a service may be, once a version was released."""
    active, other = draw(st.sampled_from(BOTH))
    place = draw(st.sampled_from(["candidate", "outgoing", "kept", None]))
    colors: dict[str, Any] = {place: draw(targets(other))} if place else {}
    return Lane(
        draw(targets(active)),
        **colors,
        closed=place == "candidate" and draw(st.booleans()),
        paused=draw(st.booleans()),
        share=draw(st.integers(0, 100)),
        config=draw(st.from_regex(r"[0-9a-f]{0,16}", fullmatch=True)),
    )
