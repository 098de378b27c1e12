"""Builds as an operator has them: with BuildKit, a stage, a secret, and evidence beside the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.bench import surroundings
from tests.e2e.operator import APP

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

SECRET = "never-to-be-told"  # noqa: S105  it is what nobody may see
OWN = (
    (APP / "Dockerfile").read_text().replace("COPY ", "COPY app/").replace("-slim", "-slim AS own")
)
DOCKERFILE = f"""{OWN}
COPY . /all
RUN --mount=type=secret,id=word,uid=10001 cat /run/secrets/word && test -n "$(cat /run/secrets/word)"
FROM own AS app
FROM nothing-of-the-kind
"""


def write_stack(operator: Operator, dockerfile: str) -> None:
    """Write a stack whose service is built from the folder of stack.yaml."""
    build: dict[str, object] = {"context": ".", "target": "app", "secrets": ["word:WORD"]}
    build["args"] = {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}
    operator.write_stack({"build": build})
    (operator.folder / "Dockerfile").write_text(dockerfile)
    (operator.folder / ".env").write_text(f"WORD={SECRET}\n")
    operator.environment["PATH"] = surroundings("buildkit")["PATH"]


def test_what_is_built_with_a_secret_tells_it_nowhere(operator: Operator) -> None:
    """And the same sources are the same version, though each release writes evidence beside them."""
    write_stack(operator, DOCKERFILE)
    operator.up()
    again = operator.deploy("v1")

    assert (again.code, again.document["outcome"]) == (0, "unchanged"), again.stderr
    evidence = [file for file in (operator.folder / "reports").rglob("*") if file.is_file()]
    told = "".join(file.read_text() for file in evidence)
    assert "with BuildKit of " in told
    assert "${word}" in told
    assert SECRET not in told
    listing = operator.engine.exec_create(f"{operator.name}-app-blue-1", ["ls", "-A", "/all"])
    listed = operator.engine.exec_start(listing["Id"]).decode().split()
    assert {*listed} == {"Dockerfile", "app", "stack.yaml"}


def test_a_build_that_fails_tells_no_secret_and_changes_nothing(operator: Operator) -> None:
    """Neither on the screen nor in the evidence."""
    write_stack(operator, DOCKERFILE)
    operator.up()
    before = operator.containers(running=False)
    write_stack(operator, DOCKERFILE.replace('&& test -n "', '&& test -z "'))
    failed = operator.deploy("v2")

    assert (failed.code, failed.document["outcome"]) == (1, "reverted"), failed.stderr
    assert "${word}" in failed.stderr
    evidence = operator.folder / failed.document["evidence"]
    told = "".join(file.read_text() for file in evidence.iterdir() if file.is_file())
    assert SECRET not in told + failed.stdout + failed.stderr
    assert operator.containers(running=False) == before


def test_services_have_an_init_and_the_gateway_has_none(app: Operator) -> None:
    """NGINX is told by signals to its first process what to do."""
    app.write_stack({"init": False}, beside={"web": "/web/"})
    app.up()
    inits = {
        name.removeprefix(f"{app.name}-"): app.engine.inspect_container(name)["HostConfig"]["Init"]
        for name in app.containers()
    }
    assert inits == {
        "app-green-1": False,
        "app-green-2": False,
        "gateway": False,
        "web-blue-1": True,
        "web-blue-2": True,
    }
