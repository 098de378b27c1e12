"""What a shell offers after TAB: from stack.yaml, `k6/` and the names of past releases.

The engine is not asked, since it may be far away or silent. What cannot be read offers nothing. A
checkout is not trusted and a shell may act upon words, so only the forms of names are handed out.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import typer

VARIABLE = "_STACKCTL_COMPLETE"  # by which a shell asks
OPTIONS = frozenset({"--install-completion", "--show-completion"})
RELEASE = re.compile(r"[0-9]{8}-[0-9]{6}-([A-Za-z0-9._-]+)")
SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def offer_services(context: typer.Context) -> list[str]:
    """Return the services of stack.yaml."""
    return _read_names(context, "services")


def offer_released(context: typer.Context) -> list[str]:
    """Return the services that are released by their own name: others go with one of them."""
    found = _read(context).get("services")
    services = found.values() if isinstance(found, dict) else ()
    told = [service.get("with") for service in services if isinstance(service, dict)]
    taken = [name for names in told if isinstance(names, list) for name in names]
    return [name for name in _read_names(context, "services") if name not in taken]


def offer_parts(context: typer.Context) -> list[str]:
    """Return all that has logs."""
    names = _read_names(context, "services") + _read_names(context, "accessories")
    return [*names, "gateway"] if names else []


def offer_accessories(context: typer.Context) -> list[str]:
    """Return the accessories of stack.yaml."""
    return _read_names(context, "accessories")


def offer_jobs(context: typer.Context) -> list[str]:
    """Return the jobs of stack.yaml."""
    return _read_names(context, "jobs")


def offer_versions(context: typer.Context) -> list[str]:
    """Return the versions of the service in question that were released before, the newest first."""
    services = _read_names(context, "services")
    # Words before an option that lacks its value are not sorted into parameters.
    words = (context.params.get("service"), context.params.get("during_deploy"), *context.args)
    service = next((word for word in words if word in services), None)
    released = (RELEASE.fullmatch(name) for name in _list_releases(context))
    owned = [_split(found[1], services) for found in released if found]
    return list(dict.fromkeys(version for owner, version in owned if owner and owner == service))


def offer_releases(context: typer.Context) -> list[str]:
    """Return the names of releases that left evidence, the newest first."""
    return [name for name in _list_releases(context) if RELEASE.fullmatch(name)]


def offer_scripts(context: typer.Context) -> list[str]:
    """Return the load tests beside stack.yaml."""
    from orchestrator.bench.script import list_scripts

    with suppress(OSError):
        return [name for name in list_scripts(_find_folder(context)) if SCRIPT.fullmatch(name)]
    return []


def refuse_shell() -> NoReturn:
    """Raise ConfigurationError: the shell is another one, or was not found out."""
    from orchestrator.errors import ConfigurationError

    raise ConfigurationError(
        "completion is there for bash, zsh, fish and PowerShell",
        f"where yours is not found out, name it: `{VARIABLE}=source_bash stackctl`",
    )


def _read_names(context: typer.Context, section: str) -> list[str]:
    from orchestrator.stack.forms import NAME

    found = _read(context).get(section)
    names = found if isinstance(found, dict) else {}
    return [name for name in names if isinstance(name, str) and re.fullmatch(NAME, name)]


def _read(context: typer.Context) -> dict[str, Any]:
    """Return what stack.yaml holds; nothing where it cannot be read."""
    from orchestrator.errors import StackctlError
    from orchestrator.stack.document import read_document

    file = _find_file(context)
    with suppress(StackctlError, OSError):
        # What is no file is not opened: a pipe would be waited for.
        data = read_document(file, {}).data if file.is_file() else None
        return data if isinstance(data, dict) else {}
    return {}


def _list_releases(context: typer.Context) -> list[str]:
    from orchestrator.errors import StackctlError
    from orchestrator.reports import list_folders

    named = context.params.get("releases")
    with suppress(StackctlError, OSError):
        kept = context.find_root().params.get("reports")
        reports = Path(kept).resolve() if kept else _find_folder(context) / "reports"
        folder = Path(named).resolve() if named else reports / "releases"
        return [path.name for path in reversed(list_folders(folder))]
    return []


def _split(rest: str, services: list[str]) -> tuple[str, str]:
    """Return the service and the version of `web-api-v1`; empty where it is of none of these."""
    owner = max((name for name in services if rest.startswith(f"{name}-")), key=len, default="")
    return owner, rest[len(owner) + 1 :]


def _find_folder(context: typer.Context) -> Path:
    return _find_file(context).resolve().parent


def _find_file(context: typer.Context) -> Path:
    return Path(context.find_root().params.get("file") or "stack.yaml")
