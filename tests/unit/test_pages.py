"""Templates in compiled form: kept where that can be, and never older than what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import jinja2
import pytest

from orchestrator.pages import PACKAGE, TEMPLATES, find_templates, keep_compiled

if TYPE_CHECKING:
    from pathlib import Path

NAME = "page.j2"


class Reader(jinja2.Environment):
    """Can only take what was compiled before."""

    def compile(self, *_: object, **__: object) -> NoReturn:
        """Fail the test."""
        raise AssertionError("it is compiled again")


def load(
    folder: Path,
    kind: type[jinja2.Environment] = jinja2.Environment,
    *,
    beside: Path | None = None,
    write: bool = True,
    escaped: bool = False,
) -> str:
    """Return the template in a folder, rendered by an environment of its own."""
    environment = kind(loader=jinja2.FileSystemLoader(folder), autoescape=escaped)
    environment.bytecode_cache = keep_compiled(environment, beside or folder, write=write)
    return environment.get_template(NAME).render(word="<b>")


def test_templates_are_in_the_package_or_beside_it(tmp_path: Path) -> None:
    """In a wheel they are part of it; a checkout has them at its top."""
    package = tmp_path / "orchestrator"
    assert find_templates(package) == tmp_path / "templates"
    (package / "templates").mkdir(parents=True)
    assert find_templates(package) == package / "templates"
    assert find_templates() == TEMPLATES == PACKAGE.parent / "templates"


def test_a_template_is_compiled_once(tmp_path: Path) -> None:
    """The next program takes what the one before has compiled."""
    (tmp_path / NAME).write_text("one {{ word }}")
    assert load(tmp_path) == load(tmp_path, Reader) == "one <b>"


def test_a_template_that_has_changed_is_compiled_anew(tmp_path: Path) -> None:
    """So is one that another way of escaping is asked for."""
    (tmp_path / NAME).write_text("one {{ word }}")
    load(tmp_path)
    assert load(tmp_path, escaped=True) == "one &lt;b&gt;"
    (tmp_path / NAME).write_text("two {{ word }}")
    assert load(tmp_path) == "two <b>"


def test_damage_to_what_was_compiled_is_mended(tmp_path: Path) -> None:
    """Half a file is as good as none."""
    (tmp_path / NAME).write_text("one")
    load(tmp_path)
    (kept,) = (tmp_path / "__pycache__").iterdir()
    kept.write_bytes(kept.read_bytes()[:-20])
    assert load(tmp_path) == load(tmp_path, Reader) == "one"


def test_where_nothing_can_be_written_it_is_compiled_each_time(tmp_path: Path) -> None:
    """A page is drawn all the same."""
    (tmp_path / NAME).write_text("one")
    (tmp_path / "file").touch()
    assert load(tmp_path, beside=tmp_path / "file") == "one"
    assert load(tmp_path, write=False) == "one"
    with pytest.raises(AssertionError, match="compiled again"):
        load(tmp_path, Reader)
