"""`stackctl doctor`."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def doctor(context: typer.Context) -> int:
    """Say what stands in the way of a release, with its mend.

    Looks at engine, ports, disks, memory, files and names, and touches nothing. Exit 1 where something
    would keep `up` or a release from working.
    """
    from orchestrator.clock import SystemClock
    from orchestrator.console import Console
    from orchestrator.dashboard import draw_findings
    from orchestrator.doctor.examination import examine
    from orchestrator.doctor.finding import Verdict, find_worst
    from orchestrator.doctor.view import take_view

    settings = context.obj
    view = take_view(settings.file, os.environ, Path.home(), SystemClock(), settings.reports)
    findings = examine(view)
    worst = find_worst(findings)
    facts = {"verdict": worst, "findings": [finding.facts() for finding in findings]}
    with Console(settings) as console:
        console.print_drawn(facts, lambda: draw_findings(findings))
    return 1 if worst is Verdict.FAULT else 0
