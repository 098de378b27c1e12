"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

# A home or a phone has a whole network of this size to itself, and changes addresses within it.
IPV6_NETWORK = 64


def client_of(request: HTTPConnection) -> str:
    """Name the client's address: the gateway tells it, and lets nobody else tell it."""
    told = request.headers.get("x-real-ip", "")
    return network_of(told or (request.client.host if request.client else ""))


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its network; no address as none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), IPV6_NETWORK), strict=False))
    return str(parsed)
