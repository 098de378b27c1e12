"""`stackctl evidence`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.commands.completion import offer_releases

if TYPE_CHECKING:
    from orchestrator.settings import Settings

MISSING = {"unsealed": "it is not sealed", "unsigned": "it is not signed"}
HINT = "what was written stands in your version control: `git log --stat -- {}`"


Release = Annotated[
    str | None,
    typer.Argument(
        help="A release; without it the newest is shown, all are verified.",
        autocompletion=offer_releases,
    ),
]
Places = Annotated[
    Path | None, typer.Option(help="The folder of releases; beside stack.yaml without it.")
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="A file with the key of the signatures; else STACKCTL_EVIDENCE_KEY, or its _FILE."
    ),
]
Head = Annotated[
    str | None,
    typer.Option(metavar="SHA256", help="The hash of the newest seal, as its release told it."),
]


def evidence(  # noqa: PLR0913, PLR0917  one argument an option
    context: typer.Context,
    action: Annotated[Literal["show", "verify"], typer.Argument(help="What to do with it.")],
    release: Release = None,
    releases: Places = None,
    every: Annotated[bool, typer.Option("--all", help="Verify all releases.")] = False,
    key: Key = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take no release that is unsealed or unsigned.")
    ] = False,
    expect_head: Head = None,
) -> int:
    """Show what a release left, or verify that it is unchanged.

    `evidence show [RELEASE]`, `evidence verify [RELEASE]`
    """
    from orchestrator.errors import ConfigurationError

    folder = _find_releases(context.obj, releases)
    if every and release:
        raise ConfigurationError(f"either `--all` or `{release}`", "leave one of them out")
    if action == "verify":
        wanted = None if expect_head is None else _parse_hash(expect_head)
        return _verify(context.obj, folder, release, key, strict=strict, expected=wanted)
    if every or key or strict or expect_head is not None:
        raise ConfigurationError(
            "`--all`, `--key`, `--strict` and `--expect-head` are for `verify`",
            "`stackctl evidence verify --help`",
        )
    return _show(context.obj, folder, release)


def _find_releases(settings: Settings, named: Path | None) -> Path:
    """Return the folder of releases: whoever names one may name it by a link."""
    from orchestrator.reports import find_reports

    if named is not None:
        return named.resolve()
    return find_reports(settings.file.resolve().parent, settings.reports) / "releases"


def _show(settings: Settings, folder: Path, release: str | None) -> int:
    from orchestrator.console import Console
    from orchestrator.errors import StackctlError
    from orchestrator.evidence.archive import VERIFY, find_release
    from orchestrator.evidence.shape import UNREADABLE

    found = find_release(folder, release)
    with Console(settings) as console:
        try:
            console.print_evidence(found)
        except UNREADABLE as error:
            what = f"the evidence of `{found['release']}` cannot be shown: {error!r}"
            raise StackctlError(what, VERIFY) from error
    return 0


def _parse_hash(text: str) -> str:
    """Return a hash as seals have it. Raises ConfigurationError for what is none."""
    from orchestrator.errors import ConfigurationError

    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        what = f"`{text}` is no SHA-256" if text else "`--expect-head` is empty"
        raise ConfigurationError(what, "`head` in `stackctl evidence verify --output json` has it")
    return text.lower()


def _verify(
    settings: Settings,
    folder: Path,
    release: str | None,
    key: Path | None,
    *,
    strict: bool,
    expected: str | None,
) -> int:
    from orchestrator.console import Console
    from orchestrator.errors import StackctlError
    from orchestrator.evidence.audit import Audit
    from orchestrator.wording import describe_findings

    audit = Audit(folder, _read_key(settings, key))
    findings = [audit.check_one(release)] if release else audit.check_all()
    refused = {"broken", "unsealed", "unsigned"} if strict else {"broken"}
    failed = [found for found in findings if found.state in refused]
    head = audit.head
    doubt = None if expected is None else audit.miss_head(expected)
    facts = {
        "verified": not failed and doubt is None,
        "head": {"release": head.seal.release, "sha256": head.sha256} if head else None,
        "releases": [found.facts() for found in findings],
    }
    with Console(settings) as console:
        console.print_either(facts, describe_findings(findings))
        for found in failed:
            what = ": ".join(
                filter(None, (found.problem or MISSING.get(found.state), found.detail))
            )
            hint = HINT.format(folder) if found is failed[-1] else None
            console.print_error(StackctlError(f"{found.release}: {what}", hint))
        if doubt is not None:
            console.print_error(StackctlError(doubt, "see the log of the release that told it"))
    return 1 if failed or doubt is not None else 0


def _read_key(settings: Settings, file: Path | None) -> bytes | None:
    """Return the key of the signatures: the file's, else the environment's; None without either."""
    from orchestrator.evidence.key import read_key, take_key
    from orchestrator.evidence.seal import KEY_VARIABLE
    from orchestrator.stack.load import load_variables

    if file is not None:
        return read_key(file).encode()
    variables = take_key(load_variables(settings.file), settings.file.resolve().parent, os.environ)
    return variables.get(KEY_VARIABLE, "").strip().encode() or None
