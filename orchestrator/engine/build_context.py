"""What the engine is sent to build an image from: a folder, without what is nobody's business there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docker.api.build import process_dockerfile
from docker.utils.build import tar

if TYPE_CHECKING:
    from orchestrator.engine.values import BuildOrder

IGNORED = ".dockerignore"
PATTERN = re.compile(r"[*?\[\]\\!]")  # what a pattern gives a meaning of its own


def pack_context(order: BuildOrder) -> tuple[Any, str]:
    """Return the folder as an archive to be closed, and the Dockerfile's name in it. Raises OSError, ValueError.

    Patterns of `.dockerignore` count as they do for `docker build`. What the order leaves out stays
    away whatever these say: it is named last, and the last one decides.
    """
    file = order.context / IGNORED
    lines = file.read_text(encoding="utf-8-sig").splitlines() if file.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    dockerfile = process_dockerfile(order.dockerfile, str(order.context))
    archive = tar(
        order.context,
        exclude=[*patterns, *(PATTERN.sub("?", path) for path in order.left_out)],
        dockerfile=dockerfile,
    )
    return archive, str(dockerfile[0])
