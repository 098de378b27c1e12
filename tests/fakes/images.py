"""The images of a fake engine, and a builder that understands four words of a Dockerfile."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import ImageError, NotFound
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeImages:
    """The images that an engine has, newest first, and those that its registry would hand out."""

    def __init__(self, *local: str) -> None:
        self.registry: set[str] = set()
        self.pushed: dict[str, str] = {}  # what was pushed anew, by its reference
        self._images: list[Image] = []
        for reference in local:
            self._add(reference, reference, Image("", (), {}))

    def declare(self, reference: str, *volumes: str) -> None:
        """Let an image that is here want volumes at these paths."""
        image = self.find(reference)
        self._images[self._images.index(image)] = replace(image, volumes=tuple(sorted(volumes)))

    def find(self, reference: str) -> Image:
        """Return an image by one of its tags or by its id."""
        for image in self._images:
            if reference == image.id or reference in image.tags:
                return image
        raise NotFound(f"no such image: {reference}")

    def of(self, stack: str) -> tuple[Image, ...]:
        """Return the images built for a stack, newest first."""
        return tuple(image for image in self._images if image.labels.get(naming.STACK) == stack)

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        """Read FROM, USER, VOLUME and `RUN false`; every other line succeeds and does nothing."""
        file = order.context / order.dockerfile
        if not file.is_file():
            raise ImageError(f"`{file}` does not exist")
        user, volumes, said = "", [*()], [f"building `{order.tag}` from `{order.context}`"]
        for line in file.read_text().splitlines():
            word, _, rest = line.partition(" ")
            said.append(f"Step: {line}")
            report(said[-1])
            if word == "USER":
                user = rest
            if word == "VOLUME":
                volumes += rest.split()
            if (word == "FROM" and not self._has(rest)) or line == "RUN false":
                raise ImageError("\n  ".join([f"{said[0]}: `{line}` failed", *said[1:]]))
        content = (
            f"{file.read_text()}{sorted(order.arguments.items())}{sorted(order.labels.items())}"
        )
        built = self._add(
            order.tag, content, Image("", (), order.labels, user, volumes=tuple(sorted(volumes)))
        )
        return self._publish(order.published, built) if order.published else built

    def _publish(self, name: str, image: Image) -> Image:
        """Push an image to the registry, and give it that name here as well."""
        self.registry.add(name)
        self.pushed[name] = image.id
        digest = f"{name.rpartition(':')[0]}@{self.newest(name)}"
        digests = tuple(dict.fromkeys((*image.digests, digest)))
        tags = tuple(dict.fromkeys((*image.tags, name)))
        published = replace(image, tags=tags, digests=digests)
        self._images[self._images.index(image)] = published
        return published

    def pull(self, reference: str, report: Callable[[str], None]) -> Image:
        """Take an image from the registry."""
        if reference not in self.registry:
            raise ImageError(f"pulling `{reference}`: no registry has it")
        report(f"pulled {reference}")
        digests = (f"{reference.rpartition(':')[0]}@{self.newest(reference)}",)
        image = Image("", (), {}, user="10001", digests=digests)
        return self._add(reference, self.pushed.get(reference, reference), image)

    def newest(self, reference: str) -> str:
        """Return the digest that the registry has."""
        if reference not in self.registry:
            raise ImageError(f"the registry does not give out `{reference}`")
        content = self.pushed.get(reference, reference)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()

    def tag(self, reference: str, name: str) -> None:
        """Give an image another name."""
        image = self.find(reference)
        self._images[self._images.index(image)] = replace(image, tags=(*image.tags, name))

    def remove(self, reference: str) -> None:
        """Take a tag from an image; the last one takes the image with it."""
        image = self.find(reference)
        self._images.remove(image)
        tags = tuple(tag for tag in image.tags if tag != reference)
        if tags and reference != image.id:
            self._images.append(replace(image, tags=tags))

    def _has(self, reference: str) -> bool:
        return any(reference in image.tags for image in self._images)

    def _add(self, tag: str, content: str, image: Image) -> Image:
        """Give the tag to the image with that content: the same content is the same image."""
        identity = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        same = next((known for known in self._images if known.id == identity), None)
        others = [
            replace(known, tags=tuple(known_tag for known_tag in known.tags if known_tag != tag))
            for known in self._images
            if known.id != identity
        ]
        tags = dict.fromkeys((*(same.tags if same else ()), tag))
        added = replace(same or image, id=identity, tags=tuple(tags))
        self._images = [added, *others]
        return added
