"""What a property may cost. `HYPOTHESIS_PROFILE=long` tries 10,000 examples of each, never the same."""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings

MANY = 10_000
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
# Calls from one at which a command dies to the next: each such death takes three releases or more.
STRIDE = 1 if PROFILE == "long" else 2
TOLERATED = [
    HealthCheck.function_scoped_fixture,  # a folder that each example writes over
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
]
PROFILES = {
    "quick": settings(
        max_examples=50,
        derandomize=True,
        database=None,
        deadline=timedelta(seconds=20),  # far from what is usual, near to what hangs
        suppress_health_check=TOLERATED,
    ),
    "long": settings(
        max_examples=MANY,
        deadline=timedelta(seconds=60),
        suppress_health_check=TOLERATED,
        print_blob=True,
    ),
}


def examples(quick: int) -> settings:
    """Return the settings of a property that tries so many examples in the quick profile."""
    profile = PROFILES[PROFILE]
    return profile if PROFILE == "long" else settings(profile, max_examples=quick)
