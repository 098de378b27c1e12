"""The image of a version: built here, pulled, or already there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import ConfigurationError, EngineError, ImageError, NotFound
from orchestrator.events import Emit, Progress, Warned
from orchestrator.release.observe import observe
from orchestrator.release.provision import pick_secrets
from orchestrator.stack import naming
from orchestrator.stack.part import ROOT as SAID
from orchestrator.stack.unit import find_builder, name_published

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.ports import Images
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order
    from orchestrator.stack.model import Service, Stack

ROOT = ("", "root")


def find_image(house: House, order: Order, service: str, emit: Emit) -> Image:
    """Return the image of what is released; of a version that is repeated, the one that it runs.

    Its name may be another's by now, or nobody's. Raises ImageError, ConfigurationError.
    """
    if order.repeats:
        for replica in observe(house).active(service):
            with suppress(NotFound):
                return house.engine.image(replica.container.image)
    return prepare_image(house, service, order.version, emit, build=order.build)


def prepare_image(house: House, service: str, version: str, emit: Emit, *, build: bool) -> Image:
    """Return the version's image. Raises ImageError, ConfigurationError where it runs as root.

    One that is built as its leader is runs the leader's image, which is built first.
    """
    engine, stack = house.engine, house.stack
    wanted = stack.services[service]
    builder = find_builder(stack, service)

    def report(line: str) -> None:
        emit(Progress(line))

    if wanted.build is None:
        reference = str(wanted.image).replace("{version}", version)
        image = (refresh_image if build else ensure_image)(engine, reference, emit)
    elif build and builder == service:
        _refuse_foreign(engine, stack, naming.image_tag(stack.name, service, version))
        image = engine.build(_to_order(house, service, version), report)
    else:
        image = find_built(engine, stack, builder, version, emit)
    _refuse_root(wanted, service, image)
    return image


def find_built(engine: Images, stack: Stack, service: str, version: str, emit: Emit) -> Image:
    """Return the image that an earlier build of the version left, here or in the registry.

    Raises ImageError.
    """
    tag = naming.image_tag(stack.name, service, version)
    try:
        found = engine.image(tag)
    except NotFound as error:
        published = name_published(stack, service, version)
        if not published:
            raise ImageError(
                f"there is no image `{tag}` on this engine",
                f"build it: `stackctl deploy {service} --version {version}`",
            ) from error
        found = ensure_image(engine, published, emit)
    _require_own(stack, tag, found)
    return found


def _refuse_foreign(engine: Images, stack: Stack, tag: str) -> None:
    """Raise ImageError where a build would take another stack's image its name: its way back."""
    try:
        _require_own(stack, tag, engine.image(tag))
    except NotFound:
        return


def _require_own(stack: Stack, tag: str, found: Image) -> None:
    owner = found.labels.get(naming.STACK, stack.name)
    if owner != stack.name:
        raise ImageError(
            f"image `{tag}` belongs to stack `{owner}`",
            "give this stack, or this part of it, another name in stack.yaml",
        )


def ensure_image(engine: Images, reference: str, emit: Emit) -> Image:
    """Return an image that the engine has, or fetch it. Raises ImageError."""
    try:
        return engine.image(reference)
    except NotFound:
        emit(Progress(f"pulling {reference}"))
        return engine.pull(reference, lambda line: emit(Progress(line)))


def refresh_image(engine: Images, reference: str, emit: Emit) -> Image:
    """Return the image that the registry has under a reference now, fetched where it is another.

    One that was built here came from no registry, and one that is named by its digest never changes.
    Where the registry does not answer, the image that is here is used. Raises ImageError.
    """
    try:
        found = engine.image(reference)
    except NotFound:
        return ensure_image(engine, reference, emit)
    digests = find_digests(found, reference)
    if not digests or "@" in reference:
        return found
    try:
        newest = engine.newest(reference)
    except (ImageError, EngineError) as error:
        emit(Warned(f"the image `{reference}` that is on this engine is used: {error.message}"))
        return found
    if newest in digests:
        return found
    emit(Progress(f"pulling {reference}: the registry has another image under that name"))
    return engine.pull(reference, lambda line: emit(Progress(line)))


def find_digests(image: Image, reference: str) -> frozenset[str]:
    """Return the digests under which an image came from the repository of a reference.

    Empty where it was built here, or got that name here: no registry can be asked for it.
    """
    tagged = reference.rpartition(":")
    name = tagged[0] if tagged[1] and "/" not in tagged[2] else reference
    told = (digest.partition("@") for digest in image.digests)
    return frozenset(digest for place, _, digest in told if _shorten(place) == _shorten(name))


def _shorten(repository: str) -> str:
    """Return a repository's name as it is without the words that may be left out."""
    for part in ("docker.io/", "index.docker.io/", "library/"):
        repository = repository.removeprefix(part)
    return repository


def _to_order(house: House, service: str, version: str) -> BuildOrder:
    stack, folder = house.stack, house.folder
    build = stack.services[service].build
    if build is None:
        raise ConfigurationError(f"services.{service}: has no `build`")
    _require_login(house)
    published = name_published(stack, service, version)
    return BuildOrder(
        context=folder / build.context,
        left_out=_leave_out(stack, folder, folder / build.context),
        dockerfile=build.dockerfile,
        tag=naming.image_tag(stack.name, service, version),
        arguments={**build.args, "VERSION": version},
        labels=naming.labels(stack.name, "service", service=service, version=version)
        | ({naming.PUBLISHED: published} if published else {}),
        target=build.target,
        secrets=pick_secrets(build.secrets, house.secrets, f"services.{service}.build"),
        ssh=build.ssh,
        published=published,
    )


def _require_login(house: House) -> None:
    """Raise ConfigurationError where the registry's password is not known: before anything is built."""
    registry = house.stack.registry
    if registry and registry.password and not registry.find_login(house.variables):
        raise ConfigurationError(
            f"`registry.password` names `{registry.password}`, which is not set",
            f"write `{registry.password}=…` into `.env`, or set it in the environment",
        )


def _leave_out(stack: Stack, folder: Path, context: Path) -> tuple[str, ...]:
    """Return what is stackctl's own in a build's folder: secrets, backups, evidence, a CI job's installation.

    An image would hold them for ever, and one of the same sources would never be the same again. A drill's
    copy of a stack lies elsewhere, and builds from folders of the original.
    """
    own, root = (path.resolve() for path in (folder, context))
    homes = (own, root) if (root / "stack.yaml").is_file() and root != own else (own,)
    parts = stack.accessories.items()
    backups = [f"{part.backup.folder}/{name}" for name, part in parts if part.backup]
    found = (home / name for home in homes for name in (".env", "reports", ".stackctl", *backups))
    return tuple(str(path.relative_to(root)) for path in found if root in path.parents)


def _refuse_root(wanted: Service, service: str, image: Image) -> None:
    if wanted.user == SAID:
        return
    user = (wanted.user or image.user).partition(":")[0]
    if user.lstrip("+-0") in ROOT:  # the engine reads `00` as a number as well
        raise ConfigurationError(
            f"the image of `{service}` would run as root",
            f"add `USER` to its Dockerfile, or a user's number as `user` to services.{service} in"
            f" stack.yaml; where it has to be root, say `user: {SAID}` there",
        )
