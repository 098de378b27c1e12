"""stack.yaml reads and writes inside its repository, unless whoever runs stackctl permits more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.stack.boundary import list_folders
from orchestrator.stack.load import load_stack

ALLOW = "STACKCTL_ALLOW_OUTSIDE"


def write(file: Path, build: Any = "web", **more: Any) -> Path:
    """Write a stack.yaml that builds its one service from somewhere."""
    services = {"web": {"build": build, "port": 80}}
    document = {"version": 1, "name": "shop", "gateway": {"image": "nginx:1.30"}}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({**document, "services": services, **more}))
    return file


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Return the path of a stack.yaml, beside whose repository lies something else."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "Dockerfile").touch()
    (tmp_path / "repository" / "web").mkdir(parents=True)
    return tmp_path / "repository" / "stack.yaml"


def link(place: str, stack: Path) -> None:
    """Put a link to what lies outside into the repository."""
    (stack.parent / place).symlink_to(stack.parent.parent / "private")


@pytest.mark.parametrize(
    ("build", "place"),
    [
        ("../private", "services.web.build.context"),
        ("web/../../private", "services.web.build.context"),
        ("{outside}", "services.web.build.context"),
        ("..", "services.web.build.context"),
        ("/", "services.web.build.context"),
        ("link", "services.web.build.context"),
        ("link/deeper", "services.web.build.context"),
        ({"context": ".", "dockerfile": "../private/Dockerfile"}, "services.web.build.dockerfile"),
        ({"context": ".", "dockerfile": "{outside}/Dockerfile"}, "services.web.build.dockerfile"),
        ({"context": "web", "dockerfile": "../link/Dockerfile"}, "services.web.build.dockerfile"),
    ],
)
def test_no_build_takes_in_what_lies_outside(stack: Path, build: Any, place: str) -> None:
    """By no path and no link; the error says which, and how to permit it."""
    link("link", stack)
    outside = str(stack.parent.parent / "private")
    text = yaml.safe_dump(build).replace("{outside}", outside)
    write(stack, yaml.safe_load(text))
    with pytest.raises(ConfigurationError, match=f"{place}: lies outside of `/") as raised:
        load_stack(stack, {})
    assert raised.value.exit_code == 2
    assert f"`{ALLOW}=1`" in str(raised.value.hint)
    assert load_stack(stack, {ALLOW: "1"}).services["web"].build is not None
    assert load_stack(stack, {}, outside=True).services["web"].build is not None


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_no_patterns_are_read_outside(stack: Path, name: str) -> None:
    """A builder is sent the text of that file too."""
    (stack.parent / "web" / name).symlink_to(stack.parent.parent / "private" / "Dockerfile")
    write(stack)
    with pytest.raises(ConfigurationError, match=r"build\.context: lies outside"):
        load_stack(stack, {})


@pytest.mark.parametrize(
    "metrics", ["../private/a.prom", "{outside}/a.prom", "link/a.prom", "a.prom"]
)
def test_no_metrics_are_written_outside(stack: Path, metrics: str) -> None:
    """Nor onto what a link leads to."""
    link("link", stack)
    (stack.parent / "a.prom").symlink_to(stack.parent.parent / "private" / "a.prom")
    metrics = metrics.replace("{outside}", str(stack.parent.parent / "private"))
    write(stack, notify={"metrics": metrics})
    with pytest.raises(ConfigurationError, match=r"notify\.metrics: lies outside of `/"):
        load_stack(stack, {})
    assert load_stack(stack, {ALLOW: "yes"}).notify.metrics == metrics


@pytest.mark.parametrize("metrics", ["Dockerfile", ".git/hooks/pre-commit", "a.prom/b", "a.prom\n"])
def test_metrics_replace_no_other_kind_of_file(stack: Path, metrics: str) -> None:
    """Also inside of the repository."""
    write(stack, notify={"metrics": metrics})
    with pytest.raises(ConfigurationError, match=r"notify\.metrics: expected a file such as"):
        load_stack(stack, {ALLOW: "1"})


def test_the_repository_is_that_of_git(stack: Path) -> None:
    """A stack.yaml in a folder of it may build from another; its links inside are followed."""
    root = stack.parent
    (root / "inside").symlink_to("web")
    file = write(root / "deploy" / "stack.yaml", "../inside", notify={"metrics": "../a.prom"})
    with pytest.raises(ConfigurationError, match="has 3 faults"):
        load_stack(file, {})
    (root / ".git").touch()  # as in a worktree
    assert load_stack(file, {}).services["web"].build is not None
    linked = root.parent / "stack.yaml"
    linked.symlink_to(file)
    assert load_stack(linked, {}).services["web"].build is not None


def test_a_checkout_cannot_permit_it_to_itself(stack: Path) -> None:
    """`.env` comes with it; only the environment counts."""
    write(stack, "../private")
    (stack.parent / ".env").write_text(f"{ALLOW}=1\n")
    for value in ("", "0", "no"):
        with pytest.raises(ConfigurationError, match="lies outside"):
            load_stack(stack, {ALLOW: value})


def test_a_link_in_a_circle_is_named(stack: Path) -> None:
    """And is no bug of stackctl."""
    (stack.parent / "circle").symlink_to("circle")
    write(stack, "circle")
    with pytest.raises(ConfigurationError, match=r"services\.web\.build\.context: leads nowhere"):
        load_stack(stack, {})


@pytest.mark.parametrize("group", ["services", "accessories"])
@pytest.mark.parametrize(
    "path", ["../private/Dockerfile", "{outside}/Dockerfile", "link/Dockerfile"]
)
def test_no_file_of_a_container_lies_outside(stack: Path, path: str, group: str) -> None:
    """Neither one whose values it gets, nor one that is written into it."""
    link("link", stack)
    path = path.replace("{outside}", str(stack.parent.parent / "private"))
    keys: dict[str, Any] = {"env_file": ["inside", path], "files": [{"from": path, "to": "/etc/a"}]}
    parts: dict[str, dict[str, Any]] = {
        "services": {"build": "web", "port": 80},
        "accessories": {"image": "mongo:8"},
    }
    for key, place in (("env_file", "env_file.1"), ("files", "files.0.from")):
        document: dict[str, Any] = {"version": 1, "name": "shop"}
        document["gateway"] = {"image": "nginx:1.30"}
        document |= {kind: {"web-" + kind: dict(part)} for kind, part in parts.items()}
        document[group][f"web-{group}"][key] = keys[key]
        stack.write_text(yaml.safe_dump(document))
        with pytest.raises(ConfigurationError, match=f"{group}.web-{group}.{place}: lies outside"):
            load_stack(stack, {})
        assert load_stack(stack, {ALLOW: "1"}).name == "shop"


def test_certificates_may_lie_in_a_folder_that_is_named(stack: Path) -> None:
    """Other programs keep them: the environment names their folder, links in it are followed."""
    kept = stack.parent.parent / "letsencrypt"
    (kept / "archive").mkdir(parents=True)
    (kept / "archive" / "key1.pem").touch()
    (kept / "key.pem").symlink_to("archive/key1.pem")
    (kept / "stray.pem").symlink_to("/etc/hostname")
    write(stack)
    document = yaml.safe_load(stack.read_text())

    def name(certificate: Path, key: Path) -> None:
        files = {"certificate": str(certificate), "key": str(key)}
        document["gateway"]["tls"] = {"certificates": [files]}
        stack.write_text(yaml.safe_dump(document))

    name(Path("shop.pem"), kept / "key.pem")
    with pytest.raises(ConfigurationError, match=r"0\.key: lies outside of `/") as raised:
        load_stack(stack, {})
    assert "`STACKCTL_CERTIFICATES=/etc/letsencrypt`" in str(raised.value.hint)
    assert "certificates.0.certificate" not in raised.value.message
    (stack.parent / ".env").write_text(f"STACKCTL_CERTIFICATES={kept}\n")
    with pytest.raises(ConfigurationError, match="lies outside"):
        load_stack(stack, {})
    assert list_folders({}) == list_folders({"STACKCTL_CERTIFICATES": "certificates"}) == ()
    named = {"STACKCTL_CERTIFICATES": f"/nowhere:{kept}"}
    assert load_stack(stack, named).gateway.tls is not None
    name(Path("shop.pem"), kept / "stray.pem")
    with pytest.raises(ConfigurationError, match=r"0\.key: lies outside"):
        load_stack(stack, named)
    name(kept / "key.pem", Path("shop.key"))
    write(stack, "../private")
    with pytest.raises(ConfigurationError, match=r"build\.context: lies outside"):
        load_stack(stack, named)  # for certificates only
