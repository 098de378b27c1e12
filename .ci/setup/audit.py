"""Asks whether vulnerabilities are known of anything that the lock files name: see `make audit`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".setup" / "audit" / "bin" / "pip-audit"
PATIENCE = 600  # seconds for one file
SILENT = 1  # exit code of `--strict` where the service did not answer
WRONG = 2  # of a lock file that is none
UNREACHED = ("requests.exceptions.", "your network may be blocking", "ServiceError")


@dataclass
class Report:
    """What is known of one lock file."""

    audited: int = 0
    findings: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # the service does not know these
    fault: str = ""  # why the file could not be read
    silent: bool = False  # nobody was there to ask

    @property
    def unanswered(self) -> bool:
        """Whether nothing at all was learnt: a service that knows no package is none."""
        return self.silent or (bool(self.skipped) and not self.audited)


def lock_files(root: Path) -> list[Path]:
    """Find every file that something is installed from: all but what the set-up wrote itself."""
    return [
        root / "requirements.lock",
        root / "requirements-run.lock",
        *sorted((root / ".ci").glob("setup/*.txt")),
        *sorted((root / ".ci").glob("images/*/requirements.txt")),
        *sorted(root.glob("services/*/requirements.txt")),
    ]


def ask(file: Path) -> subprocess.CompletedProcess[str]:
    """Run pip-audit on one file; without hashes it refuses, and it resolves and installs nothing."""
    options = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    return subprocess.run(
        (str(PROGRAM), *options, "--requirement", str(file)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=commands.environment(),
        check=False,
    )


def understood(done: subprocess.CompletedProcess[str]) -> Report:
    """Tell findings, a service that does not answer, and a file that is none apart.

    The program ends with 1 in all three cases, and with 0 where it knew nothing of any package.
    """
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        silent = any(word in done.stderr for word in UNREACHED)
        return Report(silent=silent, fault="" if silent else said)
    report = Report()
    for each in dependencies:
        if "skip_reason" in each:
            report.skipped.append(each["name"])
            continue
        report.audited += 1
        for found in each["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "none yet"
            report.findings.append(
                f"{each['name']} {each['version']}: {found['id']}, fixed in {fixed}"
            )
    return report


def told(name: str, report: Report) -> list[str]:
    """Put a report into lines."""
    if report.fault:
        return [f"{name}: cannot be audited: {report.fault}"]
    if report.unanswered:
        return [f"{name}: nothing audited from here on, the vulnerability service does not answer"]
    known = f"{len(report.findings)} known vulnerabilities in {report.audited} packages"
    missed = f"; not known to the service: {', '.join(report.skipped)}" if report.skipped else ""
    return [f"{name}: {known}{missed}", *(f"  {finding}" for finding in report.findings)]


def main(
    arguments: Sequence[str],
    files: Sequence[Path],
    asking: Callable[[Path], subprocess.CompletedProcess[str]] = ask,
    write: Callable[[str], object] = sys.stdout.write,
) -> int:
    """Audit every file; 0 without findings, 1 with some, 2 where a file is no lock file.

    A service that does not answer is said once and is no failure, unless `--strict` makes it one.
    """
    if not set(arguments) <= {"--strict"}:
        write("usage: python3 .ci/setup/audit.py [--strict]\n")
        return WRONG
    codes = set()
    for file in files:
        report = understood(asking(file))
        write("\n".join(told(str(file.relative_to(ROOT)), report)) + "\n")
        if report.unanswered:
            codes.add(SILENT if arguments else 0)
            break
        codes.add(WRONG if report.fault else int(bool(report.findings)))
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lock_files(ROOT)))
