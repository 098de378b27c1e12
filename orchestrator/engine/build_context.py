"""What the engine is sent to build an image from: a folder, without what is nobody's business there."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from docker.api.build import process_dockerfile
from docker.utils.build import exclude_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import BuildOrder

IGNORED = ".dockerignore"
PATTERN = re.compile(r"[*?\[\]\\!]")  # what a pattern gives a meaning of its own


@contextmanager
def pack_context(order: BuildOrder) -> Iterator[tuple[IO[bytes], str]]:
    """Give the folder as an archive, and the Dockerfile's name in it. Raises OSError, ValueError.

    Patterns of `.dockerignore`, or of the Dockerfile's own, count as they do for `docker build`. What the
    order leaves out stays away whatever these say: it is named last, and the last one decides.
    """
    patterns = [*_read_patterns(order), *(PATTERN.sub("?", path) for path in order.left_out)]
    dockerfile, text = process_dockerfile(order.dockerfile, str(order.context))
    added = {}
    if text is not None:  # it lies outside of the folder
        # The same text is the same archive.
        dockerfile = f".dockerfile.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        added = {dockerfile: text, IGNORED: "\n".join([*patterns, dockerfile])}
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            found = exclude_paths(str(order.context), patterns, dockerfile=dockerfile)
            for path in sorted(found - added.keys()):
                tar.add(order.context / path, path, recursive=False, filter=_to_nobodys)
            for path, content in added.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content.encode())
                tar.addfile(entry, io.BytesIO(content.encode()))
        archive.seek(0)
        yield archive, str(dockerfile)


def _read_patterns(order: BuildOrder) -> list[str]:
    names = (f"{order.dockerfile}{IGNORED}", IGNORED)
    file = next((order.context / name for name in names if (order.context / name).is_file()), None)
    lines = file.read_text(encoding="utf-8-sig").splitlines() if file else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _to_nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Give a file to root: BuildKit keeps owners, and whoever builds would make an image of their own."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime)
    if sys.platform == "win32":  # it knows no right to execute
        entry.mode |= 0o111
    return entry
