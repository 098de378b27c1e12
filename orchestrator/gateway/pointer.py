"""The link that decides who gets a service's traffic, and how it is moved: by one rename.

What was decided is on disk before the link names it, and the link is on disk before anybody relies
on it: a machine that loses power finds the old lane or the new one, whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, GatewayError
from orchestrator.gateway.files import FOLDER

if TYPE_CHECKING:
    from orchestrator.engine.ports import Conversation, Inside
    from orchestrator.gateway.lane import Lane

# Reads lines of words and does what the first one says; what is in the others is data to it.
#   current FOLDER                NGINX starts with another config from now on
#   drop SERVICE                  nobody decides: the service answers 503
#   move SERVICE NAME GREEN LANE  another lane decides; GREEN percent of the clients get green
#   close SERVICE NAME GREEN LANE the same, and nobody gets in
#   pause SERVICE NAME GREEN LANE the same, and users are told to come back
#   admit TOKEN                   no limit counts a witness that has this token
# Answers each line with one: `done`, or what went wrong. The `sync` of some images knows no -f.
SHELL = r"""
set -f
cd "$0" && mkdir -p live moves shares || exit 1
settle() { sync -f "$1" 2>/dev/null || sync; }
named() { case "$1" in "" | . | .. | */*) echo "no name: $1" && false ;; esac; }
turn() {
    for old in "$1" "$1.next"; do
        if [ -d "$old" ] && [ ! -L "$old" ]; then rm -rf "$old"; fi
    done
    ln -sfn -- "$2" "$1.next" && mv -T "$1.next" "$1" && settle .
}
share() {
    [ -d "shares/$1" ] && return
    rm -rf "shares/.$1" && mkdir "shares/.$1" || return
    bucket=0
    while [ "$bucket" -lt "$1" ]; do
        : >"shares/.$1/$bucket" || return
        bucket=$((bucket + 1))
    done
    mv -T "shares/.$1" "shares/$1"
}
drop() { named "$1" && rm -rf "live/$1" "moves/$1" && settle .; }
mark() {
    case "$2$3" in
    close*) : >"$1/closed" ;;
    pause*) : >"$1/paused" ;;
    move0) : >"$1/blue" ;;
    move100) : >"$1/green" ;;
    esac
}
move() {
    named "$1" && named "$2" && [ "$3" -ge 0 ] && [ "$3" -le 100 ] && [ -n "$4" ] || return
    [ "$(readlink "live/$1")" = "../moves/$1/$2" ] && [ -s "live/$1/lane.json" ] && return
    at=moves/$1/$2
    share "$3" && rm -rf "$at" && mkdir -p "$at" && mark "$at" "$5" "$3" &&
        printf '%s\n' "$4" >"$at/lane.json" && ln -s "../../../shares/$3" "$at/share" && settle "$at/lane.json" && turn "live/$1" "../$at"
}
admit() { named "$1" && mkdir -p witnesses && : >"witnesses/$1"; }
while read -r what first name green lane; do
    case "$what" in
    admit) said=$(admit "$first" 2>&1) ;;
    current) said=$(turn current "$first" 2>&1) ;;
    drop) said=$(drop "$first" 2>&1) ;;
    move | close | pause) said=$(move "$first" "$name" "$green" "$lane" "$what" 2>&1) ;;
    *) said="what is $what?" && false ;;
    esac && echo done || { printf '%s ' failed: $said && echo; }
done
"""


class Pointer:
    """The process inside the gateway's container that moves its links.

    It is started once, so that no switch waits for the start of a process.
    """

    def __init__(self, engine: Inside, container: str) -> None:
        self._engine = engine
        self._container = container
        self._shell: Conversation | None = None

    def prepare(self) -> None:
        """Start the process, unless it runs."""
        if self._shell is None:
            argv = ("sh", "-c", SHELL, FOLDER)
            self._shell = self._engine.converse(self._container, argv, user="0")

    def close(self) -> None:
        """End the process."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def turn(self, folder: str) -> None:
        """Make the config of a folder the one that NGINX starts with.

        Raises GatewayError, EngineError.
        """
        self._do(f"current {folder}")

    def move(self, service: str, name: str, lane: Lane) -> None:
        """Let a lane decide from now on. Raises GatewayError, EngineError.

        `name` is of this move alone: whoever asks for the same move again changes nothing.
        """
        what = "close" if lane.closed else "pause" if lane.paused else "move"
        self._do(f"{what} {service} {name} {lane.green} {lane.to_json()}")

    def drop(self, service: str) -> None:
        """Take a service's link away. Raises GatewayError, EngineError."""
        self._do(f"drop {service}")

    def admit(self, token: str) -> None:
        """Have no limit count a witness that has this token. Raises GatewayError, EngineError."""
        self._do(f"admit {token}")

    def _do(self, line: str) -> None:
        try:
            answer = self._ask(line)
        except EngineError:  # it went with a gateway that restarted; the same again is no harm
            answer = self._ask(line)
        if answer.strip() != "done":
            self.close()
            raise GatewayError(f"a link of the gateway could not be moved: {answer.strip()}")

    def _ask(self, line: str) -> str:
        self.prepare()
        try:
            return self._shell.ask(line) if self._shell else ""
        except EngineError:
            self.close()
            raise
