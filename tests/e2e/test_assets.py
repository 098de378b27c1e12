"""Assets on a real engine: an open page of one version finds its files while another one serves."""

from __future__ import annotations

import http.client
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.e2e.operator import Done, Operator

SITE = Path(__file__).parent / "site"
ASSETS = {"path": "/static/", "from": "/site/static"}


class Answer(NamedTuple):
    """What a browser gets."""

    status: int
    kind: str
    text: str


def write_site(operator: Operator, **assets: object) -> None:
    """Write a stack.yaml with a single-page application, `web`."""
    shutil.copytree(SITE, operator.folder / "site", dirs_exist_ok=True)
    operator.write_services(
        {
            "web": {
                "build": {"context": "site", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
                "port": 8000,
                "routes": [{"path": "/"}],
                "health": {"interval": "20ms", "deadline": "20s"},
                "assets": {**ASSETS, **assets},
                "witness": [{"path": "/"}, {"path": "/static/js/app.v1.js"}],
            },
        }
    )


def release(operator: Operator, *words: str) -> Done:
    """Run a release of `web` and insist that nobody was lost."""
    done = operator.run(*words, "--output", "json")
    assert done.code == 0, done.stderr
    assert done.document["witness"]["lost"] == 0, done.stderr
    return done


def deploy(operator: Operator, version: str) -> Done:
    """Release a version."""
    return release(operator, "deploy", "web", "--version", version)


def ask(operator: Operator, path: str, method: str = "GET", **headers: str) -> Answer:
    """Ask as a browser does."""
    wire = http.client.HTTPConnection("127.0.0.1", operator.public, timeout=30)
    try:
        wire.request(method, path, headers=headers)
        answer = wire.getresponse()
        kind = str(answer.headers["Content-Type"] or "")
        return Answer(answer.status, kind, answer.read().decode().strip())
    finally:
        wire.close()


def script(version: str) -> Answer:
    """Return how the gateway answers with a script of a version that does not serve."""
    return Answer(200, "text/javascript", f"run('{version}')")


def own(kind: str, text: str) -> Answer:
    """Return an answer of the app itself."""
    return Answer(200, kind, text)


def test_an_open_page_finds_its_files_after_a_release(operator: Operator) -> None:
    """Also those of before a rollback; a name that both versions have is the one of who serves."""
    write_site(operator)
    operator.up()
    assert ask(operator, "/static/js/app.v2.js") == own("text/html", "<html>page of v1</html>")
    config = operator.config_id()

    done = deploy(operator, "v2")
    assert ask(operator, "/static/js/app.v1.js") == script("v1")
    assert ask(operator, "/static/js/app.v2.js") == own("text/x-of-the-app", "run('v2')")
    assert ask(operator, "/static/js/app.js") == own("text/x-of-the-app", "run('v2')")
    assert ask(operator, "/static/logo.svg") == own("text/x-of-the-app", "<svg>v2</svg>")
    (stored,) = operator.evidence(done)["assets"]
    assert (stored["files"], stored["copied"], stored["others"]) == (3, True, ["v1"])

    done = release(operator, "rollback", "web")
    assert ask(operator, "/static/js/app.v2.js") == script("v2")
    assert ask(operator, "/static/js/app.v1.js") == own("text/x-of-the-app", "run('v1')")
    assert operator.evidence(done)["assets"][0]["copied"] is False
    assert operator.config_id() == config, "a release changes no config"


def test_the_gateway_answers_with_files_and_nothing_else(operator: Operator) -> None:
    """As a browser wants them, to reads only; neither what is hidden nor what a link leads to."""
    write_site(operator)
    operator.up()
    deploy(operator, "v2")
    old, page = "/static/js/app.v1.js", own("text/html", "<html>page of v2</html>")

    assert ask(operator, old, "HEAD") == script("v1")._replace(text="")
    assert ask(operator, old, Range="bytes=0-2") == Answer(206, "text/javascript", "run")
    assert ask(operator, f"{old}?cached=no") == script("v1")
    assert ask(operator, old, "POST").status == 501
    for path in (
        "/static/.env",
        "/static/passwd.v1",
        "/static/js/",
        "/static/js",
        "/static/%2e%2e/index.json",
        "/static/../../index.json",
        "/static/..%2f..%2findex.json",
        "/static//../../../index.json",
    ):
        answer = ask(operator, path)
        assert answer == page or answer.status == 400, path
    wire = http.client.HTTPConnection("127.0.0.1", operator.public, timeout=30)
    wire.request("GET", old, headers={"X-Stackctl-Witness": "1"})
    headers = wire.getresponse().headers
    wire.close()
    assert headers["X-Stackctl-Served"] == "assets"
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-cache", "nosniff")
    assert ask(operator, old, **{"If-None-Match": str(headers["ETag"])}).status == 304


def test_a_release_without_its_folder_moves_nobody(operator: Operator) -> None:
    """One line says what is missing; a version of before the wish is released from all the same."""
    write_site(operator)
    operator.up()
    write_site(operator, **{"from": "/site/none"})
    done = operator.run("deploy", "web", "--version", "v2", "--output", "json")
    assert (done.code, done.document["outcome"]) == (1, "reverted")
    assert "v2 has no folder `/site/none`" in done.stderr
    write_site(operator, **{"from": "/site/static/logo.svg"})
    done = operator.run("deploy", "web", "--version", "v2", "--output", "json")
    assert (done.code, done.document["outcome"]) == (1, "reverted")
    assert "v2 has no folder `/site/static/logo.svg`" in done.stderr
    assert ask(operator, "/") == own("text/html", "<html>page of v1</html>")


def test_files_go_once_nobody_has_their_page(operator: Operator) -> None:
    """`keep` seconds after their version; those of the version before stay."""
    write_site(operator, keep="1s")
    operator.up()
    deploy(operator, "v2")
    deploy(operator, "v3")
    deploy(operator, "v4")
    assert ask(operator, "/static/js/app.v3.js") == script("v3")
    assert ask(operator, "/static/js/app.v1.js") == own("text/html", "<html>page of v4</html>")
