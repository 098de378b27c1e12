"""What stackctl relies on in a container engine: the fake and Docker keep the same promises."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.base import HealthCommand, Volume
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.stack.quantities import Address
from tests.contract.bench import DATA, FAILING, PYTHON, SLEEPER, TALKING, Bench, archive
from tests.contract.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = "0" * 64


def test_a_container_that_was_run_is_listed_with_its_facts(bench: Bench) -> None:
    """Name, labels, image id, state and an address on the stack's network."""
    container = bench.look(bench.run("app"))

    assert container.name == bench.name("app")
    assert container.labels.items() >= bench.spec("app").labels.items()
    assert container.image == bench.engine.image(PYTHON).id
    assert (container.state, container.running, container.crashed) == ("running", True, False)
    assert container.address.count(".") == 3
    assert (container.health, container.published) == ("", ())


def test_only_containers_of_the_stack_are_listed(bench: Bench) -> None:
    """Others on the same engine are nobody's business."""
    bench.run("app")

    assert bench.names() == [bench.name("app")]
    assert bench.engine.containers(f"{bench.stack}-other") == ()


def test_a_created_container_does_not_run_until_it_is_started(bench: Bench) -> None:
    """Starting it a second time changes nothing."""
    container = bench.engine.create(bench.spec("app"))
    assert (bench.look(container).state, bench.look(container).address) == ("created", "")

    bench.engine.start(container)
    bench.engine.start(container)
    assert bench.look(container).running


def test_a_stopped_container_stays_and_can_be_started_again(bench: Bench) -> None:
    """Stopping it twice is fine; it has no address meanwhile."""
    container = bench.run("app")
    bench.engine.stop(container, 0)
    bench.engine.stop(container, 0)
    assert (bench.look(container).state, bench.look(container).address) == ("exited", "")

    bench.engine.start(container)
    assert bench.look(container).address


def test_a_container_has_time_to_end_by_itself(bench: Bench) -> None:
    """SIGTERM comes first: its last words are in the log."""
    container = bench.run("app", TALKING)
    bench.until(lambda: "three" in bench.engine.logs(container) or None)
    bench.engine.stop(container, 10)

    assert bench.engine.logs(container, tail=1).strip() == "bye"


def test_a_removed_container_is_gone(bench: Bench) -> None:
    """Whether it ran or not; removing it again is fine."""
    running, created = bench.run("running"), bench.engine.create(bench.spec("created"))
    for container in (running, created, running, MISSING):
        bench.engine.remove(container)

    assert bench.names() == []


def test_a_name_is_taken_once(bench: Bench) -> None:
    """The second container of that name is a Conflict, and the first one does not notice."""
    first = bench.run("app")
    with pytest.raises(Conflict):
        bench.engine.run(bench.spec("app"))
    with pytest.raises(Conflict):
        bench.engine.create(bench.spec("app"))

    assert bench.look(first).running


def test_a_container_needs_an_image_that_is_there(bench: Bench) -> None:
    """Nothing is pulled behind anybody's back."""
    with pytest.raises(NotFound):
        bench.engine.run(replace(bench.spec("app"), image="localhost/there-is-none:1"))

    assert bench.names() == []


def test_a_container_that_does_not_start_leaves_nothing(bench: Bench) -> None:
    """Its name is free again."""
    with pytest.raises(EngineError):
        bench.engine.run(replace(bench.spec("app"), network=f"{bench.stack}-none"))

    assert bench.names() == []


def test_a_port_on_the_host_has_one_owner(bench: Bench) -> None:
    """The one who publishes it is listed with it; the next one is not started."""
    address = Address("127.0.0.1", free_port())
    container = bench.run("first", ports=((8080, address),))
    assert bench.look(container).published == (address.port,)

    with pytest.raises(EngineError):
        bench.run("second", ports=((8080, address),))
    assert bench.names() == [bench.name("first")]


def test_a_process_that_ends_by_itself_is_seen_as_crashed(bench: Bench) -> None:
    """Although the engine starts it again and again."""
    container = bench.run("app", FAILING)

    assert bench.until(lambda: bench.look(container).crashed or None)


def test_a_health_command_makes_a_container_healthy(bench: Bench) -> None:
    """The engine runs it and says what came of it."""
    container = bench.run("app", health=HealthCommand(("true",), interval=0.2, timeout=5))

    assert bench.until(lambda: bench.look(container).health == "healthy" or None)


def test_a_log_is_read_from_its_end_or_from_a_time(bench: Bench) -> None:
    """`tail` counts lines, `since` is a Unix time."""
    container = bench.run("app", TALKING)
    bench.until(lambda: "three" in bench.engine.logs(container) or None)
    now = bench.clock.now().timestamp()

    assert bench.engine.logs(container).split() == ["one", "two", "three"]
    assert bench.engine.logs(container, tail=2).split() == ["two", "three"]
    assert bench.engine.logs(container, since=now - 60).split() == ["one", "two", "three"]
    assert bench.engine.logs(container, since=now + 60) == ""


def test_a_log_is_followed_line_by_line(bench: Bench) -> None:
    """Without line ends, until the container stops."""
    container = bench.run("app", TALKING)
    bench.until(lambda: "three" in bench.engine.logs(container) or None)
    lines = bench.engine.follow(container, tail=2)
    assert list(islice(lines, 2)) == ["two", "three"]

    bench.engine.stop(container, 10)
    assert list(lines) == ["bye"]


def test_a_command_in_a_container_has_a_text_and_an_exit_code(bench: Bench) -> None:
    """A file listing is text; a folder that is not there, or a program, is another code than 0."""
    container = bench.run("app", volumes=(Volume(bench.name("data"), DATA),))
    bench.engine.write(container, DATA, archive(("one", "1"), ("two", "2")))

    listed = bench.engine.execute(container, ("ls", DATA))
    assert (listed.exit_code, listed.text.split()) == (0, ["one", "two"])
    absent = bench.engine.execute(container, ("ls", f"{DATA}/none"))
    assert absent.exit_code != 0
    assert absent.text
    assert bench.engine.execute(container, ("no-such-program",)).exit_code != 0


def test_a_removed_file_is_gone(bench: Bench) -> None:
    """`rm -rf` in a container takes folders with what is in them; as root, if asked for."""
    container = bench.run("app", volumes=(Volume(bench.name("data"), DATA),))
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


def test_files_are_written_and_read_whether_it_runs_or_not(bench: Bench) -> None:
    """Before its first start, while it runs and after it was stopped."""
    spec = bench.spec("app", volumes=(Volume(bench.name("data"), DATA),))
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
    container = bench.run("app", volumes=(Volume(bench.name("data"), DATA),))
    files = (("blue/file", "blue"), ("green/file", "green"))
    bench.engine.write(container, DATA, archive(*files, links=(("current", "blue"),)))
    assert bench.engine.read(container, f"{DATA}/current/file") == "blue"

    bench.engine.write(container, DATA, archive(links=(("current", "green"),)))
    assert bench.engine.read(container, f"{DATA}/current/file") == "green"


@pytest.mark.parametrize("path", [f"{DATA}/none", f"{DATA}/none/file", DATA])
def test_a_file_that_is_not_there_is_not_found(bench: Bench, path: str) -> None:
    """A folder is no file either."""
    container = bench.run("app", volumes=(Volume(bench.name("data"), DATA),))

    with pytest.raises(NotFound):
        bench.engine.read(container, path)


def test_nothing_is_written_to_a_folder_that_is_not_there(bench: Bench) -> None:
    """A mistake in a path makes no folders."""
    container = bench.run("app", volumes=(Volume(bench.name("data"), DATA),))

    with pytest.raises(NotFound):
        bench.engine.write(container, f"{DATA}/none", archive(("file", "1")))


def test_a_volume_keeps_its_files_when_its_container_goes(bench: Bench) -> None:
    """The next container sees them."""
    volumes = (Volume(bench.name("data"), DATA),)
    first = bench.run("app", volumes=volumes)
    bench.engine.write(first, DATA, archive(("file", "kept")))
    bench.engine.remove(first)

    assert bench.engine.read(bench.run("app", volumes=volumes), f"{DATA}/file") == "kept"


def test_a_signal_reaches_a_container_that_runs(bench: Bench) -> None:
    """One that does not is a Conflict."""
    container = bench.run("app")
    bench.engine.signal(container, "HUP")
    bench.engine.stop(container, 0)

    with pytest.raises(Conflict):
        bench.engine.signal(container, "HUP")


def test_the_processes_of_a_container_have_pids_and_titles(bench: Bench) -> None:
    """One for each, by the host's pid."""
    processes = bench.engine.processes(bench.run("app"))

    assert list(processes.values()) == [" ".join(SLEEPER)]
    assert min(processes) > 0


@pytest.mark.parametrize(
    "act",
    [
        lambda bench, container: bench.engine.execute(container, ("true",)),
        lambda bench, container: bench.engine.processes(container),
        lambda bench, container: bench.engine.converse(container, ("cat",)),
    ],
    ids=["execute", "processes", "converse"],
)
def test_a_container_that_does_not_run_cannot_be_asked(
    bench: Bench, act: Callable[[Bench, str], object]
) -> None:
    """The error is one of the engine's, whatever the call."""
    container = bench.engine.create(bench.spec("app"))

    with pytest.raises(EngineError):
        act(bench, container)


@pytest.mark.parametrize(
    "act",
    [
        lambda bench: bench.engine.start(MISSING),
        lambda bench: bench.engine.signal(MISSING, "HUP"),
        lambda bench: bench.engine.logs(MISSING),
        lambda bench: list(bench.engine.follow(MISSING, tail=1)),
        lambda bench: bench.engine.execute(MISSING, ("true",)),
        lambda bench: bench.engine.converse(MISSING, ("cat",)),
        lambda bench: bench.engine.processes(MISSING),
        lambda bench: bench.engine.read(MISSING, "/etc/hostname"),
        lambda bench: bench.engine.write(MISSING, "/tmp", archive(("file", "1"))),
    ],
    ids=["start", "signal", "logs", "follow", "execute", "converse", "processes", "read", "write"],
)
def test_a_container_that_is_not_there_is_not_found(
    bench: Bench, act: Callable[[Bench], object]
) -> None:
    """Whatever was to be done with it."""
    with pytest.raises(NotFound):
        act(bench)


def test_networks_and_volumes_are_made_once(bench: Bench) -> None:
    """Making them again changes nothing; removing them twice is fine."""
    labels = {"io.stackctl.stack": bench.stack}
    for _ in range(2):
        bench.engine.ensure_network(bench.stack, labels)
        bench.engine.ensure_volume(bench.name("one"), labels)
        bench.engine.ensure_volume(bench.name("two"), labels)
    assert bench.engine.volumes(bench.stack) == (bench.name("one"), bench.name("two"))

    for _ in range(2):
        bench.engine.remove_volume(bench.name("one"))
        bench.engine.remove_network(bench.stack)
    assert bench.engine.volumes(bench.stack) == (bench.name("two"),)
