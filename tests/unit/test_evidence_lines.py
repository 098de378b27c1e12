"""A key signs only what began with it: each line of the raw files follows on the one before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.evidence.audit import Audit
from orchestrator.evidence.chain import read_seals
from orchestrator.evidence.interruption import Closed, close_interrupted
from orchestrator.evidence.lines import Chain, start_events, start_samples
from tests.fakes.releases import Releases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY, OTHER = b"the key of the evidence", b"another key"
Lines = list[str]


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Return a folder of releases in which one was signed."""
    releases = Releases(tmp_path)
    releases.leave("v1", key=KEY)
    return releases


def close(releases: Releases, key: bytes | None = KEY) -> None:
    """Do what the next command does with what is left of the dead."""
    for closed in close_interrupted(releases.folder, ["it was removed"], key, releases.clock):
        assert closed == Closed(closed.release)


def judge(folder: Path, key: bytes | None = KEY) -> tuple[str, str]:
    """Return what `evidence verify` finds, and its problem or the reason of its doubt."""
    found = Audit(folder.parent, key).check_one(folder.name)
    return found.state, found.problem or found.detail


def read(folder: Path) -> Any:
    """Return what evidence.json says."""
    return json.loads((folder / "evidence.json").read_text())


def forge(folder: Path, name: str = "20300101-120000-web-v666") -> Path:
    """Write a release that never ran, as anybody can who writes a file."""
    forged = folder / name
    forged.mkdir(parents=True)
    at = "2030-01-01T08:00:00.000+00:00"
    started = {"at": at, "event": "started", "release": name, "command": "deploy"}
    started |= {"service": "web", "version": "v666", "operator": "alice", "host": "prod", "ci": ""}
    sample = {"client": "fresh", "request": "GET /", "idle": 0, "ms": 1.0, "status": 200}
    sample |= {"served": "web_green/v666", "lost": None}
    entries = [{"at": 1893484800.0 + number, **sample} for number in range(9)]
    (forged / "events.jsonl").write_text(json.dumps(started) + "\n")
    (forged / "witness.jsonl").write_text("".join(json.dumps(each) + "\n" for each in entries))
    return forged


def test_what_never_ran_is_not_signed(releases: Releases) -> None:
    """It is closed and sealed, but `verify` says what it is, and no request is promised for it."""
    forged = forge(releases.folder)
    close(releases)

    assert judge(forged) == ("unsigned", "it does not say how it began")
    assert judge(forged, None) == judge(forged)
    assert read_seals(releases.folder)[forged.name].seal.signature is None
    assert read(forged)["verdict"]["lossless"] is None
    assert "is not signed" in read(forged)["warnings"][0]
    assert judge(releases.leave("v3", key=KEY))[0] == "sound"


def test_what_began_with_the_key_is_signed_by_who_comes_next(releases: Releases) -> None:
    """Nothing is said of what its witness did not come to write down."""
    killed, losing = (releases.leave_killed(KEY, lost) for lost in ((), (3,)))
    (killed / "witness.jsonl").write_bytes((killed / "witness.jsonl").read_bytes()[:-9])  # torn
    close(releases)

    assert judge(killed) == judge(losing) == ("sound", "")
    assert judge(killed, OTHER) == ("broken", "signature wrong")
    assert read(killed)["verdict"] == {
        "lossless": None,
        "text": "interrupted, 0 of 39 witness requests lost before it died",
    }
    assert read(losing)["verdict"]["lossless"] is False


def test_a_whole_release_that_is_cut_back_promises_nothing(releases: Releases) -> None:
    """Who cuts off its end may have it signed as one that died, and no more than that."""
    folder = releases.leave("v2", key=KEY, lost=(39,))
    for path in folder.iterdir():
        if path.suffix != ".jsonl":
            path.unlink()
    for name, kept in (("events.jsonl", 9), ("witness.jsonl", 30)):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[:kept]))
    close(releases)

    assert read(folder)["outcome"] == "interrupted"
    assert read(folder)["verdict"]["lossless"] is None


def chain_anew(
    events: Lines, samples: Lines, release: str, key: bytes | None
) -> tuple[Lines, Lines]:
    """Return the lines as somebody with another key, or without one, can chain them."""

    def link(start: str, lines: Lines) -> tuple[Chain, Lines]:
        chain = Chain(key, start)
        bare = ({**json.loads(line)} for line in lines)
        texts = [json.dumps({k: v for k, v in each.items() if k != "chain"}) for each in bare]
        return chain, [chain.link(text).rstrip("\n") for text in texts]

    _, linked = link(start_events(release), events)
    begin = json.loads(linked[0])["chain"]
    return linked, link(start_samples(begin), samples)[1]


CHANGES: dict[str, Callable[[Lines, Lines, str], tuple[Lines, Lines]]] = {
    "a changed event": lambda e, s, _: ([e[0], e[1].replace('"ann"', '"bob"'), *e[2:]], s),
    "a changed sample": lambda e, s, _: (e, [s[0].replace('"idle":0.0', '"idle":1.0'), *s[1:]]),
    "an event left out": lambda e, s, _: ([*e[:2], *e[3:]], s),
    "a sample left out": lambda e, s, _: (e, s[:5] + s[6:]),
    "the first sample left out": lambda e, s, _: (e, s[1:]),
    "samples that changed places": lambda e, s, _: (e, [s[1], s[0], *s[2:]]),
    "an event twice": lambda e, s, _: ([*e, e[-1]], s),
    "a line without a digest": lambda e, s, _: (e, [*s[:-1], s[-1].partition(',"chain"')[0] + "}"]),
    "lines chained without a key": lambda e, s, name: chain_anew(e, s, name, None),
    "lines chained with another key": lambda e, s, name: chain_anew(e, s, name, OTHER),
    "no begin": lambda e, s, _: (e[1:], s),
    "a begin without the key": lambda e, s, name: chain_anew(
        [e[0].replace("hmac-sha256", "sha256"), *e[1:]], s, name, None
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_somebody_has_changed_is_not_signed(
    releases: Releases, change: Callable[[Lines, Lines, str], tuple[Lines, Lines]]
) -> None:
    """Whoever has no key can chain no line."""
    killed = releases.leave_killed(KEY)
    files = [killed / name for name in ("events.jsonl", "witness.jsonl")]
    events, samples = (path.read_text().splitlines() for path in files)
    after = change(events, samples, killed.name)
    for path, lines in zip(files, after, strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    close(releases)

    state, doubt = judge(killed)
    assert state == "unsigned", doubt
    assert doubt


def test_the_lines_of_another_release_are_not_its_own(releases: Releases) -> None:
    """Neither all of them under another name, nor its witness alone."""
    first, second = releases.leave_killed(KEY), releases.leave_killed(KEY)
    (second / "witness.jsonl").write_bytes((first / "witness.jsonl").read_bytes())
    copy = releases.folder / "20300101-230000-web-v9"
    copy.mkdir()
    text = (first / "events.jsonl").read_text().replace(first.name, copy.name)
    (copy / "events.jsonl").write_text(text)
    close(releases)

    assert judge(first)[0] == "sound"
    assert judge(second)[0] == judge(copy)[0] == "unsigned"


def test_who_closes_lends_nobody_the_key(releases: Releases) -> None:
    """What is added to lines that are not its own is chained as anybody could."""
    forged = forge(releases.folder)
    close(releases)
    last = (forged / "events.jsonl").read_text().splitlines()[-2:]
    text = last[1].partition(',"chain"')[0] + "}"
    chain = Chain(None, json.loads(last[0])["chain"])

    assert chain.link(text) == last[1] + "\n"


@pytest.mark.parametrize(
    ("began", "closed", "verified", "found"),
    [
        (None, None, None, ("sound", "")),
        (None, KEY, KEY, ("unsigned", "it began without the key")),
        (KEY, None, None, ("sound", "")),
        (KEY, None, KEY, ("broken", "signature missing")),
        (KEY, KEY, None, ("sound", "")),
    ],
)
def test_a_key_that_comes_or_goes_in_between(
    tmp_path: Path,
    began: bytes | None,
    closed: bytes | None,
    verified: bytes | None,
    found: tuple[str, str],
) -> None:
    """Without one things are as they were; it signs nothing that began before it."""
    releases = Releases(tmp_path)
    killed = releases.leave_killed(began)
    close(releases, closed)

    assert judge(killed, verified) == found


def test_without_a_key_a_chain_still_shows_a_line_that_was_changed(tmp_path: Path) -> None:
    """Unless all that follow it are chained anew."""
    releases = Releases(tmp_path)
    killed = releases.leave_killed()
    path = killed / "events.jsonl"
    path.write_text(path.read_text().replace('"ann"', '"bob"'))
    close(releases, None)

    assert judge(killed, None) == (
        "unsigned",
        "line 2 of `events.jsonl` does not follow on the one before it",
    )


def test_a_record_from_before_there_were_chains_is_closed_as_it_was(tmp_path: Path) -> None:
    """Where there is no key, nobody can tell it from another."""
    releases = Releases(tmp_path)
    old = forge(releases.folder)
    close(releases, None)

    assert judge(old, None) == ("sound", "")


def test_a_record_that_was_only_begun_leaves_no_folder(releases: Releases) -> None:
    """It died before its first word, or in it."""
    for torn in ("", '{"at":"2030', "{"):
        killed = releases.leave_killed(KEY)
        begun = (killed / "events.jsonl").read_text().splitlines(keepends=True)[0]
        (killed / "events.jsonl").write_text(begun + torn)
        close(releases)
        assert not killed.exists()
