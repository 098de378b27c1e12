"""Cases of `up`: the first release of a service, beside one that users have already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from orchestrator.drill.exercise import Exercise

if TYPE_CHECKING:
    from orchestrator.drill.site import Site

OLDER = "web"


class FirstRelease(Exercise):
    """Takes the service away before each case, so that `up` releases it for the first time."""

    def __init__(self, site: Site, service: str, versions: tuple[str, str]) -> None:
        super().__init__(site, service, versions, watched=OLDER)

    def make_ready(self, command: str) -> str:
        """Remove all that there is of the service, and write it into stack.yaml again."""
        assert command == "up"
        whole = self._site.file.read_text()
        without = yaml.safe_load(whole)
        del without["services"][self._service]
        self._site.file.write_text(yaml.safe_dump(without, sort_keys=False))
        self._site.require("up")
        self._site.require("prune")
        self._site.file.write_text(whole)
        return ""
