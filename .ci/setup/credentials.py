"""The secrets of the reference stack: made once for a user of this machine, then found again."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

# 32 random bytes each, in letters that need no quotes anywhere. The signing key is one as it is: any
# 32 bytes are the seed of an Ed25519 key.
NAMES = ("AUTH_DB_PASSWORD", "ASSETS_DB_PASSWORD", "AUTH_SIGNING_KEYS")


def prepare(root: Path, variables: Mapping[str, str]) -> str:
    """Have every secret in `.env`, the same ones in each checkout of this user."""
    env, store = root / ".env", kept_at(variables, Path.home())
    chosen, kept = settings.read(env), settings.read(store)
    wanted = {name: found(name, chosen, kept) or secrets.token_urlsafe(32) for name in NAMES}
    # The store first: what only `.env` has is lost with the checkout, and its database is not.
    _complete(store, kept, wanted)
    return "copied to .env" if _complete(env, chosen, wanted) else "already in .env"


def kept_at(variables: Mapping[str, str], home: Path) -> Path:
    """Name the file that outlives a checkout, as the databases' volumes do."""
    state = Path(variables.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else home / ".local" / "state") / "stackctl/platform.env"


def found(name: str, chosen: str, kept: str) -> str | None:
    """Look for a secret in what this checkout's `.env` says, then in what the store keeps."""
    return settings.value(chosen, name) or settings.value(kept, name)


def _complete(file: Path, text: str, wanted: Mapping[str, str]) -> bool:
    """Add what is missing and close the file to others; tell whether there was anything to add."""
    missing = {
        name: secret for name, secret in wanted.items() if settings.value(text, name) is None
    }
    if missing:
        settings.write(file, settings.extended(text, missing))
    elif file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return bool(missing)
