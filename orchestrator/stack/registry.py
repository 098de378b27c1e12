"""The registry that images of a stack are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, StrictStr, model_validator

from orchestrator.stack.fields import STRICT, Text, Variable, refuse_own
from orchestrator.stack.forms import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping


class Registry(BaseModel):
    """Where images go that are built, and who stackctl is there."""

    model_config = STRICT

    repository: Annotated[StrictStr, Field(pattern=REPOSITORY, max_length=150)]
    username: Annotated[Text, Field(min_length=1)] | None = None
    password: Annotated[Variable, AfterValidator(refuse_own)] | None = None  # the variable's name

    @model_validator(mode="after")
    def _require_both(self) -> Self:
        if (self.username is None) != (self.password is None):
            msg = "expected `username` and `password` together; without both `docker login` counts"
            raise ValueError(msg)
        return self

    @property
    def host(self) -> str:
        """Return the registry's own name, and its port."""
        return self.repository.partition("/")[0]

    def find_login(self, variables: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
        """Return user and password by the registry's name; empty where `docker login` has said them."""
        given = variables.get(self.password or "")
        return {self.host: (str(self.username), given)} if self.username and given else {}
