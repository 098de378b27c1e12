"""What the version in the image stands for: the schema that it needs, and what it offers.

One source tree makes both images of the reference platform, so this is the one place that tells
them apart. MIGRATIONS.md says how a schema changes under two versions that serve at once.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A version's schema: what its migration leads to, and the least that it can run on."""

    schema: str
    display_names: bool


FIRST = Release(schema="0001", display_names=False)
SECOND = Release(schema="0002", display_names=True)


def release_of(version: str) -> Release:
    """Read a version such as `v1` or `v2.3`. What has no number is built from the newest source."""
    number = re.match(r"v?(\d+)", version)
    return FIRST if number and int(number[1]) < 2 else SECOND
