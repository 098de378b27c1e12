"""Headers that a service may believe because no client has written them: names that are not passed on.

What the gateway sets itself it overwrites. The rest of the family says the same in other words, which
one framework or another reads. CGI, WSGI and their kin take `X_Real_IP` for `X-Real-IP`, so names that
differ by underscores alone are imitations.
"""

from __future__ import annotations

from itertools import product

OWN = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Request-ID",
    "X-Stackctl-Witness",
)
SYNONYMS = (
    "Forwarded",
    "Front-End-Https",
    "X-Forwarded-Protocol",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Scheme",
    "X-Url-Scheme",
)
LENGTHS = ("Content-Length", "Transfer-Encoding")  # whose imitations move the end of a body


def list_refused() -> tuple[str, ...]:
    """Return the names of all headers that no service gets from a client."""
    imitated = (name for own in (*OWN, *SYNONYMS, *LENGTHS) for name in _imitate(own))
    return (*SYNONYMS, *imitated)


def _imitate(name: str) -> tuple[str, ...]:
    """Return all that differs from a name by underscores alone."""
    first, *rest = name.split("-")
    spellings = (
        first + "".join(map("".join, zip(marks, rest, strict=True)))
        for marks in product("-_", repeat=len(rest))
    )
    return tuple(spelling for spelling in spellings if spelling != name)
