"""An engine whose errors do not say what came from a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from orchestrator.engine.ports import Engine
    from orchestrator.engine.redaction import Redaction


def keep_discreet(engine: Engine, redaction: Redaction) -> Engine:
    """Return the same engine; what it refuses is told without the values, `${NAME}` instead.

    Engines repeat what they were given: the name of an image, the command that they do not find.
    """
    return cast("Engine", _Discreet(engine, redaction))


class _Discreet:
    def __init__(self, engine: Engine, redaction: Redaction) -> None:
        self._engine = engine
        self._redaction = redaction

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._engine, name)

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return called(*arguments, **named)
            except StackctlError as error:
                error.reword(self._redaction.apply)
                raise

        return call
