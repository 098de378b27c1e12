"""What is looked at before a leader is switched: whether its companions can follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.release.externals import refuse_unfit
from orchestrator.release.images import find_image
from orchestrator.release.plan import plan_release
from orchestrator.release.provision import provide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.values import Image
    from orchestrator.events import Emit
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.plan import Order


def prepare_companions(house: House, order: Order, emit: Emit) -> dict[str, Image]:
    """Return the images of those that follow. Raises StackctlError: then nobody is released."""
    return {name: find_image(house, order, name, emit) for name in order.companions}


def check_companions(
    house: House, order: Order, snapshot: Snapshot, release: str, images: Mapping[str, Image]
) -> None:
    """Make the plans of those that follow, as far as one can tell now. Raises StackctlError."""
    for name, image in images.items():
        given = provide(house, house.stack.services[name], f"services.{name}")
        wanted = replace(order, service=name, companions=())
        plan = plan_release(house.stack, snapshot, wanted, release, image.id, given)
        if plan.start and not order.build:
            refuse_unfit(house, name)
