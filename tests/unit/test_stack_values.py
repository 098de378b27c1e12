"""Each value of stack.yaml: what it may not be, and that its path and expectation are told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError
from tests.fakes.stacks import SHOP, load_shop, shop_with

if TYPE_CHECKING:
    from pathlib import Path

WEB = "services.web"
ROUTE = f"{WEB}.routes.0"

WRONG = [
    ("name", 7, "expected text in quotes, got `7`"),
    ("name", "Shop", "expected lower-case letters, digits and single hyphens"),
    ("name", "shop-", "expected lower-case letters"),
    ("name", "a" * 21, "at most 20 characters"),
    ("gateway", "nginx", "expected a mapping"),
    ("gateway", {}, "gateway.image: is required"),
    ("gateway.image", "nginx:{version}", "expected an image such as `mongo:8`"),
    ("gateway.image", "nginx 1.30", "expected an image"),
    ("gateway.listen", 0, "expected a port from 1 to 65535"),
    ("gateway.listen", 65536, "expected a port from 1 to 65535"),
    ("gateway.listen", "localhost:80", "expected a port from 1 to 65535"),
    ("gateway.listen", "999.0.0.1:80", "expected an IP address before the port"),
    ("gateway.listen", "::1:80", "expected a port from 1 to 65535, or `address:port` such as"),
    ("gateway.listen", "[1.2.3.4]:80", "expected brackets around an IPv6 address"),
    ("gateway.listen", True, "expected a port from 1 to 65535"),
    ("gateway.listen", [8080], "expected a port from 1 to 65535"),
    ("gateway.admin", "0.0.0.0:8081", "expected a loopback address"),
    ("gateway.admin", 8081, "expected a loopback address"),
    ("gateway.admin", "127.0.0.1:8080", "expected another port than `gateway.listen` has"),
    ("gateway.keepalive", "1500ms", "multiple of 1"),
    ("gateway.keepalive", "301s", "less than or equal to 300"),
    ("gateway.keepalive", "fifteen", "expected a duration such as `500ms`"),
    ("gateway.tls", {}, "gateway.tls: expected `certificates`"),
    ("gateway.tls", True, "expected a mapping"),
    ("gateway.tls", {"certificates": [{"certificate": "a.pem"}]}, "0.key: is required"),
    ("gateway.tls", {"certificates": [], "listen": "443s"}, "tls.listen: expected a port from"),
    (
        "gateway.tls",
        {"listen": 8080},
        "tls.listen: expected another port than `gateway.listen` has",
    ),
    ("gateway.tls", {"listen": 8081}, "tls.listen: expected another port than `gateway.admin` has"),
    ("gateway.tls", {"hsts": {"max_age": "17521h"}}, "hsts.max_age: input should be less"),
    ("gateway.tls", {"hsts": "on"}, "hsts: expected a mapping"),
    ("gateway.gzip", "yes", "expected true or false, got `yes`"),
    ("gateway.trusted_proxies", "10.0.0.1", "expected a list"),
    ("gateway.trusted_proxies", ["proxy"], "expected an address or a network such as `10.0.0.7`"),
    ("gateway.trusted_proxies", ["10.0.0.1/8"], "expected an address or a network"),
    ("gateway.trusted_proxies", ["0.0.0.0/0"], "expected an address or a network"),
    ("gateway.trusted_proxies", ["::/0"], "expected an address or a network"),
    ("gateway.trusted_proxies", ["fe80::1%eth0"], "expected an address or a network"),
    ("gateway.trusted_proxies", [10], "expected an address or a network"),
    ("services", {"Web": {"build": "web", "port": 1}}, "services.Web: expected lower-case"),
    (f"{ROUTE}.gzip", "off", "expected true or false, got `off`"),
    (f"{ROUTE}.security_headers", "off", "expected true or false, got `off`"),
    (f"{ROUTE}.cache", {"identity": "Cookie"}, "expected a list"),
    (f"{ROUTE}.cache", {"identity": ["X Api"]}, "expected a header's name"),
    (f"{ROUTE}.cache", {"identity": ["$host"]}, "expected a header's name"),
    ("services", {"w" * 33: {"build": "web", "port": 1}}, "at most 32 characters"),
    (f"{WEB}.build", [], "expected a mapping"),
    (f"{WEB}.build.context", "", "expected a path"),
    (f"{WEB}.build.context", "a\0b", r"expected a path, got `a\x00b`"),
    (f"{WEB}.build.args", {"1A": "b"}, "expected a variable's name"),
    (f"{WEB}.build.target", "--push", "expected letters, digits, `_`, `.` and `-`"),
    (f"{WEB}.build.secrets", "TOKEN", "expected a list"),
    (f"{WEB}.build.secrets", ["a,src=/etc/shadow:TOKEN"], "`ID:VARIABLE` where the Dockerfile"),
    (f"{WEB}.build.secrets", ["npm rc:TOKEN"], "`ID:VARIABLE` where the Dockerfile"),
    (f"{WEB}.build.ssh", ["default=/key"], "such as `default`"),
    (f"{WEB}.version", 2, "expected text in quotes, got `2`"),
    (f"{WEB}.version", 1.1, "expected text in quotes, got `1.1`"),
    (f"{WEB}.version", "v" * 129, "expected what an image tag may be"),
    (f"{WEB}.port", "8000", "expected a whole number, got `8000`"),
    (f"{WEB}.port", 8000.0, "expected a whole number, got `8000.0`"),
    (f"{WEB}.port", True, "expected a whole number, got `true`"),
    (f"{WEB}.port", 65536, "less than or equal to 65535"),
    (f"{WEB}.port", None, "expected a whole number"),
    (f"{WEB}.replicas", "2", "expected a whole number, got `2`"),
    (f"{WEB}.replicas", 0, "greater than or equal to 1"),
    (f"{WEB}.replicas", 51, "less than or equal to 50"),
    (f"{WEB}.user", 1000, "expected text in quotes"),
    (f"{WEB}.user", "0:0", "expected a user's number other than 0"),
    (f"{WEB}.user", "admin", "expected a user's number other than 0"),
    (f"{WEB}.user", "root:root", "or `root`, got `root:root`"),
    (f"{WEB}.user", "0", "or `root`, got `0`"),
    ("accessories.db.user", 0, "expected text in quotes"),
    (f"{WEB}.read_only", 1, "expected true or false, got `1`"),
    (f"{WEB}.env", ["A=b"], "expected a mapping"),
    (f"{WEB}.env", {"A=B": "c"}, "expected a name without `=` and NUL"),
    (f"{WEB}.env.RATE", 1.1, "expected text in quotes, got `1.1`"),
    (f"{WEB}.env.LIST", ["a"], "expected text"),
    (f"{WEB}.env.NOTHING", None, "expected text"),
    (f"{WEB}.env.NUL", "a\0b", r"expected text without NUL, got `a\x00b`"),
    (f"{WEB}.secrets", "KEY", "expected a list"),
    (f"{WEB}.secrets", ["a b"], f"{WEB}.secrets.0: expected a variable's name"),
    (f"{WEB}.needs", "db", "expected a list"),
    (f"{WEB}.needs", ["cache"], "no `cache` in the stack; there is db, web"),
    (f"{WEB}.volumes", ["/var/run:/data"], f"{WEB}.volumes.0: expected a volume such as"),
    (f"{WEB}.volumes", ["files:/data:rw"], "expected a volume such as"),
    (f"{WEB}.resources.memory", "1m", "greater than or equal to 6291456"),
    (f"{WEB}.resources.memory", "lots", "expected a size such as `512k`"),
    (f"{WEB}.resources.cpus", "2", "expected a number"),
    (f"{WEB}.resources.pids", 0, "greater than or equal to 1"),
    ("gateway.resources", {"memory": "31m"}, "memory: input should be greater than or equal to"),
    ("gateway.connections", 0, "greater than or equal to 1"),
    ("gateway.connections", 65536, "less than or equal to 65535"),
    ("gateway.connections", "20/s", "expected a whole number"),
    (f"{WEB}.health", "/health", "expected a mapping"),
    (f"{WEB}.health.interval", "1ms", "greater than or equal to 0.02"),
    (f"{WEB}.health.successes", 0, "greater than or equal to 1"),
    (f"{WEB}.health.version", "none", "input should be 'check' or 'ignore'"),
    (f"{WEB}.health.version", False, "input should be 'check' or 'ignore'"),
    (f"{WEB}.health.expect", [502], "less than or equal to 499"),
    (f"{WEB}.health.expect", ["200"], "expected a whole number, got `200`"),
    (f"{WEB}.health.expect", True, "expected a list"),
    (f"{WEB}.health.host", "a b", "expected a name and perhaps a port"),
    (f"{WEB}.health.host", "a\r\nX: y", "expected a name and perhaps a port"),
    (f"{WEB}.health.port", 0, "greater than or equal to 1"),
    (f"{WEB}.health.deadline", True, "expected a duration"),
    (f"{WEB}.keep", "forever", "'stopped', 'running' or 'removed', got `forever`"),
    (f"{WEB}.stop_grace", "-1s", "expected a duration"),
    (f"{WEB}.init", "no", "expected true or false, got `no`"),
    (f"{WEB}.routes", {"path": "/"}, "expected a list"),
    (f"{ROUTE}.path", "web/", "expected a path such as `/notes/`"),
    (f"{ROUTE}.path", "/a//b", "expected a path such as `/notes/`"),
    (f"{ROUTE}.path", "/a/../b/", "expected a path without `.` and `..`"),
    (f"{ROUTE}.path", "/" + "a" * 200, "at most 200 characters"),
    (f"{ROUTE}.strip_prefix", "true", "expected true or false, got `true`"),
    (ROUTE, {"path": "/web", "strip_prefix": True}, "strip_prefix: expected a path that ends with"),
    (f"{ROUTE}.max_body", -1, "greater than or equal to 0"),
    (f"{ROUTE}.connections", 0, "greater than or equal to 1"),
    (f"{ROUTE}.connections", True, "expected a whole number"),
    (f"{ROUTE}.buffering", {"disk": "1k"}, "disk: expected 0, or at least `1m`"),
    (f"{ROUTE}.buffering", {"disk": -1}, "greater than or equal to 0"),
    (f"{ROUTE}.websocket", "live", "expected a path such as `/notes/`"),
    (f"{ROUTE}.websocket", "/web", "is not at or below"),
    (f"{ROUTE}.websocket", "/website/live", "is not at or below the route's path `/web/`"),
    (ROUTE, {"path": "/web", "websocket": True, "methods": ["POST"]}, "opens with a GET"),
    (f"{ROUTE}.timeouts.connect", "76s", "less than or equal to 75"),
    (f"{WEB}.witness.0.method", "get", "'GET', 'HEAD', 'POST'"),
    (f"{WEB}.witness.0.path", "/a b", "expected a path such as `/notes/?page=2`"),
    (f"{WEB}.witness.0.expect", 99, "greater than or equal to 100"),
    (f"{WEB}.witness.0.json", "text", "expected a mapping"),
    ("accessories.db.port", 0, "greater than or equal to 1"),
    ("accessories.db.health.command", [], "at least 1 entry"),
    ("accessories.db.command", ["a\0"], "expected text without NUL"),
    (f"{WEB}.env_file", ".env", "expected a list, got `.env`"),
    (f"{WEB}.env_file", [""], "expected a path"),
    (f"{WEB}.secrets", ["a?b"], "a `?` behind it where it may be unset"),
    (f"{WEB}.secrets", ["?"], "expected a variable's name"),
    (f"{WEB}.secrets", ["WORD??"], "expected a variable's name"),
    (f"{WEB}.secrets", ["KEY:STACKCTL_EVIDENCE_KEY?"], "those are stackctl's own"),
    (f"{WEB}.build.secrets", ["TOKEN?"], "`ID:VARIABLE` where the Dockerfile"),
    (f"{WEB}.files", ["a:/b"], f"{WEB}.files.0: expected a mapping"),
    (f"{WEB}.files", [{"from": "a"}], "files.0.to: is required"),
    (f"{WEB}.files", [{"from": "a", "to": "b"}], "a path in the container such as `/etc/app.conf`"),
    (f"{WEB}.files", [{"from": "a", "to": "/etc/"}], "a path in the container such as"),
    (f"{WEB}.files", [{"from": "a", "to": "/"}], "a path in the container such as"),
    (f"{WEB}.files", [{"from": "a", "to": "/etc/../b"}], "a path without `.` and `..`"),
    (f"{WEB}.files", [{"from": "a", "to": "/proc/1/mem"}], "outside of /proc, /sys, /dev"),
    (f"{WEB}.files", [{"from": "a", "to": "/etc/hosts"}], "`extra_hosts` adds names"),
    (f"{WEB}.files", [{"from": "a", "to": "/b", "mode": "4755"}], "expected rights such as `0444`"),
    (f"{WEB}.files", [{"from": "a", "to": "/b", "mode": 444}], "expected text in quotes"),
    (f"{WEB}.files", [{"from": "a", "to": "/b"}] * 2, "files.1.to: has the path of `files.0`"),
    (f"{WEB}.tmpfs", "/run", "expected a list"),
    (f"{WEB}.tmpfs", ["run"], "such as `/run`, or with a size `/cache:64m`"),
    (f"{WEB}.tmpfs", ["/"], "such as `/run`, or with a size `/cache:64m`"),
    (f"{WEB}.tmpfs", ["/run:rw"], "such as `/run`, or with a size `/cache:64m`"),
    (f"{WEB}.tmpfs", ["/run:0"], "expected a size of more than nothing"),
    (f"{WEB}.tmpfs", ["/dev/shm"], "expected a path outside of /proc, /sys, /dev"),
    (f"{WEB}.tmpfs", ["/run", "/run:1m"], "tmpfs.1: has the path of `tmpfs.0`"),
    (f"{WEB}.shm_size", "1k", "greater than or equal to 1048576"),
    (f"{WEB}.shm_size", "much", "expected a size such as `512k`"),
    (f"{WEB}.ulimits", [], "expected a mapping"),
    (f"{WEB}.ulimits", {"files": 1}, "a limit of the kernel such as `nofile`"),
    (f"{WEB}.ulimits", {"nofile": "many"}, "expected a mapping"),
    (f"{WEB}.ulimits", {"nofile": True}, "expected a mapping"),
    (f"{WEB}.ulimits", {"nofile": -2}, "greater than or equal to -1"),
    (
        f"{WEB}.ulimits",
        {"nofile": {"soft": 2, "hard": 1}},
        "`soft` limit that is not above the `hard`",
    ),
    (f"{WEB}.ulimits", {"nofile": {"soft": -1, "hard": 1}}, "`soft` limit that is not above"),
    (f"{WEB}.ulimits", {"nofile": {"soft": 2}}, "hard: is required"),
    (f"{WEB}.extra_hosts", ["a:1.2.3.4"], "expected a mapping"),
    (f"{WEB}.extra_hosts", {"a b": "10.0.0.7"}, "expected a host's name such as"),
    (
        f"{WEB}.extra_hosts",
        {"host": "localhost"},
        "an address such as `10.0.0.7`, or `host-gateway`",
    ),
    (f"{WEB}.extra_hosts", {"host": 10}, "an address such as `10.0.0.7`, or `host-gateway`"),
    (f"{WEB}.extra_hosts", {"db": "10.0.0.7"}, "db: is the name of a part of this stack"),
    (f"{WEB}.extra_hosts", {"gateway": "10.0.0.7"}, "is the name of a part of this stack"),
    (f"{WEB}.stop_signal", "QUIT", "'SIGQUIT'"),
    (f"{WEB}.stop_signal", "SIGKILL", "got `SIGKILL`"),
    (f"{WEB}.stop_signal", 3, "'SIGQUIT'"),
    (f"{WEB}.networks", "proxy", "expected a list"),
    (f"{WEB}.networks", ["container:db"], "expected letters, digits, `_`, `.` and `-`"),
    (f"{WEB}.networks", [["proxy"]], "networks.0: expected text"),
    (f"{WEB}.networks", ["host"], "`host` is no network that a container joins beside another"),
    (f"{WEB}.networks", ["shop-net"], "is the stack's own"),
    (f"{WEB}.networks", ["proxy", "proxy"], "networks.1: is listed twice"),
    (f"{WEB}.publish", ["127.0.0.1:1:1"], "unknown key"),
    ("accessories.db.publish", ["5432:5432"], "such as `127.0.0.1:5432:5432`"),
    ("accessories.db.publish", ["0.0.0.0:5432:5432"], "expected a loopback address"),
    ("accessories.db.publish", ["127.0.0.1:0:1"], "expected a port from 1 to 65535"),
    ("accessories.db.publish", ["127.0.0.1:1:65536"], "expected a loopback address"),
    ("accessories.db.publish", ["127.0.0.300:1:1"], "expected an IP address"),
    ("accessories.db.publish", [5432], "expected a loopback address"),
    (
        "accessories.db.publish",
        ["127.0.0.1:8080:1"],
        "another port on the host than `gateway.listen`",
    ),
    (
        "accessories.db.publish",
        ["127.0.0.1:1:1", "127.0.0.1:1:2"],
        "than `accessories.db.publish.0`",
    ),
    ("secrets_command", "sops -d a", "expected a list, got `sops -d a`"),
    ("secrets_command", [], "at least 1 entry"),
    ("volumes", {"media": "real"}, "volumes.media: expected a mapping"),
    ("volumes", {"media": {}}, "volumes.media.external: is required"),
    ("volumes", {"media": {"external": "/data"}}, "expected letters, digits, `_`, `.` and `-`"),
    ("volumes", {"Media": {"external": "real"}}, "expected a volume's name"),
    (f"{WEB}.command", "npm start", "expected a list, got `npm start`"),
    (f"{WEB}.command", ["sleep", 1], "expected text in quotes, got `1`"),
    (f"{WEB}.entrypoint", ["a\0"], "expected text without NUL"),
    ("accessories.db.entrypoint", {"a": "b"}, "expected a list"),
]

BREAKOUTS = [
    "x; return 200",
    "x{",
    "x}",
    "x\n",
    "x\ny",
    "x\r",
    'x"',
    "x'",
    "$host",
    "x$",
    "x#",
    "x\\",
    "x y",
    "x\ty",
    "x\0",
    "x\u2028",  # a line separator
    "x\u00a0y",  # a space that does not look like one to everybody
    "\u0445",  # a Cyrillic x
    "\uff11",  # a full-width 1
    "x\u202e",  # turns the writing around
    "*",
    "(",
    "[",
    "`x`",
    "{{x}}",
    "{%x%}",
]
REACH_NGINX = {  # and how a value that would be right begins
    "name": "shop",
    "gateway.listen": "8080",
    "gateway.admin": "127.0.0.1:8081",
    "gateway.keepalive": "15s",
    "gateway.drain_timeout": "60s",
    "gateway.gzip": "true",
    f"{WEB}.version": "v1",
    f"{WEB}.port": "80",
    f"{WEB}.replicas": "2",
    f"{WEB}.health.path": "/",
    f"{WEB}.health.timeout": "1s",
    f"{WEB}.health.host": "shop.example",
    f"{WEB}.health.port": "9000",
    f"{ROUTE}.path": "/",
    f"{ROUTE}.strip_prefix": "true",
    f"{ROUTE}.max_body": "1",
    f"{ROUTE}.timeouts.connect": "1s",
    f"{ROUTE}.timeouts.read": "1s",
    f"{ROUTE}.timeouts.send": "1s",
    f"{ROUTE}.buffering": "true",
}


@pytest.mark.parametrize(("place", "value", "told"), WRONG)
def test_a_wrong_value_is_refused_with_its_path(
    tmp_path: Path, place: str, value: object, told: str
) -> None:
    """The path of the value and what was expected there are told."""
    with pytest.raises(ConfigurationError) as raised:
        load_shop(tmp_path, shop_with(place, value))
    lines = raised.value.message.splitlines()
    assert any(place in line and told in line for line in lines), raised.value.message
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_value_breaks_out_of_the_nginx_config(tmp_path: Path, text: str) -> None:
    """Whatever could mean something to NGINX is refused wherever a value reaches its config."""
    document = SHOP
    for place, beginning in REACH_NGINX.items():
        document = shop_with(place, beginning + text, document)
    with pytest.raises(ConfigurationError) as raised:
        load_shop(tmp_path, document)
    first, *faults = raised.value.message.splitlines()
    assert first.endswith(f"has {len(REACH_NGINX)} faults:")
    assert {fault.strip().partition(": ")[0] for fault in faults} == {*REACH_NGINX}
    assert all(fault.isprintable() for fault in faults)


@pytest.mark.parametrize("group", ["services", "accessories"])
def test_no_name_breaks_out_of_the_nginx_config(tmp_path: Path, group: str) -> None:
    """A service or accessory is not named by what could mean something to NGINX."""
    part = {"image": "web", "port": 80}
    for text in BREAKOUTS:
        with pytest.raises(ConfigurationError) as raised:
            load_shop(tmp_path, shop_with(group, {f"web{text}": part}))
        assert all(line.isprintable() for line in raised.value.message.splitlines())


@pytest.mark.parametrize(
    ("path", "written", "opened"),
    [
        ("/web/", "/web/live", "/web/live"),
        ("/web/", True, "/web/"),
        ("/web", "/web", "/web"),
        ("/web/", False, None),
        ("/", "/live", "/live"),
        ("/", True, "/"),
    ],
)
def test_a_websocket_lies_at_or_below_its_route(
    tmp_path: Path, path: str, written: object, opened: str | None
) -> None:
    """`true` stands for the route's own path, `false` for none."""
    stack = load_shop(tmp_path, shop_with(ROUTE, {"path": path, "websocket": written}))
    assert stack.services["web"].routes[0].websocket == opened


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", "a1-b2-c3"),
        ("gateway.listen", 80),
        ("gateway.listen", "10.0.0.1:80"),
        ("gateway.admin", "127.1.2.3:9000"),
        ("gateway.drain_timeout", "2s"),
        (f"{WEB}.build", "web"),
        (f"{WEB}.build.target", "web-1.2_x"),
        (f"{WEB}.build.secrets", ["NPM_TOKEN", "npm.rc:NPM_TOKEN"]),
        (f"{WEB}.build.ssh", ["default"]),
        (f"{WEB}.version", "2024-01-01"),
        (f"{WEB}.version", "_" + "v" * 127),
        (f"{WEB}.replicas", 50),
        (f"{WEB}.user", "1000:50"),
        (f"{WEB}.env.TEXT", "; } $ # \n anything at all"),
        (f"{WEB}.env", {"discovery.type": "single-node", "A B": "", "_-": "x"}),
        (f"{WEB}.secrets", ["node.password:PASSWORD"]),
        (f"{WEB}.needs", ["db"]),
        (f"{WEB}.volumes", ["files:/data", "files-2:/more:ro"]),
        (f"{WEB}.resources.cpus", 1),
        (f"{WEB}.resources.memory", "1G"),
        (f"{WEB}.health.expect", 302),
        (f"{WEB}.health.expect", [200, 401]),
        (f"{WEB}.health.host", "[::1]:8000"),
        (f"{WEB}.health.port", 9000),
        (f"{WEB}.health.version", "ignore"),
        (f"{WEB}.stop_grace", 0),
        (f"{WEB}.user", "root"),
        ("accessories.db.user", "999:999"),
        (f"{WEB}.env_file", [".env", "conf/web.env"]),
        (f"{WEB}.secrets", ["WORD?", "node.password:PASSWORD?"]),
        (f"{WEB}.files", [{"from": "conf/a b.xml", "to": "/etc/x@1/a.xml", "mode": "640"}]),
        (f"{WEB}.tmpfs", ["/run", "/var/cache/nginx:16M"]),
        (f"{WEB}.shm_size", "1g"),
        (f"{WEB}.ulimits", {"nofile": 65535, "memlock": -1, "core": {"soft": 0, "hard": -1}}),
        (f"{WEB}.extra_hosts", {"host.docker.internal": "host-gateway", "v6": "fd00::1"}),
        (f"{WEB}.stop_signal", "SIGRTMIN+3"),
        (f"{WEB}.networks", ["proxy_default", "other.net"]),
        ("accessories.db.publish", ["127.0.0.1:5432:5432", "127.0.0.2:5433:5432"]),
        ("accessories.db", {"image": "mongo:8"}),
        ("volumes", {"media": {"external": "old_media"}}),
        ("secrets_command", ["sops", "-d", "secrets.env"]),
        (f"{WEB}.command", ["sh", "-c", "exec app # \n"]),
        (f"{WEB}.entrypoint", [""]),
        ("accessories.db.entrypoint", ["tini", "--"]),
        (f"{WEB}.init", False),
        ("accessories.db.init", True),
        (f"{ROUTE}.path", "/"),
        (f"{ROUTE}.path", "/.well-known/a..b/v1.2_~-x"),
        (f"{ROUTE}.max_body", "999999999g"),
        (f"{ROUTE}.connections", 65535),
        (f"{ROUTE}.buffering", {"disk": 0}),
        (f"{ROUTE}.buffering", {"disk": "1m"}),
        ("gateway.connections", 1),
        ("gateway.resources", {"memory": "32m"}),
        (f"{WEB}.witness.0.json", {"deep": [{"a": None}, 1.5, True]}),
        ("services", {"w" * 32: {"image": "repo:5000/web@{version}", "port": 1}}),
    ],
)
def test_a_right_value_is_taken(tmp_path: Path, place: str, value: object) -> None:
    """What can be done is not refused."""
    assert load_shop(tmp_path, shop_with(place, value)).name


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"volumes": ["data:/data/"]}, "lies in `volumes.0`, which others share"),
        ({"tmpfs": ["/data/app:1m"]}, "lies in `tmpfs.0`, which is memory"),
        ({"read_only": True, "tmpfs": ["/data"]}, "lies in `tmpfs.0`, which is memory"),
    ],
)
def test_a_file_lies_where_only_its_own_container_sees_it(
    tmp_path: Path, more: dict[str, object], told: str
) -> None:
    """A volume of that path or above it would have it for both colors, memory would hide it."""
    files = [{"from": "a", "to": "/data/app/a.conf"}]
    web = {**SHOP["services"]["web"], "files": files}
    assert load_shop(tmp_path, shop_with(WEB, web)).name
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        load_shop(tmp_path, shop_with(WEB, {**web, **more}))
    if "volumes" in more:
        beside = {**web, "volumes": ["data:/data/application"]}
        assert load_shop(tmp_path, shop_with(WEB, beside)).name


def test_nothing_is_published_where_there_is_no_way_in(tmp_path: Path) -> None:
    """An internal network has none, and the engine would be silent about it."""
    document = shop_with("accessories.db.publish", ["127.0.0.1:5432:5432"])
    with pytest.raises(ConfigurationError, match=r"publish\.0: `internal: true` gives"):
        load_shop(tmp_path, {**document, "internal": True})
