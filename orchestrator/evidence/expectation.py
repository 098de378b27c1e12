"""Which answers are right, where stack.yaml does not say: those that were right before. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from orchestrator import grpc

if TYPE_CHECKING:
    from orchestrator.evidence.wire import Errand

NOBODY = ("", "none")  # what the gateway says where no service answered


class Expectation:
    """What a witness has learned of the service.

    It is called before the candidate starts, so the first answer is one of the version of before. What
    that answers to a login page, or to a path that it does not have, is no loss after the switch.
    """

    def __init__(self) -> None:
        self._usual: dict[Errand, int] = {}

    def learns(self, errand: Errand, status: int, served: str) -> bool:
        """Take the first answer to a request for a right one; return whether that says anything new.

        No fault of a server is, and no `come again later`.
        """
        fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        if errand.call:
            fault = status in grpc.FAULTS or status >= len(grpc.STATUSES)
        if errand.expect is not None or errand in self._usual or fault or served in NOBODY:
            return False
        self._usual[errand] = status
        return status != _find_good(errand)

    def right(self, errand: Errand) -> tuple[int, ...]:
        """Return the statuses that are right."""
        if errand.expect is not None:
            return (errand.expect,)
        good = _find_good(errand)
        return tuple(sorted({good, self._usual.get(errand, good)}))


def _find_good(errand: Errand) -> int:
    return grpc.OK if errand.call else int(HTTPStatus.OK)
