"""The table of undos: what a failure in each phase leads to."""

from __future__ import annotations

from orchestrator.release.phases import UNDO, Phase, Undo


def test_every_phase_knows_its_undo() -> None:
    """In the order of the phases there is ever more to undo, and then nothing any more."""
    assert list(UNDO) == list(Phase)
    undos = list(UNDO.values())
    assert list(dict.fromkeys(undos)) == list(Undo)
    assert undos == sorted(undos, key=list(Undo).index)


def test_nothing_is_undone_after_the_confirmation() -> None:
    """The new version is then the healthy copy: there is only forward."""
    phases = list(Phase)
    after = phases[phases.index(Phase.CONFIRM) + 1 :]
    assert after
    assert {UNDO[phase] for phase in after} == {Undo.FORWARD}
    assert UNDO[Phase.CONFIRM] is Undo.RESTORE
