"""Turns: how many uploads are served at once, of everybody together, of one address, of one user."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from assets.pace import Pace
from assets.problems import RETRY, Refusal

# Uploads served at once, which bounds the memory of them all; others wait for their turn.
MAX_UPLOADS = 32
# Accounts are free to be had, and addresses less so.
MAX_UPLOADS_OF_ADDRESS = 16
MAX_UPLOADS_OF_ONE = 8
TURN_SECONDS = 30.0


class TooManyError(Refusal):
    """More uploads at once than are served, for too long."""

    status = 503
    headers = RETRY


class Client(NamedTuple):
    """Who sends: a user, from an address."""

    user: UUID
    address: str


class Turn:
    """One upload that waits for its turn, or has it."""

    def __init__(self, client: Client, pace: Pace) -> None:
        """Say whose it is, and what hurries it while others wait."""
        self.client = client
        self.pace = pace
        self.came = asyncio.Event()


class Shares:
    """Counts who has how many turns."""

    def __init__(self, clients: Sequence[Client]) -> None:
        """Count these."""
        self._all = len(clients)
        self._users = Counter(client.user for client in clients)
        self._addresses = Counter(client.address for client in clients)

    def has_room(self, client: Client, without: Client | None = None) -> bool:
        """Tell whether a client may have a turn: now, or if another one gave its turn up."""
        given_up = [] if without is None else [without]
        same_user = sum(one.user == client.user for one in given_up)
        same_address = sum(one.address == client.address for one in given_up)
        return (
            self._all - len(given_up) < MAX_UPLOADS
            and self._users[client.user] - same_user < MAX_UPLOADS_OF_ONE
            and self._addresses[client.address] - same_address < MAX_UPLOADS_OF_ADDRESS
        )

    def of(self, client: Client) -> tuple[int, int]:
        """Tell how much a client has: the less, the sooner it is served."""
        return self._users[client.user], self._addresses[client.address]


class Turns:
    """Gives out turns; who gets none waits.

    Of those who wait, the user with the fewest turns is next, then the address with the fewest, then
    the user who has had the fewest: so who comes with many uploads stands in his own way.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._held: list[Turn] = []
        self._waiting: list[Turn] = []
        # Turns that users have had, for as long as they have or want one.
        self._had: Counter[UUID] = Counter()

    @asynccontextmanager
    async def of(self, client: Client, pace: Pace) -> AsyncIterator[None]:
        """Wait for a turn of a client's, and hold it. Raise `TooManyError` if none comes in 30 s."""
        turn = Turn(client, pace)
        self._waiting.append(turn)
        try:
            self._hand_out()
            await self._come(turn)
            yield
        finally:
            for turns in (self._waiting, self._held):
                if turn in turns:
                    turns.remove(turn)
            if all(other.client.user != client.user for other in self._held + self._waiting):
                del self._had[client.user]
            self._hand_out()

    async def _come(self, turn: Turn) -> None:
        patience = asyncio.timeout(TURN_SECONDS)
        try:
            async with patience:
                await turn.came.wait()
        except TimeoutError:
            if not patience.expired():
                raise
            raise TooManyError("too many uploads at once") from None

    def _hand_out(self) -> None:
        """Give what turns there are to those who wait, and hurry those whom others wait for."""
        while (turn := next_turn(self._waiting, self._held, self._had)) is not None:
            self._waiting.remove(turn)
            self._had[turn.client.user] += 1
            self._held.append(turn)
            turn.came.set()
        shares = Shares([turn.client for turn in self._held])
        wanted = {turn.client for turn in self._waiting}
        for turn in self._held:
            crowded = any(shares.has_room(client, without=turn.client) for client in wanted)
            turn.pace.hurry(crowded=crowded)


def next_turn(
    waiting: Sequence[Turn], held: Sequence[Turn], had: Mapping[UUID, int]
) -> Turn | None:
    """Choose who is next, in the order of arrival among equals. None: there is room for nobody."""
    shares = Shares([turn.client for turn in held])
    admitted = [turn for turn in waiting if shares.has_room(turn.client)]
    return min(
        admitted,
        key=lambda turn: (*shares.of(turn.client), had.get(turn.client.user, 0)),
        default=None,
    )
