"""NGINX's workers: which accept connections, which are leaving, and what they still hold.

HUP returns before anything happened. What did happen is seen in the process table: a worker of the
old config is gone, or calls itself `worker process is shutting down`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Workers(NamedTuple):
    """The host pids of NGINX's workers."""

    accepting: frozenset[int]
    leaving: frozenset[int]


def parse_workers(processes: Mapping[int, str]) -> Workers:
    """Tell the workers in a process table apart."""
    workers = {pid: title for pid, title in processes.items() if "worker process" in title}
    leaving = frozenset(pid for pid, title in workers.items() if "shutting down" in title)
    return Workers(frozenset(workers) - leaving, leaving)
