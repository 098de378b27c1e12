"""The sweep: what crashes left behind goes, and nothing else."""

import os
import time
from pathlib import Path
from uuid import uuid4

import pytest
from assets_forms import upload
from assets_issuer import Issuer
from assets_processes import AssetsService, Database, wait_until

OLD = time.time() - 25 * 3600
YOUNG = time.time() - 23 * 3600
LOCK = 4_027_310_001


@pytest.fixture
def stopped_service(service: AssetsService) -> AssetsService:
    """Give the test a stopped service that has stored one file."""
    with service.client() as client:
        upload(client, b"kept")
    service.stop()
    return service


def leave(service: AssetsService, name: str, written: float) -> str:
    """Leave a file as a crash would, some time ago."""
    path = service.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"left")
    os.utime(path, (written, written))
    return name


def orphan() -> str:
    """Name a file as the service names them."""
    name = uuid4().hex
    return f"{name[:2]}/{name}"


def age(service: AssetsService, written: float) -> None:
    """Make all files old."""
    for name in service.files():
        os.utime(service.folder / name, (written, written))


def test_old_leftovers_are_removed_and_all_else_stays(stopped_service: AssetsService) -> None:
    """Old parts and old files without a row go; assets, young files and other files stay."""
    age(stopped_service, OLD)
    [asset] = stopped_service.files()
    gone = [leave(stopped_service, name, OLD) for name in ("incoming/a.part", orphan(), orphan())]
    stay = [
        asset,
        leave(stopped_service, "incoming/b.part", YOUNG),
        leave(stopped_service, orphan(), YOUNG),
        leave(stopped_service, "incoming/notes.txt", OLD),
        leave(stopped_service, "lost+found/" + uuid4().hex, OLD),
        leave(stopped_service, "ab/README", OLD),
    ]
    stopped_service.start()
    wait_until(lambda: stopped_service.files() == sorted(stay))
    assert not set(gone) & set(stopped_service.files())
    # The files go first, and the line that tells of it comes after.
    wait_until(lambda: '"parts": 1, "orphans": 2' in stopped_service.log.read_text())


def test_links_are_not_followed(stopped_service: AssetsService, tmp_path: Path) -> None:
    """A link in the folder leads the sweep nowhere."""
    victim = tmp_path / "victim.part"
    victim.write_text("victim")
    os.utime(victim, (OLD, OLD))
    (stopped_service.folder / "incoming" / "link.part").symlink_to(victim)
    left = leave(stopped_service, "incoming/a.part", OLD)
    stopped_service.start()
    wait_until(lambda: left not in stopped_service.files())
    assert victim.read_text() == "victim"


def test_many_leftovers_are_removed(stopped_service: AssetsService) -> None:
    """More files than one question to the database may name."""
    for _ in range(1100):
        leave(stopped_service, orphan(), OLD)
    stopped_service.start()
    wait_until(lambda: len(stopped_service.files()) == 1)
    assert stopped_service.database.rows() == 1


def test_a_database_that_knows_nothing_costs_no_file(stopped_service: AssetsService) -> None:
    """With an empty table, as of a wrong or a new database, parts go and files stay."""
    age(stopped_service, OLD)
    part = leave(stopped_service, "incoming/a.part", OLD)
    with stopped_service.database.connect() as connection:
        connection.execute("DELETE FROM assets")
    stopped_service.start()
    wait_until(lambda: part not in stopped_service.files())
    assert stopped_service.stop() == 0
    assert len(stopped_service.files()) == 1


def test_one_replica_sweeps_at_a_time(stopped_service: AssetsService) -> None:
    """While somebody else sweeps, nobody does; the service serves all the same."""
    part = leave(stopped_service, "incoming/a.part", OLD)
    with stopped_service.database.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        stopped_service.start()
        with stopped_service.client() as client:
            assert client.get("/health").status_code == 200
            assert upload(client, b"more")["size"] == 4
        assert stopped_service.stop() == 0
        assert part in stopped_service.files()
    stopped_service.start()
    wait_until(lambda: part not in stopped_service.files())


def test_replicas_share_folder_and_database(
    service: AssetsService, database: Database, issuer: Issuer
) -> None:
    """What one replica stores, the other one serves, lists and deletes."""
    owner = uuid4()
    other = AssetsService(database, issuer, service.folder.parent)
    with other, service.client(owner) as here, other.client(owner) as there:
        path = f"/assets/{upload(here, b'shared')['id']}"
        assert there.get(path).content == b"shared"
        assert there.delete(path).status_code == 204
        assert here.get(path).status_code == 404
