"""`strategy: recreate` on a real engine: one writer of a SQLite database, replaced while users come."""

from __future__ import annotations

import http.client
import itertools
import json
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.engine.docker import DockerEngine
from tests.e2e.operator import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Done, Operator

WRITER = Path(__file__).parent / "writer"
CLIENTS = 4
# As docs/bench.md has it.
SCRIPT = """
import http from 'k6/http';
import { check } from 'k6';

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }, 503));
export const options = {
  vus: 2, duration: '9s',
  thresholds: { http_req_failed: ['rate==0'], checks: ['rate==1'] },
};
const back = ({ status, body }) => status === 503 && body.includes('is being replaced');

export default function () {
  const answer = http.get(__ENV.BASE_URL);
  check(answer, { 'served, or told to come back': (a) => a.status === 200 || back(a) });
}
"""


class Users:
    """Who write numbers, each over a connection of its own, and note what became of each."""

    def __init__(self, operator: Operator) -> None:
        self.written: list[int] = []
        self.turned_away = 0
        self.lost: list[str] = []
        self._port = operator.public
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come) for _ in range(CLIENTS)]

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Let them come until the end of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _come(self) -> None:
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._over.wait(0.02):
            number = next(self._numbers)
            try:
                wire.request("POST", f"/{number}", body=b"")
                answer = wire.getresponse()
                document = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.lost.append(f"{number}: {error!r}")
                wire.close()
                continue
            if answer.status == 200:
                self.written.append(number)
            elif _is_told_to_come_back(answer, document):
                self.turned_away += 1
            else:
                self.lost.append(f"{number}: {answer.status} {document}")
        wire.close()


def _is_told_to_come_back(answer: http.client.HTTPResponse, document: Any) -> bool:
    told = "is being replaced" in str(document.get("detail"))
    return answer.status == 503 and answer.headers["Retry-After"] == "5" and told


def write_writer(operator: Operator, **keys: object) -> None:
    """Write a stack.yaml with a service that must be alone, `web`."""
    shutil.copytree(WRITER, operator.folder / "writer", dirs_exist_ok=True)
    operator.write_services(
        {
            "web": {
                "build": {"context": "writer", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
                "port": 8000,
                "strategy": "recreate",
                "volumes": ["data:/data"],
                "routes": [{"path": "/"}],
                "health": {"interval": "20ms", "deadline": "20s"},
                **keys,
            },
        }
    )


def deploy(operator: Operator, version: str) -> Done:
    """Release a version."""
    return operator.run("deploy", "web", "--version", version, "--output", "json")


def log_of(operator: Operator) -> list[str]:
    """Return what all versions have noted."""
    (name,) = (name for name in operator.containers() if "-web-" in name)
    text = DockerEngine(operator.engine).execute(name, ("cat", "/data/log")).text
    return text.splitlines()


def deploy_beside(users: Users, operator: Operator, version: str) -> Done:
    """Release a version while users write, before it and after it too."""
    with users.coming():
        wait_until(lambda: len(users.written) > 20 or None)
        done = deploy(operator, version)
        seen = len(users.written)
        wait_until(lambda: len(users.written) > seen + 20 or None)
    return done


def test_a_single_writer_is_replaced_while_users_write(operator: Operator) -> None:
    """Never are there two, none of the requests is lost, and who is told to come back is counted."""
    write_writer(operator)
    operator.up()
    users = Users(operator)
    done = deploy_beside(users, operator, "v2")

    assert (done.code, users.lost) == (0, []), done.stderr
    witness, evidence = done.document["witness"], operator.evidence(done)
    assert witness["lost"] == 0
    assert witness["turned_away"] > 0
    assert set(witness["versions"]) == {"v1", "v2"}
    assert witness["longest_gap_ms"] >= done.document["seconds"]["gap"] * 500
    assert users.turned_away > 0
    assert done.document["closed"] is True
    assert 0 < done.document["seconds"]["gap"] < 15
    assert f"{witness['turned_away']} told to come back" in evidence["verdict"]["text"]
    assert evidence["verdict"]["lossless"] is True
    assert operator.run("evidence", "verify").code == 0
    assert log_of(operator) == ["v1 began", "v1 ended", "v2 began"]
    assert sorted(operator.get("/numbers")[1]["numbers"]) == sorted(users.written)


def test_a_load_test_tells_who_was_told_to_come_back(operator: Operator) -> None:
    """None of them has failed, and a script that knows them keeps its thresholds."""
    write_writer(operator)
    operator.up()
    (operator.folder / "k6").mkdir()
    (operator.folder / "k6" / "test.js").write_text(SCRIPT)
    done = operator.run(*("bench", "--during-deploy", "web", "--version", "v2", "--output", "json"))
    assert done.code == 0, done.stderr
    figures, release = done.document["figures"], done.document["release"]
    traffic = json.loads((operator.folder / release["evidence"] / "evidence.json").read_text())
    assert figures["failed"] == 0
    assert 0 < figures["turned_away"] == traffic["traffic"]["turned_away"]
    assert release["parts"]["during"]["turned_away"] == figures["turned_away"]
    assert [each["ok"] for each in done.document["thresholds"]] == [True, True]


def test_a_version_that_is_no_good_gives_the_old_one_back(operator: Operator) -> None:
    """With its data, and closed for as long as that takes."""
    write_writer(operator, health={"interval": "20ms", "deadline": "3s"})
    operator.up()
    users = Users(operator)
    done = deploy_beside(users, operator, "sick")

    assert (done.code, done.document["outcome"], users.lost) == (1, "reverted", []), done.stderr
    assert done.document["witness"]["lost"] == 0
    assert done.document["seconds"]["gap"] > 3
    log = log_of(operator)
    assert not [line for line in log if line.endswith("is not alone")]
    assert log[-1] == "v1 began"
    assert sorted(operator.get("/numbers")[1]["numbers"]) == sorted(users.written)


def test_a_release_that_dies_while_it_is_closed_is_put_right(operator: Operator) -> None:
    """By the next command; until then users are told to come back, and status says so."""
    write_writer(operator, health={"interval": "20ms", "deadline": "60s"})
    operator.up()
    with operator.running("deploy", "web", "--version", "sick") as process:
        wait_until(lambda: any("-web-green-" in name for name in operator.containers()) or None)
        process.kill()
        process.wait()
    status, document = operator.get()
    assert status == 503
    assert "is being replaced" in document["detail"]
    assert operator.status()["services"][0]["closed"] is True

    operator.up()
    assert operator.serving() == "v1"
    assert operator.status()["services"][0]["closed"] is False
    log = log_of(operator)
    assert not [line for line in log if line.endswith("is not alone")]
