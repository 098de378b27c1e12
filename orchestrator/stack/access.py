"""`basic_auth` in stack.yaml as frozen values: who comes in with a name and a password."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictStr

from orchestrator.stack.fields import STRICT, Variable, refuse_own
from orchestrator.stack.forms import REALM, USER_NAME

OFF = "off"  # NGINX's word for no password at all


def _refuse_off(realm: str) -> str:
    if realm == OFF:
        msg = "expected another name: to NGINX `off` means that nobody is asked"
        raise ValueError(msg)
    return realm


Realm = Annotated[StrictStr, Field(pattern=REALM, max_length=60), AfterValidator(_refuse_off)]
UserName = Annotated[StrictStr, Field(pattern=USER_NAME, max_length=64)]
Password = Annotated[Variable, AfterValidator(refuse_own)]  # the name of the variable that holds it


class BasicAuth(BaseModel):
    """Who comes in with which password. No value of a password is in it."""

    model_config = STRICT

    realm: Realm = "Restricted"
    users: Annotated[dict[UserName, Password], Field(min_length=1, max_length=200)]
    satisfy: Literal["all", "any"] = "all"  # of `allow` and the password

    def __hash__(self) -> int:
        """Return the hash that routes of equal words have in common."""
        return hash((self.realm, *sorted(self.users.items()), self.satisfy))


OPEN = BasicAuth.model_construct(users={})  # of a route that asks nobody, whatever its service says


def _read_open(value: object) -> object:
    """Let people write `false` for a route that asks nobody."""
    return OPEN if value is False else value


OfRoute = Annotated[
    BasicAuth,
    BeforeValidator(_read_open, json_schema_input_type=BasicAuth | Literal[False]),
]
