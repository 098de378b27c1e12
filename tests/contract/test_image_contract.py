"""Images: built, found, listed, removed, and failing with the tool's own words."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import BuildOrder, Image, Volume
from orchestrator.errors import EngineError, ImageError, NotFound
from orchestrator.stack import naming
from tests.contract.bench import PYTHON, Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


BUILDERS = [pytest.param(kind, marks=pytest.mark.engine) for kind in ("classic", "buildkit")]


@pytest.fixture(params=["fake", *BUILDERS])
def kind(request: pytest.FixtureRequest) -> str:
    """Return who builds: the fake engine, or one of the real one's builders."""
    return str(request.param)


def order(bench: Bench, *lines: str, version: str = "v1") -> BuildOrder:
    """Return the order to build from a Dockerfile of these lines."""
    (bench.folder / "Dockerfile").write_text("\n".join((f"FROM {PYTHON}", *lines)) + "\n")
    return BuildOrder(
        context=bench.folder,
        dockerfile="Dockerfile",
        tag=naming.image_tag(bench.stack, "app", version),
        arguments={"VERSION": version},
        labels=naming.labels(bench.stack, "service", service="app", version=version),
    )


def build(bench: Bench, *lines: str, version: str = "v1") -> Image:
    """Build an image."""
    return bench.engine.build(order(bench, *lines, version=version), lambda _: None)


def test_a_built_image_has_its_tag_its_labels_and_its_user(bench: Bench) -> None:
    """And what the builder said was reported line by line."""
    said: list[str] = []
    wanted = order(bench, "ARG VERSION", "RUN true", "USER 10001")
    image = bench.engine.build(wanted, said.append)

    assert image.tags == (wanted.tag,)
    assert image.labels.items() >= wanted.labels.items()
    assert image.user == "10001"
    assert any("RUN true" in line for line in said)


@pytest.mark.parametrize("kind", BUILDERS)
def test_what_is_left_out_is_in_no_image(bench: Bench) -> None:
    """Whatever `.dockerignore` says; and what changes there makes no other image."""
    wanted = replace(order(bench, "COPY . /all"), left_out=(".env", "reports", "a[b]"))
    (bench.folder / ".dockerignore").write_text("# ours\n\n*.log\n!.env\n")
    for name in ("kept", ".env", "run.log", "reports/one", "a[b]"):
        (bench.folder / name).parent.mkdir(exist_ok=True)
        (bench.folder / name).write_text(name)
    first = bench.engine.build(wanted, lambda _: None)
    (bench.folder / "reports" / "two").write_text("two")

    assert bench.engine.build(wanted, lambda _: None).id == first.id
    container = bench.run("all", image=first.id)
    listed = bench.engine.execute(container, ("ls", "-A", "/all")).text.split()
    assert {*listed} == {"kept", "Dockerfile", ".dockerignore"}


def test_an_image_says_where_it_wants_volumes(bench: Bench) -> None:
    """Without any it wants none."""
    assert build(bench, "USER 10001").volumes == ()
    assert build(bench, "VOLUME /data /a/b", version="v2").volumes == ("/a/b", "/data")


def test_data_of_an_image_outlive_its_container(bench: Bench) -> None:
    """The volume has no name and is not removed with its container, unless that is asked for."""
    image = build(bench, "VOLUME /data /files")
    named = bench.volume("files")
    kept = bench.run("kept", image=image.id, volumes=(Volume(named.name, "/files"),))
    gone = bench.run("gone", image=image.id)
    volume = bench.look(kept).unnamed
    assert [*volume] == ["/data"]
    assert sorted(bench.look(gone).unnamed) == ["/data", "/files"]
    lost = bench.look(gone).unnamed["/files"]
    bench.engine.remove(kept)
    bench.engine.remove(gone, data=True)
    try:
        there = {one.name for name in (volume["/data"], lost) for one in bench.engine.named(name)}
        assert there == {volume["/data"]}
        assert bench.engine.volumes(bench.stack) == (named.name,)
    finally:
        bench.engine.remove_volume(volume["/data"])


def test_memory_is_a_volume_for_a_path(bench: Bench) -> None:
    """Where the root is read-only, /tmp is in memory; and the engine makes no volume for it."""
    image = build(bench, "VOLUME /tmp")

    assert bench.look(bench.run("memory", image=image.id)).unnamed == {}
    root = bench.look(bench.run("disk", image=image.id, read_only=False))
    assert [*root.unnamed] == ["/tmp"]
    bench.engine.remove(root.id, data=True)


def test_the_same_content_is_the_same_image(bench: Bench) -> None:
    """So a release of what already serves can be told from one of something new."""
    # Layers of its own: of equal ones that others build meanwhile, the builder takes the newest.
    alone = f"ENV ONLY={bench.stack}"
    first = build(bench, alone, "USER 10001")

    assert build(bench, alone, "USER 10001").id == first.id
    assert build(bench, alone, "USER 10002").id != first.id


def test_an_image_is_found_by_tag_and_by_id(bench: Bench) -> None:
    """Both name the same."""
    image = build(bench, "USER 10001")

    assert bench.engine.image(image.tags[0]) == bench.engine.image(image.id)
    with pytest.raises(NotFound):
        bench.engine.image(f"{bench.stack}-app:none")


def test_the_images_of_a_stack_are_listed_newest_first(bench: Bench) -> None:
    """Those of others are not."""
    for version in ("v1", "v2"):
        build(bench, f"USER 1000{version[1]}", version=version)

    tags = [tag for image in bench.engine.images(bench.stack) for tag in image.tags]
    assert sorted(tags) == [f"{bench.stack}-app:v1", f"{bench.stack}-app:v2"]
    assert bench.engine.images(f"{bench.stack}-other") == ()


def test_an_image_whose_tag_went_to_another_has_none(bench: Bench) -> None:
    """It is listed, without a tag, and is removed by its id."""
    old = build(bench, "USER 10001")
    new = build(bench, "USER 10002")

    tags = {image.id: image.tags for image in bench.engine.images(bench.stack)}
    assert tags == {old.id: (), new.id: new.tags}
    bench.engine.remove_image(old.id)
    assert [image.id for image in bench.engine.images(bench.stack)] == [new.id]


def no_dockerfile(bench: Bench) -> BuildOrder:
    """Return an order for a folder without a Dockerfile."""
    wanted = order(bench)
    (bench.folder / "Dockerfile").unlink()
    return wanted


def no_base(bench: Bench) -> BuildOrder:
    """Return an order for a Dockerfile whose base is nowhere."""
    wanted = order(bench)
    (bench.folder / "Dockerfile").write_text("FROM localhost/there-is-none:1\n")
    return wanted


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda bench: order(bench, "USER 10001", "RUN false"), "RUN false"),
        (no_dockerfile, "Dockerfile` does not exist"),
        (no_base, "there-is-none:1"),
    ],
    ids=["failing step", "no Dockerfile", "no base"],
)
def test_a_build_that_fails_tells_its_last_lines(
    bench: Bench, make: Callable[[Bench], BuildOrder], words: str
) -> None:
    """Whoever wrote the Dockerfile can put it right, so the error is theirs."""
    with pytest.raises(ImageError) as caught:
        bench.engine.build(make(bench), lambda _: None)

    assert words in caught.value.message
    assert bench.engine.images(bench.stack) == ()


def test_an_image_that_no_registry_has_cannot_be_pulled(bench: Bench) -> None:
    """Nor one whose registry does not answer."""
    with pytest.raises(ImageError) as caught:
        bench.engine.pull("localhost:1/there-is-none:1", lambda _: None)

    assert "localhost:1/there-is-none:1" in caught.value.message


def test_a_registry_that_does_not_answer_says_nothing_new(bench: Bench) -> None:
    """And is not waited for."""
    with pytest.raises(ImageError, match="localhost:1/there-is-none:1"):
        bench.engine.newest("localhost:1/there-is-none:1")


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_a_registry_says_what_it_has_now(bench: Bench) -> None:
    """Its digest of the tag, and nothing is fetched for that."""
    with registry() as (place, digest):
        assert bench.engine.newest(f"{place}/app:v1") == digest
        with pytest.raises(ImageError):
            bench.engine.newest(f"{place}/other:v1")
    with pytest.raises(NotFound):
        bench.engine.image(f"{place}/app:v1")


@contextmanager
def registry() -> Iterator[tuple[str, str]]:
    """Run a registry that has `app:v1`; give its place and the digest of that."""
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    platform = {"architecture": "amd64", "os": "linux"}
    entry = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "size": 1,
        "digest": f"sha256:{'0' * 64}",
        "platform": platform,
    }
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v2/" or self.path.startswith("/v2/app/manifests/")
            said = b"{}" if self.path == "/v2/" else body if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", kind if said == body else "application/json")
            self.send_header("Docker-Content-Digest", digest)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(said)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", digest
        finally:
            server.shutdown()
            thread.join()


def test_a_removed_image_is_gone(bench: Bench) -> None:
    """Removing it again is fine."""
    image = build(bench, "USER 10001")
    for _ in range(2):
        bench.engine.remove_image(image.tags[0])

    assert bench.engine.images(bench.stack) == ()


def test_an_image_in_use_is_not_removed(bench: Bench) -> None:
    """Not even when its container does not run."""
    image = build(bench, "USER 10001")
    spec = bench.spec("app")
    container = bench.engine.create(type(spec)(**{**vars(spec), "image": image.id}))
    with pytest.raises(EngineError):
        bench.engine.remove_image(image.id)

    assert bench.look(container).image == image.id
