"""A service that speaks HTTP/2 without TLS, on the real engine: clients come by HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e.calling import put_http2
from tests.e2e.tls import HOST, Door

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

PRIOR = Path(__file__).parent / "prior"
BODY = b"x" * 70_000


def write_prior(
    operator: Operator, service: dict[str, object] | None = None, **gateway: object
) -> None:
    """Write a stack.yaml with `prior`, which speaks HTTP/2 only; and start it."""
    folder = operator.folder / "prior"
    shutil.copytree(PRIOR, folder, dirs_exist_ok=True)
    put_http2(folder)
    prior: dict[str, object] = {
        "build": {"context": "prior", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
        "port": 8000,
        "protocol": "h2c",
        "replicas": 2,
        "read_only": True,
        "health": {"interval": "20ms", "deadline": "20s"},
        "routes": [{"path": "/"}, {"path": "/kept/", "cache": {"ttl": "1m"}}],
        "stop_grace": "3s",
        **(service or {}),
    }
    operator.write_services({"prior": prior}, **gateway)
    operator.up()


@contextmanager
def coming(*clients: httpx.Client) -> Iterator[Counter[tuple[str, int, str, int]]]:
    """Yield what clients get who ask again and again, each over what it keeps, and repeat nothing.

    Of each answer: how it came, its status, the version, and how much of a body the app had.
    """
    over, seen, failed = threading.Event(), Counter[tuple[str, int, str, int]](), list[str]()

    def come(client: httpx.Client) -> None:
        try:
            while not over.wait(0.02):  # others want the machine too
                for answer in (client.get("/"), client.post("/", content=BODY)):
                    told = answer.json()
                    way = f"{answer.http_version} {answer.request.method}"
                    seen[way, answer.status_code, told["version"], told["length"]] += 1
        except Exception as error:  # noqa: BLE001  told below
            failed.append(repr(error))

    threads = [threading.Thread(target=come, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_releases_lose_no_request_of_http1_and_http2(operator: Operator) -> None:
    """With TLS and without, with bodies and without, over two releases and a rollback."""
    door = Door(operator)
    write_prior(operator, tls=door.keys(redirect=False))
    plain, secure = f"http://{HOST}:{operator.public}", f"https://{HOST}:{door.port}"
    with (
        httpx.Client(base_url=plain) as old,
        httpx.Client(base_url=plain, http1=False, http2=True) as prior,
        httpx.Client(base_url=secure, http2=True, verify=door.trust("h2")) as browser,
        coming(old, prior, browser) as seen,
    ):
        for what in (["deploy", "prior", "--version", "v2"], ["rollback", "prior"]):
            done = operator.run(*what, "--output", "json")
            assert done.code == 0, done.stderr
            evidence = operator.evidence(done)
            assert evidence["verdict"]["lossless"] is True, evidence["verdict"]
            assert evidence["witness"]["http2"] > 0
            assert evidence["witness"]["closes"]["kept"] == 0
    ways = {f"{http} {method}" for http in ("HTTP/1.1", "HTTP/2") for method in ("GET", "POST")}
    assert {(way, status) for way, status, _, _ in seen} == {(way, 200) for way in ways}
    assert {version for _, _, version, _ in seen} == {"v1", "v2"}
    assert {(way[-4:], length) for way, _, _, length in seen} == {(" GET", 0), ("POST", len(BODY))}


def test_what_http_has_goes_through(operator: Operator) -> None:
    """HEAD, answers without a body, large ones, the cache; and a replica that is gone is passed over."""
    write_prior(operator)

    def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
        url = f"http://127.0.0.1:{operator.public}{path}"
        return httpx.request(method, url, headers=headers, timeout=20)

    assert ask("/", "HEAD").content == b""
    assert (ask("/304").status_code, ask("/304").headers["etag"]) == (304, '"x"')
    assert len(ask("/large?3000000").content) == 3_000_000
    assert [ask("/kept/").headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
    told: Any = ask(
        "/", Connection="Upgrade", Upgrade="websocket", **{"Sec-WebSocket-Key": "x"}
    ).json()
    assert {"upgrade", "connection"} & told["headers"].keys() == set()
    assert (told["headers"]["host"], told["headers"]["x-forwarded-proto"]) == (
        f"127.0.0.1:{operator.public}",
        "http",
    )
    operator.engine.stop(f"{operator.name}-prior-blue-1", 0)
    assert {ask("/", method).status_code for method in ("GET", "POST") for _ in range(8)} == {200}
    operator.engine.stop(f"{operator.name}-prior-blue-2", 0)
    gone = ask("/")
    assert (gone.status_code, gone.json()["detail"]) == (
        502,
        "no replica of the service could be reached",
    )


def test_an_app_of_http1_is_told_of_at_the_gate(operator: Operator) -> None:
    """And gets no users."""
    write_prior(operator)
    stack = operator.read()
    service = stack["services"]["prior"]
    script = "import http.server as h; h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
    service |= {"command": ["python", "-c", script]}
    service["health"]["deadline"] = "3s"
    operator.write(stack)
    done = operator.run("deploy", "prior", "--version", "v2")
    assert done.code == 1
    assert "is reached at port 8000, and does not speak HTTP/2 there" in done.stderr
    assert operator.serving() == "v1"
