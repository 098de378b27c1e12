"""A service and its worker as one, on a real engine: one image, one version, and no request lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.load import under_load
from tests.e2e.operator import describe_app, wait_for

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

WORK = 'case "$SERVICE_VERSION" in *lame) echo "no leg to stand on"; exit 3;; esac; exec sleep 600'


@pytest.fixture
def unit(operator: Operator) -> Operator:
    """Return a stack whose app takes a worker along that is built as it is; both have v1."""
    app = describe_app("/")
    operator.write_services(
        {
            "jobs": {
                "build": app["build"],
                "command": ["sh", "-c", WORK],
                "health": {"steady": "1s"},
                "stop_grace": "3s",
            },
            "app": {**app, "with": ["jobs"]},
        }
    )
    operator.up()
    return operator


def find_versions(operator: Operator) -> dict[str, str]:
    """Return the active version of each member that is healthy and has nothing in doubt."""
    status = operator.status()
    assert (status["drift"], status["recovery"]) == ([], [])
    for service in status["services"]:
        assert service["active"]["healthy"] == service["active"]["wanted"]
    return {service["name"]: service["active"]["version"] for service in status["services"]}


def tell(document: Any) -> list[tuple[str, str, str]]:
    """Return what each release of a unit was."""
    return [(one["service"], one["version"], one["outcome"]) for one in document["members"]]


def test_both_are_released_and_go_back_under_load(unit: Operator) -> None:
    """All the time users lose nothing: neither with a worker that fails nor with a rollback."""
    with under_load(f"http://127.0.0.1:{unit.public}/", unit.folder, rate=100) as load:
        second = unit.deploy("v2")
        assert find_versions(unit) == {"app": "v2", "jobs": "v2"}
        lame = unit.deploy("v3-lame")
        assert find_versions(unit) == {"app": "v2", "jobs": "v2"}
        back = unit.run("rollback", "app", "--to", "v1", "--output", "json")
        assert find_versions(unit) == {"app": "v1", "jobs": "v1"}

    assert [second.code, lame.code, back.code] == [0, 1, 0], lame.stderr
    assert tell(second.document) == [("app", "v2", "deployed"), ("jobs", "v2", "deployed")]
    assert tell(lame.document) == [
        *(("app", "v3-lame", "deployed"), ("jobs", "v3-lame", "reverted")),
        ("app", "v2", "deployed"),
    ]
    assert lame.document["outcome"] == "reverted"
    assert "no leg to stand on" in lame.stderr
    assert [done.document["witness"]["lost"] for done in (second, lame, back)] == [0, 0, 0]
    assert load.sent > 500
    assert load.failed == 0
    assert unit.run("evidence", "verify").code == 0


def test_a_death_between_the_two_is_put_right_by_up(unit: Operator) -> None:
    """The app has the new version and its worker not yet: `status` says so, and `up` goes on."""
    with unit.running("deploy", "app", "--version", "v2") as process:
        wait_for(process, "retire")
        process.kill()
    assert unit.serving() == "v2"
    assert "`jobs` has v1, and `app`, with which it goes, v2" in str(unit.status()["drift"])
    done = unit.run("deploy", "jobs", "--version", "v2")
    assert (done.code, "released together with `app`" in done.stderr) == (2, True)
    assert unit.run("up", "--wait", "10").code == 0
    assert find_versions(unit) == {"app": "v2", "jobs": "v2"}
