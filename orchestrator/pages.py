"""The templates, and those of them that are pages for people."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import BytecodeCache, Environment, Template
    from jinja2.bccache import Bucket

PACKAGE = Path(__file__).parent


def find_templates(package: Path = PACKAGE) -> Path:
    """Return the folder of the templates: in the installed package, beside it in a checkout."""
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


TEMPLATES = find_templates()


def to_figure(number: float) -> str:
    """Return a measured number with as many digits as anybody needs."""
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 1000 else 0
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def keep_compiled(
    environment: Environment, folder: Path = TEMPLATES, *, write: bool = not sys.dont_write_bytecode
) -> BytecodeCache | None:
    """Return where compiled templates are kept: beside them, as Python keeps its own modules.

    To compile the four of a release takes 60 ms. Where nothing may be written they are compiled each
    time, and a template that has changed is compiled anew.
    """
    import jinja2

    class Beside(jinja2.FileSystemBytecodeCache):
        def load_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().load_bytecode(bucket)

        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)

    if not write:
        return None
    names = ("trim_blocks", "lstrip_blocks", "autoescape", "keep_trailing_newline")
    marks = "".join("01"[bool(getattr(environment, name))] for name in names)
    return Beside(str(folder / "__pycache__"), f"%s.jinja2-{jinja2.__version__}-{marks}")


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
        environment.bytecode_cache = keep_compiled(environment)
        environment.filters |= {"figure": to_figure, **self._filters}
        return environment.get_template(name)
