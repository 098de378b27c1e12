"""Images on their way: back from a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.registry import Registry

if TYPE_CHECKING:
    from tests.e2e.operator import Operator


def test_a_rollback_has_its_image_from_the_registry(operator: Operator) -> None:
    """Where the engine has neither containers nor image of that version any more."""
    with Registry() as registry:
        repository = f"{registry.address}/team"
        operator.write_stack({"keep": "removed"})
        operator.write({**operator.read(), "registry": {"repository": repository}})
        operator.up()
        assert operator.deploy("v2").code == 0
        for tag in (f"{operator.name}-app:v1", f"{repository}/{operator.name}-app:v1"):
            operator.engine.remove_image(tag)
        done = operator.run("rollback", "app", "--to", "v1", "--output", "json")

        assert done.code == 0, done.stderr
        assert (done.document["outcome"], done.document["witness"]["lost"]) == ("deployed", 0)
        assert operator.serving() == "v1"
        digest = registry.digest(f"team/{operator.name}-app", "v1")
        found = operator.evidence(done)["image"]["registry"]
        assert found == f"{repository}/{operator.name}-app@{digest}"
