"""A file that a person has named for somebody else to read: links on the way to it are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def write_target(path: Path, text: str) -> None:
    """Replace a file in one step. Raises StackctlError."""
    try:
        # Half of a surrogate pair, which no file can hold, becomes an escape.
        replace_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise StackctlError(
            f"`{path}` cannot be written: {error.strerror}", "name a file in a folder that is there"
        ) from error
