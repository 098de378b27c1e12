"""The description of the API: schemathesis finds nothing that the service does otherwise."""

import subprocess
import sys
from pathlib import Path

import httpx
from assets_processes import AssetsService


def test_the_service_does_what_it_describes(shared_service: AssetsService, tmp_path: Path) -> None:
    """Made-up requests, good and bad, meet no failure and no answer that is not described."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"http://127.0.0.1:{shared_service.port}/openapi.json",
            f"--header=Authorization: Bearer {shared_service.issuer.token('0' * 32)}",
            "--checks=all",
            "--max-examples=30",
            "--generation-deterministic",
            "--suppress-health-check=all",
            "--request-timeout=10",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_failure_is_described_as_a_problem(client: httpx.Client) -> None:
    """Each answer of 4xx and 5xx in the description is a problem document."""
    described = client.get("/openapi.json").json()
    failures = [
        answer
        for operations in described["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
    ]
    assert len(failures) > 20
    assert all(set(answer["content"]) == {"application/problem+json"} for answer in failures)
