"""What a CI system reads between the lines of a log: groups to fold, and annotations."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.announce.quoting import break_commands, say
from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRUE = ("true", "1")


class Markers(Protocol):
    """The lines that one CI system understands; empty where it has none for something."""

    def begin(self, title: str) -> str:
        """Return what opens a group."""

    def end(self) -> str:
        """Return what closes it."""

    def annotate(self, level: str, title: str, text: str) -> str:
        """Return an annotation; `level` is error or warning."""


def choose_markers(environment: Mapping[str, str]) -> Markers:
    """Return the markers of the CI system that the environment tells of."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return GitHubMarkers()
    if environment.get("GITLAB_CI") == "true":
        return GitLabMarkers()
    return NoMarkers()


def in_ci(environment: Mapping[str, str]) -> bool:
    """Return whether a CI system runs this: it keeps all that is printed, redrawn lines too."""
    names = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD")
    return any(environment.get(name, "").lower() in TRUE for name in names) or bool(
        environment.get("TEAMCITY_VERSION")
    )


@contextmanager
def grouped(environment: Mapping[str, str], title: str) -> Iterator[None]:
    """Let a CI system fold what is written to stderr meanwhile."""
    markers = choose_markers(environment)
    _write(markers.begin(title))
    try:
        yield
    finally:
        _write(markers.end())


def annotate(environment: Mapping[str, str], text: str) -> None:
    """Put an error on the page of a CI system's run; where there is none, say nothing."""
    _write(choose_markers(environment).annotate("error", "stackctl", text))


def _write(line: str) -> None:
    if not line:
        return
    try:
        say(sys.stderr, line)
    except OSError:
        return  # nobody reads it any more


class NoMarkers:
    """A terminal, or a CI system without markers."""

    def begin(self, title: str) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def end(self) -> str:
        """Nothing."""
        return ""

    def annotate(self, level: str, title: str, text: str) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


class GitHubMarkers:
    """Workflow commands, see 'Workflow commands for GitHub Actions' in GitHub's documentation."""

    def begin(self, title: str) -> str:
        """Open a group."""
        return f"::group::{_escape(title)}"

    def end(self) -> str:
        """Close the group."""
        return "::endgroup::"

    def annotate(self, level: str, title: str, text: str) -> str:
        """Put a line on the run's page."""
        named = _escape(title).replace(":", "%3A").replace(",", "%2C")
        return f"::{level} title={named}::{_escape(text)}"


@dataclass
class GitLabMarkers:
    """Collapsible sections, see 'Custom collapsible sections' in GitLab's documentation."""

    _open: list[str] = field(default_factory=list)

    def begin(self, title: str) -> str:
        """Open a section."""
        import secrets  # late: it loads all of OpenSSL

        name = f"stackctl_{secrets.token_hex(4)}"
        self._open.append(name)
        return f"\x1b[0Ksection_start:{int(time.time())}:{name}\r\x1b[0K{show_controls(title)}"

    def end(self) -> str:
        """Close the section that was opened last."""
        if not self._open:
            return ""
        return f"\x1b[0Ksection_end:{int(time.time())}:{self._open.pop()}\r\x1b[0K"

    def annotate(self, level: str, title: str, text: str) -> str:  # noqa: ARG002
        """Nothing: GitLab shows what JUnit reports say."""
        return ""


def _escape(text: str) -> str:
    line = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return break_commands(line)
