"""Keys of services and accessories as the real engine takes them, looked at from inside."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.connection import connect
from orchestrator.engine.holder import hold
from orchestrator.engine.outfit import Memory, PackedFile, Ulimit
from orchestrator.errors import Conflict, EngineError
from orchestrator.release.observe import is_ours
from orchestrator.stack import naming

if TYPE_CHECKING:
    from tests.contract.bench import Bench

pytestmark = pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
ARGUMENTS = "import sys, time; print(*sys.argv[1:], flush=True); time.sleep(600)"


def said(bench: Bench, container: str) -> str:
    """Return the first line that a container prints."""
    return bench.until(lambda: bench.engine.logs(container).strip() or None)


def asked(bench: Bench, container: str, code: str) -> Any:
    """Run Python in a container; return the JSON that it prints."""
    done = bench.engine.execute(container, ("python", "-c", f"import json, os\n{code}"))
    assert done.exit_code == 0, done.text
    return json.loads(done.text)


def test_a_command_is_the_arguments_of_an_entrypoint(bench: Bench) -> None:
    """Both are taken as they are written: no shell has read them."""
    entrypoint, command = ("python", "-c", ARGUMENTS), ("a b", "$HOME", "*")
    assert said(bench, bench.run("app", entrypoint, command=command)) == "a b $HOME *"


def test_a_command_alone_goes_to_the_image(bench: Bench) -> None:
    """In place of its own; an entrypoint alone leaves the image's command out."""
    code = "import time; print('alone', flush=True); time.sleep(600)"
    assert said(bench, bench.run("app", (), command=("python", "-c", code))) == "alone"


MIB = 1024**2
OPEN = PackedFile("/etc/app/new/app.conf", 0o444, b"word: 2\n")
SHUT = PackedFile("/etc/app/shut.conf", 0o400, b"word: 1\n")
LOOK = """
found = os.stat({path!r})
folder = os.stat(os.path.dirname({path!r}))
try:
    open({path!r}, "w").close()
except OSError as error:
    refused = error.strerror
print(json.dumps([oct(found.st_mode & 0o7777), found.st_uid, oct(folder.st_mode & 0o7777), refused]))
"""


def test_a_file_is_in_the_container_before_its_process_starts(bench: Bench) -> None:
    """Root has it, and its folder, that was not there; it stays over a restart of the container."""
    code = f"import time; print(open({OPEN.path!r}).read(), flush=True); time.sleep(600)"
    container = bench.run("app", ("python", "-c", code), files=(OPEN, SHUT), read_only=False)
    assert said(bench, container) == "word: 2"
    for _ in range(2):
        rights = ["0o444", 0, "0o755", "Permission denied"]
        assert asked(bench, container, LOOK.format(path=OPEN.path)) == rights
        assert asked(bench, container, LOOK.format(path=SHUT.path))[:2] == ["0o400", 0]
        bench.engine.stop(container, 0)
        bench.engine.start(container)


def test_a_file_is_in_a_container_that_is_read_only(bench: Bench) -> None:
    """Not even root there writes it; it stays over a restart, and is not removed as unused."""
    root: dict[str, Any] = {"files": (OPEN, SHUT), "user": "0", "capabilities": True}
    containers = [bench.run(part, **root) for part in ("one", "two")]  # of one volume
    for container in containers * 2:
        rights = ["0o444", 0, "0o755", "Read-only file system"]
        assert asked(bench, container, LOOK.format(path=OPEN.path)) == rights
        assert bench.engine.read(container, SHUT.path) == "word: 1\n"
        bench.engine.stop(container, 0)
        bench.engine.start(container)
    (volume,) = bench.engine.volumes(bench.stack)
    assert naming.has_files(bench.stack, volume)
    with pytest.raises(Conflict):
        bench.engine.remove_volume(volume)
    assert bench.names() == [bench.name("one"), bench.name("two")]


def test_a_file_takes_no_folder_away(bench: Bench) -> None:
    """Where the image has a folder at its path, nothing is made, and the hint says how to mend it."""
    wrong = PackedFile("/usr/lib", 0o444, b"")
    with pytest.raises(EngineError, match="a path in `files` is a folder") as refused:
        bench.run("app", files=(wrong,), read_only=False)
    assert "`to: /etc/app/app.conf`" in str(refused.value.hint)
    assert bench.names() == []


def test_memory_is_a_folder_that_anybody_may_write_to(bench: Bench) -> None:
    """Also where the root is read-only, of the size that was said, and nothing in it can be run."""
    folders = (Memory("/run", 64 * MIB), Memory("/var/cache/app", MIB))
    container = bench.run("app", memory_folders=folders)
    code = """
open("/run/pid", "w").close()
open("/tmp/scratch", "w").close()
size = os.statvfs("/var/cache/app")
mounts = [line.split() for line in open("/proc/mounts")]
(how,) = [options.split(",") for _, path, kind, options, *_ in mounts if path == "/var/cache/app"]
print(json.dumps([size.f_blocks * size.f_frsize, "noexec" in how, "nosuid" in how, "nodev" in how]))
"""
    assert asked(bench, container, code) == [MIB, True, True, True]


def test_shared_memory_has_the_size_that_was_said(bench: Bench) -> None:
    """PostgreSQL needs more than the engine gives."""
    container = bench.run("app", shared_memory=96 * MIB)
    code = "size = os.statvfs('/dev/shm')\nprint(json.dumps(size.f_blocks * size.f_frsize))"
    assert asked(bench, container, code) == 96 * MIB


def test_limits_of_the_kernel_are_those_that_were_said(bench: Bench) -> None:
    """As a process begins, and up to where it may raise them; -1 is none.

    The first process is asked: once in many times runc before 1.2 gives one that is begun later the
    higher number (https://github.com/opencontainers/runc/issues/4195).
    """
    limits = (Ulimit("nofile", 1024, 2048), Ulimit("core", 0, -1))
    container = bench.run("app", ulimits=limits)
    code = (
        "import resource as r\n"
        "print(json.dumps([r.prlimit(1, r.RLIMIT_NOFILE), r.prlimit(1, r.RLIMIT_CORE)]))"
    )
    assert asked(bench, container, code) == [[1024, 2048], [0, -1]]


def test_a_limit_above_the_engines_own_is_told_with_its_key(bench: Bench) -> None:
    """In words that say where to look; nothing is left."""
    with pytest.raises(EngineError, match="one of its `ulimits` is above the engine's own"):
        bench.run("app", ulimits=(Ulimit("nofile", 2**30 + 1, 2**30 + 1),))
    assert bench.names() == []


def test_further_hosts_have_names(bench: Bench) -> None:
    """An address, of either kind, or the host's own, whatever that is."""
    hosts = (("host.docker.internal", "host-gateway"), ("old", "10.0.0.7"), ("six", "fd00::7"))
    container = bench.run("app", hosts=hosts)
    code = """
rows = [line.split() for line in open("/etc/hosts") if not line.startswith("#")]
print(json.dumps({name: address for address, *names in rows for name in names}))
"""
    found = asked(bench, container, code)
    assert (found["old"], found["six"]) == ("10.0.0.7", "fd00::7")
    assert found["host.docker.internal"].count(".") == 3


@pytest.mark.parametrize("init", [True, False])
def test_a_process_is_asked_to_end_by_the_signal_that_was_said(bench: Bench, *, init: bool) -> None:
    """And not by SIGTERM; an init hands it on."""
    code = """
import signal, sys, time
def end(number, _):
    print(signal.Signals(number).name, flush=True)
    sys.exit()
for number in (signal.SIGTERM, signal.SIGQUIT):
    signal.signal(number, end)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
    container = bench.run("app", ("python", "-c", code), stop_signal="QUIT", init=init)
    said(bench, container)
    bench.engine.stop(container, 10)
    assert bench.engine.logs(container).split() == ["ready", "SIGQUIT"]


def test_the_engine_knows_how_long_a_process_may_take_to_end(bench: Bench) -> None:
    """For when it stops one by itself, as with the machine; its own default is 10 s."""
    container = bench.run("app", stop_grace=27.0)
    with closing(connect()) as client:
        assert client.inspect_container(container)["Config"]["StopTimeout"] == 27


def test_a_container_joins_networks_of_others(bench: Bench) -> None:
    """Beside its own, in which its fixed address stays; one that is not there leaves nothing."""
    own, other = naming.network_name(bench.stack), f"{bench.stack}x"
    network = bench.engine.network(own)
    assert network is not None
    address = next(network.addresses)
    bench.engine.ensure_network(other, {})
    try:
        container = bench.run("app", networks=(other,), address=address)
        found = bench.look(container)
        assert (found.address, {*found.addresses}) == (address, {own, other})
        with pytest.raises(EngineError):
            bench.run("lost", networks=(f"{other}-none",))
        assert bench.names() == [bench.name("app")]
        bench.engine.remove(container)
    finally:
        bench.engine.remove_network(other)


def test_root_in_a_container_can_hand_over_and_no_more(bench: Bench) -> None:
    """As an image does that starts as root: with the rights of an accessory, and without new ones."""
    container = bench.run("app", user="0", capabilities=True, read_only=False)
    code = """
os.makedirs("/srv/data")
os.chown("/srv/data", 101, 101)
facts = dict(line.strip().split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps([os.getuid(), facts["NoNewPrivs"], facts["CapBnd"]]))
"""
    user, fixed, capabilities = asked(bench, container, code)
    assert (user, fixed) == (0, "1")
    # CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP
    assert int(capabilities, 16) == sum(1 << bit for bit in (0, 1, 3, 5, 6, 7, 8))


OWN = """
found = os.stat("/data")
try:
    open(f"/data/of-{os.getuid()}", "w").close()
    wrote = True
except OSError:
    wrote = False
print(json.dumps([found.st_uid, found.st_gid, wrote]))
"""


def test_a_new_volume_is_its_first_users(bench: Bench) -> None:
    """Whose number is not root's; what is in it stays who it belongs to."""
    volumes = (bench.volume(),)
    for number in range(2):  # of two replicas, which are made before either is started
        bench.engine.create(bench.spec(f"app{number}", volumes=volumes, user="1000:1001"))
    app = bench.run("app", volumes=volumes, user="1000:1001")
    assert asked(bench, app, OWN) == [1000, 1001, True]
    later = bench.run("later", volumes=volumes, user="2000")
    assert asked(bench, later, OWN) == [1000, 1001, False]
    assert all("owner" not in name for name in bench.names())


def test_a_volume_is_read_only_where_that_is_said(bench: Bench) -> None:
    """Also for who owns what is in it; another container writes to the same one."""
    volume = bench.volume()
    writer = bench.run("writer", volumes=(volume,), user="1000")
    reader = bench.run("reader", volumes=(replace(volume, read_only=True),), user="1000")
    assert asked(bench, writer, OWN)[::2] == [1000, True]
    assert asked(bench, reader, OWN)[::2] == [1000, False]


def test_a_volume_that_is_not_the_stacks_keeps_its_rights(bench: Bench) -> None:
    """Nor is one of the stack given away that a container of root has had."""
    kept = bench.volume("kept")
    bench.run("first", volumes=(kept,), user="0", capabilities=True)
    app = bench.run("app", volumes=(kept,), user="1000")
    assert asked(bench, app, OWN)[::2] == [0, False]
    others = replace(bench.volume("others"), external=True)
    guest = bench.run("guest", volumes=(others,), user="1000")
    assert asked(bench, guest, OWN)[::2] == [0, False]


def test_what_holds_a_volume_is_known_by_its_own_role(bench: Bench) -> None:
    """So one that a command leaves that dies over it is found by the next one, and taken away."""
    name = bench.name("app.files")
    with hold(connect(), bench.spec("app"), "files", bench.volume().name, "/held"):
        (found,) = bench.engine.containers(bench.stack)
        assert (found.name, found.labels[naming.ROLE]) == (name, "holder")
        assert is_ours(found)
    assert name not in bench.names()
