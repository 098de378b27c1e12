"""`restart` and `scale` under load, on the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.load import under_load

if TYPE_CHECKING:
    from tests.e2e.operator import Done, Operator


def find_replicas(app: Operator) -> list[str]:
    """Return the names of the app's containers, without the stack's."""
    names = (name.removeprefix(f"{app.name}-") for name in app.containers(running=False))
    return [name for name in names if name.startswith("app-")]


def test_no_request_is_lost_by_a_restart_nor_by_more_or_fewer_replicas(operator: Operator) -> None:
    """Each takes the way of a release, and is told as what it was; `status` says who has the last word."""
    app = operator
    # A witness that the machine halts for longer than this calls on a connection that was closed meanwhile.
    app.write_stack(keepalive="5s")
    app.up()
    done: list[Done] = []
    with under_load(f"http://127.0.0.1:{app.public}/", app.folder, rate=100) as load:
        done.append(app.run("restart", "app", "--output", "json"))
        assert find_replicas(app) == ["app-green-1", "app-green-2"]
        done.append(app.run("scale", "app", "3", "--output", "json"))
        assert find_replicas(app) == ["app-blue-1", "app-blue-2", "app-blue-3"]
        assert app.serving() == "v1"
        done.append(app.run("scale", "app", "1", "--output", "json"))
        assert find_replicas(app) == ["app-green-1"]

    assert [one.document["witness"]["reasons"] for one in done] == [{}, {}, {}]
    assert [one.code for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert load.sent > 300
    assert load.failed == 0
    what = [app.evidence(one)["what"] for one in done]
    assert [(one["command"], one["version"], one["previous"]) for one in what] == [
        ("restart", "v1", "v1"),
        *[("scale", "v1", "v1")] * 2,
    ]
    assert what[2]["replicas"] == {"before": 3, "after": 1}
    status = app.status()
    assert status["services"][0]["active"]["wanted"] == 1
    assert status["drift"] == ["service `app` was scaled to 1, and stack.yaml says 2 replicas"]
    assert "no previous version" in app.run("rollback", "app").stderr
    assert app.run("evidence", "verify").code == 0
