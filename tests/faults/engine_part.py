"""The part of the suite that restarts an engine: in a process, and a network, of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.drill.boundary import parse_boundary
from orchestrator.drill.faults import Case
from orchestrator.drill.report import describe_case
from orchestrator.drill.verdict import Observation, Toll
from orchestrator.stack.load import load_variables
from tests.e2e.operator import REPOSITORY
from tests.faults.account import Account
from tests.faults.acts import make_engine_fault
from tests.faults.matrix import COMMANDS, list_cases, run_cases
from tests.faults.own_engine import OwnEngine
from tests.faults.reboot import reboot_all

if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE = "STACKCTL_FAULTS_INSIDE"
IMAGES = ("nginx:1.30", "python:3.13-slim")


def is_inside() -> bool:
    """Whether this process is the one in a network of its own."""
    return INSIDE in os.environ


def run(_: Callable[[str], None]) -> tuple[list[Observation], list[Account]]:
    """Run the part beside this process; return what it has seen."""
    with tempfile.TemporaryDirectory(prefix="stackctl-faults-") as folder:
        file = Path(folder) / "seen.json"
        subprocess.run(
            ["unshare", "--net", sys.executable, "-m", "tests.faults", file],
            env={**os.environ, INSIDE: "1"},
            check=True,
        )
        seen = json.loads(file.read_text())
    observations = [read_observation(each) for each in seen["observations"]]
    return observations, [Account(**each) for each in seen["accounts"]]


def act(file: Path, say: Callable[[str], None]) -> int:
    """Do what the part is about, and write what was seen."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    prefix = load_variables(REPOSITORY / "stack.yaml").get("IMAGE_PREFIX", "")
    with tempfile.TemporaryDirectory(prefix="stackctl-engine-") as folder:
        engine = OwnEngine(Path(folder), [prefix + image for image in IMAGES])
        with engine:
            os.environ["DOCKER_HOST"] = engine.address
            accounts = list(reboot_all(engine))
            for account in accounts:
                say(
                    f"{'FAILED  ' if account.problems else 'survived'} {account.name}: {account.seen}"
                )
            observations = [
                seen
                for command in COMMANDS
                for seen in run_cases(
                    list_cases([command], [make_engine_fault(engine.restart)]),
                    lambda seen: say(describe_case(seen)),
                )
            ]
    document = {
        "observations": [write_observation(seen) for seen in observations],
        "accounts": [asdict(account) for account in accounts],
    }
    file.write_text(json.dumps(document))
    return 0


def write_observation(seen: Observation) -> dict[str, Any]:
    """Return an observation as JSON values."""
    facts = {f.name: getattr(seen, f.name) for f in fields(seen) if f.name not in ("case", "toll")}
    case = {"command": seen.case.command, "boundary": str(seen.case.boundary)}
    return {"case": case, "toll": asdict(seen.toll), "facts": facts}


def read_observation(written: dict[str, Any]) -> Observation:
    """Read what `write_observation` has written."""
    case = written["case"]
    fault = make_engine_fault(lambda: None)
    facts = written["facts"]
    return Observation(
        case=Case(case["command"], parse_boundary(case["boundary"]), fault),
        toll=Toll(**written["toll"]),
        **{**facts, "said": tuple(facts["said"]), "unclean": tuple(facts["unclean"])},
    )
