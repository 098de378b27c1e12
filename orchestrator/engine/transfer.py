"""A built image on its way: to a registry, and to the engine that runs it."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from orchestrator.engine.connection import Client, open_endpoint, translated
from orchestrator.engine.endpoint import DEFAULT_HOST, Endpoint
from orchestrator.engine.images import explain_refusal, find_image, follow, pull_image, split
from orchestrator.errors import EngineError, ImageError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import docker

    from orchestrator.engine.values import BuildOrder, Image

VARIABLE = "STACKCTL_BUILD_HOST"
MEGABYTE = 1024 * 1024
STEP = 20 * MEGABYTE  # bytes after which it is said how far it is
PATIENCE = 600  # seconds that an engine may unpack without a word


def find_workshop(environment: Mapping[str, str]) -> Endpoint:
    """Return the engine that builds for another one: this machine's, where no variable names one."""
    named = environment.get(VARIABLE)
    return Endpoint(named, named_by=VARIABLE) if named else Endpoint(DEFAULT_HOST)


def open_workshop(endpoint: Endpoint, logins: Mapping[str, tuple[str, str]]) -> docker.APIClient:
    """Return a client of the engine that builds. Raises EngineError."""
    try:
        return open_endpoint(endpoint, logins=logins)
    except EngineError as error:
        raise EngineError(
            f"nothing can be built here: {error.message}",
            f"leave `--build-here` out, or name an engine that builds in {VARIABLE}",
        ) from error


def push_image(client: docker.APIClient, order: BuildOrder, report: Callable[[str], None]) -> Image:
    """Bring a built image to its registry; return it with its digest there. Raises ImageError."""
    doing = f"pushing `{order.published}`"
    repository, tag = split(order.published)
    report(doing)
    try:
        with translated(doing):
            client.tag(order.tag, repository, tag)
            follow(client.push(repository, tag=tag, stream=True, decode=True), doing, report)
        return find_image(client, order.tag)
    except (EngineError, ImageError) as error:
        hint = f"log in: `docker login {repository.partition('/')[0]}`, or see `registry` in stack.yaml"
        raise ImageError(error.message, explain_refusal(client, error) or hint) from error


def bring_image(
    here: docker.APIClient,
    there: docker.APIClient,
    order: BuildOrder,
    image: Image,
    report: Callable[[str], None],
) -> Image:
    """Bring an image that was built here to the engine that runs it. Raises ImageError.

    From the registry where it was pushed to one, else over the engine's connection. Nothing is sent of
    an image that is there.
    """
    _require_platform(here, there, order)
    repository, tag = split(order.tag)
    with suppress(NotFound):
        find_image(there, image.id)
        with translated(f"naming `{order.tag}`"):
            there.tag(image.id, repository, tag)
        return find_image(there, order.tag)
    if order.published:
        pulled = pull_image(there, _find_digest(image, order.published), report)
        with translated(f"naming `{order.tag}`"):
            there.tag(pulled.id, repository, tag)
    else:
        _send(here, there, order, report)
    return find_image(there, order.tag)


def _send(
    here: docker.APIClient,
    there: docker.APIClient,
    order: BuildOrder,
    report: Callable[[str], None],
) -> None:
    doing = f"sending `{order.tag}` to the engine"
    try:
        with translated(doing):
            size = here.inspect_image(order.tag)["Size"]  # type: ignore[no-untyped-call]
            report(f"{doing}: {size / MEGABYTE:.0f} MB")
            packed = here.get_image(order.tag)
            with closing(_open_again(there)) as taker:
                loaded = taker.load_image(_counted(packed, report))  # type: ignore[no-untyped-call]
                follow(loaded, doing, report)
    except EngineError as error:
        raise ImageError(error.message, error.hint) from error


def _open_again(client: docker.APIClient) -> docker.APIClient:
    """Return a client for what takes long: nobody is told that the engine is silent meanwhile."""
    assert isinstance(client, Client)  # noqa: S101  only tests have others
    return open_endpoint(client.endpoint, PATIENCE)


def _counted(chunks: Iterable[bytes], report: Callable[[str], None]) -> Iterator[bytes]:
    """Yield what is sent, and tell how much it was."""
    sent, told = 0, STEP
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        if sent >= told:
            report(f"{sent / MEGABYTE:.0f} MB sent")
            told = sent + STEP


def _require_platform(here: docker.APIClient, there: docker.APIClient, order: BuildOrder) -> None:
    with translated(f"asking what `{order.tag}` is built for"):
        built = here.inspect_image(order.tag)["Architecture"]  # type: ignore[no-untyped-call]
        wanted = there.version()["Arch"]
    if built != wanted:
        raise ImageError(
            f"`{order.tag}` is built for {built}, and the engine's machine is {wanted}",
            f"build it there: leave `--build-here` out; or say `FROM --platform=linux/{wanted}` in the"
            " Dockerfile",
        )


def _find_digest(image: Image, published: str) -> str:
    """Return the name of an image in its registry that can mean no other."""
    repository, _ = split(published)
    own = (digest for digest in image.digests if digest.startswith(f"{repository}@"))
    return next(own, published)
