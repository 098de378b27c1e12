"""Headers that a service may believe because no client has written them: names that are not passed on.

What the gateway sets itself it overwrites. The rest of the family says the same in other words, which
one framework or another reads: who asks, by which name, over what, below which path. Others say that
another path or another method was meant than the one that the gateway has judged, and has kept an
answer for. CGI, WSGI and their kin take `X_Real_IP` for `X-Real-IP`, so names that
differ by underscores alone are imitations.
"""

from __future__ import annotations

from functools import cache
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
    "X-Client-IP",
    "X-Forwarded-By",
    "X-Forwarded-Context",
    "X-Forwarded-Path",
    "X-Forwarded-Protocol",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Host",
    "X-HTTP-Host-Override",
    "X-Original-Host",
    "X-Scheme",
    "X-Script-Name",
    "X-Url-Scheme",
)
# Symfony, Zend and IIS take a path from the first ones, Traefik's and NGINX's helpers from those that
# follow; Gunicorn takes SCRIPT_NAME and PATH_INFO. CGI takes `Proxy` for where to send its own questions.
ELSEWHERE = (
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "Path-Info",
    "Script-Name",
    "Proxy",
)
LENGTHS = ("Content-Length", "Transfer-Encoding")  # whose imitations move the end of a body


@cache
def list_refused() -> tuple[str, ...]:
    """Return the names of all headers that no service gets from a client."""
    refused = (*SYNONYMS, *ELSEWHERE)
    imitated = (name for own in (*OWN, *refused, *LENGTHS) for name in _imitate(own))
    return (*refused, *imitated)


def _imitate(name: str) -> tuple[str, ...]:
    """Return all that differs from a name by underscores alone."""
    first, *rest = name.split("-")
    spellings = (
        first + "".join(map("".join, zip(marks, rest, strict=True)))
        for marks in product("-_", repeat=len(rest))
    )
    return tuple(spelling for spelling in spellings if spelling != name)
