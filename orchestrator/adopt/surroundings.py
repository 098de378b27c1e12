"""What stands around the parts of a stack: its gateway, volumes of others, and the rest of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.adopt.origin import NOTHING
from orchestrator.adopt.references import fill
from orchestrator.adopt.stack_text import write_scalar
from orchestrator.stack.fitting import find_misfit, has_key

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Setting

GATEWAY_IMAGE = "${IMAGE_PREFIX:-}nginx:1.30"
ADMIN_PORT = 8081
EXTRA = ("services", "volumes", "networks", "secrets", "configs")


def make_gateway(setting: Setting) -> dict[str, Any]:
    """Return the gateway: it listens where the project was reached."""
    listen = setting.doors.listen or "8080"
    text = f"listen: {write_scalar(listen)}"
    if find_misfit("gateway", "listen", text, setting.variables):
        listen = "8080"
    gateway: dict[str, Any] = {"image": GATEWAY_IMAGE, "listen": listen}
    if listen.isdecimal():
        gateway["listen"] = int(listen)
    if fill(listen, setting.variables).rpartition(":")[2] == str(ADMIN_PORT):
        gateway["admin"] = f"127.0.0.1:{ADMIN_PORT + 1}"
    return gateway


def make_volumes(setting: Setting) -> dict[str, Any]:
    """Take over volumes that others have made, where stack.yaml knows them; say so of all."""
    made: dict[str, Any] = {}
    volumes = setting.project.get("volumes")
    for name, how in (volumes if isinstance(volumes, dict) else {}).items():
        key, external = f"volumes.{name}", isinstance(how, dict) and how.get("external")
        real = str((how.get("name") if isinstance(how, dict) else None) or name)
        if external and "$" not in real and has_key("stack", "volumes"):
            made[str(name)] = {"external": real}
            setting.findings.took(key, f"`volumes.{name}.external`")
        elif external:
            setting.findings.left(
                key, f"`{real}` is made by others: copy its data into the stack's own volume"
            )
        elif how in NOTHING or (isinstance(how, dict) and {*how} <= {"name"}):
            setting.findings.took(
                key, f"a volume of the stack: `{setting.name}-{name}` on the engine"
            )
        else:
            setting.findings.left(key, "drivers and labels: make the volume by hand before `up`")
    return {"volumes": made} if made else {}


def tell_rest(setting: Setting) -> None:
    """Say what became of all that stands beside `services`."""
    findings, project = setting.findings, setting.project
    for group, text in (
        ("networks", "all parts share one network; see the services for those of others"),
        ("secrets", "see the services that use it"),
        ("configs", "see the services that use it"),
    ):
        parts = project.get(group)
        for name in parts if isinstance(parts, dict) else ():
            findings.took(f"{group}.{name}", text)
    for key in project:
        if key in ("version", "include") or str(key).startswith("x-"):
            findings.took(str(key), "is resolved: it means nothing by itself")
        elif key not in ("name", *EXTRA):
            findings.left(str(key), "unknown key")
        elif key in EXTRA and not findings.covers(key) and key != "volumes":
            _tell_no_mapping(setting, key)
    if "volumes" in project and not isinstance(project["volumes"], dict):
        _tell_no_mapping(setting, "volumes")


def _tell_no_mapping(setting: Setting, key: str) -> None:
    """Say what became of a key that has no parts with names."""
    if setting.project[key] in NOTHING:
        setting.findings.took(key, "empty")
    else:
        setting.findings.left(key, "expected a mapping of names")
