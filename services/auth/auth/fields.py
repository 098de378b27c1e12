"""The fields of requests, and what they may hold."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# Control, private, half, unassigned and non-characters, ends of lines, and what is not seen: that
# holds the marks that turn the direction of a text, and what a terminal obeys.
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of scripts, and of emoji


def normal_email(value: Any) -> Any:
    """Write an address in the one way in which it is stored and looked for.

    In small letters and no further: `straße@` and `strasse@` are two addresses.
    """
    return unicodedata.normalize("NFC", value.strip().lower()) if isinstance(value, str) else value


def spellings(email: str) -> list[str]:
    """List the ways in which an address may be stored: ours, and that of earlier versions.

    They folded `ß` to `ss` and the like, so an account of theirs is known by all spellings that fold
    to its own. Whose password is right enters it; a new account takes the address as it is written.
    """
    folded = unicodedata.normalize("NFC", email.casefold())
    return [email] if folded == email else [email, folded]


def visible(text: str) -> str:
    """Refuse what cannot be seen, and a text that shows nothing."""
    if any(unicodedata.category(c) in _UNSEEN and c not in _JOINERS for c in text):
        raise ValueError("must hold no control characters")
    if not text.strip().strip(_JOINERS):
        raise ValueError("must hold more than spaces")
    return text


def without_joiners(text: str) -> str:
    """Refuse what shows nothing by itself: two addresses must not look alike."""
    if any(c in _JOINERS for c in text):
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
    AfterValidator(without_joiners),
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
