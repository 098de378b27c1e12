"""An operator for each test, on the real engine; names and ports are unique to the run."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs an engine."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("engine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Print the containers' logs under a failed test."""
    report = yield
    if call.when == "call" and call.excinfo is not None:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Operator):
                value.print_logs()
    return report


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """Somebody with a folder of their own; their stack is removed afterwards."""
    somebody = Operator(tmp_path, f"t{secrets.token_hex(3)}")
    try:
        yield somebody
    finally:
        somebody.remove_everything()


@pytest.fixture
def app(operator: Operator) -> Operator:
    """Somebody whose app serves version v1."""
    operator.write_stack()
    operator.up()
    assert operator.serving() == "v1"
    return operator
