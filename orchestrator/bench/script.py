"""The script of a load test: which file it is, how long it takes, and the module k6 runs for it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orchestrator.errors import ConfigurationError
from orchestrator.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "k6"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LENGTH = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
IMPORT = re.compile(r"""(?:\bfrom|\bimport|\brequire\(|\bopen\()\s*['"](\.{1,2}/[^'"\n]+)['"]""")
PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
# `export *` leaves out what the module exports itself: handleSummary is ours, and asks the script's.
# What setup() returned is left out of the summary: it may hold the tokens of users. Files that the
# script writes belong where stackctl was started, although k6 works in the script's own folder.
WRAPPER = """import * as script from %(script)s;
export * from %(script)s;
export default script.default;
export async function handleSummary(data) {
  const files = {};
  try {
    const own = (script.handleSummary && (await script.handleSummary(data))) || {};
    for (const [name, text] of Object.entries(own)) {
      files[/^(stdout$|stderr$|\\/)/.test(name) ? name : %(folder)s + name] = text;
    }
  } catch (error) {
    console.warn(`handleSummary: ${error}`);
  }
  const { setup_data, ...summary } = data;
  return { ...files, %(summary)s: JSON.stringify(summary) };
}
"""


@dataclass(frozen=True)
class Script:
    """A file that k6 can run."""

    path: Path
    file: str  # as people know it: relative to the folder of stack.yaml where it lies in it
    name: str  # safe in the name of a file
    sha256: str  # of the script and of the modules beside it that it imports


@dataclass(frozen=True)
class Overrides:
    """How much load there is to be, where the script is not to decide."""

    vus: int | None = None
    duration: str | None = None
    rate: int | None = None

    def variables(self) -> dict[str, str]:
        """Return the environment that the scripts read them from."""
        named = {"VUS": self.vus, "DURATION": self.duration, "RATE": self.rate}
        return {name: str(value) for name, value in named.items() if value is not None}


def find_script(folder: Path, wanted: str) -> Script:
    """Return a script by its name in the k6 folder, or by its path. Raises ConfigurationError."""
    named = folder / FOLDER / f"{wanted}.js"
    is_path = "/" in wanted or wanted.endswith(".js")
    path = folder / wanted if is_path else named
    try:
        digest = hash_script(path)
    except (OSError, ValueError) as error:
        known = ", ".join(f"`{name}`" for name in list_scripts(folder)) or "none"
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise ConfigurationError(
            f"the script `{wanted}` {reason}", f"in `{FOLDER}/` beside stack.yaml there is: {known}"
        ) from error
    path = path.resolve()
    inside = path.is_relative_to(folder.resolve())
    file = str(path.relative_to(folder.resolve())) if inside else path.name
    return Script(path, file, to_name(path.stem), digest)


def hash_script(path: Path) -> str:
    """Return the SHA-256 of a script and of all files that it takes in. Raises OSError.

    Without any it is the one of the file; what k6 itself will miss is left to k6 to name.
    """
    contents, waiting = {path.resolve(): read_file(path)}, [path.resolve()]
    while waiting:
        taken = waiting.pop()
        for name in IMPORT.findall(contents[taken].decode(errors="replace")):
            found = (taken.parent / name).resolve()
            if found not in contents and found.is_file():
                contents[found] = read_file(found)
                waiting.append(found)
    first, *others = contents.values()
    digest = hashlib.sha256(first)
    for digests in sorted(hashlib.sha256(content).digest() for content in others):
        digest.update(digests)
    return digest.hexdigest()


def list_scripts(folder: Path) -> list[str]:
    """Return the names of the scripts in the k6 folder; what they share with each other is none."""
    return sorted(path.stem for path in (folder / FOLDER).glob("*.js") if _is_script(path))


def _is_script(path: Path) -> bool:
    try:
        return b"export default" in read_file(path)
    except OSError:
        return False


def to_name(stem: str) -> str:
    """Return what is harmless in the name of a file and in a page."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", stem).strip("-.")[:60] or "script"


def write_wrapper(script: Script, summary: Path) -> str:
    """Return a module that is the script, and that writes its summary to a file as well."""
    return WRAPPER % {
        "script": json.dumps("file://" + quote(str(script.path))),
        "summary": json.dumps(str(summary)),
        "folder": json.dumps(f"{Path.cwd()}/"),
    }


def parse_length(text: str) -> float:
    """Return the seconds in a duration as k6 writes it. Raises ConfigurationError."""
    if not LENGTH.fullmatch(text):
        raise ConfigurationError(
            f"expected a duration, got `{text}`", "such as `30s`, `5m` or `1m30s`"
        )
    return sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))


def find_length(inspected: Mapping[str, Any]) -> float:
    """Return the seconds for which users are let loose, from what `k6 inspect` says."""
    scenarios = (inspected.get("scenarios") or {}).values()
    ends = [_find_end(scenario) for scenario in scenarios]
    return max(ends, default=0.0) or parse_length(inspected.get("totalDuration") or "10m")


def _find_end(scenario: Mapping[str, Any]) -> float:
    stages = sum(parse_length(stage["duration"]) for stage in scenario.get("stages") or ())
    lasting = scenario.get("duration") or scenario.get("maxDuration")
    return (
        parse_length(scenario.get("startTime") or "0s")
        + stages
        + (parse_length(lasting) if lasting else 0.0)
    )
