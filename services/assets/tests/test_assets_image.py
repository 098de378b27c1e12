"""The image as a release runs it: read-only, without rights, and with little memory."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import docker
import httpx
import pytest
from assets_forms import BOUNDARY, assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import SERVICE_HOME, Database, image_prefix, wait_until
from tenacity import Retrying, stop_after_attempt

pytestmark = pytest.mark.engine

MEMORY = "128m"
LARGE = 200 * 2**20
CHUNK = os.urandom(2**20)
PORT = 8000


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """Give all tests one client of the engine."""
    client = docker.from_env(timeout=600)
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: Any) -> Iterator[str]:
    """Build the image under a name of its own, and remove it afterwards."""
    tag = f"stackctl-test-assets:{uuid4().hex[:12]}"
    arguments = {"IMAGE_PREFIX": image_prefix(), "VERSION": "v7"}
    # Another test may remove what the builder has just found in its cache.
    attempts = Retrying(stop=stop_after_attempt(3), reraise=True)
    attempts(engine.images.build, path=str(SERVICE_HOME), tag=tag, buildargs=arguments, rm=True)
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture
def bridged_issuer(engine: Any) -> Iterator[Issuer]:
    """Give the test an issuer that containers reach, and nobody outside the host."""
    # An engine that has never restarted names no gateway; it is the first address even so.
    network = ip_network(engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"])
    with Issuer(str(network[1])) as issuer:
        yield issuer


class Replica:
    """A running container of the image, and a client of it."""

    def __init__(self, container: Any, issuer: Issuer) -> None:
        """Find its address."""
        container.reload()
        address = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        self.container = container
        self.client = httpx.Client(
            base_url=f"http://{address}:{PORT}",
            headers={"Authorization": f"Bearer {issuer.token(uuid4())}"},
            timeout=120,
            verify=False,  # noqa: S501  plain HTTP
        )

    def ready(self) -> bool:
        """Tell whether it serves. Raise with its log if it never will."""
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            self.container.reload()
            assert self.container.status == "running", self.container.logs().decode()
            return False


@contextmanager
def replica(
    engine: Any,
    image: str,
    database: Database,
    issuer: Issuer,
    settings: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Replica]:
    """Run a container as stackctl does, and remove it with its volumes."""
    environment = {**database.environment, "ASSETS_JWKS_URL": issuer.url, **(settings or {})}
    container = engine.containers.run(
        image,
        detach=True,
        name=f"stackctl-test-assets-{uuid4().hex[:12]}",
        network="bridge",
        environment=environment,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        nano_cpus=1_000_000_000,
        **{"tmpfs": {"/tmp": "size=64m"}, **options},  # noqa: S108  the container's own
    )
    try:
        one = Replica(container, issuer)
        with one.client:
            wait_until(one.ready, 60)
            yield one
    finally:
        container.remove(force=True, v=True)


def large_form() -> Iterator[bytes]:
    """Send a large file piece by piece, without saying how large."""
    start, _content, end = form(b"CONTENT").partition(b"CONTENT")
    yield start
    for _ in range(LARGE // len(CHUNK)):
        yield CHUNK
    yield end


def test_a_large_file_needs_little_memory(
    engine: Any, image: str, database: Database, bridged_issuer: Issuer
) -> None:
    """A file of 200 MB goes in and out of a container with 128 MB, which lives through it."""
    volume = f"stackctl-test-assets-{uuid4().hex[:12]}"
    mounted = {volume: {"bind": "/data", "mode": "rw"}}
    try:
        with replica(engine, image, database, bridged_issuer, volumes=mounted) as one:
            answer = post(one.client, large_form())
            assert (answer.status_code, answer.json()["size"]) == (201, LARGE)
            read = 0
            with one.client.stream("GET", answer.headers["location"]) as download:
                for piece in download.iter_raw():
                    read += len(piece)
            assert read == LARGE
            assert one.client.get("/health").json()["version"] == "v7"
            one.container.reload()
            state = one.container.attrs["State"]
            assert (state["Running"], state["OOMKilled"]) == (True, False)
            # What may not be given back at once: the page cache may, and is not in this.
            memory = one.container.stats(stream=False)["memory_stats"]
            held = memory["stats"].get("rss", memory["stats"].get("anon"))
            assert 0 < held < 110 * 2**20
    finally:
        engine.volumes.get(volume).remove()


def test_a_full_disk_is_507_and_leaves_nothing(
    engine: Any, image: str, database: Database, bridged_issuer: Issuer
) -> None:
    """A file that does not fit is refused and removed; a smaller one still fits."""
    small = {"/tmp": "size=64m", "/data": "size=4m,uid=10001,gid=10001,mode=0750"}  # noqa: S108
    no_reserve = {"ASSETS_FREE_PERCENT": "0", "ASSETS_FREE_BYTES": "0"}
    with replica(engine, image, database, bridged_issuer, no_reserve, tmpfs=small) as one:
        for _ in range(3):
            assert_problem(post(one.client, form(os.urandom(6 * 2**20))), 507)
        assert database.rows() == 0
        assert upload(one.client, os.urandom(3 * 2**20))["size"] == 3 * 2**20
        listed = one.container.exec_run(["find", "/data", "-type", "f"]).output.decode()
        assert len(listed.split()) == 1


def test_a_new_volume_belongs_to_the_service(
    engine: Any, image: str, database: Database, bridged_issuer: Issuer
) -> None:
    """On a fresh volume, read-only and without any rights, the service is ready to store."""
    with replica(engine, image, database, bridged_issuer) as one:
        asset = upload(one.client, b"hello", "hello.txt")
        assert one.client.get(f"/assets/{asset['id']}").content == b"hello"
        assert one.container.exec_run(["id", "-u"]).output.strip() == b"10001"
        assert one.container.exec_run(["touch", "/app/x"]).exit_code != 0
        one.container.stop(timeout=10)
        one.container.reload()
        assert one.container.attrs["State"]["ExitCode"] == 0
    assert BOUNDARY not in CHUNK


def test_the_image_migrates(engine: Any, image: str, server: Database) -> None:
    """The same image makes the tables, read-only as it is."""
    database = server.another()
    container = engine.containers.run(
        image,
        ["python", "-m", "assets.migrate"],
        detach=True,
        environment=database.environment,
        network="bridge",
        read_only=True,
        cap_drop=["ALL"],
        mem_limit=MEMORY,
    )
    try:
        assert container.wait()["StatusCode"] == 0
        said = container.logs()
    finally:
        container.remove(force=True, v=True)
    assert [line.split(b'"')[7] for line in said.splitlines()] == [b"migrated", b"up to date"]
    assert database.rows() == 0
