"""The files of a service's versions in the gateway's volume, and the link that says which of them count.

An edition is never changed: the next one is written beside it, whole, and one rename makes it the one
that NGINX sees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import GatewayError, NotFound
from orchestrator.gateway.addresses import COLORS
from orchestrator.gateway.edition import Edition, parse_edition, to_text
from orchestrator.gateway.files import ASSETS, FOLDER, pack_contents, pack_edition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.engine.ports import Inside
    from orchestrator.gateway.edition import Content
    from orchestrator.gateway.intake import Intake

BATCH = 8 * 1024**2  # bytes of files that are written at once
MANY = 500  # names in one command
# Prints the size and the hash of each content; one whose writing was cut is shorter than it should be.
STORED = 'cd "$0/files" 2>/dev/null && find . -type f -exec stat -c "%s %n" {} +; exit 0'
# Makes an edition the one that counts, once it is on disk.
PUBLISH = r"""
set -e
settle() { sync -f . 2>/dev/null || sync; }
cd "$0"
settle
rm -rf now.next
ln -s "editions/$1" now.next
mv -T now.next now
settle
"""
# Removes editions that do not count.
SWEEP = """
cd "$0/editions" 2>/dev/null || exit 0
for one in *; do [ "$(readlink ../now)" = "editions/$one" ] || rm -rf -- "$one"; done
"""


class Shelf:
    """What a gateway has of one service's files."""

    def __init__(self, engine: Inside, container: str, service: str) -> None:
        self._engine = engine
        self._id = container
        self._service = service
        self._place = f"{ASSETS}/{service}"

    def read(self) -> Edition:
        """Return what counts now; an empty edition where there is none, or none that can be read."""
        try:
            text = self._engine.read(self._id, f"{self._place}/now/index.json")
        except NotFound:
            return Edition()
        return parse_edition(text) or Edition()

    def add(self, intake: Intake) -> None:
        """Bring what files hold, as far as it is not there. Raises EngineError."""
        wanted = {content.hash: content for content in intake.files.values()}
        there = self._list_stored()
        missing = [one for one in wanted.values() if there.get(one.hash) != one.size]
        for batch in _batch(missing):
            contents = {one.hash: intake.read(one.hash) for one in batch}
            self._engine.write(self._id, FOLDER, pack_contents(self._service, contents))

    def publish(self, edition: Edition, name: str) -> None:
        """Make an edition count, whose contents are there. Raises GatewayError, EngineError."""
        links = {
            f"{color}/{path}": content.hash
            for color in COLORS
            for path, content in edition.links(color).items()
        }
        packed = pack_edition(self._service, name, to_text(edition), links)
        self._engine.write(self._id, FOLDER, packed)
        self._run(PUBLISH, name)

    def sweep(self, edition: Edition) -> None:
        """Remove what is of no edition that counts. Raises GatewayError, EngineError."""
        self._run(SWEEP)
        left = sorted(self._list_stored().keys() - edition.contents().keys())
        for start in range(0, len(left), MANY):
            paths = [f"{self._place}/files/{one}" for one in left[start : start + MANY]]
            self._engine.execute(self._id, ("rm", "-rf", "--", *paths), user="0")

    def clear(self) -> None:
        """Remove all that there is. Raises EngineError."""
        self._engine.execute(self._id, ("rm", "-rf", "--", self._place), user="0")

    def _run(self, script: str, *words: str) -> None:
        argv = ("sh", "-c", script, self._place, *words)
        ended = self._engine.execute(self._id, argv, user="0")
        if ended.exit_code != 0:
            told = f"assets of `{self._service}`: {ended.text.strip()}"
            raise GatewayError(told)

    def _list_stored(self) -> Mapping[str, int]:
        """Return the sizes of the contents that are there, by their hashes."""
        listed = self._engine.execute(self._id, ("sh", "-c", STORED, self._place), user="0")
        found = re.findall(r"^([0-9]+) \./([0-9a-f]{64})$", listed.text, re.MULTILINE)
        return {hashed: int(size) for size, hashed in found}


def _batch(contents: list[Content]) -> Iterator[list[Content]]:
    """Yield contents in groups of some bytes; one that has more is alone."""
    group: list[Content] = []
    size = 0
    for content in contents:
        if group and size + content.size > BATCH:
            yield group
            group, size = [], 0
        group.append(content)
        size += content.size
    if group:
        yield group
