"""Which engine is meant: as the Docker CLI decides it, and never another one in silence."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.connection import open_endpoint
from orchestrator.engine.endpoint import DEFAULT_HOST, Endpoint, Tls, find_endpoint
from orchestrator.errors import EngineError
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAR = "tcp://far.example:2376"


def write_config(home: Path, **config: object) -> Path:
    """Write the Docker client's config; return its folder."""
    folder = home / ".docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_context(folder: Path, name: str, *certificates: str, **endpoint: Any) -> Path:
    """Write a context as `docker context create` does; return the folder of its certificates."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta, tls = (folder / "contexts" / kind / identity for kind in ("meta", "tls"))
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    if certificates:
        (tls / "docker").mkdir(parents=True)
    for file in certificates:
        (tls / "docker" / file).write_text("-")
    return tls / "docker"


def test_without_a_word_it_is_the_local_socket(tmp_path: Path) -> None:
    """With no config, an empty one, one of other things, or one that says so."""
    assert find_endpoint({}, tmp_path) == Endpoint(DEFAULT_HOST)
    for config in ({}, {"currentContext": ""}, {"currentContext": "default"}):
        write_config(tmp_path, **config)
        assert find_endpoint({}, tmp_path) == Endpoint(DEFAULT_HOST)
    (tmp_path / ".docker" / "config.json").write_text("")
    assert find_endpoint({}, tmp_path) == Endpoint(DEFAULT_HOST)


def test_who_names_an_engine_is_heard_in_this_order(tmp_path: Path) -> None:
    """DOCKER_HOST, DOCKER_CONTEXT, the current context."""
    folder = write_config(tmp_path, currentContext="staging")
    write_context(folder, "staging", Host="tcp://staging.example:2375")
    write_context(folder, "production", Host=FAR)

    assert find_endpoint({}, tmp_path).host == "tcp://staging.example:2375"
    named = {"DOCKER_CONTEXT": "production"}
    assert find_endpoint(named, tmp_path) == Endpoint(FAR, None, "the context `production`")
    assert find_endpoint({"DOCKER_CONTEXT": "default"}, tmp_path).host == DEFAULT_HOST
    named["DOCKER_HOST"] = "unix:///other.sock"
    assert find_endpoint(named, tmp_path) == Endpoint("unix:///other.sock", None, "DOCKER_HOST")


def test_contexts_are_found_without_a_config_and_in_its_own_folder(tmp_path: Path) -> None:
    """Where nobody has logged in there are contexts, and no `config.json`."""
    write_context(tmp_path / ".docker", "production", Host=FAR)
    write_context(tmp_path / "other", "production", Host="tcp://other:1")
    named = {"DOCKER_CONTEXT": "production"}
    assert find_endpoint(named, tmp_path).host == FAR
    other = named | {"DOCKER_CONFIG": str(tmp_path / "other")}
    assert find_endpoint(other, tmp_path).host == "tcp://other:1"


@pytest.mark.parametrize(
    ("certificates", "endpoint", "verified"),
    [
        (("ca.pem", "cert.pem", "key.pem"), {}, True),
        (("ca.pem",), {"SkipTLSVerify": False}, True),
        (("cert.pem", "key.pem"), {"SkipTLSVerify": True}, False),
        ((), {"SkipTLSVerify": True}, False),
    ],
)
def test_a_context_has_its_certificates(
    *, tmp_path: Path, certificates: tuple[str, ...], endpoint: dict[str, bool], verified: bool
) -> None:
    """Those that it was made with, and whether the engine's own is to be checked."""
    place = write_context(tmp_path / ".docker", "far", *certificates, Host=FAR, **endpoint)
    found = find_endpoint({"DOCKER_CONTEXT": "far"}, tmp_path)
    ca, cert, key = (
        str(place / name) if name in certificates else None
        for name in ("ca.pem", "cert.pem", "key.pem")
    )
    assert found.tls == Tls(ca, cert, key, verify=verified)


def test_variables_name_certificates(tmp_path: Path) -> None:
    """As for every other client of an engine."""
    named = {"DOCKER_HOST": FAR, "DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}
    tls = Tls("/c/ca.pem", "/c/cert.pem", "/c/key.pem", verify=True)
    assert find_endpoint(named, tmp_path).tls == tls
    assert find_endpoint({"DOCKER_HOST": FAR, "DOCKER_TLS_VERIFY": ""}, tmp_path).tls is None


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"DOCKER_CONTEXT": "gone"}, "no Docker context `gone`, which DOCKER_CONTEXT names"),
        ({"DOCKER_CONTEXT": "../x"}, "no Docker context `../x`, which DOCKER_CONTEXT names"),
        ({"DOCKER_CONTEXT": "odd"}, "context `odd`, which DOCKER_CONTEXT names, has no host"),
        ({"DOCKER_CONTEXT": "broken"}, "context `broken`, which DOCKER_CONTEXT names, cannot be"),
        (
            {"DOCKER_HOST": "fd://"},
            "`fd://`, which DOCKER_HOST names, is not the address of an engine",
        ),
        (
            {"DOCKER_HOST": "ftp://x"},
            "`ftp://x`, which DOCKER_HOST names, is not the address of an",
        ),
        ({"DOCKER_HOST": "npipe:////./pipe/x"}, "which DOCKER_HOST names, is a named pipe"),
        ({"DOCKER_HOST": "ssh://"}, "names no machine"),
        ({"DOCKER_HOST": "ssh://[::1"}, "names no machine"),
        (
            {"DOCKER_HOST": "ssh://me:secret@far", "PATH": "/nowhere"},
            "by `ssh`, which is not installed",
        ),
        ({}, "no Docker context `lost`, which `"),
    ],
)
def test_what_is_named_and_cannot_be_had_is_an_error(
    tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    """In one line with a hint; no other engine takes its place."""
    folder = write_config(tmp_path, currentContext="lost")
    write_context(folder, "odd", Host="")
    broken = write_context(folder, "broken", Host=FAR).parent.name
    (folder / "contexts" / "meta" / broken / "meta.json").write_text("{")
    with pytest.raises(EngineError) as caught:
        find_endpoint(environment, tmp_path)

    assert told in caught.value.message
    assert caught.value.hint
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_config_that_cannot_be_read_names_no_engine(tmp_path: Path) -> None:
    """It may have named another one than the local; whoever says which one needs no config."""
    (write_config(tmp_path) / "config.json").write_text("{currentContext: x")
    with pytest.raises(EngineError, match="may name another engine, and cannot be read"):
        find_endpoint({}, tmp_path)
    assert find_endpoint({"DOCKER_HOST": FAR}, tmp_path).host == FAR


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://127.1.2.3:2375", True),
        ("http://localhost:2375", True),
        ("localhost:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://10.0.0.1:2375", False),
        ("https://far.example:2376", False),
        ("tcp://localhost.example:2376", False),
    ],
)
def test_this_machine_is_told_from_others(*, host: str, local: bool) -> None:
    """On the way to it there is no proxy."""
    assert Endpoint(host).local is local


@contextmanager
def engine() -> Iterator[int]:
    """Answer one question after the other as an engine answers for its version; give the port."""
    body = b'{"ApiVersion": "1.41"}'
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a proxy that the environment names, and that nobody runs."""
    address = f"http://ada:secret@127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return address


@pytest.mark.usefixtures("proxy")
def test_the_engine_of_this_machine_is_asked_without_a_proxy() -> None:
    """From the first call on."""
    with engine() as port:
        client = open_endpoint(Endpoint(f"tcp://127.0.0.1:{port}", None, "DOCKER_HOST"))
    assert client.api_version == "1.41"
    client.close()


def test_a_proxy_that_is_in_the_way_is_named(proxy: str) -> None:
    """Without its password."""
    with pytest.raises(EngineError) as caught:
        open_endpoint(Endpoint("tcp://far.invalid:2375", None, "DOCKER_HOST"))
    place = proxy.partition("@")[2]
    assert caught.value.message == (
        "no Docker Engine answers at `tcp://far.invalid:2375`, which DOCKER_HOST names: Connection"
        f" refused; it was asked through the proxy `http://…@{place}`"
    )
    assert "NO_PROXY" in str(caught.value.hint)


def test_why_an_engine_does_not_answer_is_told() -> None:
    """In the system's words."""
    with pytest.raises(EngineError, match="Connection refused"):
        open_endpoint(Endpoint(f"tcp://127.0.0.1:{free_port()}"))
    with pytest.raises(EngineError, match="is not as it should be"):
        open_endpoint(Endpoint("tcp://127.0.0.1:port"))
    with pytest.raises(EngineError, match="TLS settings"):
        open_endpoint(Endpoint("tcp://127.0.0.1:1", Tls("/none", "/none", "/none")))


@pytest.mark.parametrize(
    "config",
    ["[]", '{"auths": {"a": 3}}', '{"auths": {"a": {"auth": "!"}}}', '{"proxies": 3}'],
)
def test_a_config_that_is_no_config_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    """It is named, with where to look."""
    (write_config(tmp_path) / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    with pytest.raises(EngineError, match="is not as it should be") as caught:
        open_endpoint(Endpoint(f"tcp://127.0.0.1:{free_port()}"))
    assert "config.json" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("host", "name", "away"),
    [
        ("ssh://deploy@vps.example:2222", "vps.example", True),
        ("ssh://localhost", "localhost", True),
        ("tcp://192.0.2.7:2376", "192.0.2.7", True),
        ("192.0.2.7:2376", "192.0.2.7", True),
        ("tcp://127.0.0.1:2376", "127.0.0.1", False),
        ("tcp://localhost:2376", "localhost", False),
        (DEFAULT_HOST, "", False),
    ],
)
def test_an_engine_is_away_where_its_loopback_is_another_machines(
    host: str,
    name: str,
    away: bool,  # noqa: FBT001
) -> None:
    """What comes over SSH is; an address that this machine has is not."""
    assert (Endpoint(host).name, Endpoint(host).away) == (name, away)
