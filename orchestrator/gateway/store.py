"""The files of `gateway/supplies.py` in the gateway's volume, which belong to NGINX's user."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from orchestrator.errors import NotFound
from orchestrator.gateway.files import FOLDER, pack_supplies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.ports import Inside

# Removes what no stored config names. A worker on its way out still reads files of the config before, so
# nothing goes while there is one; its `[g]` keeps the script from finding itself.
SWEEP = """
grep -qs 'is shuttin[g] down' /proc/[0-9]*/cmdline && exit
cd "$0" || exit
for one in users/* errors/*; do
    id=${one##*/}
    id=${id%.html}
    [ ! -f "$one" ] || grep -qsF -- "$id" configs/*/nginx.conf || rm -f -- "$one"
done
"""


class Store:
    """What a gateway has beside its config."""

    def __init__(self, engine: Inside, container: str) -> None:
        self._engine = engine
        self._id = container

    def add(self, files: Mapping[str, bytes]) -> None:
        """Bring files, by their paths, also to a container that does not run. Raises EngineError."""
        if files:
            self._engine.write(self._id, FOLDER, pack_supplies(files))

    def add_missing(self, files: Mapping[str, bytes]) -> None:
        """Bring those that are not there. Raises EngineError."""
        stored = {
            path for folder in {*map(posixpath.dirname, files)} for path in self._list(folder)
        }
        self.add({path: content for path, content in files.items() if path not in stored})

    def read(self, path: str) -> str:
        """Return a file, also of a container that does not run; empty where it is not there."""
        try:
            return self._engine.read(self._id, path)
        except NotFound:
            return ""

    def sweep(self) -> None:
        """Remove what no config names any more, unless a worker may still read it: then the next one does."""
        self._engine.execute(self._id, ("sh", "-c", SWEEP, FOLDER))

    def _list(self, folder: str) -> list[str]:
        listed = self._engine.execute(self._id, ("ls", folder))
        names = listed.text.split() if listed.exit_code == 0 else []
        return [f"{folder}/{name}" for name in names]
