"""The cases of this folder: a stack and its addresses, and the nginx.conf that they must lead to.

A file is a sentence, then `=== stack.yaml`, `=== addresses.json`, for TLS `=== certificates.json` and `=== account.txt`, behind a
shared door `=== front.txt`, pages such as `=== sorry.html`, and `=== nginx.conf`, each followed by the text of that name. `UPDATE_GOLDEN=1 pytest tests/golden` writes the last part anew; what it
changed is then read in `git diff`, and committed with the change that it belongs to.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.table import parse_certificates
from orchestrator.gateway.addresses import parse_table
from orchestrator.gateway.render import render
from orchestrator.gateway.supplies import Supplies, list_keys
from orchestrator.stack.load import load_stack
from orchestrator.stack.page_files import list_error_pages
from tests.properties.nginx import read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.certificates.table import CertificateTable
    from orchestrator.gateway.addresses import AddressTable
    from orchestrator.gateway.config import Config
    from orchestrator.stack.model import Stack
    from tests.properties.nginx import Config as Said

HEAD = re.compile(r"^=== (\w+\.\w+)\n", re.MULTILINE)


class Case(NamedTuple):
    """One file of this folder."""

    file: Path
    stack: Stack
    table: AddressTable
    certificates: CertificateTable
    front: str
    expected: str

    def render(self) -> Config:
        """Return the config that the stack leads to."""
        supplies = Supplies({key: key * 2 for key in list_keys(self.stack)})
        return render(self.stack, self.table, self.certificates, supplies, self.front)

    def read(self) -> Said:
        """Return what the expected config says, to be looked at by many tests and changed by none."""
        return _read_config(self.expected)

    @property
    def shows_pages(self) -> bool:
        """Whether there are pages in the place of NGINX's own errors."""
        return any(pages for _, pages in list_error_pages(self.stack))

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return self.file.stem

    def update(self, config: str) -> None:
        """Make `config` what is expected."""
        kept = self.file.read_text().partition("=== nginx.conf\n")[0]
        self.file.write_text(f"{kept}=== nginx.conf\n{config}")


def read_cases() -> list[Case]:
    """Return all cases of this folder."""
    return [_read(file) for file in sorted(Path(__file__).parent.glob("*.case"))]


def _read(file: Path) -> Case:
    _, *parts = HEAD.split(file.read_text())
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return Case(
        file,
        load_text(found["stack.yaml"], {n: found[n] for n in found if n.endswith(".html")}),
        parse_table(json.loads(found["addresses.json"])),
        parse_certificates(
            json.loads(found.get("certificates.json", "[]")), found.get("account.txt", "").strip()
        ),
        found.get("front.txt", "").strip(),
        found["nginx.conf"],
    )


@cache
def _read_config(text: str) -> Said:
    with TemporaryDirectory() as folder:
        return read_config(text, Path(folder))


def load_text(text: str, pages: Mapping[str, str] = {}) -> Stack:
    """Load a stack from text, with an empty environment and pages beside it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "stack.yaml"
        for name, page in pages.items():
            file.with_name(name).write_text(page)
        file.write_text(text)
        return load_stack(file, {})
