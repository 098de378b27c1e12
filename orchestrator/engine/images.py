"""Images: built from a folder or pulled, with the tool's words for what went wrong."""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.engine.build_context import pack_context
from orchestrator.engine.buildkit import (
    INSTALL,
    TAIL,
    Builder,
    build,
    find_builder,
    find_hint,
)
from orchestrator.engine.connection import Client, connect, open_endpoint, translated
from orchestrator.engine.redaction import Redaction
from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import EngineError, ImageError, NotFound, StackctlError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import docker

Answer = TypeVar("Answer")
TRIES = 3
REGISTRY_PATIENCE = 5  # seconds for a registry to say what it has
UNTAGGED = "<none>:<none>"  # what older engines list where an image has no tag

REFUSED = re.compile("denied|unauthorized|authentication|credentials", re.IGNORECASE)

# What the engine says where somebody else removes or builds upon the same cached images at the same
# moment (moby's image/store.go, image/fs.go, image/cache/cache.go, layer/layer.go and
# daemon/images/image_delete.go).
RACED = (
    "failed to get digest sha256:",
    "unrecognized image ID sha256:",
    "unknown parent image ID sha256:",
    "No such image: sha256:",
    'unable to find image "sha256:',
    "layer does not exist",
    "image has dependent child images",
)


def find_image(client: docker.APIClient, reference: str) -> Image:
    """Return an image that the engine has. Raises NotFound."""
    with translated(f"looking for image `{reference}`"):
        return _to_image(client.inspect_image(reference))  # type: ignore[no-untyped-call]


def list_images(client: docker.APIClient, stack: str) -> tuple[Image, ...]:
    """Return the images that were built for a stack."""
    with translated("listing images"):
        found = client.images(filters={"label": f"{naming.STACK}={stack}"})
    return tuple(
        Image(
            id=image["Id"],
            tags=tuple(tag for tag in image.get("RepoTags") or () if tag != UNTAGGED),
            labels=image.get("Labels") or {},
        )
        for image in found
    )


def build_image(
    client: docker.APIClient,
    order: BuildOrder,
    report: Callable[[str], None],
    around: Mapping[str, str] = os.environ,
) -> Image:
    """Build with BuildKit where the Docker CLI has it, else with the engine's classic builder.

    `around` is the environment, where the CLI is found. A builder takes from its cache what another
    stack's `prune` removes at the same moment, and fails; building again is all there is to do about it.
    """
    if not (order.context / order.dockerfile).is_file():
        raise ImageError(
            f"`{order.context / order.dockerfile}` does not exist",
            "see `build` in stack.yaml: it is a folder, relative to that file",
        )
    endpoint = client.near if isinstance(client, Client) else None
    builder = find_builder(endpoint, order, around)
    if (order.secrets or order.ssh) and builder.cli is None:
        raise ImageError(
            f"the build of `{order.tag}` has `secrets` or `ssh`, which need BuildKit; the builder here is"
            f" {builder.told}",
            INSTALL,
        )
    redaction = Redaction((*order.arguments.items(), *order.secrets.items()), order.tag)

    def tell(line: str) -> None:
        report(redaction.apply(line))

    def attempt() -> Image:
        try:
            _build_once(client, order, builder, tell)
        except (EngineError, ImageError) as error:
            hint = explain_refusal(client, error) or find_hint(builder, error.message) or error.hint
            raise ImageError(redaction.apply(error.message), hint) from error
        return find_image(client, order.tag)

    report(f"building `{order.tag}` with {builder.told}")
    return _repeat(attempt, lambda: report("building again"))


def _build_once(
    client: docker.APIClient, order: BuildOrder, builder: Builder, tell: Callable[[str], None]
) -> None:
    try:
        with pack_context(order) as (archive, dockerfile), translated(order.doing):
            if builder.cli is not None:
                build(builder.cli, order, dockerfile, archive, tell)
                return
            steps = client.build(
                fileobj=archive,
                custom_context=True,
                dockerfile=dockerfile,
                tag=order.tag,
                buildargs=dict(order.arguments),
                labels=dict(order.labels),
                target=order.target,
                rm=True,
                forcerm=True,
                decode=True,
            )
            follow(steps, order.doing, tell)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{order.doing}: {error}", "see the folder, and its `.dockerignore`"
        ) from error


def find_newest(client: docker.APIClient, reference: str) -> str:
    """Return the digest that a registry has under a reference. Raises ImageError."""
    try:
        with translated(f"asking for `{reference}`"), closing(_open_impatient(client)) as asking:
            found = asking.inspect_distribution(reference)  # type: ignore[no-untyped-call]
        return str(found["Descriptor"]["digest"])
    except (EngineError, LookupError, TypeError) as error:
        raise ImageError(f"the registry does not give out `{reference}`: {error}") from error


def _open_impatient(client: docker.APIClient) -> docker.APIClient:
    """Return another client of the same engine, with the same logins."""
    if not isinstance(client, Client):
        return connect(REGISTRY_PATIENCE)
    return open_endpoint(client.endpoint, REGISTRY_PATIENCE, logins=client.credentials.logins)


def pull_image(client: docker.APIClient, reference: str, report: Callable[[str], None]) -> Image:
    """Fetch an image from its registry."""
    doing = f"pulling `{reference}`"
    repository, tag = split(reference)
    try:
        with translated(doing):
            follow(client.pull(repository, tag=tag, stream=True, decode=True), doing, report)
        return find_image(client, reference)
    except (EngineError, ImageError) as error:
        hint = "check the name and that its registry answers, or build it here"
        raise ImageError(error.message, explain_refusal(client, error) or hint) from error


def explain_refusal(client: docker.APIClient, error: StackctlError) -> str | None:
    """Return what a helper for credentials may have to do with it that a registry refuses."""
    if not isinstance(client, Client) or not REFUSED.search(error.message):
        return None
    return client.credentials.hint


def remove_image(client: docker.APIClient, image: str) -> None:
    """Remove an image and its tags, unless it is gone. Raises EngineError where it is in use."""

    def remove() -> None:
        with translated(f"removing image `{image}`"):
            client.remove_image(image, force=False)

    with suppress(NotFound):
        _repeat(remove)


def _repeat(act: Callable[[], Answer], told: Callable[[], None] = lambda: None) -> Answer:
    """Do it again where another client got between; `told` is called before each time."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    attempts = Retrying(
        retry=retry_if_exception(_is_race),
        stop=stop_after_attempt(TRIES),
        before_sleep=lambda _: told(),
        reraise=True,
    )
    return attempts(act)


def _is_race(error: BaseException) -> bool:
    return not isinstance(error, NotFound) and any(words in str(error) for words in RACED)


def follow(steps: Iterable[Mapping[str, Any]], doing: str, report: Callable[[str], None]) -> None:
    """Report what an engine says while it works. Raises ImageError with the last lines."""
    tail: deque[str] = deque(maxlen=TAIL)
    fault = ""
    for step in steps:  # to its end, also after a fault: that closes the connection
        fault = fault or str(step.get("error", "")).strip()
        for line in str(step.get("stream") or step.get("status") or "").splitlines():
            if line.strip():
                tail.append(line.rstrip())
                report(line.rstrip())
    if fault:
        raise ImageError("\n  ".join([f"{doing}: {fault}", *tail]))


def split(reference: str) -> tuple[str, str | None]:
    """Split `host:5000/name:tag` into name and tag; a digest stays with the name."""
    if "@" in reference:
        return reference, None
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, "latest"
    return repository, tag


def _to_image(details: Mapping[str, Any]) -> Image:
    config = details.get("Config") or {}
    return Image(
        id=details["Id"],
        tags=tuple(details.get("RepoTags") or ()),
        labels=config.get("Labels") or {},
        user=config.get("User") or "",
        digests=tuple(details.get("RepoDigests") or ()),
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )
