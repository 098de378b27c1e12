"""Credentials for registries, with helpers that are missing, broken or lie."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from docker.auth import AuthConfig

from orchestrator.engine.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADA = {"username": "ada", "password": "p", "email": None, "serveraddress": "r.example"}
ENTRY = {"Username": "bob", "Secret": "s"}


def load(config: Mapping[str, Any]) -> Credentials:
    """Return what a config leads to; `r.example` has an entry of its own in it."""
    return Credentials(AuthConfig({"auths": {"r.example": dict(ADA)}, **config}))


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the program of the helper `test`; a test writes what it does."""
    program = tmp_path / "docker-credential-test"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.mark.parametrize(
    "config",
    [
        {"credsStore": "stackctl-none"},
        {"credHelpers": {"other.example": "stackctl-none"}},
        {"credHelpers": {"r.example": "stackctl-none"}},
        {"credsStore": "stackctl-none", "credHelpers": {"other.example": "stackctl-none"}},
    ],
)
def test_a_helper_that_is_missing_is_in_nobodys_way(config: dict[str, Any]) -> None:
    """What the config itself has is used; where that does not do, the helper is named."""
    found = load(config)
    assert found.get_all_credentials() == {"r.example": ADA}
    assert found.resolve_authconfig("r.example") == ADA
    assert found.resolve_authconfig("other.example") is None
    assert found.resolve_authconfig() is None
    assert "`docker-credential-stackctl-none`, which is not installed" in str(found.hint)


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo nonsense",
        "echo '[1]'",
        "echo '{\"Username\": 3}'",
        "echo locked; exit 2",
        "",
    ],
)
def test_a_helper_that_fails_is_in_nobodys_way(helper: Path, script: str) -> None:
    """Whatever it answers."""
    helper.write_text(f"#!/bin/sh\n{script}\n")
    found = load({"credsStore": "test"})
    assert found.resolve_authconfig("r.example") == ADA
    assert found.get_all_credentials()["r.example"] == ADA
    assert "`docker-credential-test`, which failed" in str(found.hint)


def test_a_helper_that_answers_is_heard(helper: Path) -> None:
    """Before what the config itself has, and without a hint."""
    answers = {"get": ENTRY, "list": {"r.example": "bob"}}
    lines = "".join(f"{word}) echo '{json.dumps(said)}';;" for word, said in answers.items())
    helper.write_text(f"#!/bin/sh\ncase $1 in {lines} esac\n")
    bob = {"ServerAddress": "r.example", "Username": "bob", "Password": "s"}
    found = load({"credsStore": "test"})
    assert found.resolve_authconfig("r.example") == bob
    assert found.get_all_credentials() == {"r.example": bob}
    assert load({"credHelpers": {"r.example": "test"}}).get_all_credentials() == {"r.example": bob}
    assert found.hint is None


def test_a_registry_that_a_helper_does_not_know_is_no_fault(helper: Path) -> None:
    """It says so in words of its own."""
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    found = load({"credHelpers": {"other.example": "test"}})
    assert found.resolve_authconfig("other.example") is None
    assert found.hint is None


def test_helpers_that_are_none_are_none() -> None:
    """A list is no mapping of registries to helpers."""
    assert load({"credHelpers": ["x"]}).get_all_credentials() == {"r.example": ADA}
