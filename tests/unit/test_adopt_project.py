"""Compose files as one project: several files, include, extends, and what is refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.adopt.project import MOST_SERVICES, find_compose_files, read_project
from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WEB = "services:\n  web:\n    image: a\n"
BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)
BAD: list[tuple[str | bytes, str]] = [
    ("", "it is nothing"),
    ("- a\n", "it is a list"),
    ("just words\n", "it is a text or a number"),
    ("a: [\n", "is not valid YAML"),
    ("a: b: c\n", "is not valid YAML"),
    (b"\x00\x01\x02\xff\xfe", "is not UTF-8 text"),
    ("services: {}\n".encode("utf-16"), "is not UTF-8 text"),
    (b"\x7fELF\x02\x01\x01\x00", "is not"),
    (BOMB, "grows to more than"),
    ("a: &a [*a]\n", "contains itself"),
    ("a: !!python/object:os.system x\n", "has the tag"),
    ("name: x\n", "it has no `services`"),
    ("services: [web]\n", "it has no `services`"),
    ("services: {web: 1}\n", "services.web is no mapping"),
    (f"{WEB}    image: b\n", "`image` is written twice"),
    (f"{WEB}    extends: web\n", "`extends` goes in a circle: web -> web"),
    (f"{WEB}    extends: nobody\n", "is extended, and is not there"),
    (f"{WEB}    extends: {{file: no.yaml, service: web}}\n", "`no.yaml` does not exist"),
    (f"{WEB}    extends: {{file: ../../x.yaml, service: web}}\n", "lies outside of"),
    (f"{WEB}    extends: {{file: /etc/passwd, service: web}}\n", "lies outside of"),
    (f"include: [compose.yaml]\n{WEB}", "includes itself"),
    (f"include: [no.yaml]\n{WEB}", "`no.yaml` does not exist"),
    (f"include: [../x.yaml]\n{WEB}", "lies outside of"),
    (f"include: [oci://registry/x]\n{WEB}", "not on this machine"),
    (f"include: ['${{NO:?say}}']\n{WEB}", "variable `NO` has no value"),
    (f"include: [{{}}]\n{WEB}", "names no file"),
    ("services:\n" + "".join(f"  s{n}: {{image: a}}\n" for n in range(2000)), "has 2,000 services"),
    ("#" * 50_000_000, "cannot be read: it is larger than 1,048,576 bytes"),
]


def read(folder: Path, **files: str) -> dict[str, Any]:
    """Write files, and read those called `compose…` as one project."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    named = [folder / f"{name}.yaml" for name in files if name.startswith("compose")]
    return read_project(named, {"A": "a"}, outside=False)


def web(folder: Path, **files: str) -> Mapping[str, Any]:
    """Return the service `web` of a project."""
    service: Mapping[str, Any] = read(folder, **files)["services"]["web"]
    return service


@pytest.mark.parametrize(("content", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_what_is_no_compose_file_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    """With the file, the reason and a hint; however large or wicked it is."""
    file = tmp_path / "compose.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as raised:
        read_project([file], {}, outside=False)
    assert reason in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe, a link to a device or to itself: none of these is waited for."""
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("zero", "folder", "missing", "circle"):
        with pytest.raises(ConfigurationError, match=f"`{name}.yaml`"):
            read_project([tmp_path / f"{name}.yaml"], {}, outside=False)


def test_as_many_services_as_there_is_room_for_are_read(tmp_path: Path) -> None:
    """The bound is what a stack.yaml can hold."""
    text = "services:\n" + "".join(f"  s{n}: {{image: a}}\n" for n in range(MOST_SERVICES))
    assert len(read(tmp_path, compose=text)["services"]) == MOST_SERVICES


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    """What a service sets itself goes before what it merges."""
    service = web(
        tmp_path,
        compose="x-a: &a {image: a, user: '1'}\nx-b: &b {user: '2', init: true}\n"
        "services: {web: {<<: [*a, *b], image: c}}\n",
    )
    assert service == {"image": "c", "user": "1", "init": True}


def test_scalars_are_typed_as_compose_types_them(tmp_path: Path) -> None:
    """YAML 1.1 would make false of `no`, and 1342 of `22:22`."""
    service = web(
        tmp_path,
        compose="services: {web: {environment: {A: no, B: 0777, C: 1.10}, ports: [22:22]}}\n",
    )
    assert service["environment"] == {"A": "no", "B": "0777", "C": 1.1}
    assert service["ports"] == ["22:22"]


def test_later_files_win_by_the_rules_of_compose(tmp_path: Path) -> None:
    """Lists grow, pairs are joined by name, mounts by target; commands are replaced."""
    service = web(
        tmp_path,
        compose="services: {web: {image: a, command: [a, b], environment: [A=1, B=2], ports: ['80:80'],"
        " volumes: ['x:/x', './y:/y'], dns: 1.1.1.1, depends_on: [db], build: ., labels: {l: a},"
        " healthcheck: {test: [CMD, a], interval: 1s}}, db: {image: postgres}}\n",
        compose2="services: {web: {image: b, command: c, environment: {B: 3, C: null}, ports: ['81:81'],"
        " volumes: ['z:/x:ro'], dns: [8.8.8.8], depends_on: {db: {condition: service_healthy}},"
        " build: {target: t}, labels: [m=b], healthcheck: {test: [CMD, b]}}}\n",
    )
    assert service["image"] == "b"
    assert service["command"] == "c"
    assert service["environment"] == {"A": "1", "B": 3, "C": None}
    assert service["ports"] == ["80:80", "81:81"]
    assert service["volumes"] == ["z:/x:ro", "./y:/y"]
    assert service["dns"] == ["1.1.1.1", "8.8.8.8"]
    assert service["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert service["build"] == {"context": ".", "target": "t"}
    assert service["labels"] == {"l": "a", "m": "b"}
    assert service["healthcheck"] == {"test": ["CMD", "b"], "interval": "1s"}


def test_tags_take_away_and_replace(tmp_path: Path) -> None:
    """`!reset` and `!override` are compose's own."""
    service = web(
        tmp_path,
        compose="services: {web: {image: a, ports: ['80:80'], user: '1', environment: {A: 1, B: 2}}}\n",
        compose2="services: {web: {ports: !override ['81:81'], user: !reset null,"
        " environment: {B: !reset null}}}\n",
    )
    assert service == {"image": "a", "ports": ["81:81"], "environment": {"A": 1}}


def test_a_service_extends_one_of_another_file(tmp_path: Path) -> None:
    """Its paths are told from where the project is."""
    service = web(
        tmp_path,
        compose="services: {web: {extends: {file: common/base.yaml, service: top}, image: b}}\n",
        common__base="services: {top: {extends: bottom, env_file: top.env}, bottom: {image: a, build: ./app,"
        " volumes: ['./conf:/conf', 'data:/data', '/etc/x:/x'], environment: {A: 1}}}\n",
    )
    assert service == {
        "image": "b",
        "build": "./common/app",
        "env_file": ["./common/top.env"],
        "volumes": ["./common/conf:/conf", "data:/data", "/etc/x:/x"],
        "environment": {"A": 1},
    }


def test_files_that_extend_each_other_are_a_circle(tmp_path: Path) -> None:
    """However many files are on the way."""
    with pytest.raises(ConfigurationError, match="goes in a circle: web -> one -> web"):
        read(
            tmp_path,
            compose="services: {web: {extends: {file: b.yaml, service: one}}}\n",
            b="services: {one: {extends: {file: compose.yaml, service: web}}}\n",
        )


def test_included_files_are_projects_of_their_own(tmp_path: Path) -> None:
    """With their own folder; a service may be in one of them only."""
    project = read(
        tmp_path,
        compose=f"include: ['${{A}}/more.yaml']\n{WEB}",
        a__more="services: {api: {build: ., image: a}}\nconfigs: {c: {file: c.txt}}\nvolumes: {v: {}}\n",
    )
    assert [*project["services"]] == ["web", "api"]
    assert project["services"]["api"]["build"] == "./a"
    assert project["configs"] == {"c": {"file": "./a/c.txt"}}
    with pytest.raises(ConfigurationError, match="service `web` is there twice"):
        read(tmp_path, compose=f"include: [more.yaml]\n{WEB}", more=WEB)


def test_includes_in_a_circle_are_refused(tmp_path: Path) -> None:
    """Of two files as well as of one."""
    with pytest.raises(ConfigurationError, match=r"`b\.yaml` includes itself|includes itself"):
        read(tmp_path, compose=f"include: [b.yaml]\n{WEB}", b="include: [compose.yaml]\n")


def test_a_link_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    """It is where it leads that counts; whoever trusts the checkout may allow it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out.yaml").write_text("services: {base: {image: a}}\n")
    (tmp_path / "in" / "link.yaml").symlink_to("../out.yaml")
    (tmp_path / "in" / "compose.yaml").write_text(
        "services: {web: {extends: {file: link.yaml, service: base}}}\n"
    )
    files = [tmp_path / "in" / "compose.yaml"]
    with pytest.raises(ConfigurationError, match="lies outside of"):
        read_project(files, {}, outside=False)
    assert read_project(files, {}, outside=True)["services"]["web"]["image"] == "a"


def test_compose_files_are_found_with_their_override(tmp_path: Path) -> None:
    """The first of the four names counts, as it does for compose."""
    assert find_compose_files(tmp_path) == []
    for name in ("docker-compose.yml", "docker-compose.override.yml", "compose.yml"):
        (tmp_path / name).touch()
    assert find_compose_files(tmp_path) == [tmp_path / "compose.yml"]
    (tmp_path / "compose.yml").unlink()
    names = [file.name for file in find_compose_files(tmp_path)]
    assert names == ["docker-compose.yml", "docker-compose.override.yml"]
