"""The fields of requests, and what they may hold."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def normal_email(value: Any) -> Any:
    """Write an address in the one way in which it is stored and looked for."""
    return (
        unicodedata.normalize("NFC", value.strip().casefold()) if isinstance(value, str) else value
    )


def visible(text: str) -> str:
    """Refuse what cannot be seen: control characters, NUL, and marks that turn the writing round."""
    if not text.isprintable():
        raise ValueError("must hold no invisible characters")
    return text


def without_nul(text: str) -> str:
    """Refuse NUL: it ends a string in too many places."""
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def composed(text: str) -> str:
    """Compose characters: keyboards differ in how they send an accented letter."""
    return unicodedata.normalize("NFKC", text)


# Simple on purpose. Only a message that arrives proves an address.
Email = Annotated[
    str,
    Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", examples=["ann@example.org"]),
    BeforeValidator(normal_email),  # before the limits, though it stands after them
    AfterValidator(visible),
]
NewPassword = Annotated[
    str,
    Field(min_length=12, max_length=200, examples=["correct horse battery"]),
    AfterValidator(without_nul),
    AfterValidator(composed),
]
# At a login any length will do: what rules there were when it was chosen is not known.
Password = Annotated[
    str,
    Field(min_length=1, max_length=200, examples=["correct horse battery"]),
    AfterValidator(without_nul),
    AfterValidator(composed),
]
RefreshText = Annotated[str, Field(min_length=1, max_length=200)]
DisplayName = Annotated[
    str,
    Field(min_length=1, max_length=80, pattern=r"\S", examples=["Ann"]),
    AfterValidator(visible),
]


class Command(BaseModel):
    """A request's body: no field more, no type converted, and nothing of it in a log."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
