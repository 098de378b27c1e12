"""`gateway.url` in stack.yaml: where clients come, if that is through a proxy in front of the gateway."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from orchestrator.stack.forms import FORMS, PUBLIC_URL
from orchestrator.stack.quantities import HTTP, HTTPS, Address, write_host, write_port


class PublicUrl(NamedTuple):
    """A scheme, a host and a port, and nothing behind them."""

    secure: bool
    host: str
    port: int

    @property
    def address(self) -> Address:
        """Return where connections go; the host may be a name."""
        return Address(self.host, self.port)

    @property
    def named(self) -> str:
        """Return the host as requests name it."""
        return write_host(self.host) + self.suffix

    @property
    def suffix(self) -> str:
        """Return what follows a host: nothing where the port is the usual one."""
        return write_port(self.port, HTTPS if self.secure else HTTP)

    def of(self, host: str | None) -> str:
        """Return it for another host that comes the same way; for its own without one."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{host + self.suffix if host else self.named}"

    def __str__(self) -> str:
        """Return it as people write it."""
        return self.of(None)


def parse_url(value: object) -> object:
    """Turn `https://shop.example` or `http://10.0.0.7:8080` into a PublicUrl."""
    if isinstance(value, PublicUrl):
        return value
    match = re.fullmatch(PUBLIC_URL, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_explain(value))
    secure = match[1] == "https"
    port = int(match[3] or (HTTPS if secure else HTTP))
    if not 1 <= port <= 65535:
        raise ValueError(f"expected {FORMS[PUBLIC_URL]}")
    return PublicUrl(secure, match[2].strip("[]"), port)


def _explain(value: object) -> str:
    """Return what was expected, by what is wrong where that is clear."""
    if isinstance(value, str) and (found := re.match(r"(https?://[a-z0-9.:-]+)[/?#].+$", value)):
        return f"expected no path behind the host: `{found[1]}`"
    if isinstance(value, str) and re.fullmatch(PUBLIC_URL, f"https://{value}"):
        return f"expected `https://` or `http://` before it: `https://{value}`"
    if isinstance(value, str) and re.fullmatch(PUBLIC_URL, value.lower()):
        return f"expected lower case: `{value.lower()}`"
    return f"expected {FORMS[PUBLIC_URL]}"


_Written = Annotated[str, Field(pattern=PUBLIC_URL)]
Url = Annotated[PublicUrl, BeforeValidator(parse_url, json_schema_input_type=_Written)]
