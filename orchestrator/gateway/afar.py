"""The gateway as it is asked from another machine than the engine's: from inside of its container.

Its admin address is on the loopback of the engine's host, which only that host reaches. The engine's
connection leads into the container: a shell there takes questions line by line, and each goes to NGINX
over a connection of its own, as the ones that the host asks do. Starting a command in a container takes
the engine some 60 ms, and a question to one that runs only the way there and back.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import threading
from typing import TYPE_CHECKING

from orchestrator.asking import FRAMING, LARGEST, Answer, Unanswered, ask_over
from orchestrator.errors import EngineError, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.asking import Ask
    from orchestrator.engine.ports import Conversation, Inside

WAY = 20.0  # seconds that the way to the engine and back may take beside the answer itself
REFUSED, LATE, UNABLE = b"!refused", b"!late", b"!unable"  # what stands where an answer would

# `reach PORT COMMAND` runs a command whose input and output are a connection to NGINX, within `$limit`.
# Images of Debian have bash, those of Alpine the `nc` of BusyBox.
REACH = """
if command -v bash >/dev/null; then
    reach() {
        $limit bash -c 'exec 5<>"/dev/tcp/127.0.0.1/$0" || exit 1; exec sh -c "$1" <&5 >&5 5>&-' "$1" "$2"
    }
elif nc --help 2>&1 | grep -q -e '-e PROG'; then
    reach() { $limit nc 127.0.0.1 "$1" -e sh -c "$2"; }
else
    reach() { return 3; }
fi
"""
# A question is a line: the port, seconds, the most bytes of the answer, the request. Answers are lines.
# An answer goes to a file: the `timeout` of BusyBox holds a pipe open for up to a second more.
ASK = f"""
{REACH}
exec 2>/dev/null
answer=/tmp/stackctl.$$
trap 'rm -f "$answer"' EXIT
send='printf %s "$question" | base64 -d; exec cat >&4'
while read -r port seconds most question; do
    export question
    limit="timeout $seconds"
    reach "$port" "$send" </dev/null 4>"$answer"
    case $? in
        0) ;;
        1) printf %s '{REFUSED.decode()}' >"$answer" ;;
        3) printf %s '{UNABLE.decode()}' >"$answer" ;;
        *) printf %s '{LATE.decode()}' >"$answer" ;;
    esac
    head -c "$most" "$answer" | base64 | tr -d '\\n'
    echo
done
"""


def ask_inside(engine: Inside, container: str) -> Ask:
    """Return who asks a port of a container from inside of it."""
    return Relay(engine, container).ask


class Relay:
    """Asks over the engine's connection. It may be used by many threads at once."""

    def __init__(self, engine: Inside, container: str) -> None:
        self._engine = engine
        self._container = container
        self._idle: list[Conversation] = []
        self._lock = threading.Lock()

    def ask(
        self,
        where: tuple[str, int],
        path: str,
        timeout: float,
        *,
        method: str = "GET",
        headers: Mapping[str, str] = {},
        body: bytes = b"",
        largest: int = LARGEST,
    ) -> Answer:
        """Ask a port of the gateway's container.

        Raises Unanswered, and GatewayError where nothing in there can ask.
        `timeout` is in seconds, of which NGINX gets whole ones; the way there takes its own time.
        """
        _, port = where
        seconds, most = math.ceil(timeout), largest + FRAMING

        def exchange(request: bytes) -> bytes:
            question = base64.b64encode(request).decode()
            return self._exchange(f"{port} {seconds} {most} {question}", seconds + WAY)

        letter = _Letter(exchange)
        return ask_over(
            letter, where, path, method=method, headers=headers, body=body, largest=largest
        )

    def _exchange(self, line: str, within: float) -> bytes:
        try:
            answer = base64.b64decode(self._converse(line, within), validate=True)
        except EngineError as error:
            raise Unanswered("ConnectError") from error
        except binascii.Error as error:
            raise Unanswered("RemoteProtocolError") from error
        if answer == UNABLE:
            raise GatewayError(
                "the gateway's image has neither bash nor the `nc` of BusyBox, with which it is asked from"
                " another machine",
                "the official images of NGINX have one of them; or run stackctl on the engine's machine",
            )
        if answer == REFUSED:
            raise Unanswered("ConnectError")
        if answer == LATE:
            raise Unanswered("ReadTimeout")
        return answer

    def _converse(self, line: str, within: float) -> str:
        """Ask in a conversation that is at hand; where it has ended meanwhile, in a new one."""
        while conversation := self._take():
            try:
                return self._ask(conversation, line, within)
            except EngineError:
                continue  # the container may be another one by now
        started = self._engine.converse(self._container, ("sh", "-c", ASK))
        return self._ask(started, line, within)

    def _ask(self, conversation: Conversation, line: str, within: float) -> str:
        try:
            answer = conversation.ask(line, within)
        except EngineError:
            conversation.close()
            raise
        with self._lock:
            self._idle.append(conversation)
        return answer

    def _take(self) -> Conversation | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


class _Letter:
    """As much of a socket as http.client needs: what is sent goes off once the answer is read."""

    def __init__(self, exchange: Callable[[bytes], bytes]) -> None:
        self._exchange = exchange
        self._sent = b""

    def sendall(self, data: bytes) -> None:
        """Take what is to be sent."""
        self._sent += data

    def makefile(self, _: str) -> io.BytesIO:
        """Send it, and return the whole answer."""
        return io.BytesIO(self._exchange(self._sent))

    def close(self) -> None:
        """Nothing is open."""
