"""Other programs."""

from __future__ import annotations

import pytest

from orchestrator.shell import run


def test_a_program_ends_with_code_and_words() -> None:
    """Both of its streams, and nothing of our environment but what it was given."""
    done = run(("/bin/sh", "-c", "echo $A; echo no >&2; exit 3"), {"A": "yes"})
    assert done == (3, "yes\n", "no\n")


def test_a_program_that_does_not_end_is_ended() -> None:
    """It is an error of the system, as a program that is not there is."""
    with pytest.raises(TimeoutError, match=r"did not end within 0\.05 s"):
        run(("/bin/sleep", "60"), {}, patience=0.05)
    with pytest.raises(OSError, match="No such file"):
        run(("/nonexistent",), {})
