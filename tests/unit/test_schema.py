"""The schema of stack.yaml: it is the model's, whole, and says of files what the loader says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.gateway.container import OLDEST_NGINX
from orchestrator.stack.descriptions import DESCRIPTIONS, describe_key
from orchestrator.stack.gateway import Gateway
from orchestrator.stack.load import load_stack
from orchestrator.stack.model import Stack
from orchestrator.stack.reference import write_reference
from orchestrator.stack.schema import FILE, MODELINE, WRITE, build_schema, list_keys, list_models
from tests.fakes.command_line import Run
from tests.fakes.schema import list_complaints, read_as_written
from tests.fakes.stacks import SHOP, load_shop, shop_with
from tests.unit import test_stack_values as values

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "stack.yaml", *sorted(ROOT.glob("examples/**/stack.yaml"))]
BAD = sorted((Path(__file__).parent / "bad_stacks").glob("*.yaml"))
RIGHT = vars(values.test_a_right_value_is_taken)["pytestmark"][0].args[1]
BEYOND = "where no schema can tell of a fault, it is named in BEYOND_VALUES or BEYOND_STACKS"
# What no schema can tell: faults of the text itself, of variables, and between values.
BEYOND_STACKS = {
    "keys_written_twice",
    "door",
    "door_to_nowhere",
    "names_that_are_taken",
    "needs_in_a_circle",
    "needs_itself",
    "pause_of_ipv6",
    "proxies_of_ipv6",
    "same_route_twice",
    "users_written_twice",
    "service_written_twice",
    "variables_broken",
    "variables_not_set",
    "volumes_of_stackctl_itself",
    "with_another_version",
    "with_in_two_steps",
    "with_itself",
    "with_twice",
    "with_unknown",
    "with_what_it_needs",
}
# And bounds of what is written with a unit, and what the ipaddress module thinks of addresses.
BEYOND_VALUES = [
    ("gateway.listen", "999.0.0.1:80"),
    ("gateway.listen", "[1.2.3.4]:80"),
    ("gateway.admin", "0.0.0.0:8081"),
    ("gateway.admin", 8081),
    ("gateway.admin", "127.0.0.1:8080"),
    ("gateway.tls", {}),
    ("gateway.tls", {"listen": 8080}),
    ("gateway.tls", {"listen": 8081}),
    ("gateway.tls", {"hsts": {"max_age": "17521h"}}),
    ("gateway.keepalive", "1500ms"),
    ("gateway.keepalive", "301s"),
    ("gateway.trusted_proxies", ["10.0.0.1/8"]),
    ("gateway.trusted_proxies", ["0.0.0.0/0"]),
    ("gateway.trusted_proxies", ["::/0"]),
    ("services.web.port", 8000.0),
    ("services.web.needs", ["cache"]),
    ("services.web.resources.memory", "1m"),
    ("gateway.resources", {"memory": "31m"}),
    ("services.web.health.interval", "1ms"),
    ("services.web.routes.0.path", "/a/../b/"),
    ("services.web.routes.0", {"path": "/web", "strip_prefix": True}),
    ("services.web.routes.0.buffering", {"disk": "1k"}),
    ("services.web.routes.0.websocket", "/web"),
    ("services.web.routes.0.websocket", "/website/live"),
    ("services.web.routes.0", {"path": "/web", "websocket": True, "methods": ["POST"]}),
    ("services.web.routes.0.timeouts.connect", "76s"),
    ("services.web.secrets", ["KEY:STACKCTL_EVIDENCE_KEY?"]),
    ("services.web.files", [{"from": "a", "to": "/etc/../b"}]),
    ("services.web.files", [{"from": "a", "to": "/proc/1/mem"}]),
    ("services.web.files", [{"from": "a", "to": "/etc/hosts"}]),
    ("services.web.files", [{"from": "a", "to": "/b"}, {"from": "a", "to": "/b"}]),
    ("services.web.tmpfs", ["/run:0"]),
    ("services.web.tmpfs", ["/dev/shm"]),
    ("services.web.tmpfs", ["/run", "/run:1m"]),
    ("services.web.shm_size", "1k"),
    ("services.web.ulimits", {"nofile": {"soft": 2, "hard": 1}}),
    ("services.web.ulimits", {"nofile": {"soft": -1, "hard": 1}}),
    ("services.web.extra_hosts", {"db": "10.0.0.7"}),
    ("services.web.extra_hosts", {"gateway": "10.0.0.7"}),
    ("services.web.networks", ["host"]),
    ("services.web.networks", ["shop-net"]),
    ("services.web.networks", ["proxy", "proxy"]),
    ("accessories.db.publish", ["127.0.0.1:0:1"]),
    ("accessories.db.publish", ["127.0.0.1:1:65536"]),
    ("accessories.db.publish", ["127.0.0.300:1:1"]),
    ("accessories.db.publish", ["127.0.0.1:8080:1"]),
    ("accessories.db.publish", ["127.0.0.1:1:1", "127.0.0.1:1:2"]),
]


def list_nodes(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all that is said of values, and where."""
    for name, inner in node.get("properties", {}).items():
        yield f"{place}.{name}", inner
        yield from list_nodes(inner, f"{place}.{name}")
    for name, inner in node.get("$defs", {}).items():
        yield from list_nodes(inner, name)
    for inner in node.get("anyOf", ()):
        yield from list_nodes(inner, place)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield f"{place}.{key}", node[key]
            yield from list_nodes(node[key], f"{place}.{key}")


def test_what_is_published_is_the_models() -> None:
    """docs/ holds what `stackctl schema` and `stackctl schema --reference` print."""
    schema = build_schema()
    written = (ROOT / "docs" / FILE).read_text()
    assert written == json.dumps(schema, indent=2) + "\n", f"`{WRITE}` in docs/ writes it anew"
    page = (ROOT / "docs" / "reference.md").read_text()
    assert page == write_reference(schema), "`stackctl schema --reference > docs/reference.md`"


def test_it_is_a_schema() -> None:
    """It is one of draft 2020-12."""
    schema = build_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(schema)


@pytest.mark.parametrize("model", list_models(Stack), ids=lambda model: model.__name__)
def test_every_key_is_described(model: type[Any]) -> None:
    """Each key has one sentence, in orchestrator/stack/descriptions.py."""
    told = {key: describe_key(model, key) for key in list_keys(model)}
    assert [key for key, words in told.items() if not words] == []
    assert [words for words in told.values() if words and not words.endswith(".")] == []


def test_every_description_has_a_key() -> None:
    """No sentence is left over from a key that is gone."""
    left = [
        f"{model.__name__}.{key}"
        for model, told in DESCRIPTIONS.items()
        for key in told.keys() - list_keys(model).keys()
    ]
    assert left == []


def test_every_form_is_told() -> None:
    """What a validator takes is told by its `json_schema_input_type`: else anything would be right."""
    about = {"description", "default"}
    assert [place for place, node in list_nodes(build_schema()) if not node.keys() - about] == []


def test_unknown_keys_are_refused_everywhere() -> None:
    """But for keys of one's own at the top, and names of services, variables and the like."""
    schema = build_schema()
    models = [schema, *(each for each in schema["$defs"].values() if "properties" in each)]
    assert len(models) == len(list_models(Stack))
    assert all(each["additionalProperties"] is False for each in models)
    assert list_complaints(SHOP | {"x-mine": [1]}) == []
    assert list_complaints(SHOP | {"mine": [1]}) != []


def test_the_oldest_nginx_is_told() -> None:
    """The sentence about the gateway's image has the version that `doctor` holds it against."""
    assert ".".join(map(str, OLDEST_NGINX)) in DESCRIPTIONS[Gateway]["image"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_shipped_stack_is_accepted(file: Path) -> None:
    """With its references as they are written."""
    assert list_complaints(read_as_written(file)) == []


def test_the_reference_stack_leads_to_the_schema() -> None:
    """By the line that editors look for: the schema is in docs/ here."""
    first = (ROOT / "stack.yaml").read_text().splitlines()[0]
    assert first == MODELINE.replace(FILE, f"docs/{FILE}")


@pytest.mark.parametrize(("place", "value"), RIGHT)
def test_a_right_value_is_accepted(place: str, value: object) -> None:
    """What the loader takes, the schema takes."""
    assert list_complaints(shop_with(place, value)) == []


@pytest.mark.parametrize(("place", "value"), [row[:2] for row in values.WRONG])
def test_a_wrong_value_is_refused(place: str, value: object) -> None:
    """What the loader does not take, the schema does not, as far as a schema can tell."""
    told = list_complaints(shop_with(place, value))
    assert bool(told) == ((place, value) not in BEYOND_VALUES), (told, BEYOND)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_stack_is_refused(file: Path) -> None:
    """What is no stack is none to the schema, as far as a schema can tell."""
    try:
        document = read_as_written(file)
    except ConfigurationError:
        return  # there is nothing to hold against it
    told = list_complaints(document)
    assert bool(told) == (file.stem not in BEYOND_STACKS), (told, BEYOND)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("name", "${NAME:-shop}"),
        ("gateway.image", "${PREFIX:-}nginx:1.30"),
        ("gateway.listen", "${HOST:-127.0.0.1}:${PORT:-8080}"),
        ("gateway.gzip", "${GZIP:-true}"),
        ("services.web.port", "${PORT:-8000}"),
        ("services.web.keep", "${KEEP:-stopped}"),
        ("services.web.stop_grace", "${GRACE:-10s}"),
        ("services.web.resources.cpus", "${CPUS:-0.5}"),
        ("services.web.env", {"${KEY:-KEY}": "${VALUE:-a}"}),
        ("services.web.needs", ["${NEED:-db}"]),
        ("services.web.image", "${IMAGE:-}"),
        ("services.web.routes.0.cache", "${CACHE:-}"),
        ("services.web.routes.0.rate_limit", "${RATE:-10/s}"),
        ("version", "${VERSION:-1}"),
    ],
)
def test_a_reference_may_stand_in_any_value(tmp_path: Path, place: str, written: object) -> None:
    """The loader fills it in, and the schema lets it be."""
    document = shop_with(place, written)
    file = tmp_path / "stack.yaml"
    file.write_text(yaml.safe_dump(document).replace("'${", "${").replace("}'", "}"))
    assert load_stack(file, {})
    assert list_complaints(document) == []


def test_the_command_prints_it(tmp_path: Path) -> None:
    """For people in lines, for scripts in one; the reference as Markdown. It needs no stack.yaml."""
    schema = build_schema()
    run = Run(tmp_path, "schema")
    assert (run.code, run.document, run.out.count("\n") > 100) == (0, schema, True)
    run = Run(tmp_path, "schema", "--output", "json")
    assert (run.code, run.document, run.out.count("\n")) == (0, schema, 1)
    assert Run(tmp_path, "schema", "--reference").out == write_reference(schema)


NESTED = ("env", "health", "resources", "routes")


def test_defaults_are_written_as_people_write_them(tmp_path: Path) -> None:
    """What stands as a default can be written there, and means the same."""
    schema = build_schema()["$defs"]
    assert schema["Health"]["properties"]["interval"]["default"] == "100ms"
    assert schema["Resources"]["properties"]["memory"]["default"] == "512m"
    assert schema["Gateway"]["properties"]["listen"]["default"] == 8080
    document = SHOP
    for place, name in (
        ("services.web", "Service"),
        ("services.web.health", "Health"),
        ("services.web.resources", "Resources"),
        ("services.web.routes.0", "Route"),
        ("services.web.routes.0.timeouts", "Timeouts"),
        ("gateway", "Gateway"),
    ):
        for key, node in schema[name]["properties"].items():
            if "default" in node and key not in (*NESTED, "steady"):  # which is of workers
                document = shop_with(f"{place}.{key}", node["default"], document)
    plain = shop_with("services.web.witness", [])
    assert load_shop(tmp_path, document) == load_shop(tmp_path, plain)
