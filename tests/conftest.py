"""All tests: what is loaded before the first one stays until the last, and nobody looks at it again."""

from __future__ import annotations

import gc


def pytest_configure() -> None:
    """Before tests are collected: what that makes is not garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and only in what tests make: the rest is half a million objects."""
    gc.freeze()
    gc.enable()
