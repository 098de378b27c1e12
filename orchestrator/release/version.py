"""Which version is meant: as somebody has written it, or the one that a rollback goes back to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.stack import naming
from orchestrator.stack.forms import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.engine.values import Image
    from orchestrator.release.observe import Snapshot


LONGEST = 128  # characters of an image tag
STRANGE = re.compile(r"[^A-Za-z0-9._-]+")  # what none has


def parse_version(text: str) -> str:
    """Return the version. Raises ConfigurationError where it cannot be an image tag.

    The name of a branch such as `feature/x` is not changed in silence: `feature-x` may be another one.
    """
    if re.fullmatch(VERSION, text):
        return text
    if not text:
        raise ConfigurationError(
            "the version is empty", "see the variable that it comes from: it has no value"
        )
    rule = "a version is an image's tag: letters, digits, `.`, `_` and `-`, at most 128"
    if len(text) > LONGEST:
        raise ConfigurationError(f"a version of {len(text)} characters is too long", rule)
    proposed = STRANGE.sub("-", text).strip("-.")
    hint = f"name it `{proposed}`; {rule}" if proposed else rule
    raise ConfigurationError(f"`{text}` cannot be a version", hint)


def previous_version(snapshot: Snapshot, service: str, images: Iterable[Image] = ()) -> str:
    """Return the version that a rollback goes back to: what is kept, or, where the version that serves
    was restarted or scaled, what was kept before that.

    Raises StackctlError where none is kept, with the versions that `images` of the stack are there of.
    """
    active = snapshot.lane(service).active
    if active is None:
        raise StackctlError(
            f"`{service}` has no active version to roll back from", "release one: `stackctl up`"
        )
    if active.before:
        return active.before
    kept = snapshot.kept(service)
    if not kept:
        there = _list_versions(images, service, snapshot.version(service))
        known = f"; images of {', '.join(there)} are there" if there else ""
        raise StackctlError(
            f"no previous version of `{service}` is kept on this engine{known}",
            f"name one: `stackctl rollback {service} --to {there[0] if there else 'VERSION'}`",
        )
    return kept[0].version


def _list_versions(images: Iterable[Image], service: str, active: str) -> list[str]:
    """Return the versions but the active one that images of a service are of, the newest first."""
    own = (image for image in images if image.labels.get(naming.SERVICE) == service)
    found = dict.fromkeys(tag.rpartition(":")[2] for image in own for tag in image.tags)
    return [version for version in found if version != active]
