"""What is done inside of containers: commands, conversations and files."""

from __future__ import annotations

import io
import tarfile

import pytest

from orchestrator.errors import EngineError, NotFound
from orchestrator.release.beside import Beside
from orchestrator.release.symptoms import explain_listeners
from orchestrator.sockets import SOCKETS
from tests.contract.bench import DATA, SECLUDED, SLEEPER, Bench, archive


def test_a_command_in_a_container_has_a_text_and_an_exit_code(bench: Bench) -> None:
    """A file listing is text; a folder that is not there, or a program, is another code than 0."""
    container = bench.run("app", volumes=(bench.volume(),))
    bench.engine.write(container, DATA, archive(("one", "1"), ("two", "2")))

    listed = bench.engine.execute(container, ("ls", DATA))
    assert (listed.exit_code, listed.text.split()) == (0, ["one", "two"])
    absent = bench.engine.execute(container, ("ls", f"{DATA}/none"))
    assert absent.exit_code != 0
    assert absent.text
    assert bench.engine.execute(container, ("no-such-program",)).exit_code != 0


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (SECLUDED, "listens on 127.0.0.1 only, which nobody outside its container reaches"),
        (SLEEPER, "listens on no port, and should listen on 8000"),
    ],
    ids=["loopback", "nothing"],
)
def test_what_listens_in_a_container_is_seen_inside(
    bench: Bench, program: tuple[str, ...], told: str
) -> None:
    """At which address, too: from outside all of them are connections that nobody takes."""
    container = bench.run("app", program)

    def seen() -> bool | None:
        reason = explain_listeners(bench.engine.execute(container, SOCKETS).text, 8000)
        return (reason is not None and reason.text == told) or None

    assert bench.until(seen)


def test_a_removed_file_is_gone(bench: Bench) -> None:
    """`rm -rf` in a container takes folders with what is in them; as root, if asked for."""
    volume = bench.volume()
    bench.run("owner", user="0", volumes=(volume,))  # so it stays root's
    container = bench.run("app", volumes=(volume,))
    bench.engine.write(container, DATA, archive(("sub/file", "1"), ("kept", "2")))
    removal = ("rm", "-rf", "--", f"{DATA}/sub", f"{DATA}/none")

    assert bench.engine.execute(container, removal, user="0").exit_code == 0
    assert bench.engine.execute(container, ("ls", DATA)).text.split() == ["kept"]


def test_a_conversation_answers_each_line_with_a_line(bench: Bench) -> None:
    """As often as it is asked, until the container ends."""
    container = bench.run("app")
    talk = bench.engine.converse(container, ("cat",))
    assert [talk.ask("one"), talk.ask("two words")] == ["one", "two words"]

    bench.engine.stop(container, 0)
    with pytest.raises(EngineError):
        talk.ask("three")
    talk.close()


def test_a_conversation_that_was_closed_is_over(bench: Bench) -> None:
    """Others go on."""
    container = bench.run("app")
    first, second = (bench.engine.converse(container, ("cat",)) for _ in range(2))
    first.close()

    with pytest.raises(EngineError):
        first.ask("anybody")
    assert second.ask("still") == "still"
    second.close()


def test_who_sits_at_a_process_gives_it_bytes_and_gets_its_bytes(bench: Bench) -> None:
    """All 256 of them, as they are, and then what it ended with."""
    container, every_byte = bench.run("app"), bytes(range(256))
    session = bench.engine.attend(container, ("cat",))
    session.send(every_byte)
    session.send(every_byte)
    session.end_input()

    assert b"".join(data for _, data in session.output()) == 2 * every_byte
    assert session.exit_code() == 0
    session.close()


def test_a_process_that_somebody_sits_at_says_how_it_ended(bench: Bench) -> None:
    """What it complains of comes by the other stream."""
    container = bench.run("app")
    session = bench.engine.attend(container, ("ls", f"{DATA}/none"))

    assert {stream for stream, _ in session.output()} == {2}
    assert session.exit_code() != 0
    session.close()


def test_a_program_that_a_container_does_not_have_is_not_found(bench: Bench) -> None:
    """And not an output that somebody could take for a program's own."""
    container = bench.run("app")
    session = bench.engine.attend(container, ("no-such-program",))

    with pytest.raises(NotFound, match=r"`no-such-program` cannot be run there"):
        list(session.output())
    session.close()


def test_a_command_beside_others_is_ended_by_its_mark(bench: Bench) -> None:
    """The container's first process, which has the same name, goes on."""
    container = bench.run("app")
    command = Beside(bench.engine, bench.clock, container, SLEEPER)
    with command.begun() as session:
        assert command.end(session)
        assert session.exit_code() == 143
    assert bench.look(container).running


def test_who_sits_at_a_first_process_has_all_that_it_prints(bench: Bench) -> None:
    """From its begin on, and to the end of what it is told."""
    container = bench.engine.create(bench.spec("app", ("cat",), takes_input=True, persistent=False))
    session = bench.engine.begin(container, "cat", terminal=False)
    session.send(b"one\n")
    session.end_input()

    assert b"".join(data for _, data in session.output()) == b"one\n"
    assert session.exit_code() == 0
    session.close()


def test_a_first_program_that_an_image_does_not_have_is_not_found(bench: Bench) -> None:
    """In the same words as one that is to be run beside others."""
    container = bench.engine.create(
        bench.spec("app", ("no-such-program",), takes_input=True, persistent=False)
    )

    with pytest.raises(NotFound, match=r"`no-such-program` cannot be run there"):
        bench.engine.begin(container, "no-such-program", terminal=False)


def test_nobody_sits_at_a_process_of_a_container_that_is_gone(bench: Bench) -> None:
    """One that was stopped has none either."""
    container = bench.run("app")
    bench.engine.stop(container, 0)

    with pytest.raises(EngineError):
        bench.engine.attend(container, ("cat",))
    bench.engine.remove(container)
    with pytest.raises(NotFound):
        bench.engine.attend(container, ("cat",))


def test_files_are_written_and_read_whether_it_runs_or_not(bench: Bench) -> None:
    """Before its first start, while it runs and after it was stopped."""
    spec = bench.spec("app", volumes=(bench.volume(),))
    container = bench.engine.create(spec)
    bench.engine.write(container, DATA, archive(("sub/file", "created")))
    assert bench.engine.read(container, f"{DATA}/sub/file") == "created"

    bench.engine.start(container)
    bench.engine.write(container, DATA, archive(("sub/file", "running")))
    assert bench.engine.read(container, f"{DATA}/sub/file") == "running"

    bench.engine.stop(container, 0)
    bench.engine.write(container, DATA, archive(("sub/file", "stopped, ü")))
    assert bench.engine.read(container, f"{DATA}/sub/file") == "stopped, ü"


def test_a_file_is_read_through_a_folder_that_is_a_link(bench: Bench) -> None:
    """And after the link was moved, the file in the other folder."""
    container = bench.run("app", volumes=(bench.volume(),))
    files = (("blue/file", "blue"), ("green/file", "green"))
    bench.engine.write(container, DATA, archive(*files, links=(("current", "blue"),)))
    assert bench.engine.read(container, f"{DATA}/current/file") == "blue"

    bench.engine.write(container, DATA, archive(links=(("current", "green"),)))
    assert bench.engine.read(container, f"{DATA}/current/file") == "green"


def test_a_folder_is_fetched_whether_it_runs_or_not(bench: Bench) -> None:
    """With what is in it, by names that begin there; what a link leads to is not in it."""
    container = bench.run("app", volumes=(bench.volume(),))
    files = (("site/a.js", "a"), ("site/js/b ü.js", "b"), ("beside", "no"))
    bench.engine.write(container, DATA, archive(*files, links=(("site/link", "/etc/passwd"),)))

    def fetch() -> dict[str, str]:
        packed = io.BytesIO(b"".join(bench.engine.fetch(container, f"{DATA}/site")))
        with tarfile.open(fileobj=packed) as taken:
            members = [member for member in taken if not member.isdir()]
            contents = [(one, taken.extractfile(one) if one.isfile() else None) for one in members]
            return {
                one.name: content.read().decode() if content else f"to {one.linkname}"
                for one, content in contents
            }

    wanted = {"./a.js": "a", "./js/b ü.js": "b", "./link": "to /etc/passwd"}
    assert fetch() == wanted
    bench.engine.stop(container, 0)
    assert fetch() == wanted


def test_a_folder_that_is_not_there_is_not_fetched(bench: Bench) -> None:
    """Nothing of another one is."""
    container = bench.run("app", volumes=(bench.volume(),))
    with pytest.raises(NotFound):
        list(bench.engine.fetch(container, f"{DATA}/none"))


@pytest.mark.parametrize("path", [f"{DATA}/none", f"{DATA}/none/file", DATA])
def test_a_file_that_is_not_there_is_not_found(bench: Bench, path: str) -> None:
    """A folder is no file either."""
    container = bench.run("app", volumes=(bench.volume(),))

    with pytest.raises(NotFound):
        bench.engine.read(container, path)


def test_nothing_is_written_to_a_folder_that_is_not_there(bench: Bench) -> None:
    """A mistake in a path makes no folders."""
    container = bench.run("app", volumes=(bench.volume(),))

    with pytest.raises(NotFound):
        bench.engine.write(container, f"{DATA}/none", archive(("file", "1")))


def test_a_volume_keeps_its_files_when_its_container_goes(bench: Bench) -> None:
    """The next container sees them."""
    volumes = (bench.volume(),)
    first = bench.run("app", volumes=volumes)
    bench.engine.write(first, DATA, archive(("file", "kept")))
    bench.engine.remove(first)

    assert bench.engine.read(bench.run("app", volumes=volumes), f"{DATA}/file") == "kept"
