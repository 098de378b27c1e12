"""The way to the Docker Engine, and the one place where its exceptions become ours."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import docker
import docker.context
import docker.errors
import docker.utils
import requests.exceptions
import urllib3.exceptions

from orchestrator.errors import Conflict, EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_HOST = "unix:///var/run/docker.sock"
FOREIGN = (
    docker.errors.DockerException,
    docker.errors.APIError,
    docker.errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    OSError,
)
# How engines from 20.10 to 29 say that somebody else has a port of the host.
TAKEN = re.compile(
    r"(\d+(?:\.\d+){3}:\d+)(?::[\d.]+:\d+)?(?:/tcp)?(?: failed)?:"
    r" (?:bind: )?(?:port is already allocated|address already in use)"
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever docker-py raises into an EngineError that says what was being done."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise NotFound(f"{doing}: {_reason(error)}") from error
    except docker.errors.APIError as error:
        if error.status_code == HTTPStatus.CONFLICT:
            raise Conflict(f"{doing}: {_reason(error)}") from error
        if taken := TAKEN.search(_reason(error)):
            raise EngineError(
                f"`{taken[1]}` is taken by somebody else",
                "`docker ps` or `ss -ltnp` shows by whom; or choose another address in stack.yaml",
            ) from error
        raise EngineError(f"{doing}: {_reason(error)}") from error
    except (requests.exceptions.ConnectionError, urllib3.exceptions.ProtocolError) as error:
        raise EngineError(
            f"{doing}: the Docker Engine does not answer", "check that it runs: `docker info`"
        ) from error
    except FOREIGN as error:
        raise EngineError(f"{doing}: {error}") from error


def connect() -> docker.APIClient:
    """Return a client of the engine that answers.

    `DOCKER_HOST` comes first, then the current Docker context, then the default socket. Raises
    EngineError where none answers.
    """
    host = DEFAULT_HOST
    try:
        host, tls = _endpoint()
        client = docker.APIClient(base_url=host, tls=tls, version="auto")
    except docker.errors.TLSParameterError as error:
        raise EngineError(f"the TLS settings for the Docker Engine are wrong: {error}") from error
    except FOREIGN as error:
        raise EngineError(
            f"no Docker Engine answers at `{host}`", "start it, or name another in DOCKER_HOST"
        ) from error
    # No proxy and no `.netrc` is on the way to a socket, where they would be looked up for each call.
    client.trust_env = not host.startswith("unix://")
    return client


def _endpoint() -> tuple[str, docker.tls.TLSConfig | bool]:
    if os.environ.get("DOCKER_HOST"):
        arguments = docker.utils.kwargs_from_env()
        return arguments.get("base_url", DEFAULT_HOST), arguments.get("tls", False)
    try:
        context = docker.context.ContextAPI.get_current_context()
    except docker.errors.ContextException as error:
        raise EngineError(f"the current Docker context cannot be read: {error}") from error
    if context is None or not context.Host:
        return DEFAULT_HOST, False
    return context.Host.replace("http+unix://", "unix://"), context.TLSConfig or False


def _reason(error: docker.errors.APIError) -> str:
    explanation = error.explanation
    text = explanation.decode() if isinstance(explanation, bytes) else str(explanation or error)
    return text.strip().rstrip(".")
