"""Whether the evidence of past releases still is what was written, and says what happened."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.errors import ConfigurationError
from orchestrator.evidence.chain import Sealed, find_head, list_files, read_seals
from orchestrator.evidence.checks import (
    EVIDENCE,
    Misfit,
    check_files,
    check_hashes,
    check_strays,
    get_hashes,
    read_evidence,
    read_lines,
    require_name,
)
from orchestrator.evidence.lines import EVENTS, SAMPLES, find_doubt
from orchestrator.evidence.samples import parse_testimony
from orchestrator.evidence.seal import FILE, NewerSchemaError, is_signed, read_seal
from orchestrator.evidence.shape import UNREADABLE
from orchestrator.evidence.summary import summarize, testify
from orchestrator.reports import hash_own, read_own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.evidence.seal import Seal

FIRST_SEALED_SCHEMA = 2
FIRST_CHAINED_SCHEMA = 5
# What the witness's figures had not before a schema.
ADDED = {
    3: {"stale", "closes", "websockets"},
    4: {"reasons"},
    6: {"turned_away"},
    7: {"unseen", "by_log", "blind"},
    8: {"http2", "refused"},
}
KEPT = ("closed_early", "failure")  # by the first schema nowhere but in its evidence
# What the first schema could not draw from the raw files, or did not have.
NOT_DRAWN = {"schema", "traffic", "files", "previous"}

State = Literal["sound", "unsigned", "unsealed", "interrupted", "broken"]


@dataclass(frozen=True)
class Finding:
    """What came of one release."""

    release: str
    state: State
    problem: str | None = None  # the first thing that does not fit, in two or three words
    detail: str = ""  # what exactly that is; of one that is not signed, why

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return asdict(self)


class Audit:
    """All releases of one folder. Nothing is written."""

    def __init__(self, releases: Path, key: bytes | None = None) -> None:
        self._releases = releases
        self._key = key
        self._seals = read_seals(releases)
        self._wanted = {  # the releases that a later one says it followed
            sealed.seal.previous.release for sealed in self._seals.values() if sealed.seal.previous
        }

    @property
    def head(self) -> Sealed | None:
        """Return the last seal: whoever keeps its hash elsewhere knows if releases vanish."""
        return find_head(self._seals)

    def miss_head(self, expected: str) -> str | None:
        """Return what is wrong where the last seal has not this hash; None where it has."""
        head = self.head
        if head is None:
            return "no release here is sealed, and one was expected"
        if head.sha256 == expected:
            return None
        known = next((one for one in self._seals.values() if one.sha256 == expected), None)
        if known is None:
            return f"no seal here is the expected one; the newest is that of `{head.seal.release}`"
        since = head.seal.number - known.seal.number
        return f"`{known.seal.release}` was expected to be the newest; {since} were sealed after it"

    def check_all(self) -> list[Finding]:
        """Return a finding for each release, oldest first, and for whatever else lies there."""
        if not self._releases.is_dir():
            return []
        return [self._check(path) for path in sorted(self._releases.iterdir())]

    def check_one(self, release: str) -> Finding:
        """Return the finding for one release. Raises ConfigurationError where there is none."""
        for path in self._releases.iterdir() if self._releases.is_dir() else ():
            if path.name == release:
                return self._check(path)
        raise ConfigurationError(
            f"no evidence of `{release}` in `{self._releases}`", "list them: `stackctl history`"
        )

    def _check(self, path: Path) -> Finding:
        if path.is_symlink() or not path.is_dir():
            return Finding(path.name, "broken", "stray file", "it is no release's folder")
        try:
            return self._judge(path)
        except Misfit as misfit:
            return Finding(path.name, "broken", misfit.problem, misfit.detail)
        except OSError as error:
            what = f"`{error.filename}`: {error.strerror}"
            return Finding(path.name, "broken", "unreadable file", what)
        except UNREADABLE as error:
            what = f"a field is missing or of another kind: {error!r}"
            return Finding(path.name, "broken", "unreadable file", what)

    def _judge(self, folder: Path) -> Finding:
        names = set(list_files(folder))
        check_files(folder, (EVIDENCE, FILE, EVENTS, SAMPLES))
        if EVIDENCE not in names:
            self._expect_interruption(folder, names)
            return Finding(folder.name, "interrupted")
        evidence = read_evidence(folder / EVIDENCE)
        if evidence.get("release") != folder.name:
            raise Misfit("file changed", f"`{EVIDENCE}` is that of `{evidence.get('release')}`")
        if FILE not in names:
            self._expect_unsealed(folder.name, evidence)
            check_hashes(folder, get_hashes(evidence))
            check_verdict(folder, evidence)
            return Finding(folder.name, "unsealed")
        doubt = (evidence.get("adopted") or {}).get("doubt")
        seal = self._read_seal(folder, unsigned=doubt is not None)
        check_hashes(folder, seal.files)  # first: evidence that was changed would blame others
        check_hashes(folder, get_hashes(evidence))
        check_strays(names, {*seal.files, FILE})
        self._check_place(seal, evidence)
        check_verdict(folder, evidence)
        if doubt is not None:
            return Finding(folder.name, "unsigned", detail=str(doubt))
        self._check_lines(folder, seal, evidence)
        return Finding(folder.name, "sound")

    def _check_lines(self, folder: Path, seal: Seal, evidence: Mapping[str, Any]) -> None:
        """Check that each line of the raw files follows on the one before it."""
        key = self._key if seal.signature else None
        if evidence["schema"] < FIRST_CHAINED_SCHEMA:
            return
        events, samples = (read_lines(folder / name) for name in (EVENTS, SAMPLES))
        doubt = find_doubt(folder.name, events, samples, key)
        if doubt is not None:
            raise Misfit("line changed", doubt)

    def _expect_interruption(self, folder: Path, names: set[str]) -> None:
        """A release that was killed has neither evidence nor an end; another has lost them."""
        ended = EVENTS in names and b'"event":"ended"' in read_own(folder / EVENTS)
        if ended or FILE in names or folder.name in self._wanted:
            raise Misfit("file missing", f"`{EVIDENCE}`, although the release came to its end")
        check_strays(names, {EVENTS, SAMPLES})

    def _expect_unsealed(self, release: str, evidence: Mapping[str, Any]) -> None:
        """Only releases from before there were seals may have none."""
        sealed_before = min(self._seals, default=release)
        if evidence["schema"] >= FIRST_SEALED_SCHEMA or release in self._wanted:
            raise Misfit("file missing", f"`{FILE}`: its seal was taken away")
        if sealed_before < release:
            raise Misfit("file missing", f"`{FILE}`, although `{sealed_before}` before it has one")

    def _read_seal(self, folder: Path, *, unsigned: bool) -> Seal:
        try:
            seal = read_seal(read_own(folder / FILE).decode())
        except NewerSchemaError as error:
            raise Misfit("newer schema", f"`{FILE}`: {error}") from error
        except ValueError as error:
            raise Misfit("file changed", f"`{FILE}`: {error}") from error
        if seal.release != folder.name:
            raise Misfit("file changed", f"`{FILE}` is that of `{seal.release}`")
        if self._key and seal.signature is None and unsigned:
            return seal
        if self._key and seal.signature is None:
            raise Misfit("signature missing", f"`{FILE}` is not signed")
        if self._key and not is_signed(seal, self._key):
            raise Misfit("signature wrong", f"`{FILE}` was not signed with this key")
        return seal

    def _check_place(self, seal: Seal, evidence: Mapping[str, Any]) -> None:
        """Check that the releases that this one says it followed are there and the same."""
        told = evidence.get("previous")
        if seal.previous is None:
            if seal.number != 1:
                raise Misfit("chain broken", f"number {seal.number} names no release before it")
            self._check_unsealed_before(told)
            return
        before = self._find(seal.previous.release)
        if before.sha256 != seal.previous.sha256:
            raise Misfit(
                "chain broken", f"`{seal.previous.release}` was sealed anew after this one"
            )
        if before.seal.number + 1 != seal.number:
            raise Misfit("chain broken", f"it is number {seal.number} after {before.seal.number}")
        named = {"release": before.seal.release, "sha256": before.seal.files.get(EVIDENCE, "")}
        if told != named:
            raise Misfit("chain broken", f"`{EVIDENCE}` names another release before it")

    def _find(self, release: str) -> Sealed:
        if release not in self._seals:
            there = (self._releases / release).is_dir()
            what = "has no readable seal any more" if there else "is not here any more"
            raise Misfit(
                "chain broken" if there else "release missing",
                f"`{release}`, the release before it, {what}",
            )
        return self._seals[release]

    def _check_unsealed_before(self, told: Mapping[str, str] | None) -> None:
        """The first seal has none before it, but its evidence names the last unsealed release."""
        if told is None:
            return
        path = self._releases / require_name(str(told["release"])) / EVIDENCE
        if not path.is_file():
            raise Misfit("release missing", f"`{told['release']}`, the release before it")
        if hash_own(path) != told["sha256"]:
            raise Misfit("chain broken", f"`{told['release']}`, the release before it, was changed")


def check_verdict(folder: Path, evidence: Mapping[str, Any]) -> None:
    """Draw the evidence from the raw files again. Raises Misfit where it comes out otherwise."""
    try:
        drawn = _draw_again(folder, evidence)
    except UNREADABLE as error:
        detail = f"`{EVENTS}` or `{SAMPLES}` cannot be read: {error!r}"
        raise Misfit("verdict not supported", detail) from error
    for name in sorted(drawn.keys() - NOT_DRAWN):
        if evidence.get(name) != drawn[name]:
            raise Misfit("verdict not supported", f"`{name}` is not what the raw files say")


def _draw_again(folder: Path, evidence: Mapping[str, Any]) -> dict[str, Any]:
    events = [json.loads(line) for line in read_lines(folder / EVENTS)]
    samples, notes = parse_testimony(read_own(folder / SAMPLES).decode())
    told = evidence["witness"]
    if evidence["schema"] < FIRST_SEALED_SCHEMA:
        kept = {"event": "testified", **{key: told.get(key) for key in KEPT}}
        witness = testify([*events[:-1], kept, events[-1]], samples, ())
        witness = {key: witness[key] for key in told}
    else:
        witness = testify(events, samples, notes)
        for schema, added in ADDED.items():
            if evidence["schema"] < schema:
                witness = {key: told for key, told in witness.items() if key not in added}
    drawn = summarize(events, witness, evidence.get("traffic"), get_hashes(evidence))
    again: dict[str, Any] = json.loads(json.dumps(drawn))
    return again
