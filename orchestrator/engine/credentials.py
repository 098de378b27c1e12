"""What the Docker client's config knows for registries, as far as its helpers answer.

A helper that is not installed, or fails, is in nobody's way who does not need it: the registry says
whether it lets somebody in without a name.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import docker.errors
from docker.auth import INDEX_NAME, AuthConfig, convert_to_hostname, resolve_index_name
from docker.credentials import Store
from docker.credentials.errors import StoreError

from orchestrator.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "docker-credential-"
BROKEN = (  # what docker-py makes of what a helper says, or does not
    StoreError,
    docker.errors.DockerException,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    OSError,
)


def find_missing_helpers(folder: Path, around: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the helpers that a client's config names and nobody has installed, without asking any.

    With each are the registries it is for; none are all of them. `folder` holds the config, `around` is
    the environment, whose PATH is searched.
    """
    try:
        config = json.loads(read_file(folder / "config.json"))
        store, each = (config.get(key) for key in ("credsStore", "credHelpers"))
    except (
        OSError,
        ValueError,
        AttributeError,
    ):  # without a config there are no helpers; a broken one stops `connect`
        return {}
    helpers: dict[str, list[str]] = {str(store): []} if store else {}
    for registry, helper in each.items() if isinstance(each, dict) else ():
        helpers.setdefault(str(helper), []).append(str(registry))
    return {
        f"{PREFIX}{helper}": tuple(registries)
        for helper, registries in helpers.items()
        if shutil.which(f"{PREFIX}{helper}", path=around.get("PATH", "")) is None
    }


class Credentials(AuthConfig):
    """Credentials by registry; `silent` says of each helper that gave none why.

    `logins` are users and passwords by registry that are known beside the client's config.
    """

    def __init__(self, found: AuthConfig, logins: Mapping[str, tuple[str, str]] = {}) -> None:
        super().__init__(dict(found))
        self.logins = logins
        self._given = {
            # Newer engines compare the address with the one that they ask.
            resolve_index_name(registry): {
                "username": user,
                "password": password,
                "serveraddress": registry,
            }
            for registry, (user, password) in logins.items()
        }
        if not isinstance(self.cred_helpers, dict):
            self["credHelpers"] = {}
        self.silent: dict[str, str] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known: docker-py would read the client's config anew then."""
        return not self._given and bool(super().is_empty)

    @property
    def hint(self) -> str | None:
        """Return what may be wrong where a registry lets nobody in; None where all answered."""
        if not self.silent:
            return None
        program, why = next(iter(self.silent.items()))
        return (
            f"the Docker client's config wants credentials from `{program}`, which {why}:"
            " put that right, or take the helper out of `config.json`"
        )

    def resolve_authconfig(self, registry: str | None = None) -> Any:
        """Return what is known for one registry; None where nothing is.

        What stack.yaml says comes before what `docker login` has left.
        """
        if given := self._given.get(resolve_index_name(registry or INDEX_NAME)):
            return given
        helper = self.get_credential_store(registry)
        found = self._ask(helper, registry) if helper else None
        return found or AuthConfig({"auths": self.auths}).resolve_authconfig(registry)

    def get_all_credentials(self) -> dict[str, Any]:
        """Return what is known for all registries."""
        found: dict[str, Any] = dict(self.auths)
        helpers = dict.fromkeys(self._list(self.creds_store), self.creds_store) | self.cred_helpers
        for registry, helper in helpers.items():
            known = self._ask(helper, registry)
            if known is not None:
                found[registry] = found[convert_to_hostname(registry)] = known
        return found | self._given

    def _ask(self, helper: str, registry: str | None) -> Any:
        """Return what a helper knows for a registry; None where it knows nothing, or is silent."""
        if self._is_missing(helper):
            return None
        try:
            return AuthConfig({"credsStore": helper}).resolve_authconfig(registry)
        except BROKEN as error:
            return self._note(helper, f"failed ({error})")

    def _list(self, helper: str | None) -> tuple[str, ...]:
        """Return the registries that a helper knows."""
        if not helper or self._is_missing(helper):
            return ()
        try:
            return tuple(Store(helper).list())  # type: ignore[no-untyped-call]
        except BROKEN as error:
            self._note(helper, f"failed ({error})")
            return ()

    def _is_missing(self, helper: str) -> bool:
        if shutil.which(f"{PREFIX}{helper}"):
            return False
        self._note(helper, "is not installed")
        return True

    def _note(self, helper: str, why: str) -> None:
        self.silent[f"{PREFIX}{helper}"] = why
