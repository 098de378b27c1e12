"""The templates, and those of them that are pages for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Template

TEMPLATES = Path(__file__).parents[1] / "templates"


def to_figure(number: float) -> str:
    """Return a measured number with as many digits as anybody needs."""
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 1000 else 0
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Pages:
    """Pages that share filters; each template is read once, when it is first needed."""

    def __init__(self, filters: Mapping[str, Callable[..., Any]]) -> None:
        self._filters = filters
        self._loaded: dict[str, Template] = {}

    def render(self, name: str, values: Mapping[str, Any], *, escaped: bool) -> str:
        """Return a page: `escaped` for a browser; Markdown escapes by filters of its own.

        Raises ValueError where the page needs a value that there is not.
        """
        from jinja2 import TemplateError

        if name not in self._loaded:
            self._loaded[name] = self._load(name, escaped=escaped)
        try:
            return self._loaded[name].render(values)
        except TemplateError as error:
            raise ValueError(str(error)) from error

    def _load(self, name: str, *, escaped: bool) -> Template:
        from jinja2 import Environment, FileSystemLoader

        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=escaped,  # noqa: S701  see above
        )
        environment.filters |= {"figure": to_figure, **self._filters}
        return environment.get_template(name)
