"""`error_pages` in stack.yaml: what browsers are shown in the place of the gateway's own errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StrictStr

from orchestrator.stack.fields import File
from orchestrator.stack.forms import OWN_ERROR


def _number_to_text(value: object) -> object:
    """Let people write `404`, which YAML takes for a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Written = Annotated[StrictStr, Field(pattern=OWN_ERROR)]
Status = Annotated[_Written, BeforeValidator(_number_to_text, json_schema_input_type=_Written)]
ErrorPages = dict[Status, File]  # by a status, or by `4xx` or `50x`
