"""What the suite itself rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_groups_of_tests_stay_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells them by this: else each worker has a platform of its own, in silence."""
    node, name = request.node, request.node.nodeid
    node._nodeid = f"{name}@group"
    try:
        assert node.nodeid.endswith("@group")
    finally:
        node._nodeid = name
