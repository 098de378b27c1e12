"""A compose file, `stackctl init`, `stackctl up`: users are served, and a release loses nobody."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.e2e.operator import APP

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

COMPOSE = """\
name: {name}
services:
  app:
    build: &image
      context: ./app
      args: {{ IMAGE_PREFIX: "${{IMAGE_PREFIX:-}}" }}
    ports: ["127.0.0.1:{public}:8000"]
    environment:
      GREETING: hello
    read_only: true
    healthcheck:
      test: [CMD, curl, --fail, "http://localhost:8000/health"]
      interval: 30s
      timeout: 2s
    stop_grace_period: 3s
    restart: unless-stopped
  worker:
    build: *image
    command: python -c "import signal; signal.pause()"
    healthcheck:
      test: test -r /proc/1/stat
  beat:
    build: *image
    command: [python, -c, "import signal; signal.pause()"]
"""


def list_versions(operator: Operator) -> dict[str, str]:
    """Return the active version of each service."""
    services = operator.status()["services"]
    return {service["name"]: service["active"]["version"] for service in services}


def test_a_compose_project_is_served_and_released(operator: Operator) -> None:
    """What `init` writes comes up as it is, but for the admin port, which another stack may have here."""
    shutil.copytree(APP, operator.folder / "app")
    text = COMPOSE.format(name=operator.name, public=operator.public)
    (operator.folder / "compose.yaml").write_text(text)
    made = operator.run("init")
    assert made.code == 0, made.stderr
    assert "left out" not in made.stdout
    file = operator.folder / "stack.yaml"
    listen = f"  listen: 127.0.0.1:{operator.public}\n"
    written = file.read_text()
    assert listen in written
    file.write_text(written.replace(listen, f"{listen}  admin: 127.0.0.1:{operator.admin}\n"))

    operator.up()
    assert operator.serving() == "v1"
    assert list_versions(operator) == {"app": "v1", "worker": "v1", "beat": "v1"}
    released = operator.deploy("v2")
    assert released.code == 0, released.stderr
    assert operator.serving() == "v2"
    assert operator.evidence(released)["witness"]["lost"] == 0
    assert list_versions(operator) == {"app": "v2", "worker": "v2", "beat": "v2"}
