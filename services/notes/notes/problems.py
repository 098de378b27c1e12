"""Problem documents (RFC 9457): the form of every error."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse

_TYPE: Final = "application/problem+json"
_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "current_version": {"type": "integer", "description": "With 409."},
        "errors": {
            "type": "array",
            "description": "With 422.",
            "items": {
                "type": "object",
                "required": ["at", "detail"],
                "properties": {"at": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def problem(
    status: int,
    detail: str,
    *,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build a problem document with its extension members."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **(members or {}),
        },
        status_code=status,
        headers=headers,
        media_type=_TYPE,
    )


def too_many_of_address() -> JSONResponse:
    """429: whoever else is at the same address has all the streams that it may have."""
    detail = "this address has all the streams that one may have"
    return problem(429, detail, headers={"Retry-After": "5"})


def printable(text: str) -> str:
    """Replace what UTF-8 cannot carry, as half a surrogate pair in a field's name."""
    return text[:200].encode("utf-8", "replace").decode("utf-8")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe these errors for the OpenAPI document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {_TYPE: {"schema": _SCHEMA}},
        }
        for status in statuses
    }
