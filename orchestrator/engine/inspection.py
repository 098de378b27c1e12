"""What the engine tells of single containers, beyond what it lists of all."""

from __future__ import annotations

import io
import tarfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestrator.engine.connection import translated
from orchestrator.engine.session import await_code, find_code
from orchestrator.engine.values import Ending, Made, Output, Vitals
from orchestrator.errors import EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import docker

NANO = 1_000_000_000


def read_ending(client: docker.APIClient, container: str) -> Ending:
    """Return how a container's process ended last."""
    with translated(f"looking at `{container[:12]}`"):
        state = client.inspect_container(container)["State"]
    return Ending(state["ExitCode"], bool(state.get("OOMKilled")))


def read_made(client: docker.APIClient, container: str) -> Made:
    """Return what a container was made from; what its image has set is left out."""
    with translated(f"looking at `{container[:12]}`"):
        found: Any = client.inspect_container(container)
        image: Any = client.inspect_image(found["Image"])  # type: ignore[no-untyped-call]
    own = set((image["Config"] or {}).get("Env") or ())
    host = found["HostConfig"]
    said = [pair.partition("=") for pair in found["Config"]["Env"] or () if pair not in own]
    return Made(
        environment={name: value for name, _, value in said},
        memory=host.get("Memory") or 0,
        cpus=(host.get("NanoCpus") or 0) / NANO,
        pids=host.get("PidsLimit") or 0,
    )


def read_vitals(
    client: docker.APIClient, containers: Collection[str], within: float
) -> dict[str, Vitals]:
    """Return how containers fare, by their ids; who is late with it is left out, or told in part.

    Each is asked by a thread of its own, which nobody waits for longer than `within` seconds.
    """
    found: dict[str, Vitals] = {}
    waited_for = set(containers)
    all_told = threading.Event()

    def ask(container: str) -> None:
        try:
            with suppress(EngineError), translated(f"looking at `{container[:12]}`"):
                state: Any = client.inspect_container(container)
                found[container] = to_vitals(state, {})
                if state["State"].get("Running"):
                    used: Any = client.stats(container, stream=False, one_shot=True)
                    found[container] = to_vitals(state, used)
        finally:
            waited_for.discard(container)
            if not waited_for:
                all_told.set()

    for one in tuple(containers):
        threading.Thread(target=ask, args=(one,), daemon=True).start()
    if containers:
        all_told.wait(within)
    return dict(found)


def to_vitals(state: Any, used: Any) -> Vitals:
    """Read the engine's two answers; the second is empty where there is none."""
    memory = used.get("memory_stats") or {}
    usage, details = memory.get("usage"), memory.get("stats") or {}
    # As `docker stats` has it: pages of files that the kernel may drop at once are not in use.
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Vitals(
        started=str(state["State"].get("StartedAt") or ""),
        restarts=int(state.get("RestartCount") or 0),
        out_of_memory=bool(state["State"].get("OOMKilled")),
        memory=None if usage is None else max(0, usage - idle),
        limit=state["HostConfig"].get("Memory") or None,
    )


def read_file(client: docker.APIClient, container: str, path: str) -> str:
    """Return a text file of a container, following one link."""
    with translated(f"reading `{path}`"):
        chunks, _ = client.get_archive(container, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.getmembers()[0]
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                return content.read().decode(errors="replace")
    raise NotFound(f"`{path}` is no file")


def fetch_folder(client: docker.APIClient, container: str, folder: str) -> Iterator[bytes]:
    """Yield a folder of a container as a tar archive; it may be a link to one."""
    with translated(f"copying `{folder}`"):
        chunks, _ = client.get_archive(container, f"{folder}/.")
        yield from chunks


def run_command(
    client: docker.APIClient, container: str, argv: tuple[str, ...], user: str
) -> Output:
    """Run a command inside a container and wait for it."""
    doing = f"running `{argv[0]}` in a container"
    with translated(doing):
        command = client.exec_create(container, list(argv), user=user)["Id"]
        printed = client.exec_start(command)
        code = await_code(lambda: find_code(client, command), doing)
    return Output(code, bytes(printed).decode(errors="replace"))


def read_log(
    client: docker.APIClient,
    container: str,
    tail: int | None,
    since: float | None,
    *,
    timestamps: bool,
) -> str:
    """Return what a container printed on both streams."""
    with translated("reading logs"):
        printed = client.logs(
            container,
            tail="all" if tail is None else tail,
            since=since,
            timestamps=timestamps,
            stream=False,
        )
    return bytes(printed).decode(errors="replace")


def follow_log(
    client: docker.APIClient, container: str, tail: int, since: float | None, *, timestamps: bool
) -> Iterator[str]:
    """Yield lines of a container as they are printed."""
    with translated("following logs"):
        rest = b""
        stream = client.logs(
            container, tail=tail, since=since, timestamps=timestamps, stream=True, follow=True
        )
        try:
            for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
        finally:
            stream.close()
