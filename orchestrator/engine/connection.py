"""The way to the Docker Engine, and the one place where its exceptions become ours."""

from __future__ import annotations

import errno
import os
import re
import threading
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
import requests.utils
import urllib3.exceptions
from docker.credentials.errors import StoreError

from orchestrator.engine.credentials import Credentials
from orchestrator.engine.endpoint import ACCOUNT, Endpoint, find_endpoint
from orchestrator.engine.tunnel import SOCKET, find_near, open_tunnel
from orchestrator.errors import Conflict, Disconnected, EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.engine.silence import Silence

PATIENCE = 60  # seconds for an answer of the engine
UNFIT = (AttributeError, KeyError, TypeError, ValueError)  # what unfit settings make of docker-py
FOREIGN = (
    docker.errors.DockerException,
    docker.errors.APIError,
    docker.errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    StoreError,
    OSError,
)
SEVERED = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)
ASKED = threading.local()  # what each thread asks the engine for
# How engines from 20.10 to 29 say that somebody else has a port of the host.
TAKEN = re.compile(
    r"(\d+(?:\.\d+){3}:\d+)(?::[\d.]+:\d+)?(?:/tcp)?(?: failed)?:"
    r" (?:bind: )?(?:port is already allocated|address already in use)"
)
# What it says where it has no first process to give to a container.
NO_INIT = re.compile(r'exec: "?[^" ]*docker-init"?: executable file not found')
LIMITED = "error setting rlimit"  # and where it may not set a limit so high


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever docker-py raises into an EngineError that says what was being done."""
    outer, ASKED.doing = get_doing(), doing
    try:
        yield
    except docker.errors.NotFound as error:
        raise NotFound(f"{doing}: {_reason(error)}") from error
    except docker.errors.APIError as error:
        if error.status_code == HTTPStatus.CONFLICT:
            raise Conflict(f"{doing}: {_reason(error)}") from error
        raise _to_refusal(doing, _reason(error)) from error
    except (requests.exceptions.ConnectionError, urllib3.exceptions.ProtocolError) as error:
        raise Disconnected(
            f"{doing}: the Docker Engine does not answer", "check that it runs: `docker info`"
        ) from error
    except FOREIGN as error:
        kind = Disconnected if isinstance(error, SEVERED) else EngineError
        raise kind(f"{doing}: {error}") from error
    finally:
        ASKED.doing = outer


def _to_refusal(doing: str, reason: str) -> EngineError:
    """Return what the engine refuses in words that say what can be done, where that is known."""
    if taken := TAKEN.search(reason):
        return EngineError(
            f"`{taken[1]}` is taken by somebody else",
            "`docker ps` or `ss -ltnp` shows by whom; or choose another address in stack.yaml",
        )
    if NO_INIT.search(reason):
        return EngineError(
            f"{doing}: the engine has no `docker-init`",
            "install it on the engine's machine (Debian: `tini`), or say `init: false`",
        )
    if LIMITED in reason:
        return EngineError(
            f"{doing}: one of its `ulimits` is above the engine's own",
            "`prlimit --pid $(pidof dockerd)` shows these; stay below, or raise them for the engine",
        )
    return EngineError(f"{doing}: {reason}")


def get_doing() -> str:
    """Return what this thread asks the engine for."""
    return str(getattr(ASKED, "doing", "connecting"))


def connect(patience: int = PATIENCE, silence: Silence | None = None) -> docker.APIClient:
    """Return a client of the engine that is meant; it waits `patience` seconds for each answer.

    `silence` tells who waits.

    `DOCKER_HOST` comes first, then `DOCKER_CONTEXT`, then the current Docker context, then the default
    socket. Raises EngineError where that one does not answer.
    """
    return open_endpoint(find_endpoint(os.environ, Path.home()), patience, silence)


def open_endpoint(
    endpoint: Endpoint,
    patience: int = PATIENCE,
    silence: Silence | None = None,
    logins: Mapping[str, tuple[str, str]] = {},
) -> docker.APIClient:
    """Return a client of an engine. Raises EngineError where it does not answer.

    `logins` are users and passwords by registry, beside those of `docker login`.
    """
    try:
        return Client(endpoint, patience, silence, logins)
    except docker.errors.TLSParameterError as error:
        told = str(error).partition(". TLS configurations")[0]
        raise EngineError(
            f"the TLS settings for the Docker Engine at `{endpoint.shown}` are wrong: {told}",
            "see DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, or the context's certificates",
        ) from error
    except (docker.errors.InvalidConfigFile, *UNFIT) as error:
        raise EngineError(
            f"the Docker client's config or the engine's address `{endpoint.shown}` is not as it"
            f" should be: {error}",
            "see `config.json` in DOCKER_CONFIG or `~/.docker`, and DOCKER_HOST",
        ) from error
    except docker.errors.DockerException as error:
        raise _to_unanswered(endpoint, error) from error


class Client(docker.APIClient):
    """A client that asks no proxy for the way to its own machine, and is stopped by no helper."""

    _auth_configs: Any  # docker-py's; its stubs do not know it

    def __init__(
        self,
        endpoint: Endpoint,
        patience: int,
        silence: Silence | None = None,
        logins: Mapping[str, tuple[str, str]] = {},
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self.silence = silence
        self.near = find_near(endpoint)
        super().__init__(
            base_url=self.near.host, tls=_to_tls(endpoint), version="auto", timeout=patience
        )
        self.credentials = self._auth_configs = Credentials(self._auth_configs, logins)
        # `.netrc` and proxies would be looked up for each call.
        self.trust_env = not endpoint.local

    def send(self, request: Any, **how: Any) -> Any:
        """Send a request; tell where its answer does not come."""
        if self.silence is None:
            return super().send(request, **how)
        timeout = how.get("timeout")
        # The engine is given longer where it is to wait itself, such as for a container's end.
        allowed = timeout - self.patience if isinstance(timeout, int | float) else 0.0
        with self.silence.watched(get_doing(), max(0.0, allowed)):
            return super().send(request, **how)

    def merge_environment_settings(self, *arguments: Any) -> Any:
        """Take proxies from the environment, unless the engine is on this machine.

        Not certificates where the engine's own authority is known: those there are for the web.
        """
        self.trust_env = not self.endpoint.local  # the first call is made before `__init__` ends
        settings = super().merge_environment_settings(*arguments)
        return settings if self.verify is True else {**settings, "verify": self.verify}


def _to_tls(endpoint: Endpoint) -> docker.tls.TLSConfig | bool:
    tls = endpoint.tls
    if tls is None or endpoint.kind != "tcp":
        return False
    pair = (tls.cert or "", tls.key or "") if tls.cert or tls.key else None
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=tls.ca, verify=tls.verify)


def _to_unanswered(endpoint: Endpoint, error: BaseException) -> EngineError:
    by = f", which {endpoint.named_by} names" if endpoint.named_by else ""
    message = f"no Docker Engine answers at `{endpoint.shown}`{by}: {_root(error)}"
    proxy = None if endpoint.local else _find_proxy(endpoint)
    if proxy is not None:
        return EngineError(
            f"{message}; it was asked through the proxy `{proxy}`",
            "name the engine's host in NO_PROXY, if the proxy does not lead to it",
        )
    if endpoint.kind == "ssh":
        return EngineError(
            f"{message}; {open_tunnel(endpoint).complaint}".rstrip("; "),
            "who logs in there must be a member of the group `docker`; another socket than"
            f" `{SOCKET}` is named behind the host: `ssh://user@host/run/user/1000/docker.sock`",
        )
    if os.strerror(errno.EACCES) in message:
        return EngineError(
            message, "be one who may use it: a member of the group `docker`, or root"
        )
    return EngineError(message, "start it, or name another in DOCKER_HOST")


def _find_proxy(endpoint: Endpoint) -> str | None:
    scheme = "https" if endpoint.tls else "http"
    url = f"{scheme}://{endpoint.host.rpartition('://')[2]}"
    proxies = requests.utils.get_environ_proxies(url)
    proxy = proxies.get(scheme) or proxies.get("all")
    return None if proxy is None else ACCOUNT.sub("…", str(proxy))


def _root(error: BaseException) -> str:
    """Return the words of what was the first to go wrong: the system's, where they are known."""
    words, seen = str(error), error
    while (cause := seen.__cause__ or seen.__context__) is not None:
        seen = cause
        if isinstance(seen, OSError) and seen.strerror:
            words = seen.strerror
    return words.removeprefix("Error while fetching server API version: ")


def _reason(error: docker.errors.APIError) -> str:
    """Return what the engine said. Not the error's own words: the address in them has all arguments of a build."""
    explanation = error.explanation or f"status {error.status_code}"
    text = explanation.decode() if isinstance(explanation, bytes) else str(explanation)
    return text.strip().rstrip(".")
