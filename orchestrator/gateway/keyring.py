"""Certificates and their keys in the gateway's volume, which nobody but NGINX may read there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import NotFound
from orchestrator.gateway.files import (
    CERTIFICATES,
    FOLDER,
    certificate_folder,
    pack_certificates,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.certificates.pair import Pair
    from orchestrator.engine.ports import Inside

# Prints the ids of those of which both files are there.
WHOLE = """
cd "$0" 2>/dev/null || exit 0
for one in *; do [ -s "$one/chain.pem" ] && [ -s "$one/key.pem" ] && echo "$one"; done
exit 0
"""


class Keyring:
    """The certificates of a gateway by their ids. What is there under an id never changes."""

    def __init__(self, engine: Inside, container: str) -> None:
        self._engine = engine
        self._id = container

    def add(self, pairs: Sequence[Pair]) -> None:
        """Bring pairs to the volume, also of a container that does not run. Raises EngineError."""
        if pairs:
            self._engine.write(self._id, FOLDER, pack_certificates(pairs))

    def add_missing(self, pairs: Sequence[Pair]) -> None:
        """Bring those that are not there. Raises EngineError."""
        stored = self.list_stored() if pairs else ()
        self.add([pair for pair in pairs if pair.certificate.id not in stored])

    def read_chain(self, identity: str) -> bytes | None:
        """Return the chain of one, also of a container that does not run; None where it is not there."""
        try:
            folder = certificate_folder(identity)
            return self._engine.read(self._id, f"{folder}/chain.pem").encode()
        except NotFound:
            return None

    def list_stored(self) -> frozenset[str]:
        """Return the ids of those that are there, whole."""
        listed = self._engine.execute(self._id, ("sh", "-c", WHOLE, CERTIFICATES))
        return frozenset(listed.text.split()) if listed.exit_code == 0 else frozenset()

    def keep_only(self, kept: Collection[str]) -> None:
        """Remove those that no config needs any more, as the user whose they are."""
        left = sorted(self.list_stored() - {*kept})
        if left:
            folders = [certificate_folder(one) for one in left]
            self._engine.execute(self._id, ("rm", "-rf", "--", *folders))
