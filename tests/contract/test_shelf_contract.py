"""What a gateway has of assets, on the fake and on the real engine: by the same names, and whole."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from orchestrator.engine.values import Volume
from orchestrator.gateway.edition import Edition, Stored
from orchestrator.gateway.files import ASSETS, FOLDER
from orchestrator.gateway.intake import Intake
from orchestrator.gateway.shelf import Shelf

if TYPE_CHECKING:
    from tests.contract.bench import Bench


def open_shelf(bench: Bench) -> tuple[str, Shelf]:
    """Return a container that has the gateway's volume, and its shelf for a service `web`."""
    volume = Volume(bench.volume().name, FOLDER)
    container = bench.run("gateway", user="101:101", volumes=(volume,))
    return container, Shelf(bench.engine, container, "web")


def bring(shelf: Shelf, name: str, **files: str) -> Stored:
    """Bring a version's files to a shelf; return what it has."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"./ö {file}.js")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    with Intake("/static/", 2**20) as intake:
        intake.take([packed.getvalue()])
        shelf.add(intake)
        return Stored(name, name, 1, 1, dict(intake.files))


def test_an_edition_takes_the_place_of_the_one_before(bench: Bench) -> None:
    """At once: through the same path, by the same container, other files are found."""
    container, shelf = open_shelf(bench)
    assert shelf.read() == Edition()
    first = Edition((bring(shelf, "v1", old="1", same="one"), bring(shelf, "v2", new="2")))
    first = Edition(first.versions, {"blue": "v1", "green": "v2"})
    shelf.publish(first, "r1")
    place = f"{ASSETS}/web/now"
    assert shelf.read() == first
    assert bench.engine.read(container, f"{place}/green/static/ö same.js") == "one"

    second = Edition((*first.versions[1:], bring(shelf, "v3", same="three")))
    second = Edition(second.versions, {"blue": "v3", "green": "v2"})
    shelf.publish(second, "r2")
    assert bench.engine.read(container, f"{place}/green/static/ö same.js") == "three"
    assert bench.engine.read(container, f"{place}/blue/static/ö new.js") == "2"


def test_what_no_edition_has_is_swept(bench: Bench) -> None:
    """Contents, and editions that do not count; what counts is found as before."""
    container, shelf = open_shelf(bench)
    both = (bring(shelf, "v1", old="1"), bring(shelf, "v2", new="2"))
    shelf.publish(Edition(both, {"blue": "v1", "green": "v2"}), "r1")
    left = Edition(both[1:], {"blue": "gone", "green": "v2"})
    shelf.publish(left, "r2")
    shelf.sweep(left)

    def names(folder: str) -> list[str]:
        return bench.engine.execute(container, ("ls", f"{ASSETS}/web/{folder}")).text.split()

    assert names("editions") == ["r2"]
    assert names("files") == [content.hash for content in both[1].files.values()]
    assert shelf.read() == left
    shelf.clear()
    assert shelf.read() == Edition()
    shelf.sweep(Edition())
