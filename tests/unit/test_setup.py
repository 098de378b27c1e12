"""The decisions that `.ci/setup` takes, without an engine, a network or a package."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stack.env_file import read_env_file

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(
    str(ROOT / ".ci" / "setup")
)  # a directory that is run, not a package that is imported

browser: Any = importlib.import_module("browser")
commands: Any = importlib.import_module("commands")
credentials: Any = importlib.import_module("credentials")
engine: Any = importlib.import_module("engine")
environment: Any = importlib.import_module("environment")
images: Any = importlib.import_module("images")
secure_shell: Any = importlib.import_module("secure_shell")
settings: Any = importlib.import_module("settings")
standins: Any = importlib.import_module("standins")
steps: Any = importlib.import_module("steps")
system: Any = importlib.import_module("system")

PYPROJECT = '[project]\nname = "stackctl"\n[tool.ruff]\nline-length = {width}\n'


class Registry:
    """Hands out images or does not, and remembers what it was asked for."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, image: str) -> bool:
        """Pull an image, as the set-up would."""
        self.asked.append(image)
        return self.answers


def checkout(directory: Path, *, lock: str = "a==1", width: int = 100) -> Path:
    """Write the two files that the virtual environment depends on."""
    (directory / "requirements.lock").write_text(lock)
    (directory / "pyproject.toml").write_text(PYPROJECT.format(width=width))
    return directory


def house_of_secrets(directory: Path, env: str = "") -> tuple[Path, Path, Callable[[], str]]:
    """Lay out a checkout and a user's state; give both files and the step that fills them."""
    (directory / "checkout").mkdir()
    if env:
        (directory / "checkout" / ".env").write_text(env)
    variables = {"XDG_STATE_HOME": str(directory / "state")}
    return (
        directory / "checkout" / ".env",
        directory / "state" / "stackctl" / "platform.env",
        lambda: str(credentials.prepare(directory / "checkout", variables)),
    )


def mode(path: Path) -> int:
    """Tell who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("prefix", "absent", "answers", "source", "asked"),
    [
        (None, [], False, "OFFICIAL", []),
        (None, ["nginx:1.30", "mongo:8"], True, "OFFICIAL", ["nginx:1.30"]),
        (None, ["mongo:8"], False, "STAND_INS", ["mongo:8"]),
        ("localhost/", ["localhost/mongo:8"], True, "STAND_INS", []),
        ("mirror.example/", ["mirror.example/mongo:8"], False, "GIVEN", []),
        ("", ["mongo:8"], False, "OFFICIAL", []),
    ],
)
def test_source_of_images(
    prefix: str | None,
    absent: list[str],
    answers: bool,  # noqa: FBT001
    source: str,
    asked: list[str],
) -> None:
    """A chosen prefix is obeyed unasked; without one a single image tells whether a registry answers."""
    registry = Registry(answers=answers)
    assert images.chosen_source(prefix, absent, registry) is images.Source[source]
    assert registry.asked == asked


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("", None),
        ("OTHER=1\n", None),
        ("# IMAGE_PREFIX=commented/\n", None),
        ("IMAGE_PREFIX=localhost/\n", "localhost/"),
        ("export IMAGE_PREFIX='mirror.example/'", "mirror.example/"),
        ('IMAGE_PREFIX="mirror.example/" # ours\n', "mirror.example/"),
        ("IMAGE_PREFIX=first/\nIMAGE_PREFIX=last/\n", "last/"),
        ("IMAGE_PREFIX=\n", ""),
    ],
)
def test_prefix_in_settings(text: str, prefix: str | None) -> None:
    """The prefix is read from `.env` in every way that such a line is written."""
    assert images.chosen_prefix({}, text) == prefix


def test_environment_goes_before_settings() -> None:
    """A variable of the environment wins over `.env`, even where it is empty."""
    assert images.chosen_prefix({"IMAGE_PREFIX": ""}, "IMAGE_PREFIX=localhost/\n") == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "IMAGE_PREFIX=localhost/\n"),
        ("TOKEN=x\n", "TOKEN=x\nIMAGE_PREFIX=localhost/\n"),
        ("# kept\nTOKEN=x", "# kept\nTOKEN=x\nIMAGE_PREFIX=localhost/\n"),
    ],
)
def test_settings_gain_one_line(before: str, after: str) -> None:
    """Every other line of `.env` stays, and the new one is read back."""
    assert settings.extended(before, {images.VARIABLE: standins.PREFIX}) == after
    assert images.chosen_prefix({}, after) == standins.PREFIX


@pytest.mark.parametrize(
    "written",
    [
        *("", "a", "a b", "a=b", "a#b", "it's", "a\\nb", "päss"),
        *("a # c", "a   #c # d", " a ", "' a '", "'a # b' # c", "'a$b \"c\"'#d", "''", '""'),
        *('"a"', '"a # b"', '"it\'s"', '"a" # it\'s', '"#"', "'a'\r"),
    ],
)
def test_settings_are_what_stackctl_reads(tmp_path: Path, written: str) -> None:
    """Two readers say the same of a line, and of what the set-up makes of it elsewhere."""
    text = f"V=before\nexport V = {written}\nW=after\n"
    found = settings.value(text, "V")
    copied = settings.extended("", {"V": found})
    assert settings.value(copied, "V") == found
    for each in (text, copied):
        (tmp_path / ".env").write_text(each, newline="")
        assert read_env_file(tmp_path / ".env", {})["V"] == found


@pytest.mark.parametrize(
    "written",
    [
        *("$A", "pa$$word", '"${A:-b}"', '"a\\nb"', '"say \\"a\\""', "'it\\'s'", "'a\nb'", "'a"),
        *("'it's'", '"a"b', " # a", "a\t# b"),
    ],
)
def test_settings_are_not_guessed(tmp_path: Path, written: str) -> None:
    """What takes a parser to read is refused; a secret that is half of itself opens no database."""
    with pytest.raises(steps.SetupError, match="in a way that the set-up does not read") as raised:
        settings.value(f"V={written}\n", "V")
    assert raised.value.following.startswith("write V='…'")
    env, store, run = house_of_secrets(tmp_path, f"AUTH_DB_PASSWORD={written}\n")
    with pytest.raises(steps.SetupError):
        run()
    assert not store.exists()
    assert env.read_text() == f"AUTH_DB_PASSWORD={written}\n"


def test_secrets_are_read_back_as_they_were_made(tmp_path: Path) -> None:
    """What the set-up has written into both files is what stackctl finds there."""
    env, store, run = house_of_secrets(tmp_path, "AUTH_DB_PASSWORD='mine $ # $$'\n")
    run()
    values = read_env_file(env, {})
    assert values["AUTH_DB_PASSWORD"] == "mine $ # $$"  # noqa: S105
    assert read_env_file(store, {}) == values
    assert {name: settings.value(store.read_text(), name) for name in credentials.NAMES} == values


def test_settings_are_written_in_one_move(tmp_path: Path) -> None:
    """Nothing but `.env` is left behind, a draft that was never finished neither; it is private."""
    (tmp_path / ".env.draft").write_text("half a li")
    settings.write(tmp_path / ".env", "A=1\n")
    assert [file.name for file in tmp_path.iterdir()] == [".env"]
    assert (tmp_path / ".env").read_text() == "A=1\n"
    assert mode(tmp_path / ".env") == 0o600


def test_settings_that_cannot_be_written_are_explained(tmp_path: Path) -> None:
    """A place that takes no file is a failure of the set-up, with what to look at next."""
    (tmp_path / "file").write_text("")
    with pytest.raises(steps.SetupError, match=r"cannot be written: Not a directory") as raised:
        settings.write(tmp_path / "file" / "stackctl" / "platform.env", "A=1\n")
    assert raised.value.following.startswith("ls -ld ")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The first run makes all of them, the second changes no byte; `.env` and the store agree."""
    env, store, run = house_of_secrets(tmp_path, "# ours\nIMAGE_PREFIX=localhost/")
    assert run() == "copied to .env"
    made = env.read_text()
    assert made.startswith("# ours\nIMAGE_PREFIX=localhost/\n")
    assert made.endswith(store.read_text())
    assert run() == "already in .env"
    assert env.read_text() == made


def test_secrets_are_private_and_hard_to_guess(tmp_path: Path) -> None:
    """Each is 32 bytes of its own; only the owner reads the files, or lists the store's folder."""
    env, store, run = house_of_secrets(tmp_path)
    run()
    values = [settings.value(env.read_text(), name) for name in credentials.NAMES]
    assert len(set(values)) == len(values) == 3
    assert {len(base64.urlsafe_b64decode(f"{value}=")) for value in values} == {32}
    assert [mode(path) for path in (env, store, store.parent)] == [0o600, 0o600, 0o700]
    env.chmod(0o644)
    assert run() == "already in .env"
    assert mode(env) == 0o600


def test_another_checkout_finds_the_same_secrets(tmp_path: Path) -> None:
    """The databases' volumes outlive a checkout, and so do the passwords they were made with."""
    env, _, run = house_of_secrets(tmp_path)
    run()
    before = env.read_text()
    env.unlink()
    assert run() == "copied to .env"
    assert env.read_text() == before


def test_a_secret_of_ones_own_stays(tmp_path: Path) -> None:
    """A line of `.env` wins over the store, is never written to, and is kept if it is the only one."""
    env, store, run = house_of_secrets(tmp_path, "AUTH_DB_PASSWORD='mine' # old\n")
    run()
    assert env.read_text().startswith("AUTH_DB_PASSWORD='mine' # old\n")
    assert settings.value(store.read_text(), "AUTH_DB_PASSWORD") == "mine"
    env.write_text("AUTH_DB_PASSWORD=other\n")
    assert run() == "copied to .env"
    assert settings.value(env.read_text(), "AUTH_DB_PASSWORD") == "other"
    assert settings.value(store.read_text(), "AUTH_DB_PASSWORD") == "mine"


@pytest.mark.parametrize("state", ["", "not/absolute"])
def test_secrets_are_kept_at_home(tmp_path: Path, state: str) -> None:
    """Without a usable directory for state it is the usual one."""
    kept = credentials.kept_at({"XDG_STATE_HOME": state}, tmp_path)
    assert kept == tmp_path / ".local" / "state" / "stackctl" / "platform.env"


def test_current_environment_is_known_again(tmp_path: Path) -> None:
    """The stamp of a complete set-up matches as long as nothing it depends on changed."""
    stamp, wanted = tmp_path / "stamp", environment.fingerprint(checkout(tmp_path), "3.11")
    assert not environment.is_current(stamp, wanted)
    stamp.write_text(wanted)
    assert environment.is_current(stamp, wanted)


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"width": 120}, True), ({"lock": "a==2"}, False)],
)
def test_only_dependencies_make_it_stale(
    tmp_path: Path,
    change: dict[str, Any],
    same: bool,  # noqa: FBT001
) -> None:
    """A tool's setting in pyproject.toml reinstalls nothing, another version of a package does."""
    before = environment.fingerprint(checkout(tmp_path), "3.11")
    assert (environment.fingerprint(checkout(tmp_path, **change), "3.11") == before) is same


def test_another_python_makes_it_stale(tmp_path: Path) -> None:
    """An environment of one Python is of no use to the next."""
    root = checkout(tmp_path)
    assert environment.fingerprint(root, "3.11") != environment.fingerprint(root, "3.12")


def test_default_engine(tmp_path: Path) -> None:
    """Without a word from anybody it is the local socket."""
    assert engine.chosen_host({}, tmp_path) == "unix:///var/run/docker.sock"


def test_engine_of_the_current_context(tmp_path: Path) -> None:
    """The context that the `docker` command uses names the engine."""
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "ssh://far"}}}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    assert engine.chosen_host({}, tmp_path) == "ssh://far"
    assert engine.chosen_host({"DOCKER_CONTEXT": "default"}, tmp_path) == engine.DEFAULT_HOST
    assert engine.chosen_host({"DOCKER_HOST": "tcp://near"}, tmp_path) == "tcp://near"


def test_context_that_is_gone_is_not_the_default(tmp_path: Path) -> None:
    """An engine somebody chose is never swapped for another one."""
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "gone"}))
    assert engine.chosen_host({}, tmp_path) == "context://gone"


@pytest.mark.parametrize("config", ["", "[]", '{"currentContext": 3}', "not json"])
def test_broken_docker_config(tmp_path: Path, config: str) -> None:
    """A config file that says nothing of use counts as none."""
    (tmp_path / "config.json").write_text(config)
    assert engine.chosen_host({}, tmp_path) == engine.DEFAULT_HOST


def test_silent_socket_is_no_engine(tmp_path: Path) -> None:
    """Where nothing listens there is no version."""
    assert engine.version(f"unix://{tmp_path}/docker.sock") is None


@pytest.mark.parametrize(
    ("release", "user", "able"),
    [
        ("ID=debian\n", 0, True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', 0, True),
        ("ID=debian\n", 1000, False),
        ("ID=fedora\n", 0, False),
    ],
)
def test_who_can_install_packages(release: str, user: int, able: bool) -> None:  # noqa: FBT001
    """Packages are installed on Debian's kind only, and as root only."""
    assert system.takes_debian_packages(release, user) is able


@pytest.mark.parametrize(
    ("here", "working", "name"),
    [
        ([], [], None),
        (["chromium", "google-chrome"], ["chromium", "google-chrome"], "chromium"),
        (["chromium-browser", "google-chrome"], ["google-chrome"], "google-chrome"),
        (["chromium-browser"], [], None),
    ],
    ids=["none", "both", "first-does-not-start", "does-not-start"],
)
def test_the_browser_is_the_first_that_starts(
    here: list[str], working: list[str], name: str | None
) -> None:
    """A program that cannot tell its version is none, whatever it is called."""
    found = browser.found(
        lambda wanted: f"/bin/{wanted}" if wanted in here else None,
        lambda path, _: "Browser 1.2 built for tests\n" if path[5:] in working else None,
    )
    assert found == (f"Browser 1.2, /bin/{name}" if name else None)


def test_the_service_of_ssh_is_off_before_it_is_installed(tmp_path: Path) -> None:
    """Whoever installs it finds the file that keeps it off, and the file stays."""
    off, seen = tmp_path / "ssh" / "off", []
    secure_shell.install_switched_off(lambda: seen.append(off.exists()), off)
    assert (seen, off.exists()) == ([True], True)


@pytest.mark.parametrize("before", [False, True], ids=["ours", "theirs"])
def test_where_ssh_cannot_be_installed_nothing_is_left(
    tmp_path: Path,
    before: bool,  # noqa: FBT001
) -> None:
    """A server that somebody installs later is not kept off by us; what was there before stays."""
    off = tmp_path / "off"
    if before:
        off.touch()

    def refuse() -> None:
        raise commands.CommandError("no such package", "apt-get update")

    with pytest.raises(commands.CommandError):
        secure_shell.install_switched_off(refuse, off)
    assert off.exists() is before


def test_outdated_stand_ins() -> None:
    """An image is built again where it is missing or comes from another recipe."""
    recipes = [standins.Recipe(name, None, "new") for name in ("same", "old", "missing")]
    found = {"same": "new", "old": "old"}
    assert [recipe.image for recipe in standins.outdated(recipes, found)] == ["old", "missing"]


def test_recipe_digest_tells_parts_apart() -> None:
    """Moving a byte from one file to the next changes the digest."""
    assert standins.digest(b"ab", b"c") != standins.digest(b"a", b"bc")


def test_stand_ins_never_take_an_official_name() -> None:
    """Every stand-in is named as local."""
    recipes = standins.recipes(ROOT / ".ci" / "images")
    assert {recipe.image for recipe in recipes} >= {
        f"localhost/{image}" for image in images.OFFICIAL
    }
    assert all(recipe.image.startswith("localhost/") for recipe in recipes)


def test_steps_are_counted_as_they_finish() -> None:
    """A step prints its number, its outcome and its time; a failed one says so and goes up."""
    lines: list[str] = []
    run = steps.Steps(2, write=lines.append)
    run.run("venv", lambda tell: tell("working") or "ready")

    def refuse(_: object) -> str:
        raise steps.SetupError("no engine", "docker version")

    with pytest.raises(steps.SetupError):
        run.run("engine", refuse)
    assert lines[0] == "      venv: working\n"
    assert lines[1].startswith("[1/2] venv ........ ready (")
    assert lines[2].startswith("[2/2] engine ...... failed (")


@pytest.mark.parametrize(("seconds", "text"), [(0.004, "4 ms"), (23.14, "23.1 s")])
def test_duration(seconds: float, text: str) -> None:
    """A step with nothing to do is told in milliseconds."""
    assert steps.duration(seconds) == text
