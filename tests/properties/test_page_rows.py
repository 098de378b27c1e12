"""The page of all releases and load tests, beside files that are none of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue.index import write_catalogue
from orchestrator.catalogue.page import SCHEMA, find_rows
from tests.properties.budget import examples

if TYPE_CHECKING:
    from pathlib import Path


def read_rows(folder: Path) -> dict[str, list[Any]]:
    """Return the data in the page of a folder, written anew."""
    write_catalogue(folder / "reports")
    return find_rows((folder / "reports" / "index.html").read_text())


@examples(100)
@given(
    facts=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_lies_there_the_page_is_written(tmp_path: Path, facts: object) -> None:
    """As a document of others, and as rows in a page that somebody has changed."""
    for name in ("releases/one/evidence.json", "bench/one/bench.json"):
        path = tmp_path / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts))
    (tmp_path / "reports" / "index.html").unlink(missing_ok=True)
    assert read_rows(tmp_path) == {"releases": [], "benches": []}

    rows = json.dumps({"schema": SCHEMA, "releases": [facts], "benches": facts})
    text = f'<script type="application/json" id="rows">{rows}</script>'
    (tmp_path / "reports" / "index.html").write_text(text)
    assert read_rows(tmp_path) == {"releases": [], "benches": []}
