"""What stackctl relies on in a container engine: the fake and Docker keep the same promises."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import Ending, HealthCommand
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.stack import naming
from orchestrator.stack.quantities import Address
from tests.contract.bench import DONE, FAILING, HUNGRY, PYTHON, SLEEPER, TALKING, Bench, archive
from tests.ports import free_port

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


@pytest.mark.parametrize("host", ["::1", "::"])
def test_a_port_is_published_by_ipv6(bench: Bench, host: str) -> None:
    """At one address; or at all, which are those of IPv4 as well."""
    address = Address(host, free_port())
    container = bench.run("app", ports=((8080, address),))
    assert bench.look(container).doors == {8080: address}
    assert bench.look(container).published == (address.port,)


def test_a_port_on_the_host_has_one_owner(bench: Bench) -> None:
    """The one who publishes it is listed with it; the next one is not started."""
    address = Address("127.0.0.1", free_port())
    container = bench.run("first", ports=((8080, address),))
    assert bench.look(container).published == (address.port,)
    assert bench.look(container).doors == {8080: address}

    with pytest.raises(EngineError, match=f"`{address}` is taken"):
        bench.run("second", ports=((8080, address),))
    assert bench.names() == [bench.name("first")]


def test_a_process_that_ends_by_itself_is_seen_as_crashed(bench: Bench) -> None:
    """Although the engine starts it again and again."""
    container = bench.run("app", FAILING)

    assert bench.until(lambda: bench.look(container).crashed or None)


@pytest.mark.parametrize(
    ("program", "ending"), [(DONE, Ending(0)), (FAILING, Ending(1))], ids=["done", "failing"]
)
@pytest.mark.parametrize("init", [True, False])
def test_an_end_is_known_by_its_code(
    bench: Bench, program: tuple[str, ...], ending: Ending, *, init: bool
) -> None:
    """An init hands it on."""
    container = bench.run("app", program, persistent=False, init=init)
    bench.until(lambda: bench.look(container).state == "exited" or None)
    assert bench.engine.ending(container) == ending

    bench.engine.remove(container)
    with pytest.raises(NotFound):
        bench.engine.ending(container)


def _is_over(bench: Bench, container: str) -> bool | None:
    return bench.look(container).state == "exited" or None


@pytest.mark.parametrize("init", [True, False])
def test_it_is_known_whom_the_kernel_ended_for_memory(bench: Bench, *, init: bool) -> None:
    """Of three it is known of one at least.

    The engine hears of it by an event, and misses that at times where the container's group is
    gone before the event is read: https://github.com/hashicorp/nomad/issues/13119
    """
    told = []
    for number in range(3):
        container = bench.run(f"app{number}", HUNGRY, persistent=False, init=init)
        bench.until(partial(_is_over, bench, container))
        told.append(bench.engine.ending(container))

    assert Ending(137, out_of_memory=True) in told
    assert {ending.exit_code for ending in told} == {137}


def test_a_container_that_is_not_persistent_stays_down(bench: Bench) -> None:
    """Until it is made so: then the engine brings it back when it starts and ends again."""
    container = bench.run("app", FAILING, persistent=False)
    assert bench.until(lambda: bench.look(container).state == "exited" or None)
    assert bench.look(container).exit_code == 1

    bench.engine.persist(container)
    bench.engine.start(container)
    assert bench.until(lambda: bench.look(container).state == "restarting" or None)


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


def test_a_signal_reaches_a_container_that_runs(bench: Bench) -> None:
    """One that does not is a Conflict."""
    container = bench.run("app")
    bench.engine.signal(container, "HUP")
    bench.engine.stop(container, 0)

    with pytest.raises(Conflict):
        bench.engine.signal(container, "HUP")


def test_the_processes_of_a_container_have_pids_and_titles(bench: Bench) -> None:
    """One for each, by the host's pid."""
    container = bench.run("app")

    def processes() -> dict[int, str] | None:
        found = bench.engine.processes(container)
        return found if list(found.values()) == [" ".join(SLEEPER)] else None

    found = bench.until(processes)  # what makes the container is seen in it for a moment
    assert min(found) > 0


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
        lambda bench: bench.engine.persist(MISSING),
        lambda bench: bench.engine.signal(MISSING, "HUP"),
        lambda bench: bench.engine.logs(MISSING),
        lambda bench: list(bench.engine.follow(MISSING, tail=1)),
        lambda bench: bench.engine.execute(MISSING, ("true",)),
        lambda bench: bench.engine.converse(MISSING, ("cat",)),
        lambda bench: bench.engine.processes(MISSING),
        lambda bench: bench.engine.read(MISSING, "/etc/hostname"),
        lambda bench: bench.engine.write(MISSING, "/tmp", archive(("file", "1"))),
    ],
    ids=[
        "start",
        "persist",
        "signal",
        "logs",
        "follow",
        "execute",
        "converse",
        "processes",
        "read",
        "write",
    ],
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


def test_a_volume_of_another_stack_is_not_handed_out(bench: Bench) -> None:
    """The engine itself would: to it, whoever knows the name may have it."""
    name = bench.volume("two-data").name
    bench.engine.ensure_volume(name, naming.labels(bench.stack, "accessory"))
    with pytest.raises(Conflict) as refused:
        bench.engine.ensure_volume(name, naming.labels(f"{bench.stack}-two", "service"))

    assert refused.value.message == f"volume `{name}` is there and belongs to stack `{bench.stack}`"
    assert bench.engine.volumes(f"{bench.stack}-two") == ()


def test_a_volume_that_no_stack_has_made_is_taken_as_it_is(bench: Bench) -> None:
    """Somebody has brought it; it does not become the stack's."""
    name = bench.name("brought")
    bench.engine.ensure_volume(name, {})
    try:
        bench.engine.ensure_volume(name, naming.labels(bench.stack, "service"))
        assert bench.engine.volumes(bench.stack) == ()
    finally:
        bench.engine.remove_volume(name)


def test_whatever_has_a_name_is_found_by_how_that_begins(bench: Bench) -> None:
    """Containers, networks and volumes, with their labels, and whoever's they are."""
    labels = naming.labels(f"{bench.stack}-two", "service")
    volume = bench.name("two-data")
    bench.engine.ensure_volume(volume, labels)
    bench.run("app")
    bench.engine.create(bench.spec("created"))
    try:
        found = {(one.kind, one.name): one.owner for one in bench.engine.named(bench.name(""))}
        assert found == {
            ("container", bench.name("app")): bench.stack,
            ("container", bench.name("created")): bench.stack,
            ("network", naming.network_name(bench.stack)): bench.stack,
            ("volume", volume): f"{bench.stack}-two",
        }
        assert bench.engine.named(bench.name("nothing")) == ()
        assert bench.engine.named(bench.name("")[1:]) == ()
    finally:
        bench.engine.remove_volume(volume)


def test_a_process_that_did_its_work_ends_with_zero(bench: Bench) -> None:
    """As long as it runs it has no exit code."""
    assert bench.look(bench.run("app")).exit_code is None

    container = bench.run("done", DONE, persistent=False)
    assert bench.until(lambda: bench.look(container).state == "exited" or None)
    assert bench.look(container).exit_code == 0


def test_a_network_stays_what_it_was_made_as(bench: Bench) -> None:
    """Open or internal: the other kind under its name is a conflict, and says what to do."""
    name, labels = naming.network_name(bench.stack), naming.labels(bench.stack, "gateway")
    with pytest.raises(Conflict):
        bench.engine.ensure_network(name, labels, internal=True)
    with pytest.raises(Conflict):
        bench.engine.ensure_network(name, labels, subnet="10.213.4.0/24")
    with pytest.raises(Conflict):
        bench.engine.ensure_network(name, naming.labels("another", "gateway"))


def test_a_network_has_addresses_for_us_and_for_the_engine(bench: Bench) -> None:
    """The last quarter is the engine's; what is ours it never gives out."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    ours = [*network.addresses]
    bench.run("one")
    (theirs,) = bench.look(bench.engine.containers(bench.stack)[0].id).addresses.values()

    assert len(ours) >= 100
    assert network.gateway not in ours
    assert theirs not in ours
    after = bench.engine.network(network.name)
    assert after is not None
    assert after.holders == {theirs: bench.name("one")}
    assert bench.engine.network("nonsense-net") is None


def test_a_container_keeps_its_fixed_address(bench: Bench) -> None:
    """Over a stop and a start, whoever came in between; and it is known while it is stopped."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    address = [*network.addresses][40]
    container = bench.run("fixed", address=address)
    assert bench.look(container).addresses[network.name] == bench.look(container).address == address
    bench.engine.stop(container, 0)
    bench.run("other")
    assert bench.look(container).addresses[network.name] == address
    bench.engine.start(container)

    assert bench.look(container).addresses[network.name] == address


def test_a_stopped_container_is_taken_into_a_network_that_was_made_anew(bench: Bench) -> None:
    """At its own address: `docker network prune` takes what nobody runs in."""
    name = naming.network_name(bench.stack)
    network = bench.engine.network(name)
    assert network is not None
    address = next(network.addresses)
    fixed, plain = bench.run("fixed", address=address), bench.run("plain")
    for container in (fixed, plain):
        bench.engine.stop(container, 0)
    bench.engine.remove_network(name)
    bench.engine.ensure_network(name, network.labels, subnet=network.subnet)
    for container in (fixed, plain):
        bench.engine.start(container)

    assert bench.look(fixed).addresses[name] == address
    assert not network.owns(bench.look(plain).addresses[name])


def test_a_renamed_container_leaves_its_name_and_its_address_to_another(bench: Bench) -> None:
    """While it is stopped; afterwards it has both again."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    address = [*network.addresses][41]
    first = bench.run("app", address=address)
    bench.engine.stop(first, 0)
    bench.engine.rename(first, bench.name("app.aside"))
    second = bench.run("app", address=address)
    with pytest.raises(Conflict):
        bench.engine.rename(first, bench.name("app"))
    assert bench.names() == [bench.name("app"), bench.name("app.aside")]

    bench.engine.remove(second)
    bench.engine.rename(second, bench.name("gone"))
    bench.engine.rename(first, bench.name("app"))
    bench.engine.start(first)
    assert bench.look(first).name == bench.name("app")
    assert bench.look(first).addresses[network.name] == address


def test_a_fixed_address_that_somebody_has_is_told_with_their_name(bench: Bench) -> None:
    """In words that say what can be done."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    address = next(network.addresses)
    bench.run("first", address=address)
    with pytest.raises(EngineError, match=f"{address} .*taken by `{bench.name('first')}`"):
        bench.run("second", address=address)

    assert bench.names() == [bench.name("first")]


def test_a_running_container_is_taken_into_another_network_and_out_again(bench: Bench) -> None:
    """At the address that it is to have there."""
    name = naming.network_name(bench.stack)
    network = bench.engine.network(name)
    assert network is not None
    address = next(network.addresses)
    edge = naming.edge_name(bench.stack)
    bench.engine.ensure_network(edge, naming.labels(bench.stack, "gateway"))
    try:
        container = bench.engine.run(replace(bench.spec("moves"), network=edge))
        bench.engine.connect(container, name, address=address, aliases=("moved",))
        assert bench.look(container).addresses[name] == address
        bench.engine.disconnect(container, name)
        bench.engine.disconnect(container, name)
        assert name not in bench.look(container).addresses
    finally:
        bench.engine.remove(container)
        bench.engine.remove_network(edge)


def test_a_container_taken_out_of_its_own_network_is_taken_in_at_its_address(bench: Bench) -> None:
    """It is listed as being nowhere meanwhile, however fixed its address was."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    address = next(network.addresses)
    container = bench.run("app", address=address)
    bench.engine.disconnect(container, network.name)
    assert (bench.look(container).addresses.get(network.name), bench.look(container).running) == (
        None,
        True,
    )
    bench.engine.connect(container, network.name, address=address)
    assert bench.look(container).addresses[network.name] == address


def test_a_container_is_on_both_networks_and_known_by_its_own(bench: Bench) -> None:
    """The second is for its ports; the address that is listed is the one on the stack's."""
    edge = bench.name("edge")
    bench.engine.ensure_network(edge, {"io.stackctl.stack": bench.stack})
    port = free_port()
    try:
        both = bench.look(bench.run("app", edge=edge, ports=((8000, Address("127.0.0.1", port)),)))
        one = bench.look(bench.run("other"))
        assert both.published == (port,)
        assert both.address.rpartition(".")[0] == one.address.rpartition(".")[0]

        with pytest.raises(EngineError):
            bench.engine.run(bench.spec("lost", edge=bench.name("none")))
        assert {container.name for container in bench.engine.containers(bench.stack)} == {
            both.name,
            one.name,
        }
    finally:
        for container in bench.engine.containers(bench.stack):
            bench.engine.remove(container.id)
        bench.engine.remove_network(edge)


def test_what_a_container_was_made_from_is_told_without_its_images_own(bench: Bench) -> None:
    """The image's PATH is none of what people have set."""
    spec = replace(bench.spec("app"), environment={"A": "1", "B": ""}, memory=64 * 1024**2, pids=9)
    made = bench.engine.made(bench.engine.run(spec))

    assert made.environment == {"A": "1", "B": ""}
    assert (made.memory, made.cpus, made.pids) == (64 * 1024**2, spec.cpus, 9)
    with pytest.raises(NotFound):
        bench.engine.made(MISSING)


def test_an_engine_says_which_it_is(bench: Bench) -> None:
    """Where it was found, the name of its machine, and its version."""
    told = bench.engine.whereabouts()

    assert told.at.startswith(("unix://", "tcp://", "ssh://"))
    assert told.name
    assert told.version[0].isdigit()
    assert bench.engine.memory() > 1024**2


def test_containers_tell_how_they_fare(bench: Bench) -> None:
    """Those that run use memory; a missing one is left out."""
    running, stopped = bench.run("running"), bench.run("stopped")
    bench.engine.stop(stopped, 0)
    told = bench.engine.vitals((running, stopped, MISSING), 10.0)

    assert told.keys() == {running, stopped}
    assert told[running].started.startswith("20")
    assert (told[running].restarts, told[running].out_of_memory) == (0, False)
    assert 0 < (told[running].memory or 0) < (told[running].limit or 0)
    assert told[stopped].memory is None
    assert bench.engine.vitals((), 10.0) == {}
