"""A service that is called by gRPC has no witness, and its evidence says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.evidence.samples import count
from orchestrator.evidence.summary import judge
from orchestrator.release.witness import list_requests
from tests.fakes.stacks import load_shop, shop_with

if TYPE_CHECKING:
    from pathlib import Path


def test_a_service_that_is_called_by_grpc_is_not_witnessed(tmp_path: Path) -> None:
    """Not by HTTP either: what its app answers to that says nothing of its calls."""
    stack = load_shop(tmp_path, shop_with("services.web.health", {"port": 8080}))
    service = stack.services["web"].model_copy(update={"protocol": "grpc"})
    assert list_requests(stack.services["web"])
    assert list_requests(service) == ()


def test_evidence_of_one_says_that_nothing_was_witnessed() -> None:
    """And leaves open whether a call was lost."""
    assert judge("deployed", count([]).facts(), planned={"grpc": True}) == {
        "lossless": None,
        "text": "no request was witnessed: the witness speaks no gRPC",
    }
