"""stack.yaml as a file: what cannot be one is refused, with all of its faults at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import ConfigurationError
from orchestrator.stack.load import load_stack
from orchestrator.stack.model import Stack
from tests.fakes.stacks import SHOP, load_shop, shop_with

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD = sorted((Path(__file__).parent / "bad_stacks").glob("*.yaml"))
REFERENCE = Path(__file__).parents[2] / "stack.yaml"
MINIMAL = """\
version: 1
name: shop
gateway: {{ image: nginx:1.30 }}
services:
  web:
    image: web
    port: {port}
    env:
      TEXT: {text}
"""


def refuse(file: Path, environment: Mapping[str, str] | None = None) -> str:
    """Load a file that must not load, and return the message."""
    with pytest.raises(ConfigurationError) as raised:
        load_stack(file, environment or {})
    assert str(file) in raised.value.message
    assert raised.value.exit_code == 2
    return raised.value.message


def write(folder: Path, text: str | bytes) -> Path:
    """Write stack.yaml."""
    file = folder / "stack.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def load(folder: Path, environment: Mapping[str, str], port: str = "80", text: str = "a") -> Stack:
    """Load a small stack with two values as they are written."""
    return load_stack(write(folder, MINIMAL.format(port=port, text=text)), environment)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_file_is_refused(file: Path) -> None:
    """Each `# expect:` line of the file is in the one error that it leads to."""
    expected = re.findall(r"^# expect: (.*)$", file.read_text(), re.MULTILINE)
    message = refuse(file)
    assert expected
    assert [text for text in expected if text not in message] == [], message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "found nothing"),
        (b"\0", "special characters are not allowed"),
        (b"\x7fELF\x02\x01\x01\x00", "is not valid YAML"),
        (bytes(range(256)), "is not UTF-8 text"),
        ("version: 1".encode("utf-16"), "is not UTF-8 text"),
        (b"#" * 262_145, "is larger than 262,144 bytes"),
        (b"[" * 10_000, "nested more than 40 levels deep"),
        (b"- " * 10_000, "nested more than 40 levels deep"),
        (b"{a: " * 10_000, "nested more than 40 levels deep"),
        (b"? " * 10_000, "nested more than 40 levels deep"),
        (b"a: " * 10_000, "mapping values are not allowed here"),
        (b"- a\n" * 30_000, "grows to more than 20,000 values"),
    ],
    ids=[
        *("empty", "NUL", "ELF", "bytes", "UTF-16", "huge"),
        *("lists", "block", "mappings", "keys", "values", "wide"),
    ],
)
def test_what_is_no_yaml_of_ours_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    """Binary, endless and bottomless files lead to one line, not to a traceback or a hang."""
    assert told in refuse(write(tmp_path, content))


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    """A billion laughs are counted, not built."""
    layers = [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    bomb = "\n".join(["x-0: &a0 [ha, ha, ha]", *layers])
    assert "grows to more than 20,000 values" in refuse(write(tmp_path, bomb))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Missing files, directories and files taken for directories are told apart."""
    assert "does not exist" in refuse(tmp_path / "stack.yaml")
    assert "cannot be read: Is a directory" in refuse(tmp_path)
    assert "cannot be read: Not a directory" in refuse(write(tmp_path, "a") / "stack.yaml")
    assert "is larger than" in refuse(Path("/dev/zero"))


def test_a_plain_variable_is_typed_as_if_written_there(tmp_path: Path) -> None:
    """A number in a variable is a number, its default too; in quotes it is text."""
    assert load(tmp_path, {"P": "8080"}, port="${P}").services["web"].port == 8080
    assert load(tmp_path, {}, port="${P:-8081}").services["web"].port == 8081
    assert load(tmp_path, {"P": "80"}, port="${P}${P}").services["web"].port == 8080
    with pytest.raises(ConfigurationError, match=r"expected a whole number, got `\$\{P\}`"):
        load(tmp_path, {"P": "8080"}, port='"${P}"')


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "[a, b]",
        "{a: b}",
        "- a",
        "a\nport: 1",
        "# a",
        "*a",
        "&a b",
        "!!int 1",
        "'",
        '"',
        ", b: c}",
    ],
)
def test_a_variable_adds_no_structure(tmp_path: Path, text: str) -> None:
    """What looks like YAML inside a variable stays the text it is."""
    for written in ("${T}", '"${T}"', "'${T}'"):
        web = load(tmp_path, {"T": text}, text=written).services["web"]
        assert web.env == {"TEXT": text}
        assert web.port == 80


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$$", "$"),
        ("$${T}", "${T}"),
        ("a$b", "a$b"),
        ("${T:-}", ""),
        ("'${EMPTY:-default}'", "default"),
        ("${T:-a$b}", "a$b"),
        ("'${N}'", "7"),
    ],
)
def test_references_are_filled_in(tmp_path: Path, written: str, value: str) -> None:
    """`$$` is a dollar, `:-` the value without a variable, and a lone dollar itself."""
    environment = {"EMPTY": "", "N": "7"}
    assert load(tmp_path, environment, text=f'"{written}"').services["web"].env["TEXT"] == (
        f"'{value}'" if written.startswith("'") else value
    )


def test_the_environment_beats_the_env_file(tmp_path: Path) -> None:
    """`.env` beside the file gives a value that the environment replaces."""
    (tmp_path / ".env").write_text("# ports\nexport P='8080'\n\nQ=\"7 # 7\"\n")
    assert load(tmp_path, {}, port="${P}", text="${Q}").services["web"].port == 8080
    assert load(tmp_path, {}, text="${Q}").services["web"].env["TEXT"] == "7 # 7"
    assert load(tmp_path, {"P": "9090"}, port="${P}").services["web"].port == 9090


@pytest.mark.parametrize(
    "text",
    ["no", "on", "0777", "1:30", "2024-01-01", "0x1F", "1_000", "1e3", ".5", "=", "7", "true"],
)
def test_what_is_no_plain_number_stays_the_text_it_is(tmp_path: Path, text: str) -> None:
    """No country becomes false and no time of the day a number of seconds."""
    assert load(tmp_path, {}, text=text).services["web"].env["TEXT"] == text


def test_the_reference_stack_loads() -> None:
    """The stack.yaml that is shipped has no fault."""
    stack = load_stack(REFERENCE, {})
    assert stack.name == "platform"
    assert stack.services["notes"].needs == ("notes-db", "auth")


def test_extensions_are_shared_by_anchors(tmp_path: Path) -> None:
    """Keys that begin with `x-` are free at the top; anchors and merge keys work."""
    stack = load_stack(
        write(
            tmp_path,
            """
            x-common: &common { port: 80, replicas: 2, env: &env { A: a, B: b } }
            x-deep: { one: { two: &more { <<: *common, replicas: 3 } } }
            version: 1
            name: shop
            gateway: { image: nginx:1.30 }
            services:
              web: { image: web, <<: *common, env: { <<: *env, B: c } }
              api: { image: api, <<: [*more, *common] }
            """,
        ),
        {},
    )
    assert stack.services["web"].env == {"A": "a", "B": "c"}
    assert [service.replicas for service in stack.services.values()] == [2, 3]


def test_an_extension_of_a_service_is_an_unknown_key(tmp_path: Path) -> None:
    """Below the top, `x-` is as unknown as any other."""
    document = SHOP | {"services": {"web": {"image": "web", "port": 80, "x-note": 1}}}
    with pytest.raises(ConfigurationError, match=r"services\.web\.x-note: unknown key"):
        load_shop(tmp_path, document)


KEYS = st.sampled_from(
    [*SHOP, *SHOP["services"]["web"], *SHOP["gateway"], "web", "path", "x-a", "timeouts", "needs"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        [1, "shop", "/", "80", "1s", "1m", "web", "${A}", "${", "$$", "127.0.0.1:8081"]
    )
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | SCALARS, inner, max_size=6),
    max_leaves=10,
)
PROPERTY = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def load_or_refuse(file: Path) -> None:
    """Load a file; nothing but a Stack or a printable ConfigurationError may come of it."""
    try:
        assert isinstance(load_stack(file, {"A": "a: [*b"}), Stack)
    except ConfigurationError as error:
        assert all(line.isprintable() for line in error.message.splitlines())  # noqa: PT017


@PROPERTY
@given(text=st.text() | st.text(alphabet="{}[]:,-?&*!|>'\"%@`#$ \n\tab1"), head=st.booleans())
def test_any_text_is_a_stack_or_refused(tmp_path: Path, text: str, head: bool) -> None:  # noqa: FBT001
    """No text leads to an exception of another kind."""
    start = "version: 1\nname: shop\ngateway: {image: nginx}\nservices:\n  web: " if head else ""
    load_or_refuse(write(tmp_path, (start + text).encode(errors="replace")))


@PROPERTY
@given(tree=TREES, inside=st.sampled_from(["", "gateway", "services", "accessories"]))
def test_any_document_is_a_stack_or_refused(tmp_path: Path, tree: object, inside: str) -> None:
    """No document leads to an exception of another kind, wherever its values stand."""
    document = {**SHOP, inside: tree} if inside else tree
    text = yaml.safe_dump(document, allow_unicode=True).encode(errors="replace")
    load_or_refuse(write(tmp_path, text))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("${TOKEN}", "expected a whole number, got `${TOKEN}`"),
        ("x${TOKEN}y", "expected a whole number, got `x${TOKEN}y`"),
        ("${TOKEN:-80}", "expected a whole number, got `${TOKEN:-80}`"),
        ("${UNSET:-eighty}", "expected a whole number, got `eighty`"),
        ("${NUMBER}", "less than or equal to 65535, got `${NUMBER}`"),
    ],
)
def test_a_fault_shows_a_reference_and_not_its_value(
    tmp_path: Path, written: str, told: str
) -> None:
    """A variable may hold a secret; a default stands in the file anyway."""
    file = write(tmp_path, MINIMAL.format(port=written, text="a"))
    message = refuse(file, {"TOKEN": "s3cr3t-token-value", "NUMBER": "99999"})
    assert told in message
    assert "s3cr3t" not in message
    assert "99999" not in message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("env", {"K": "${STACKCTL_EVIDENCE_KEY}"}),
        ("env", {"K": "${STACKCTL_EVIDENCE_KEY:-none}"}),
        ("env", {"K": "a ${STACKCTL_ANYTHING} b"}),
        ("image", "web:${STACKCTL_EVIDENCE_KEY}"),
        ("secrets", ["STACKCTL_EVIDENCE_KEY"]),
        ("secrets", ["KEY:STACKCTL_EVIDENCE_KEY"]),
        ("build", {"context": ".", "secrets": ["STACKCTL_EVIDENCE_KEY"]}),
        ("build", {"context": ".", "secrets": ["id:STACKCTL_EVIDENCE_KEY"]}),
        ("build", {"context": ".", "args": {"K": "${STACKCTL_EVIDENCE_KEY}"}}),
    ],
)
def test_what_is_stackctls_own_reaches_nothing_of_a_stack(
    tmp_path: Path, place: str, value: object
) -> None:
    """The key of the evidence is no variable for containers, images and builds, by whatever way."""
    document = shop_with(f"services.web.{place}", value)
    file = write(tmp_path, yaml.safe_dump(document))
    message = refuse(file, {"STACKCTL_EVIDENCE_KEY": "topsecretkey", "STACKCTL_ANYTHING": "x"})
    assert "stackctl's own, and reach" in message
    assert "topsecretkey" not in message


def test_env_file_does_not_hand_on_what_is_stackctls_own(tmp_path: Path) -> None:
    """`.env` cannot give the key of the environment another name."""
    (tmp_path / ".env").write_text("K=${STACKCTL_EVIDENCE_KEY}\n")
    with pytest.raises(ConfigurationError, match="line 1: a reference to a variable without a"):
        load(tmp_path, {"STACKCTL_EVIDENCE_KEY": "topsecretkey"}, text="${K}")
