"""What the suite itself rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_groups_of_tests_stay_together(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-xdist tells them by this: else each worker has a platform of its own, in silence."""
    monkeypatch.setattr(request.node, "_nodeid", f"{request.node.nodeid}@group", raising=False)
    assert request.node.nodeid.endswith("@group")
