"""What `/openapi.json` says of errors, so that it says what is answered."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.openapi.utils import get_openapi

from auth.problems import MEDIA_TYPE, Problem

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route; any route may fail."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": _PROBLEM}
        for status in (*statuses, 500)
    }


# What every route that takes a body may say of it.
BODY = (400, 413, 415, 422)


async def json_only(request: Request) -> None:
    """Refuse a body that is not called JSON: a page elsewhere could send it unasked."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "the body must be application/json")


def install(app: FastAPI) -> None:
    """Have the app describe itself with the form that its errors really have."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = schema["components"]["schemas"]
            template = "#/components/schemas/{model}"
            whole = Problem.model_json_schema(ref_template=template)
            schemas |= whole.pop("$defs") | {"Problem": whole}
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
