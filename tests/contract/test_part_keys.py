"""Keys of services and accessories as the real engine takes them, looked at from inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.bench import Bench

pytestmark = pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
ARGUMENTS = "import sys, time; print(*sys.argv[1:], flush=True); time.sleep(600)"


def said(bench: Bench, container: str) -> str:
    """Return the first line that a container prints."""
    return bench.until(lambda: bench.engine.logs(container).strip() or None)


def asked(bench: Bench, container: str, code: str) -> Any:
    """Run Python in a container; return the JSON that it prints."""
    done = bench.engine.execute(container, ("python", "-c", f"import json, os\n{code}"))
    assert done.exit_code == 0, done.text
    return json.loads(done.text)


def test_a_command_is_the_arguments_of_an_entrypoint(bench: Bench) -> None:
    """Both are taken as they are written: no shell has read them."""
    entrypoint, command = ("python", "-c", ARGUMENTS), ("a b", "$HOME", "*")
    assert said(bench, bench.run("app", entrypoint, command=command)) == "a b $HOME *"


def test_a_command_alone_goes_to_the_image(bench: Bench) -> None:
    """In place of its own; an entrypoint alone leaves the image's command out."""
    code = "import time; print('alone', flush=True); time.sleep(600)"
    assert said(bench, bench.run("app", (), command=("python", "-c", code))) == "alone"
