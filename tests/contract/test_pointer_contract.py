"""The shell that moves links inside the gateway, run for real in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.gateway.pointer import SHELL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOUND = [
    (Path(path).resolve(), name) for name in ("bash", "dash", "sh") if (path := shutil.which(name))
]
SHELLS = list(dict(FOUND).values())  # each program once
MEMORY = Path("/dev/shm")  # where a `sync` costs nothing: that it happens is not what is seen here
BLUE = Lane(Target("blue", "v1", 2, "r1"))
GREEN = Lane(Target("green", "v2", 2, "r2"), outgoing=BLUE.active)
SHUT = Lane(BLUE.active, candidate=GREEN.active, closed=True)
HALF = Lane(BLUE.active, candidate=GREEN.active, share=50)
NOBODY = 65534
HOSTILE = [
    *(";id", "$(touch${IFS}owned)", "`touch<owned`", "|id", "&", "&&", "#", "'", '"', "\\", "\\n"),
    *("\\c", "%s", "*", "?", "~", "-", "--", "-rf", "-n", "${HOME}", "é\u2028", "a" * 300),
]
WAYS_OUT = [".", "..", "../..", "../../owned", "/", "/tmp", "a/b", "web/lane.json", "web/share"]


class Talk:
    """A shell that does what it is told, one line at a time."""

    def __init__(self, shell: str, folder: Path, user: int | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [shell, "-c", SHELL, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            user=user,
        )

    def ask(self, line: str) -> str:
        """Return the answer to a line."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def move(self, name: str, lane: Lane, service: str = "web") -> str:
        """Ask for a lane as a release does."""
        what = "close" if lane.closed else "pause" if lane.paused else "move"
        return self.ask(f"{what} {service} {name} {lane.green} {lane.to_json()}")

    def close(self) -> str:
        """End the shell; return what it said that nobody has asked for."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        with self.process.stdout as answers:
            left = "" if answers.closed else answers.read()
        self.process.wait()
        return left

    def lane(self, service: str = "web") -> Lane | None:
        """Return the lane that the link of a service leads to."""
        return parse_lane((self.folder / "live" / service / "lane.json").read_text())

    def buckets(self, service: str = "web") -> set[str]:
        """Return the buckets that get green."""
        return {file.name for file in (self.folder / "live" / service / "share").iterdir()}


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture(params=SHELLS)
def start(request: pytest.FixtureRequest, place: Path) -> Iterator[Callable[[], Talk]]:
    """Yield what starts a shell in a folder; all that were started end with the test."""
    (place / "volume").mkdir()
    talks: list[Talk] = []

    def begin() -> Talk:
        talks.append(Talk(request.param, place / "volume"))
        return talks[-1]

    yield begin
    for talk in talks:
        assert talk.close() == ""


@pytest.fixture
def talk(start: Callable[[], Talk]) -> Talk:
    """Return a shell in a folder that is empty."""
    return start()


def list_tree(folder: Path) -> dict[str, str]:
    """Return all that is in a folder: what links say and files hold, and when it was changed."""
    return {
        str(place.relative_to(folder)): f"{place.lstat().st_mtime_ns} {_look_at(place)}"
        for place in sorted(folder.rglob("*"))
    }


def _look_at(place: Path) -> str:
    if place.is_symlink():
        return str(place.readlink())
    return place.read_text() if place.is_file() else "folder"


def test_the_config_to_start_with_is_a_link(talk: Talk) -> None:
    """It is replaced by another one, whether or not there is such a folder yet."""
    for config in ("configs/0a", "configs/0b"):
        assert talk.ask(f"current {config}") == "done"
        assert str((talk.folder / "current").readlink()) == config


def test_a_lane_that_is_closed_has_a_file_that_says_so(talk: Talk) -> None:
    """Beside itself, so that it comes and goes with the move of the link."""
    shut = talk.folder / "live" / "web" / "closed"
    for lane in (BLUE, SHUT, GREEN):
        assert talk.move(f"r.{lane.step}", lane) == "done"
        assert (talk.lane(), shut.exists()) == (lane, lane.closed)


def test_a_color_that_all_get_has_a_file_of_its_name(talk: Talk) -> None:
    """While nobody, not everybody, or only who may get in during a pause does, there is none."""
    paused = replace(BLUE, paused=True)
    moves = {BLUE: {"blue"}, HALF: set(), GREEN: {"green"}, SHUT: set(), paused: set()}
    for number, (lane, marks) in enumerate([*moves.items(), *moves.items()]):
        assert talk.move(f"r.{number}", lane) == "done"
        found = {file.name for file in (talk.folder / "live" / "web").iterdir()}
        assert found & {"blue", "green"} == marks
    assert talk.ask("drop web") == "done"
    assert not (talk.folder / "live" / "web" / "green").exists()


@pytest.mark.parametrize(("lane", "green"), [(BLUE, 0), (HALF, 50), (GREEN, 100)])
def test_a_move_says_who_and_how_many(talk: Talk, lane: Lane, green: int) -> None:
    """Through the link stand the lane itself and a file for each bucket that gets green."""
    assert talk.move("r2.promote", lane) == "done"
    assert str((talk.folder / "live/web").readlink()) == "../moves/web/r2.promote"
    assert talk.lane() == lane
    assert talk.buckets() == {str(bucket) for bucket in range(green)}


def test_a_share_only_grows(talk: Talk) -> None:
    """Whoever got green with a smaller share gets it with a larger one, back to none at once."""
    seen: set[str] = set()
    for share in (1, 5, 50, 99):
        lane = Lane(BLUE.active, candidate=GREEN.active, share=share)
        assert talk.move(f"r2.{share}", lane) == "done"
        assert seen < talk.buckets()
        seen = talk.buckets()
    assert talk.move("r2.back", BLUE) == "done"
    assert talk.buckets() == set()


def test_services_have_links_of_their_own(talk: Talk) -> None:
    """A move or a drop of one is none of the others."""
    assert talk.move("r1.promote", BLUE) == talk.move("r1.promote", GREEN, "api") == "done"
    assert (talk.lane(), talk.lane("api")) == (BLUE, GREEN)
    assert talk.ask("drop api") == "done"
    assert [place.name for place in (talk.folder / "live").iterdir()] == ["web"]


def test_the_same_move_again_changes_nothing(start: Callable[[], Talk]) -> None:
    """Also where another shell has made it: the first one went before it answered."""
    first, second = start(), start()
    assert first.move("r2.promote", GREEN) == "done"
    before = list_tree(first.folder)
    assert second.move("r2.promote", GREEN) == "done"
    assert list_tree(first.folder) == before


def test_a_move_that_was_cut_off_is_made_whole(talk: Talk) -> None:
    """What lies half done under its name is made anew before the link leads there."""
    half = talk.folder / "moves/web/r2.promote"
    (half / "share").mkdir(parents=True)
    (half / "lane.json").touch()
    (talk.folder / "shares/.100").mkdir(parents=True)
    (talk.folder / "shares/.100/7").touch()
    assert talk.move("r2.promote", GREEN) == "done"
    assert (talk.lane(), len(talk.buckets())) == (GREEN, 100)


def test_an_empty_lane_is_written_again(talk: Talk) -> None:
    """A link to a move of that name is not enough where its lane was lost."""
    assert talk.move("r2.promote", GREEN) == "done"
    (talk.folder / "live/web/lane.json").write_text("")
    assert talk.move("r2.promote", GREEN) == "done"
    assert talk.lane() == GREEN


def test_a_dropped_link_is_away(talk: Talk) -> None:
    """With all its moves: nobody is to take one of them for what users had. Twice is no fault."""
    assert talk.move("r1.promote", BLUE) == "done"
    assert talk.ask("drop web") == talk.ask("drop web") == talk.ask("drop other") == "done"
    assert list((talk.folder / "live").iterdir()) == []
    assert list((talk.folder / "moves").iterdir()) == []


@pytest.mark.parametrize("link", ["current", "current.next", "live/web", "live/web.next"])
@pytest.mark.parametrize("kind", ["folder", "file", "dangles", "loop", "elsewhere"])
def test_whatever_is_in_the_way_of_a_link_is_replaced(talk: Talk, link: str, kind: str) -> None:
    """Somebody's folder, file or link there; where a link led to is left alone."""
    (talk.folder / "live").mkdir(exist_ok=True)
    other = talk.folder / "other"
    other.mkdir()
    at = talk.folder / link
    if kind == "folder":
        (at / "deep").mkdir(parents=True)
    elif kind == "file":
        at.write_text("somebody's")
    else:
        at.symlink_to({"dangles": "nowhere", "loop": at.name, "elsewhere": str(other)}[kind])
    assert talk.ask("current configs/0a") == talk.move("r2.promote", GREEN) == "done"
    assert str((talk.folder / "current").readlink()) == "configs/0a"
    assert talk.lane() == GREEN
    assert list(other.iterdir()) == []
    assert {one.name for one in (talk.folder / "live").iterdir()} == {"web"}


@pytest.mark.parametrize("shell", SHELLS)
def test_an_unwritable_folder_is_a_failure_in_one_line(shell: str, place: Path) -> None:
    """With the words of what refused it, and the next line is answered as well."""
    for name in ("live", "moves", "shares", "."):
        (place / name).mkdir(exist_ok=True)
        (place / name).chmod(0o555)
    talk = Talk(shell, place, NOBODY if os.geteuid() == 0 else None)
    for line in ("current configs/0a", f"move web r1 0 {BLUE.to_json()}", "move web r2 7 {}"):
        answer = talk.ask(line)
        assert answer.startswith("failed: ")
        assert "ermission denied" in answer
    assert talk.ask("drop web") == "done"  # there is none
    assert talk.close() == ""
    place.chmod(0o755)
    assert {one.name for one in place.iterdir()} == {"live", "moves", "shares"}


@pytest.mark.parametrize("shell", SHELLS)
def test_without_its_folders_the_shell_ends(shell: str, place: Path) -> None:
    """Where they cannot be made either, nothing is done and nobody waits for an answer."""
    file = place / "volume"
    file.write_text("no folder")
    talk = Talk(shell, file)
    assert talk.close() == ""
    assert talk.process.returncode == 1
    assert file.read_text() == "no folder"


@pytest.mark.parametrize("word", HOSTILE + WAYS_OUT)
def test_a_hostile_word_is_data(talk: Talk, place: Path, word: str) -> None:
    """Each line with it is answered by one, and nothing happens outside, nor to other links."""
    (place / "outside").write_text("outside")
    assert talk.move("r1.promote", BLUE, "other") == talk.ask("current configs/0a") == "done"
    before = list_tree(talk.folder / "live/other")
    for line in (
        word,
        f"{word} web",
        f"drop {word}",
        f"move {word} r1 0 {{}}",
        f"move web {word} 0 {{}}",
        f"move web r1 {word} {{}}",
        f"move web r2 0 {word}",
        f"current {word}",
        f"admit {word}",
    ):
        assert talk.ask(line).partition(" ")[0] in ("done", "failed:")
    assert talk.ask("drop none") == "done"  # question and answer still belong together
    assert list_tree(talk.folder / "live/other") == before
    assert {one.name for one in place.iterdir()} == {"outside", "volume"}
    ours = {"current", "live", "moves", "shares", "witnesses"}
    assert {one.name for one in talk.folder.iterdir()} <= ours


@pytest.mark.parametrize("word", WAYS_OUT)
def test_a_way_out_is_no_name(talk: Talk, word: str) -> None:
    """Neither a service nor a move can be called so, and what there is stays as it is."""
    assert talk.move("r1.promote", BLUE) == "done"
    before = list_tree(talk.folder)
    orders = (f"drop {word}", f"move {word} r2 0 {{}}", f"move web {word} 0 {{}}", f"admit {word}")
    for line in orders:
        assert talk.ask(line) == f"failed: no name: {word}"
    assert list_tree(talk.folder) == before


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            "admit",
            "drop",
            "move",
            "move web",
            "move web r2",
            "move web r2 0",
            "what web",
            "dropp web",
        ),
        *(f"move web r2 {share} {{}}" for share in ("-1", "101", "1000000", "half", "0x10", "5%")),
    ],
)
def test_half_an_order_changes_nothing(talk: Talk, line: str) -> None:
    """Where a word is missing or is none of ours, everything is as before."""
    assert talk.move("r1.promote", BLUE) == "done"
    before = list_tree(talk.folder)
    assert talk.ask(line).startswith("failed:")
    assert list_tree(talk.folder) == before


def test_a_witness_is_let_in_by_its_token(talk: Talk) -> None:
    """NGINX finds a file of that name; it may look, and links are as before."""
    assert talk.move("r1.promote", BLUE) == "done"
    before = list_tree(talk.folder / "live")
    assert talk.ask("admit 0f0f") == talk.ask("admit 0f0f") == talk.ask("admit 1a1a") == "done"
    assert {file.name for file in (talk.folder / "witnesses").iterdir()} == {"0f0f", "1a1a"}
    assert list_tree(talk.folder / "live") == before


def test_a_reader_never_misses_a_lane(start: Callable[[], Talk]) -> None:
    """However often the link moves: whoever looks finds one lane, whole, and its own buckets."""
    lanes = (BLUE, GREEN)
    assert start().move("r.start", BLUE) == "done"
    talk = start()
    file = talk.folder / "live/web/lane.json"
    moves = (f"move web r.{n} {lanes[n % 2].green} {lanes[n % 2].to_json()}\n" for n in range(200))
    assert talk.process.stdin
    talk.process.stdin.write("".join(moves))
    talk.process.stdin.close()
    seen = [file.read_text()]  # raises where there is none
    while talk.process.poll() is None:
        seen.append(file.read_text())
        assert (file.parent / "share").is_dir()
    assert {parse_lane(text) for text in seen} == set(lanes)
    assert talk.process.stdout
    assert talk.process.stdout.read() == "done\n" * 200
