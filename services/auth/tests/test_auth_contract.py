"""What `/openapi.json` promises, tried out by a machine."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from auth_database import AuthDatabase
from auth_processes import AuthService, assert_problem, log_in, register

# The description has no words for what cannot be seen, so some of what it allows is refused.
LEFT_OUT = "positive_data_acceptance"

EXAMPLE = "correct horse battery"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_service_does_what_it_says(
    database: AuthDatabase, tmp_path: Path, version: str
) -> None:
    """Generated requests, good and bad, get no answer that the description does not have."""
    with (
        AuthService(database, tmp_path / "auth.log", version) as service,
        service.client() as client,
    ):
        # The account of the description's own example, so that logging in to it works.
        email = register(client, email="ann@example.org", password=EXAMPLE)["email"]
        token = log_in(client, email, EXAMPLE).json()["access_token"]
        done = subprocess.run(
            [
                Path(sys.executable).with_name("st"),
                "run",
                f"http://127.0.0.1:{service.port}/openapi.json",
                "--checks=all",
                f"--exclude-checks={LEFT_OUT}",
                f"--header=Authorization: Bearer {token}",
                "--phases=examples,coverage,fuzzing",
                "--max-examples=30",
                "--seed=1",
                "--suppress-health-check=all",
                "--generation-database=none",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert client.get("/health").status_code == 200
        assert not service.logged(level="error")


def test_every_error_is_described_as_it_is(client: httpx.Client) -> None:
    """All errors are problem documents in the description too, and every route may fail."""
    described = client.get("/openapi.json").json()
    for path, operations in described["paths"].items():
        for operation in operations.values():
            errors = {
                status: list(answer["content"])
                for status, answer in operation["responses"].items()
                if status >= "400"
            }
            assert ("500" in errors) is (path != "/livez")
            assert all(kinds == ["application/problem+json"] for kinds in errors.values())
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_the_pages_about_it_are_off(client: httpx.Client) -> None:
    """There is the description, and no page that shows it."""
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert_problem(client.get(path), 404)
