"""Addresses of other parts in a text: they have the names of stack.yaml, and services the one port of theirs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.adopt.doors import find_port
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.references import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.adopt.parts import Part

HOST = re.compile(r"(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS|ENDPOINT)S?$", re.IGNORECASE)
INNER = "80"  # the port at which the gateway answers by a service's name
PLAIN = re.compile(r"(?<![a-z0-9+.-])(?:http|ws)$")  # schemes that it speaks there


def rename_hosts(part: Part, variable: str, text: str) -> str:
    """Return a text in which parts of the stack have their new names, where it is an address."""
    for written, name in part.setting.names.items():
        if written == name or written not in text:
            continue
        renamed = re.sub(_host(written), rf"\g<begin>{name}", text)
        if renamed == written and HOST.search(variable):
            renamed = name
        if renamed != text:
            part.todos.append(f"env.{variable}: `{written}` is called `{name}` here")
        text = renamed
    return text


def lead_calls(part: Part, variable: str, text: str) -> str:
    """Return a text that calls services at the port of their name. What cannot be is told."""
    for written, role in part.setting.roles.items():
        name = part.setting.names.get(written)
        if role.kind != "services" or name is None or name not in text:
            continue
        port = _find_own_port(part, written)
        led, hopeless = _lead(text, name, port, part.setting.variables)
        if hopeless or (text == name and HOST.search(variable) and port != INNER):
            part.todos.append(
                f"TODO env.{variable}: `{name}` is reached as `http://{name}/` only, at port {INNER}"
            )
        elif led != text:
            part.todos.append(f"env.{variable}: `{name}` is called at port {INNER} of its name")
            text = led
    return text


def _lead(text: str, name: str, port: str, variables: Mapping[str, str]) -> tuple[str, bool]:
    """Return the text with the one port of a name, and whether some of its calls cannot be led there."""
    pieces, end, hopeless = [], 0, False
    for found in re.finditer(rf"{_host(name)}(?::(?P<port>[^/?#,;\s]+))?", text):
        before = text[end : found.start()]
        plain = PLAIN.search(before) is not None
        given = _fill(found["port"], variables)
        bare = not found["begin"]
        hopeless |= not (plain or bare) or given not in (None, port, INNER)
        pieces += [before, found["begin"], name, f":{INNER}" if bare else ""]
        end = found.end()
    return "".join([*pieces, text[end:]]), hopeless


def _find_own_port(part: Part, written: str) -> str:
    setting = part.setting
    service = setting.project["services"][written]
    try:
        found = find_port(service, setting.stages.get(written), setting.variables)
    except Unfit:
        return ""
    return _fill(found.port if found else "", setting.variables) or ""


def _fill(port: str | None, variables: Mapping[str, str]) -> str | None:
    try:
        return None if port is None else fill(port, variables)
    except Unfit:
        return ""


def _host(name: str) -> str:
    """Return an expression for a name where an address has its host, and not its user or its path."""
    return rf"(?P<begin>://(?:[^/@]*@)?|^(?=[^/]*:[0-9]+$)){re.escape(name)}(?=[:/?]|$)(?![^/]*@)"
