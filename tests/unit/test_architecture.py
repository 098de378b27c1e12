"""The shape of the package: who may import whom, and how long things may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 300  # lines
LONGEST_FUNCTION = 40  # from the signature to the end

GROUND, STACK, WORLD, RELEASE, LIFECYCLE, EDGE = range(6)
LAYERS = {  # each imports from below; parts of the world not from each other
    "__init__": GROUND,
    "asking": GROUND,
    "catalogue": GROUND,
    "certificates": STACK,
    "clock": GROUND,
    "edition": GROUND,
    "errors": GROUND,
    "events": GROUND,
    "files": GROUND,
    "grpc": GROUND,
    "outline": GROUND,
    "pages": GROUND,
    "reading": EDGE,
    "reports": GROUND,
    "series": GROUND,
    "settings": GROUND,
    "shapes": GROUND,
    "shell": GROUND,
    "signals": GROUND,
    "sockets": GROUND,
    "whereabouts": GROUND,
    "stack": STACK,
    "adopt": LIFECYCLE,
    "bench": LIFECYCLE,
    "doctor": LIFECYCLE,
    "engine": WORLD,
    "evidence": WORLD,
    "gateway": WORLD,
    "health": WORLD,
    "release": RELEASE,
    "jobs": LIFECYCLE,
    "lifecycle": LIFECYCLE,
    "__main__": EDGE,
    "announce": EDGE,
    "attachment": EDGE,
    "cli": EDGE,
    "commands": EDGE,
    "console": EDGE,
    "dashboard": EDGE,
    "drill": EDGE,
    "narration": EDGE,
    "spinner": EDGE,
    "terminal": EDGE,
    "wiring": EDGE,
    "wording": EDGE,
}
PORTS = {"orchestrator.engine.ports", "orchestrator.engine.values"}  # which a neighbour may know
OWNERS = {  # of foreign packages: modules, or packages with all that is in them
    "acme": {"certificates.acme"},
    "josepy": {"certificates.acme"},
    "cryptography": {"certificates"},
    "docker": {"engine"},
    "requests": {"engine"},
    "urllib3": {"engine"},
    "jinja2": {"gateway.render", "pages"},
    "httpx": {"announce"},
    "h11": {"evidence.wire"},
    "h2": {"evidence.streams"},
    "pydantic": {"stack"},
    "pydantic_core": {"stack"},
    "yaml": {"adopt", "stack"},
    "dotenv": {"stack"},
    "tenacity": {"clock", "engine.images"},
    "rich": {"console", "dashboard", "narration", "reading", "spinner", "terminal"},
    "typer": {"cli", "commands"},
}


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the package by its dotted name."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            file.read_text()
        )
        for file in sorted((ROOT / "orchestrator").rglob("*.py"))
    }


@cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports, wherever it does: in functions and for type checking too."""
    return frozenset(find_imports(modules()[module]))


def find_imports(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else str(node.module)


@cache
def edges() -> frozenset[tuple[str, str]]:
    """Return all imports within the package, as pairs of who and whom."""
    return frozenset(
        (name, wanted)
        for name in modules()
        for wanted in imports(name)
        if wanted.split(".")[0] == "orchestrator"
    )


@pytest.fixture(scope="module", autouse=True)
def forget() -> Iterator[None]:
    """Let go of 230,000 objects: in the tests after these, all garbage would be looked for in them."""
    yield
    modules.cache_clear()


def part(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def test_every_part_has_its_layer() -> None:
    """A new module or package is put somewhere on purpose."""
    assert {part(name) for name in modules()} <= LAYERS.keys()


def test_imports_point_one_way() -> None:
    """Edge, lifecycle, release, world, stack, ground: nobody imports from above."""
    upwards = [
        f"{who} imports {whom}"
        for who, whom in sorted(edges())
        if LAYERS[part(whom)] > LAYERS[part(who)]
    ]
    assert upwards == []


def test_the_parts_of_the_world_do_not_know_each_other() -> None:
    """Only a neighbour's protocol may be imported."""
    sideways = [
        f"{who} imports {whom}"
        for who, whom in sorted(edges())
        if LAYERS[part(who)] == LAYERS[part(whom)] == WORLD
        and part(who) != part(whom)
        and whom not in PORTS
    ]
    assert sideways == []


def test_there_is_no_import_cycle() -> None:
    """The modules can be put into an order in which each imports only earlier ones."""
    graph: dict[str, set[str]] = {}
    for who, whom in edges():
        graph.setdefault(who, set()).add(whom)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", OWNERS)
def test_a_foreign_package_stays_where_it_belongs(package: str) -> None:
    """What a library is, and what it raises, is known in one place."""
    strangers = [
        name
        for name in modules()
        if any(wanted.split(".")[0] == package for wanted in imports(name))
        and not any(f"{name}.".startswith(f"orchestrator.{owner}.") for owner in OWNERS[package])
    ]
    assert strangers == []


def test_modules_are_short() -> None:
    """A module is read in one sitting."""
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for file in (ROOT / "orchestrator").rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_functions_are_short() -> None:
    """A function fits on a page."""
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_nothing_is_patched() -> None:
    """Fakes are passed in: no test replaces a part of the program behind its back."""
    words = ("monkeypatch." + "setattr", "mock." + "patch", "from unittest " + "import mock")
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in (ROOT / "tests").rglob("*.py")
        for word in words
        if word in file.read_text()
    ]
    assert found == []


def test_the_command_line_starts_without_its_libraries() -> None:
    """Importing `orchestrator.cli` loads none of what only some commands need."""
    heavy = (
        *(
            "docker",
            "rich",
            "httpx",
            "pydantic",
            "jinja2",
            "yaml",
            "tenacity",
            "h11",
            "h2",
            "dotenv",
        ),
        *("_hashlib", "importlib.metadata", "acme", "josepy"),
    )
    code = f"import sys, orchestrator.cli; print(*[n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_release_begins_before_its_later_libraries_are_loaded() -> None:
    """Up to its first event a release needs the engine and stack.yaml: all else is loaded meanwhile."""
    later = (
        *("rich", "httpx", "jinja2", "tenacity", "h11", "h2", "asyncio", "dotenv"),
        *("orchestrator.evidence.report", "orchestrator.catalogue.index", "acme", "josepy"),
    )
    commands = "orchestrator.cli, orchestrator.commands.opening, orchestrator.release.rollout"
    code = f"import sys, {commands}; print(*[name for name in {later} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
