"""The key that seals are signed with: in a variable, or in a file that another variable names."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.evidence.seal import KEY_VARIABLE
from orchestrator.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_VARIABLE = f"{KEY_VARIABLE}_FILE"


def take_key(
    variables: Mapping[str, str],
    folder: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the variables with the key in its own, also where only a file with it is named.

    A relative path is one from `folder`. What the `environment` says of the key is not changed by a
    `.env`, which a checkout may bring. Raises ConfigurationError, so that no release begins whose
    evidence could not be signed.
    """
    if environment.get(FILE_VARIABLE, "").strip():
        variables = {**variables, KEY_VARIABLE: environment.get(KEY_VARIABLE, "")}
    file = variables.get(FILE_VARIABLE, "").strip()
    if not file or variables.get(KEY_VARIABLE, "").strip():
        return dict(variables)
    return {**variables, KEY_VARIABLE: read_key(folder / file)}


def read_key(file: Path) -> str:
    """Return the key that a file holds. Raises ConfigurationError."""
    try:
        key = read_file(file).decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"the key of the evidence cannot be read from `{file}`: {reason}",
            f"{FILE_VARIABLE} or `--key` names a file that holds it",
        ) from error
    if not key:
        raise ConfigurationError(f"`{file}` holds no key", "write one: `openssl rand -hex 32`")
    return key
