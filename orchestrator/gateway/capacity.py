"""How much NGINX may take on, by what its container may use: pure.

A worker that the kernel kills for memory takes everybody on it along. So the workers follow from the
CPUs, and the connections from the memory: all of them at their most expensive have to fit. What a
connection can cost was measured with NGINX 1.30 (x86-64, in the container's own accounting):

| a connection                                                            | costs  |
|-------------------------------------------------------------------------|--------|
| of a client that idles                                                  | 2 KB   |
| with a head that does not end: 4 buffers of 8 KiB, 100 names that fill them, which NGINX keeps twice | 79 KB |
| whose answer is not read: 68 KiB and 18 x 4 KiB, compressed or not      | 168 KB |

The last one is two connections, the client's and the service's, and so are counted those that NGINX
may have. That is why each connection is taken for 80 KiB. The template's `max_headers`,
`large_client_header_buffers`, `proxy_buffers` and `gzip_window` are what these figures hold for.

By HTTP/2 a connection has several requests. Those that reach a service are counted (`requests`). Those
that NGINX answers itself are not: one whose answer is not read costs 11 KB, and 34 KB with the largest head.
All connections with all of these would fit nowhere, so the fewer requests a connection may have, the more
connections it takes to fill the memory: `STREAMS` of 400 connections, which is what the firewall's rule in
SECURITY.md leaves one address, are 220 MB.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orchestrator.stack.gateway import Gateway

KIB, MIB = 1024, 1024**2
DEAREST = 80 * KIB  # bytes of a connection at its most expensive
# A third is for the connections of one config, and one for those that workers still hold which leave
# after a reload. The last one is for the processes themselves, and for zones as they fill.
SHARE = 3
# Bytes of the container for each worker. One takes 2 to 4 MiB at rest, and with a reload there are two.
ROOM = 16 * MIB
PIDS = (
    4  # for each worker: one that leaves after a reload, and the cache's and stackctl's processes
)
FEWEST = 64  # connections of a worker: its listeners, stackctl's questions, a handful of clients
# Of a worker. Each may need a file beside its socket, and engines allow 20,000 open files or more.
MOST = 8000
# Of all workers: what the counter of a color counts to. So it never refuses anybody.
COUNTED = 65535
# Of all connections, for the requests of one address where stack.yaml does not say: a third, and each
# request has two. With 512 MiB that is more than 40 people behind one address or a load test with 300
# users has in flight while a service stalls, and with 256 MiB it is four for each of these people.
OF_ONE_ADDRESS = 6
# Requests that a connection may have at once by HTTP/2. A page has seldom more, and by HTTP/1.1 browsers
# have six. Of gRPC it is what NGINX has by itself: calls may stay open, and a client has one connection.
STREAMS, CALLS = 16, 128
ENTRIES = 16_000  # addresses in a MiB of a zone that counts connections, at 64 bytes each


class Capacity(NamedTuple):
    """What NGINX is told to take on."""

    workers: int
    connections: int  # of each worker, to clients and to services
    each_address: int  # requests in flight of one client address

    @property
    def files(self) -> int:
        """Return how many files a worker may have open: a socket and a file for each connection."""
        return 2 * self.connections + 384

    @property
    def requests(self) -> int:
        """Return how many requests may be in flight: each has a connection to a service, and a client's.

        By HTTP/1.1 there cannot be more. By HTTP/2 a client has one connection for many.
        """
        return self.workers * self.connections // 2

    @property
    def zone(self) -> int:
        """Return the MiB that a zone needs to count each client, also while a reload doubles them."""
        return math.ceil(2 * self.workers * self.connections / ENTRIES)


def find_capacity(gateway: Gateway) -> Capacity:
    """Return what fits into the container of a gateway."""
    memory, pids = gateway.resources.memory, gateway.resources.pids
    workers = max(1, min(math.ceil(gateway.resources.cpus), memory // ROOM, pids // PIDS))
    fitting = memory // SHARE // DEAREST
    connections = max(FEWEST, min(fitting // workers, MOST, COUNTED // workers))
    shared = workers * connections // OF_ONE_ADDRESS
    return Capacity(workers, connections, gateway.connections or shared)
