"""What `init` says: what it took over, what it changed, and what it could not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stack.unit import find_leader

if TYPE_CHECKING:
    from orchestrator.adopt.findings import Finding, Findings, Kind
    from orchestrator.stack.model import Stack

TITLES: dict[Kind, str] = {
    "took": "taken over",
    "changed": "changed",
    "left": "left out: see the TODO lines of stack.yaml",
    "refused": "refused: no container of a stack may have it",
}
WIDEST = 44  # characters of a key, so that what is said of it begins in one column


def list_facts(findings: Findings, written: list[str], told: str) -> dict[str, Any]:
    """Return the same for scripts."""
    return {
        "from": told,
        "written": written,
        **{kind: [_to_fact(each) for each in findings.of(kind)] for kind in TITLES},
    }


def _to_fact(finding: Finding) -> dict[str, str]:
    return {"key": finding.key, "text": finding.text}


def describe(findings: Findings, written: list[str], told: str, stack: Stack) -> str:
    """Return one line a key, those that need a person last."""
    lines = [f"from {told}"]
    for kind, title in TITLES.items():
        found = findings.of(kind)
        width = min(WIDEST, max((len(each.key) for each in found), default=0))
        lines += [f"\n{title}"] if found else []
        lines += [f"  {each.key:<{width}}  {each.text}" for each in found]
    lines += ["", f"written: {', '.join(written)}"]
    return "\n".join([*lines, *_tell_next(stack), ""])


def _tell_next(stack: Stack) -> list[str]:
    """Return the commands that follow: the first release, and that of each version after it.

    What is built gets whatever name people give it; what is pulled has the names of its registry.
    """
    own = [name for name in stack.services if find_leader(stack, name) is None]
    name = next((name for name in own if not stack.services[name].is_worker), own[0])
    image = stack.services[name].image
    deploy, more, first = f"stackctl deploy {name} --version", "", ""
    if image is None:
        version = "v2"
    elif "{version}" in image:
        version, more = "TAG", ", a tag of its image"
    else:
        version, first = "v2", "name its image in stack.yaml, then "
    return [
        "next: read stack.yaml, then `stackctl up`",
        f"each version after that: {first}`{deploy} {version}`{more}",
    ]
