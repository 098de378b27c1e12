"""How many examples: few and always the same ones in `make test`, many new ones in `make properties`.

They write into memory.
"""

from __future__ import annotations

from hypothesis import settings

from tests.memory import write_into_memory
from tests.properties.budget import PROFILE, PROFILES

for name, profile in PROFILES.items():
    settings.register_profile(name, profile)
settings.load_profile(PROFILE)


def pytest_configure() -> None:
    """Before any folder is made."""
    write_into_memory()
