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
    build:
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
    build: ./app
    command: python -m worker
"""


def test_a_compose_project_is_served_and_released(operator: Operator) -> None:
    """What `init` writes comes up as it is, but for the admin port, which another stack may have here."""
    shutil.copytree(APP, operator.folder / "app")
    text = COMPOSE.format(name=operator.name, public=operator.public)
    (operator.folder / "compose.yaml").write_text(text)
    made = operator.run("init")
    assert made.code == 0, made.stderr
    assert "services.worker" in made.stdout.partition("left out")[2]
    file = operator.folder / "stack.yaml"
    listen = f"  listen: 127.0.0.1:{operator.public}\n"
    written = file.read_text()
    assert listen in written
    file.write_text(written.replace(listen, f"{listen}  admin: 127.0.0.1:{operator.admin}\n"))

    operator.up()
    assert operator.serving() == "v1"
    released = operator.deploy("v2")
    assert released.code == 0, released.stderr
    assert operator.serving() == "v2"
    assert operator.evidence(released)["witness"]["lost"] == 0
