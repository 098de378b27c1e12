"""Unit tests write into memory."""

from __future__ import annotations

from tests.memory import write_into_memory


def pytest_configure() -> None:
    """Before any folder is made."""
    write_into_memory()
