"""Compose files as anybody may write them: a valid stack.yaml, or one line that says why not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adopt.dockerfile import parse_dockerfile
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.keys import HANDLERS, IMPLIED, LEFT, REFUSED, is_empty
from orchestrator.adopt.references import fill, rewrite
from orchestrator.adopt.stack_text import write_yaml
from orchestrator.stack.document import Loader, parse
from orchestrator.stack.load import load_stack
from tests.properties.budget import examples
from tests.properties.hostile import ANY_TEXT, DOCUMENTS, TEXTS, damaged, damaged_text
from tests.properties.line import run

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import DrawFn

SECRET = "hunter-22"  # noqa: S105  a value that nothing may tell
KEYS = [*HANDLERS, *IMPLIED, *LEFT, *REFUSED, "x-note", "nonsense"]
REFERENCES = st.sampled_from(
    [
        "${WORD}",
        "$WORD",
        "${WORD:-x}",
        "${NO}",
        "${NO:-1}",
        "${NO:?say}",
        "${WORD:+x}",
        "${A:-${B}}",
        "$$",
        "a${WORD}b",
    ]
)
SMALL = st.sampled_from(
    ["1", "80", "8000", "true", "a", "b", "/x", "./x", "a:/x", "80:80", "1g", "5s", "A=1", "root"]
)
VALUES = st.recursive(
    REFERENCES | SMALL | st.booleans() | st.none() | st.integers(-1, 70000),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "source", "target", "test", "limits", "memory"]) | SMALL,
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)
LIKELY = {
    "image": st.sampled_from(
        ["postgres:17", "shop:1", "redis", "traefik", "nginx", "${WORD}", "r:5000/a/b@sha256:00"]
    ),
    "ports": st.lists(
        st.sampled_from(
            ["80:80", "8000", "127.0.0.1:1:2", "25:25", "1-3:1-3", "53/udp", "$WORD:80"]
        ),
        max_size=3,
    ),
    "environment": st.dictionaries(
        st.sampled_from(["A", "B_HOST", "C"]), REFERENCES | SMALL, max_size=3
    ),
    "depends_on": st.lists(st.sampled_from(["a", "b_c", "d", "nobody"]), max_size=2, unique=True),
    "build": st.sampled_from(
        [".", {"context": "x", "args": ["A=1"]}, "../out", "https://x.org/a.git"]
    ),
    "volumes": st.lists(
        st.sampled_from(["v:/a", "./f:/b:ro", "/c", "V.w:/d", "~/e:/f"]), max_size=3
    ),
    "profiles": st.just(["p"]),
}


@st.composite
def any_services(draw: DrawFn) -> dict[str, Any]:
    """Return a service with some of all keys."""
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=8, unique=True))
    return {key: draw(LIKELY[key] | VALUES if key in LIKELY else VALUES) for key in keys}


SERVICES = any_services()
USUAL = st.fixed_dictionaries(
    {"image": LIKELY["image"], "ports": LIKELY["ports"]},
    optional={key: LIKELY[key] for key in LIKELY if key not in ("image", "ports")},
)
NAMES = st.sampled_from(["a", "b_c", "d", "Gateway", "1e", "x-blue-1"])


@st.composite
def projects(draw: DrawFn) -> dict[str, Any]:
    """Return a compose file; a service has any of all keys, with values that may be right."""
    services = st.dictionaries(NAMES, SERVICES | USUAL, min_size=1, max_size=4)
    rest = {
        "name": TEXTS,
        "volumes": st.dictionaries(st.sampled_from(["v", "w"]), VALUES, max_size=2),
        "networks": st.dictionaries(st.sampled_from(["n"]), VALUES, max_size=1),
        "x-a": VALUES,
        "version": VALUES,
        "include": st.just([]),
    }
    made: dict[str, Any] = draw(st.fixed_dictionaries({"services": services}, optional=rest))
    web = {"image": "shop:1", "ports": ["80:80"]}  # one that stands, whatever the others are
    made["services"]["web"] = {**draw(SERVICES), **web}
    return made


def write(folder: Path, text: str) -> Path:
    """Put a compose file into an empty repository, and return its folder."""
    place = folder / "shop"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / ".git").mkdir()
    (place / ".env").write_text(f"WORD={SECRET}\n")
    (place / "compose.yaml").write_bytes(text.encode(errors="surrogatepass"))
    return place


def check(folder: Path, text: str) -> dict[str, Any] | None:
    """Run `init` on a compose file; return what it says, None where it was refused with one line."""
    place = write(folder, text)
    ended = run(place, ["init", "--output", "json"])
    assert "Traceback" not in ended.err, ended.err
    assert SECRET not in ended.out + ended.err
    left = {file.name for file in place.iterdir()} - {".git", ".env", "compose.yaml"}
    if ended.code == 2:
        assert ended.err.startswith("error: ")
        assert left == set()
        return None
    assert ended.code in (0, 1), ended.err
    assert left == {"stack.yaml", "stack.schema.json", ".gitignore"}
    assert SECRET not in (place / "stack.yaml").read_text()
    load_stack(place / "stack.yaml", {})
    document: dict[str, Any] = ended.document
    return document


def find(project: Any, path: str) -> Any:
    """Return what stands at a path of a project."""
    for key in path.split("."):
        project = project[key]
    return project


def list_keys(project: dict[str, Any]) -> list[str]:
    """Return the path of each key of a project."""
    keys = [str(key) for key in project if key not in ("services", "volumes", "networks")]
    for group in ("volumes", "networks"):
        keys += [f"{group}.{name}" for name in project.get(group) or {}]
    for name, service in project["services"].items():
        keys += [f"services.{name}.{key}" for key in service]
    return keys


@examples(120)
@given(project=projects())
def test_each_key_is_told_once_and_the_result_is_valid(
    tmp_path: Path, project: dict[str, Any]
) -> None:
    """Taken over, changed, left or refused, at its own path or one above or below; twice is the same."""
    told = check(tmp_path, json.dumps(project))
    if told is None:
        return
    written = (tmp_path / "shop" / "stack.yaml").read_bytes()
    assert check(tmp_path, json.dumps(project)) == told
    assert (tmp_path / "shop" / "stack.yaml").read_bytes() == written
    found = [each["key"] for kind in ("took", "changed", "left", "refused") for each in told[kind]]
    assert len(found) == len({*found})
    for each in told["took"]:
        if each["text"] == "empty":
            assert is_empty(find(project, each["key"])), each
    nested = [(one, other) for one in found for other in found if other.startswith(f"{one}.")]
    assert nested == []
    for key in list_keys(project):
        if key.startswith("include"):
            continue
        parts = key.split(".")
        above = {".".join(parts[: n + 1]) for n in range(len(parts))}
        assert above & {*found} or any(each.startswith(f"{key}.") for each in found), key


@examples(80)
@given(
    project=damaged(
        {"services": {"web": {"image": "a", "ports": ["80:80"], "environment": ["A=1"]}}}
    )
)
def test_any_damage_is_one_line_or_a_valid_stack(tmp_path: Path, project: Any) -> None:
    """Whatever stands where something else should."""
    try:
        text = yaml.safe_dump(project, allow_unicode=True)
    except (yaml.YAMLError, UnicodeError):
        text = json.dumps(project, default=str)
    check(tmp_path, text)


@examples(80)
@given(
    text=damaged_text(
        "services:\n  web: &a\n    image: a:1\n    ports: ['${P:-80}:80']\n  b: {<<: *a}\n"
    )
    | ANY_TEXT
)
def test_any_text_is_one_line_or_a_valid_stack(tmp_path: Path, text: str) -> None:
    """Cut off, with a piece of something else in it, or nothing that anybody would write."""
    check(tmp_path, text)


@examples(200)
@given(text=TEXTS | st.text(alphabet="AFROMEXPSUN \n\\<'\"#[]{}$=-8", max_size=60))
def test_any_dockerfile_is_read(text: str) -> None:
    """Or passed over, without an error."""
    parse_dockerfile(f"FROM a\n{text}").find(None)


@examples(300)
@given(text=st.text(alphabet="A$${}:-?+ ab}", max_size=20))
def test_stack_yaml_says_what_compose_said(text: str) -> None:
    """What is rewritten and then filled in is what compose fills in."""
    variables = {"A": "x", "AA": ""}
    try:
        meant, rewritten = fill(text, variables), rewrite(text, variables)
    except Unfit:
        return
    loader = Loader(parse(json.dumps({"k": rewritten})), variables)
    assert loader.get_single_data() == {"k": meant}
    assert loader.faults == []


SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.integers() | st.booleans()
)
TREES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
    min_size=1,
    max_size=4,
)


@examples(200)
@given(data=TREES, note=TEXTS)
def test_what_is_written_is_what_is_read(data: dict[str, Any], note: str) -> None:
    """Every scalar is one again, and no comment is more than a comment."""
    first = next(iter(data))
    text = write_yaml(data, {(first,): [note], ("",): [note]})
    assert yaml.safe_load(text) == data


@examples(60)
@given(document=DOCUMENTS)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, document: Any) -> None:
    """What is no compose file at all."""
    check(tmp_path, json.dumps(document, default=str))
