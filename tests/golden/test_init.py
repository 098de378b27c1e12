"""What `stackctl init` makes of compose files of the usual kinds: `examples/compose/`.

Each folder there holds what a repository would, and beside it the `stack.yaml` that is written and the
`init.txt` that is said. `UPDATE_GOLDEN=1 pytest tests/golden/test_init.py` writes these two anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.stack.load import load_stack
from orchestrator.stack.schema import FILE
from tests.properties.line import run

if TYPE_CHECKING:
    from tests.properties.line import Ended

EXAMPLES = Path(__file__).parents[2] / "examples" / "compose"
NAMES = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())
WRITTEN = ("stack.yaml", "init.txt")
PASSWORD = "hunter-22"  # noqa: S105  a value that nothing may tell
REFUSED = ("profiles",)  # what asks for rights of the host


def init(name: str, folder: Path) -> Ended:
    """Run `init` in a copy of an example, where there is no docker."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(*WRITTEN))
    return run(folder, ["init"], DB_PASSWORD=PASSWORD)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_becomes_its_stack(name: str, tmp_path: Path) -> None:
    """It is written as it stands there, and all that became of its keys is said."""
    folder = tmp_path / name
    ended = init(name, folder)
    assert ended.code == (1 if name in REFUSED else 0), ended.err
    # Its schema is beside it; that of the examples is in docs/.
    text = (folder / "stack.yaml").read_text().replace(f"={FILE}", f"=../../../docs/{FILE}", 1)
    made = {"stack.yaml": text, "init.txt": ended.out}
    if os.environ.get("UPDATE_GOLDEN"):
        for file, text in made.items():
            (EXAMPLES / name / file).write_text(text)

    assert made == {file: (EXAMPLES / name / file).read_text() for file in WRITTEN}
    assert PASSWORD not in "".join(made.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_there_is_valid(name: str) -> None:
    """`stackctl validate` passes each of them."""
    assert load_stack(EXAMPLES / name / "stack.yaml", {"DB_PASSWORD": PASSWORD}).services
