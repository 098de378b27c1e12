"""Which engine is meant: each release says it first, and its evidence keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.endpoint import Endpoint
from orchestrator.events import Started
from orchestrator.evidence.report import render_page, render_report
from orchestrator.narration import Narration
from orchestrator.whereabouts import Whereabouts, read_whereabouts
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

FAR = Whereabouts("ssh://deploy@prod", "context `prod`", "prod-1", "29.1.2")


def test_an_engine_is_told_in_one_line() -> None:
    """Its name, where it is and who has named it, its version; what nobody says is left out."""
    assert FAR.told == "prod-1 at ssh://deploy@prod (context `prod`), Docker 29.1.2"
    assert Whereabouts("tcp://far:2376").told == "an engine at tcp://far:2376"


def test_the_first_line_of_a_release_names_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """Within the columns of a usual terminal; what the engine calls itself is data."""
    narration = Narration(color=False)
    narration.show(Started("r", "deploy", "web", "v3", "ann", "box", "", "1.0", FAR))
    narration.show(Started("r", "up", "web", "v3", "ann", "box", ""))
    hostile = Whereabouts("tcp://far", "", "[bold]\x1b[31mred")
    narration.show(Started("r", "up", "web", "v3", "ann", "box", "", "1.0", hostile))
    first, second, third = capsys.readouterr().err.splitlines()

    assert first == f"deploy web v3 on {FAR.told}"
    assert len(first) < 80
    assert second == "up web v3"
    assert third == "up web v3 on [bold]\\x1b[31mred at tcp://far"


def test_the_evidence_of_a_release_has_the_engine(tmp_path: Path) -> None:
    """As a value for programs, and in words on both pages."""
    world = World(tmp_path).begin()
    evidence = world.evidence(world.deploy("v2"))
    told = world.engine.whereabouts()

    assert read_whereabouts(evidence["engine"]) == told
    assert f"| engine | {told.told} |\n" in render_page(evidence)
    assert f"<dt>engine</dt><dd>{told.told}</dd>" in render_report(evidence, "")


@pytest.mark.parametrize("engine", [None, {}, "far", [1], {"at": ""}, {"name": "prod-1"}])
def test_evidence_that_does_not_say_it_is_shown_without(tmp_path: Path, engine: object) -> None:
    """Earlier stackctls did not; and who wrote what lies there is not known."""
    world = World(tmp_path).begin()
    evidence = {**world.evidence(world.deploy("v2")), "engine": engine}

    assert "engine" not in render_page(evidence).partition("## What users saw")[0]
    assert "<dt>engine" not in render_report(evidence, "")


def test_an_engine_that_names_itself_in_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    """No row, no element and no second line of the page comes from it."""
    world = World(tmp_path).begin()
    evidence = {
        **world.evidence(world.deploy("v2")),
        "engine": {"at": "tcp://far", "name": "a | b\n<b>", "version": 3},
    }

    assert r"| engine | a \| b &lt;b&gt; at tcp://far, Docker 3 |" in render_page(evidence)
    assert "<b>" not in render_report(evidence, "")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("tcp://ann:word@far:2376", "tcp://…@far:2376"),
        ("ann:word@far:2376", "…@far:2376"),
        ("ssh://ann@far:22", "ssh://ann@far:22"),
        ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
    ],
)
def test_no_password_is_shown(host: str, shown: str) -> None:
    """With a scheme before it or without one."""
    assert Endpoint(host).shown == shown
