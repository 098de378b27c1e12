"""Evidence that was changed afterwards is found, and what is wrong with it is named."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.evidence.audit import Audit, Finding
from orchestrator.evidence.chain import find_head, last_in_line, read_head, read_seals
from orchestrator.evidence.interruption import Closed, close_interrupted
from orchestrator.evidence.key import FILE_VARIABLE, take_key
from orchestrator.evidence.seal import KEY_VARIABLE, read_seal, sign, write_seal
from orchestrator.reports import hash_own
from tests.fakes.command_line import Run
from tests.fakes.releases import NOTES, Releases, tamper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"of the tests"
HTTP2 = ("http2", "refused")
BLIND = ("unseen", "by_log", "blind", *HTTP2)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Return a folder with three releases."""
    releases = Releases(tmp_path)
    for version in ("v2", "v3", "v4"):
        releases.leave(version, lost=(7,) if version == "v3" else ())
    return releases


def problems(releases: Releases, key: bytes | None = None) -> dict[str, str | None]:
    """Return what is wrong with each release, by its version."""
    found = Audit(releases.folder, key).check_all()
    return {finding.release.rpartition("-")[2]: finding.problem for finding in found}


def place(releases: Releases, version: str) -> Path:
    """Return the folder of a release."""
    (folder,) = releases.folder.glob(f"*-{version}")
    return folder


def seal_anew(folder: Path, key: bytes | None = None) -> None:
    """Do what somebody does who knows how seals are made."""
    seal = read_seal((folder / "seal.json").read_text())
    files = {name: hash_own(folder / name) for name in seal.files}
    forged = type(seal)(seal.release, seal.number, seal.previous, files)
    (folder / "seal.json").write_text(write_seal(sign(forged, key) if key else forged))


def test_untouched_releases_are_sound(releases: Releases) -> None:
    """Those that lost requests as well: their evidence is true."""
    found = Audit(releases.folder).check_all()

    assert [finding.state for finding in found] == ["sound"] * 3
    assert problems(releases) == {"v2": None, "v3": None, "v4": None}


def test_each_release_names_the_one_before(releases: Releases) -> None:
    """The first names none."""
    told: list[Any] = [
        json.loads((place(releases, version) / "evidence.json").read_text())["previous"]
        for version in ("v2", "v3", "v4")
    ]

    assert told[0] is None
    for version, previous in zip(("v2", "v3"), told[1:], strict=True):
        before = place(releases, version)
        assert previous == {
            "release": before.name,
            "sha256": hash_own(before / "evidence.json"),
        }


def test_evidence_that_was_changed_blames_no_other_file(releases: Releases) -> None:
    """Also where the hash that it gives for another file is what was changed."""
    folder = place(releases, "v3")
    digest = hash_own(folder / "events.jsonl")
    tamper(folder / "evidence.json", digest, digest[::-1])

    assert Audit(releases.folder).check_one(folder.name).detail == "`evidence.json`"


@pytest.mark.parametrize(
    "name", ["events.jsonl", "witness.jsonl", "evidence.md", "report.html", "nginx.diff"]
)
def test_a_file_that_is_missing_is_named(releases: Releases, name: str) -> None:
    """And no other release is blamed for it."""
    (place(releases, "v3") / name).unlink()

    assert problems(releases) == {"v2": None, "v3": "file missing", "v4": None}
    assert Audit(releases.folder).check_one(place(releases, "v3").name).detail == f"`{name}`"


def test_a_file_that_nobody_left_is_named(releases: Releases) -> None:
    """In a release's folder, in one below it, and beside the releases."""
    (place(releases, "v2") / "notes").mkdir()
    (place(releases, "v2") / "notes" / "extra.txt").write_text("")
    (place(releases, "v3") / "link").symlink_to("events.jsonl")
    (releases.folder / "alone").write_text("")

    assert problems(releases) == {
        "v2": "stray file",
        "v3": "stray file",
        "v4": None,
        "alone": "stray file",
    }


def test_a_link_is_no_file(releases: Releases) -> None:
    """What it leads to may change without a trace."""
    page = place(releases, "v3") / "report.html"
    page.rename(releases.folder.parent / "elsewhere.html")
    page.symlink_to(releases.folder.parent / "elsewhere.html")

    assert problems(releases)["v3"] == "file changed"


def test_a_release_that_was_taken_away_is_missed(releases: Releases) -> None:
    """By the one that followed it; later ones still hold, and new ones go on from there."""
    shutil.rmtree(place(releases, "v3"))
    assert problems(releases) == {"v2": None, "v4": "release missing"}

    releases.leave("v5")

    assert problems(releases) == {"v2": None, "v4": "release missing", "v5": None}


def test_the_last_release_is_missed_by_who_has_kept_its_hash(releases: Releases) -> None:
    """Nothing in the folder names it; `head` does not say what it said before."""
    before = Audit(releases.folder).head
    shutil.rmtree(place(releases, "v4"))

    assert problems(releases) == {"v2": None, "v3": None}
    assert before is not None
    assert Audit(releases.folder).head != before


def test_releases_that_change_places_are_noticed(releases: Releases) -> None:
    """Whole folders, or only their seals: each is that of another release."""
    first, second = place(releases, "v2"), place(releases, "v3")
    aside = releases.folder / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    found = {f.release: f for f in Audit(releases.folder).check_all()}
    for folder, own in ((first, second), (second, first)):
        assert found[folder.name].detail == f"`evidence.json` is that of `{own.name}`"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert set(problems(releases).values()) == {None}

    seals = [(folder / "seal.json").read_bytes() for folder in (first, second)]
    for folder, seal in zip((first, second), reversed(seals), strict=True):
        (folder / "seal.json").write_bytes(seal)
    found = {f.release: f for f in Audit(releases.folder).check_all()}
    for folder, own in ((first, second), (second, first)):
        assert found[folder.name].detail == f"`seal.json` is that of `{own.name}`"


def test_a_release_that_lost_its_seal_is_no_old_one(releases: Releases) -> None:
    """The next one names it; the last one has sealed releases before it."""
    for version in ("v2", "v4"):
        folder = place(releases, version)
        (folder / "seal.json").unlink()
        tamper(folder / "evidence.json", '"schema": 8', '"schema": 1')

    assert problems(releases) == {"v2": "file missing", "v3": "chain broken", "v4": "file missing"}


def test_evidence_that_vanished_is_no_interruption(releases: Releases) -> None:
    """The events say that the release came to its end."""
    folder = place(releases, "v4")
    for name in ("evidence.json", "seal.json"):
        (folder / name).unlink()

    assert problems(releases)["v4"] == "file missing"


def test_a_killed_release_is_interrupted_and_not_forged(releases: Releases) -> None:
    """It is told apart, and the chain goes around it."""
    killed = releases.leave_killed()
    (releases.folder / "20300101-235959-web-v8").mkdir()
    releases.leave("v5")

    found = Audit(releases.folder).check_all()
    assert [f.state for f in found] == [*["sound"] * 3, "interrupted", "sound", "interrupted"]
    (killed / "forged.txt").write_text("")
    assert problems(releases)["v9"] == "stray file"


def test_a_killed_release_is_sealed_by_who_comes_next(releases: Releases) -> None:
    """From then on it is held to account as any other: no byte of it, and not it itself, may go."""
    killed = releases.leave_killed()
    closed = list(close_interrupted(releases.folder, ["it was removed"], None, releases.clock))
    assert closed == [Closed(killed.name)]
    releases.leave("v5")
    assert set(problems(releases).values()) == {None}
    assert {f.state for f in Audit(releases.folder).check_all()} == {"sound"}

    for path in sorted(killed.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"?" if content else b"?")
        found = Audit(releases.folder).check_one(killed.name)
        path.write_bytes(content)
        assert found.detail.startswith(f"`{path.name}`"), found
    shutil.rmtree(killed)
    assert problems(releases)["v5"] == "release missing"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("evidence.json", '"lossless": false', '"lossless": true'),
        ("evidence.json", '"lost": 1', '"lost": 0'),
        ("evidence.json", '"operator": "ann"', '"operator": "bob"'),
        ("witness.jsonl", '"lost":"connection closed"', '"lost":null'),
        ("events.jsonl", '"outcome":"deployed"', '"outcome":"reverted"'),
        ("witness.jsonl", '"at":', '"when":'),
        ("events.jsonl", '"event":"started"', '"event":"begun"'),
    ],
    ids=["verdict", "figure", "operator", "sample", "outcome", "unreadable", "no-start"],
)
def test_a_verdict_must_come_from_the_raw_files(
    releases: Releases, file: str, old: str, new: str
) -> None:
    """Also where all hashes and the seal were made anew for it."""
    folder = place(releases, "v4")
    shutil.rmtree(folder)
    folder = releases.leave("v4", lost=(7,))
    tamper(folder / file, old, new)
    facts = json.loads((folder / "evidence.json").read_text())
    facts["files"] = {name: hash_own(folder / name) for name in facts["files"]}
    (folder / "evidence.json").write_text(json.dumps(facts))
    seal_anew(folder)

    assert problems(releases)["v4"] == "verdict not supported"


def test_a_release_that_was_sealed_anew_is_not_the_one_that_was_followed(
    releases: Releases,
) -> None:
    """Whoever forges one must forge all that came after it."""
    folder = place(releases, "v2")
    (folder / "evidence.md").write_text("all was well")
    seal_anew(folder)

    assert problems(releases) == {"v2": None, "v3": "chain broken", "v4": None}


def test_a_release_in_anothers_place_is_noticed(releases: Releases) -> None:
    """A whole folder under another name is that of another release."""
    other = releases.folder / "20300101-000030-web-v0"
    shutil.copytree(place(releases, "v2"), other)

    assert problems(releases)["v0"] == "file changed"


@pytest.mark.parametrize("file", ["evidence.json", "seal.json"])
def test_what_a_later_stackctl_wrote_is_not_judged(releases: Releases, file: str) -> None:
    """No verdict is given on what nobody here understands."""
    path = place(releases, "v4") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 9}))

    assert problems(releases)["v4"] == "newer schema"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"schema": 2}', "\ufeff{}", "[" * 100_000],
    ids=["cut-off", "list", "empty", "marked", "deep"],
)
def test_evidence_of_any_shape_is_a_finding(releases: Releases, text: str) -> None:
    """Never a traceback."""
    folder = place(releases, "v4")
    (folder / "evidence.json").write_text(text)
    seal_anew(folder)

    assert problems(releases)["v4"] in ("file changed", "unreadable file")


def test_only_the_key_can_sign(releases: Releases) -> None:
    """With a key, unsigned and forged seals fail; without it signatures are not looked at."""
    for version in ("v5", "v6", "v7"):
        releases.leave(version, key=KEY)
    seal_anew(place(releases, "v7"), b"another")

    assert set(problems(releases).values()) == {None}
    signed = problems(releases, KEY)
    assert (signed["v4"], signed["v5"], signed["v6"]) == ("signature missing", None, None)
    assert signed["v7"] == "signature wrong"


def to_first_schema(folder: Path) -> None:
    """Make a release look as releases did before there were seals."""
    facts = json.loads((folder / "evidence.json").read_text())
    del facts["previous"], facts["witness"]["series"]
    events = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    (folder / "events.jsonl").write_text("".join(e for e in events if '"testified"' not in e))
    facts["files"] = {name: hash_own(folder / name) for name in facts["files"]}
    (folder / "evidence.json").write_text(json.dumps(facts | {"schema": 1}))
    for name in ("seal.json", "report.html"):
        (folder / name).unlink()


def test_releases_from_before_the_seals_are_unsealed(tmp_path: Path) -> None:
    """What can be checked of them is; the first seal names the last of them."""
    releases = Releases(tmp_path)
    for version in ("v2", "v3"):
        releases.leave(version)
    for version in ("v2", "v3"):
        to_first_schema(place(releases, version))
    releases.leave("v4")
    states = [finding.state for finding in Audit(releases.folder).check_all()]
    assert states == ["unsealed", "unsealed", "sound"]

    tamper(place(releases, "v2") / "witness.jsonl", '"lost":null', '"lost":"no"')
    tamper(place(releases, "v3") / "evidence.json", "ann", "bob")
    assert problems(releases) == {
        "v2": "file changed",
        "v3": "verdict not supported",
        "v4": "chain broken",
    }
    shutil.rmtree(place(releases, "v3"))
    assert problems(releases)["v4"] == "release missing"


@pytest.mark.parametrize(
    "written",
    [
        None,
        '{"number": 99, "release": "v4"}',
        '{"number": "4", "release": "v4"}',
        '{"number": true, "release": 7}',
        "[]",
        "[" * 100_000,
        "",
        "\ud800",
    ],
)
def test_the_last_seal_is_found_without_checking_all(
    releases: Releases, written: str | None
) -> None:
    """It is the one that checking all of them leads to, whatever lies where the newest was."""
    if written is not None:
        content = written.encode(errors="surrogatepass")
        (place(releases, "v4") / "seal.json").write_bytes(content)

    head = read_head(releases.folder)

    assert head is not None
    assert head.seal.number == (3 if written is None else 2)
    assert head == find_head(read_seals(releases.folder))


@pytest.mark.parametrize(
    ("schema", "missing"),
    [
        (2, ("stale", "closes", "websockets", "reasons", "turned_away", *BLIND)),
        (3, ("reasons", "turned_away", *BLIND)),
        (5, ("turned_away", *BLIND)),
        (6, BLIND),
        (7, HTTP2),
    ],
)
def test_evidence_from_before_the_witness_told_more_is_sound(
    releases: Releases, schema: int, missing: tuple[str, ...]
) -> None:
    """It says nothing of closes, stale answers, reasons, who was turned away or what was not seen; nobody asks it to."""
    folder = place(releases, "v4")
    facts = json.loads((folder / "evidence.json").read_text())
    for name in missing:
        del facts["witness"][name]
    (folder / "evidence.json").write_text(json.dumps(facts | {"schema": schema}))
    seal_anew(folder)
    assert set(problems(releases).values()) == {None}


def test_a_close_that_was_taken_out_of_the_evidence_is_missed(releases: Releases) -> None:
    """By who draws it from the raw files again, however well the folder is sealed."""
    folder = releases.leave("v5", notes=NOTES)
    assert problems(releases)["v5"] is None
    tamper(folder / "evidence.json", '"kept": 1', '"kept": 0')
    seal_anew(folder)
    assert problems(releases)["v5"] == "verdict not supported"


def test_a_release_waits_until_the_other_is_sealed(releases: Releases) -> None:
    """But not for ever: it must end."""
    with (
        last_in_line(releases.folder, releases.clock),
        last_in_line(releases.folder, releases.clock),
    ):
        waited = sum(releases.clock.slept[-10:])
        releases.leave("v5")

    head = find_head(read_seals(releases.folder))
    assert waited > 0
    assert head is not None
    assert (head.seal.number, head.seal.release) == (4, place(releases, "v5").name)


def test_a_release_nobody_knows_is_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    """Also where there is no folder at all."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigurationError, match=r"no evidence of `\.\./x`"):
            Audit(folder).check_one("../x")
    assert Audit(tmp_path / "none").check_all() == []


def verify(releases: Releases, *arguments: str, **environment: str) -> Run:
    """Run `stackctl evidence verify`."""
    return Run(releases.folder.parents[1], "evidence", "verify", *arguments, **environment)


def test_the_command_tells_what_holds(releases: Releases) -> None:
    """One line a release and exit 0; in JSON with the last seal."""
    run = verify(releases)
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[0].endswith("-web-v2  sound")
    assert run.out.splitlines()[-1] == "3 sound"

    document = verify(releases, "--all", "--output", "json").document
    last = place(releases, "v4")
    assert document["verified"] is True
    assert document["head"] == {"release": last.name, "sha256": hash_own(last / "seal.json")}
    assert [Finding(**found).state for found in document["releases"]] == ["sound"] * 3


def test_the_command_tells_what_does_not(releases: Releases) -> None:
    """Exit 1, one line of error each, one hint; a release that was not asked for does not count."""
    changed = place(releases, "v3")
    tamper(changed / "witness.jsonl", '"idle":0.0', '"idle":0.1')

    run = verify(releases)
    run.assert_refused(1, f"{changed.name}: file changed: `witness.jsonl`", "git log")
    assert f"{changed.name}  broken: file changed: `witness.jsonl`" in run.out
    assert verify(releases, changed.name).code == 1
    assert verify(releases, place(releases, "v2").name).code == 0
    assert verify(releases, "--output", "json").document["verified"] is False


def test_the_command_takes_another_folder(releases: Releases, tmp_path: Path) -> None:
    """Evidence can be verified where no stack is."""
    other = tmp_path / "other"
    shutil.copytree(releases.folder, other)
    shutil.rmtree(releases.folder)

    assert verify(releases, "--releases", str(other)).out.endswith("3 sound\n")
    assert verify(releases).out == "no release has left evidence yet\n"


def test_the_key_comes_from_a_file_or_the_environment(releases: Releases, tmp_path: Path) -> None:
    """An unsigned seal is refused with either; a file without a key is a mistake."""
    signed = releases.leave("v5", key=KEY).name
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")

    assert verify(releases, signed, "--key", str(file)).code == 0
    assert verify(releases, signed, STACKCTL_EVIDENCE_KEY=KEY.decode()).code == 0
    assert verify(releases, signed, STACKCTL_EVIDENCE_KEY_FILE=str(file)).code == 0
    verify(releases, signed, STACKCTL_EVIDENCE_KEY="x").assert_refused(1, "signature wrong", "git")
    file.write_bytes(b"\n")
    verify(releases, "--key", str(file)).assert_refused(2, "holds no key", "openssl rand")
    verify(releases, "--key", str(tmp_path / "none")).assert_refused(
        2, "the key of the evidence cannot be read from", "STACKCTL_EVIDENCE_KEY_FILE"
    )


@pytest.mark.parametrize("written", ["keys/signing", "ABSOLUTE"])
def test_a_key_file_is_one_beside_the_stack(tmp_path: Path, written: str) -> None:
    """Or an absolute path; a key in the variable itself comes first, and without either is none."""
    file = tmp_path / "keys" / "signing"
    file.parent.mkdir()
    file.write_text("from the file\n")
    named = {FILE_VARIABLE: written.replace("ABSOLUTE", str(file)), "OTHER": "stays"}

    assert take_key(named, tmp_path) == {**named, KEY_VARIABLE: "from the file"}
    assert take_key({**named, KEY_VARIABLE: "own"}, tmp_path)[KEY_VARIABLE] == "own"
    assert take_key({**named, KEY_VARIABLE: ""}, tmp_path)[KEY_VARIABLE] == "from the file"
    assert take_key({"OTHER": "stays"}, tmp_path) == {"OTHER": "stays"}
    assert take_key({FILE_VARIABLE: " "}, tmp_path) == {FILE_VARIABLE: " "}


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"], ids=repr)
def test_a_key_file_without_a_key_is_told_at_once(tmp_path: Path, content: bytes | None) -> None:
    """Not when a release is over and cannot be signed."""
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigurationError, match="key"):
        take_key({FILE_VARIABLE: "key"}, tmp_path)


def test_the_environment_says_which_key_it_is(tmp_path: Path) -> None:
    """A `.env`, which a checkout may bring, has no other one be used in its place."""
    (tmp_path / "key").write_text("the runner's")
    around = {FILE_VARIABLE: str(tmp_path / "key")}

    assert take_key({KEY_VARIABLE: "another", **around}, tmp_path, around)[KEY_VARIABLE] == (
        "the runner's"
    )
    both = {KEY_VARIABLE: "its own", **around}
    assert take_key(both, tmp_path, both)[KEY_VARIABLE] == "its own"


def test_the_newest_seal_is_the_one_that_is_expected(releases: Releases) -> None:
    """By the hash that its release has told, kept elsewhere: what vanished is missed."""
    heads = {name: sealed.sha256 for name, sealed in read_seals(releases.folder).items()}
    first, *_, last = heads
    assert verify(releases, "--expect-head", heads[last].upper()).code == 0

    older = verify(releases, "--expect-head", heads[first], "--output", "json")
    assert (older.code, older.document["verified"]) == (1, False)
    assert f"`{first}` was expected to be the newest; 2 were sealed after it" in older.err
    shutil.rmtree(releases.folder / last)
    verify(releases, "--expect-head", heads[last]).assert_refused(
        1, "no seal here is the expected one; the newest is that of", "log of the release"
    )
    shutil.rmtree(releases.folder)
    verify(releases, "--expect-head", heads[last]).assert_refused(1, "no release here is", "log")
    verify(releases, "--expect-head", "").assert_refused(2, "is empty", "`head`")


def test_old_releases_fail_where_seals_are_demanded(releases: Releases) -> None:
    """Unsealed ones pass otherwise."""
    for version in ("v4", "v3"):
        shutil.rmtree(place(releases, version))
    to_first_schema(place(releases, "v2"))

    assert verify(releases).code == 0
    verify(releases, "--strict").assert_refused(1, "it is not sealed", "git log")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "r1", "--all"], "either `--all` or `r1`"),
        (["show", "--all"], "are for `verify`"),
        (["verify", "r1"], "no evidence of `r1`"),
    ],
    ids=["both", "show-all", "unknown"],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Exit code 2."""
    run = Run(tmp_path, "evidence", *arguments)
    assert run.code == 2
    assert message in run.err


def test_each_forgery_names_the_first_thing_only(releases: Releases) -> None:
    """One line a release, however much is wrong with it."""
    folder = place(releases, "v4")
    act: Callable[[str], object]
    for act in (lambda name: (folder / name).unlink(), lambda name: (folder / name).write_text("")):
        for name in ("report.html", "evidence.md"):
            act(name)
    found = Audit(releases.folder).check_one(folder.name)
    assert (found.problem, found.detail) == ("file changed", "`evidence.md`")
