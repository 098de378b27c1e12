"""stack.yaml and `.env` as nobody should write them: a Stack, or one error that a person can read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ConfigurationError
from orchestrator.stack.document import parse
from orchestrator.stack.env_file import read_env_file
from orchestrator.stack.load import load_stack
from tests.fakes.schema import list_complaints
from tests.properties.budget import examples
from tests.properties.hostile import ANY_TEXT, DOCUMENTS, TEXTS, damaged, damaged_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack

FULL: dict[str, Any] = {  # every key that there is
    "version": 1,
    "name": "shop",
    "internal": False,
    "secrets_command": ["sops", "-d", "secrets.env"],
    "volumes": {"data": {"external": "old_data"}},
    "gateway": {
        "image": "nginx:1.30",
        "listen": 8080,
        "admin": "127.0.0.1:8081",
        "keepalive": "15s",
        "drain_timeout": "30s",
        "gzip": True,
        "resources": {"memory": "256m", "cpus": 2, "pids": 256},
    },
    "services": {
        "web": {
            "build": {
                "context": "web",
                "dockerfile": "Dockerfile",
                "args": {"A": "1"},
                "target": "web",
                "secrets": ["WORD", "id:KEY"],
                "ssh": ["default"],
            },
            "version": "v1",
            "port": 8000,
            "replicas": 2,
            "entrypoint": ["tini", "--"],
            "env_file": ["web.env"],
            "tmpfs": ["/run", "/cache:64m"],
            "networks": ["proxy"],
            "extra_hosts": {"host.docker.internal": "host-gateway"},
            "shm_size": "128m",
            "ulimits": {"nofile": {"soft": 1024, "hard": 65535}, "core": 0},
            "stop_signal": "SIGQUIT",
            "command": ["serve", "--port", "8000"],
            "user": "10001:10001",
            "read_only": True,
            "env": {"URL": "mongodb://db", "N": 1},
            "secrets": ["WORD", "KEY:WEB_KEY", "MAYBE?"],
            "needs": ["db"],
            "volumes": ["data:/data:ro"],
            "resources": {"memory": "1g"},
            "migrate": {"command": ["migrate", "up"], "deadline": "5m"},
            "health": {"path": "/health", "interval": "500ms", "successes": 3, "deadline": "60s"},
            "routes": [
                {
                    "path": "/web/",
                    "strip_prefix": True,
                    "methods": ["GET", "POST"],
                    "rate_limit": {"reads": "100/s", "writes": "30/m", "burst": 10},
                    "cache": {"ttl": "1s"},
                    "max_body": "1m",
                    "timeouts": {"connect": "1s", "read": "1s", "send": "1s"},
                    "buffering": {"requests": True, "responses": False},
                }
            ],
            "keep": "stopped",
            "stop_grace": "10s",
            "init": False,
            "witness": [{"method": "POST", "path": "/web/", "json": {"a": [1]}, "expect": 201}],
        }
    },
    "accessories": {
        "db": {
            "image": "mongo:8",
            "command": ["--quiet"],
            "entrypoint": ["run"],
            "files": [{"from": "a.conf", "to": "/etc/a.conf", "mode": "0400"}],
            "publish": ["127.0.0.1:27017:27017"],
            "user": "root",
            "port": 27017,
            "health": {"command": ["ping"], "interval": "1s", "timeout": "1s"},
            "deadline": "60s",
            "init": True,
        }
    },
    "notify": {"webhook": "HOOK", "metrics": "metrics.prom"},
}
FULL_TEXT = yaml.safe_dump(FULL, sort_keys=False)
PIECES = st.sampled_from(
    [
        *("version: 1\n", "name: shop\n", "services:\n", "  web: ", "{", "}", "[", "]", ", ", ": "),
        *(
            "- ",
            "? ",
            "| ",
            "> ",
            "& ",
            "&a ",
            "*a ",
            "*",
            "<<: ",
            "!",
            "!!str ",
            "%YAML 1.1\n",
            "---\n",
        ),
        *(
            "...\n",
            "# ",
            "'",
            '"',
            "\t",
            "\n",
            "\n  ",
            "\\x00",
            "\\ud800",
            "${",
            "}",
            "$",
            "${A:-",
            "~",
        ),
        *("image: nginx", "port: 80", "@", "`", "x-a: ", "\ufeff", "\x85", "\u2028", "1", "a"),
    ]
)


def load_or_refuse(file: Path, environment: Mapping[str, str] | None = None) -> Stack | None:
    """Load a file; nothing but a Stack or a printable ConfigurationError may come of it."""
    try:
        return load_stack(file, environment or {})
    except ConfigurationError as error:
        assert error.exit_code == 2  # noqa: PT017
        assert all(line.isprintable() for line in error.message.splitlines())  # noqa: PT017
        json.dumps(error.message).encode()
        return None


def write(folder: Path, text: str | bytes) -> Path:
    """Write stack.yaml."""
    file = folder / "stack.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    return file


@examples(150)
@given(text=ANY_TEXT | st.binary() | st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_a_stack_or_refused(tmp_path: Path, text: str | bytes) -> None:
    """Neither bytes nor what looks a little like YAML leads to an exception of another kind."""
    load_or_refuse(write(tmp_path, text), {"A": "a"})


@examples(100)
@given(document=DOCUMENTS)
def test_any_document_is_a_stack_or_refused(tmp_path: Path, document: object) -> None:
    """No document of any shape leads to an exception of another kind."""
    load_or_refuse(write(tmp_path, json.dumps(document)), {"A": "a"})


@examples(120)
@given(document=damaged(FULL), block=st.booleans())
def test_a_damaged_stack_is_a_stack_or_refused(
    tmp_path: Path,
    document: object,
    block: bool,  # noqa: FBT001
) -> None:
    """Whatever stands in the place of any value of a valid file, it is told as a fault."""
    text = yaml.safe_dump(document, sort_keys=False) if block else json.dumps(document)
    load_or_refuse(write(tmp_path, text), {"A": "a"})


@examples(60)
@given(text=damaged_text(FULL_TEXT))
def test_a_damaged_text_is_a_stack_or_refused(tmp_path: Path, text: str) -> None:
    """Half a file, or one with a piece too many, is told as a fault."""
    load_or_refuse(write(tmp_path, text))


def test_the_full_stack_is_valid(tmp_path: Path) -> None:
    """What the properties above do damage to has no fault of its own."""
    assert load_or_refuse(write(tmp_path, FULL_TEXT)) is not None


@examples(60)
@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from(["list", "merge", "map"]), st.lists(st.integers(0, 12), max_size=12)
        ),
        max_size=12,
    )
)
def test_aliases_of_aliases_are_counted_not_built(
    tmp_path: Path, layers: list[tuple[str, list[int]]]
) -> None:
    """Layers of anchors that name each other, themselves and nobody end soon and without harm."""
    lines = ["x-0: &a0 { k: [ha, ha, ha] }"]
    for number, (kind, others) in enumerate(layers, start=1):
        names = ", ".join(f"*a{other}" for other in others)
        pairs = ", ".join(f"k{place}: *a{other}" for place, other in enumerate(others))
        inner = {"list": f"[{names}]", "merge": f"{{ <<: [{names}] }}", "map": f"{{ {pairs} }}"}
        lines.append(f"x-{number}: &a{number} {inner[kind]}")
    load_or_refuse(write(tmp_path, "\n".join([*lines, FULL_TEXT])))


PLACES = st.sampled_from(
    [
        *(
            "name",
            "version",
            "gateway.image",
            "gateway.listen",
            "gateway.keepalive",
            "notify.webhook",
        ),
        *("services.web.port", "services.web.version", "services.web.env.URL", "services.web.user"),
        *(
            "services.web.needs.0",
            "services.web.secrets.0",
            "services.web.volumes.0",
            "accessories",
        ),
        *(
            "services.web.routes.0.path",
            "services.web.routes.0.max_body",
            "services.web.build.args.A",
        ),
        *("services.web.witness.0.json", "services.web.keep", "accessories.db.command.0", "x-a"),
    ]
)


def put(place: str, value: object) -> dict[str, Any]:
    """Return the full stack with a value at a dotted place."""
    document: Any = json.loads(json.dumps(FULL))
    inner = document
    *way, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
    for part in way:
        inner = inner[part]
    inner[last] = value
    return dict(document)


@examples(120)
@given(place=PLACES, before=st.sampled_from(["", "a", "8"]), value=TEXTS, quoted=st.booleans())
def test_any_variable_is_filled_in_or_refused(
    tmp_path: Path,
    place: str,
    before: str,
    value: str,
    quoted: bool,  # noqa: FBT001
) -> None:
    """Whatever a variable holds, it becomes one value of the file and nothing else."""
    text = json.dumps(put(place, f"{before}${{V}}"))
    text = text if quoted else text.replace(f'"{before}${{V}}"', f"{before}${{V}}")
    stack = load_or_refuse(write(tmp_path, text), {"V": value})
    if stack is not None and place == "services.web.env.URL":
        assert stack.services["web"].env["URL"] == before + value
        assert stack.services["web"].env["N"] == "1"


@examples(120)
@given(
    content=st.binary()
    | st.lists(TEXTS | st.sampled_from(["A=", "=", "\n", "export "])).map("".join)
)
def test_any_env_file_is_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
    """`.env` of any content gives variables, or a line that says which of its lines is wrong."""
    raw = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    (tmp_path / ".env").write_bytes(raw)
    load_or_refuse(write(tmp_path, json.dumps(put("services.web.env.URL", "${A:-b}"))))


@examples(100)
@given(
    pieces=st.lists(
        TEXTS
        | st.sampled_from(["xyzzy", "A", "=", "\n", "\r\n", " #", "'", '"', "$A", "${A:-", "}"])
    )
)
def test_an_env_file_that_is_refused_is_not_quoted(tmp_path: Path, pieces: list[str]) -> None:
    """Whatever is wrong with `.env`, no word of it reaches a log."""
    (tmp_path / ".env").write_bytes("".join(pieces).encode(errors="replace"))
    told = ""
    try:
        read_env_file(tmp_path / ".env", {"A": "xyzzy"})
    except ConfigurationError as error:
        told = f"{error.message} {error.hint}"
    assert "xyzzy" not in told


@examples(100)
@given(value=ANY_TEXT)
def test_an_env_file_holds_whole_values(tmp_path: Path, value: str) -> None:
    """A value is read as it was written, whatever Unicode thinks of its characters."""
    value = re.sub(r"\0|\r|\\", "", value).encode(errors="replace").decode()
    single, double = value.replace("'", "\\'"), re.sub(r'(["$])', r"\\\1", value)
    (tmp_path / ".env").write_text(f"A='{single}'\nB=\"{double}\" # c\nC=c\n", newline="")
    assert read_env_file(tmp_path / ".env", {}) == {"A": value, "B": value, "C": "c"}


@given(text=st.lists(PIECES, max_size=30).map("".join) | damaged_text(FULL_TEXT))
def test_both_parsers_read_the_same(text: str) -> None:
    """What libyaml makes of a text is what PyYAML makes of it, so that no machine has its own truth."""
    text = text.encode(errors="replace").decode()  # what a file can hold
    assert read_values(text, fast=True) == read_values(text, fast=False)


def read_values(text: str, *, fast: bool) -> list[tuple[object, ...]] | str:
    """Return what a composer looks at, or the words of a refusal."""
    try:
        return [
            (type(event), *(getattr(event, name, None) for name in ("anchor", "value", "implicit")))
            for event in parse(text, fast=fast)
        ]
    except (yaml.YAMLError, ValueError) as error:
        return str(error)


@examples(120)
@given(document=damaged(FULL))
def test_a_stack_is_one_to_its_schema(tmp_path: Path, document: object) -> None:
    """Whatever the loader takes, an editor does not complain of."""
    if load_or_refuse(write(tmp_path, json.dumps(document)), {"A": "a"}) is not None:
        assert list_complaints(document) == []


@examples(120)
@given(place=PLACES, before=st.sampled_from(["", "a", "8"]), value=TEXTS)
def test_a_reference_is_right_to_the_schema(
    tmp_path: Path, place: str, before: str, value: str
) -> None:
    """Where a value may come from a variable, an editor does not complain of the reference."""
    document = put(place, f"{before}${{V}}")
    text = json.dumps(document).replace(f'"{before}${{V}}"', f"{before}${{V}}")
    if load_or_refuse(write(tmp_path, text), {"V": value}) is not None:
        assert list_complaints(document) == []
