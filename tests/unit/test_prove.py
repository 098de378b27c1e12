"""`make prove` takes an hour: that its safeguards and tests are still there is known sooner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove import SAFEGUARDS, Safeguard

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda one: str(one.name.partition(":")[0]))
def test_a_safeguard_is_where_it_is_looked_for(safeguard: Safeguard) -> None:
    """Once, and the tests that go red without it have these names."""
    assert (REPOSITORY / safeguard.file).read_text().count(safeguard.text) == 1
    for test in safeguard.tests:
        file, _, name = test.partition("::")
        text = (REPOSITORY / file).read_text()
        assert not name or f"def {name.partition('[')[0]}(" in text, test
