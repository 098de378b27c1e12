"""The OpenAPI document, held against the service by somebody who tries everything."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
from notes_processes import NotesService

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
]


def test_the_service_is_as_its_document_says(empty_service: NotesService, tmp_path: Path) -> None:
    """Whatever a signed-in user sends, the answer is one that the document describes."""
    done = subprocess.run(
        [
            *[sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"],
            *["run", f"http://{empty_service.address}/openapi.json"],
            *["--checks", ",".join(CHECKS), "--max-examples", "20", "--seed", "1"],
            *["--phases", "examples,coverage,fuzzing", "--max-failures", "5", "--no-color"],
            *["--exclude-path", "/notes/events"],  # it answers without end
            *["--header", f"Authorization: Bearer {empty_service.issuer.token()}"],
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test cases:" in done.stdout


def test_the_document_names_what_needs_a_token(visitor: httpx.Client) -> None:
    """Writes are marked as needing a token, and reads are not."""
    paths = visitor.get("/openapi.json").json()["paths"]
    secured = {
        f"{method} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    }
    assert secured == {"post /notes/", "put /notes/{note_id}", "delete /notes/{note_id}"}
