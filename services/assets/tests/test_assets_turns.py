"""Turns and pace: who sends slowly, or never to an end, keeps nobody else from sending."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from assets.pace import CROWDED, Pace, TooSlowError
from assets.reception import Limits, form_of, receive
from assets.storage import Folder, PartFile, Reserve
from assets.turns import (
    MAX_UPLOADS,
    MAX_UPLOADS_OF_ADDRESS,
    MAX_UPLOADS_OF_ONE,
    TURN_SECONDS,
    Client,
    TooManyError,
    Turn,
    Turns,
    next_turn,
)
from assets_forms import FORM_TYPE, form
from assets_loop import run_jumping
from starlette.requests import Request

SPEED = 1000
PATIENCE = 30.0
LONGEST = 3600.0
BODY = form(b"x" * 200_000)


def clock() -> float:
    """Tell the loop's time."""
    return asyncio.get_running_loop().time()


def client(user: int, address: str = "198.51.100.1") -> Client:
    """Name a client."""
    return Client(UUID(int=user), address)


async def drip(size: int, every: float) -> AsyncIterator[bytes]:
    """Send a form, so many bytes at a time, with pauses."""
    for start in range(0, len(BODY), size):
        await asyncio.sleep(every)
        yield BODY[start : start + size]


async def upload(folder: Path, body: AsyncIterator[bytes], longest: float = LONGEST) -> str:
    """Take a form that comes so."""

    async def next_message() -> dict[str, Any]:
        chunk = await anext(body, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    headers = [(b"content-type", FORM_TYPE["Content-Type"].encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, next_message)
    limits = Limits(10_000_000, "no more", longest)
    with PartFile(Folder(folder, Reserve(0, 0))) as part:
        return await receive(request, form_of(request), part, Pace(SPEED, PATIENCE), limits)


@pytest.mark.parametrize(("size", "every"), [(1, 10.0), (1, 0.5), (100, 1.0), (9000, 40.0)])
def test_who_sends_too_slowly_is_cut_off(tmp_path: Path, size: int, every: float) -> None:
    """A byte now and then, or any speed below the least one, buys little more than the patience."""

    async def story() -> float:
        with pytest.raises(TooSlowError):
            await upload(tmp_path, drip(size, every))
        return clock()

    assert PATIENCE <= run_jumping(story()) < 1.2 * PATIENCE


async def stalled(turns: Turns, whose: Client, ended: list[float]) -> None:
    """Hold a turn, and send nothing, until cut off."""
    pace = Pace(SPEED, PATIENCE)
    with pytest.raises((TooSlowError, TooManyError)):
        async with turns.of(whose, pace), pace.waited_for():
            await asyncio.Event().wait()
    ended.append(clock())


async def honest(turns: Turns, whose: Client) -> float:
    """Wait for a turn, and tell how long that took."""
    began = clock()
    async with turns.of(whose, Pace(SPEED, PATIENCE)):
        return clock() - began


def crowd_and(then: Callable[[Turns], Any], clients: list[Client]) -> Any:
    """Have many stalled uploads, then somebody more."""

    async def story() -> Any:
        turns = Turns()
        ended: list[float] = []
        async with asyncio.TaskGroup() as group:
            for one in clients:
                group.create_task(stalled(turns, one, ended))
            await asyncio.sleep(0)
            return await then(turns)

    return run_jumping(story())


def test_stalled_uploads_of_many_accounts_stop_nobody() -> None:
    """Eight accounts of one address with eight stalled uploads each: another gets a turn at once."""
    crowd = [client(user) for user in range(8) for _ in range(8)]
    assert crowd_and(lambda turns: honest(turns, client(99, "203.0.113.7")), crowd) == 0


def test_stalled_uploads_of_the_same_address_give_way() -> None:
    """Where all come from one address, a new user waits for a part of the patience only."""
    crowd = [client(user) for user in range(8) for _ in range(8)]
    waited = crowd_and(lambda turns: honest(turns, client(99)), crowd)
    assert waited <= PATIENCE * CROWDED + 1 < TURN_SECONDS


def test_stalled_uploads_of_many_addresses_give_way() -> None:
    """Where every turn is taken by somebody else, a new user's turn comes all the same."""
    crowd = [client(user, f"198.51.100.{user}") for user in range(64) for _ in range(8)]
    waited = crowd_and(lambda turns: honest(turns, client(99, "203.0.113.7")), crowd)
    assert waited <= 2 * PATIENCE * CROWDED + 1 < TURN_SECONDS


def test_nobody_is_hurried_for_whom_a_turn_would_be_none() -> None:
    """A user with all turns of one user waits for no other user's."""

    async def story() -> list[float]:
        turns, ended, others = Turns(), [], []
        async with asyncio.TaskGroup() as group:
            group.create_task(stalled(turns, client(2), others))
            for _ in range(MAX_UPLOADS_OF_ONE + 1):
                group.create_task(stalled(turns, client(1), ended))
        return [min(ended), *others]

    assert run_jumping(story()) == pytest.approx([PATIENCE * CROWDED, PATIENCE])


def test_a_turn_that_does_not_come_is_refused() -> None:
    """Who waits too long is told to come again, and holds nothing."""

    async def story() -> int:
        turns = Turns()
        async with AsyncExitStack() as held:
            for _ in range(MAX_UPLOADS_OF_ONE):
                await held.enter_async_context(turns.of(client(1), Pace(SPEED, PATIENCE)))
            with pytest.raises(TooManyError) as refused:
                await honest(turns, client(1))
            assert clock() == pytest.approx(TURN_SECONDS)
            assert await honest(turns, client(2)) == 0
        assert await honest(turns, client(1)) == 0
        return refused.value.status

    assert run_jumping(story()) == 503


def test_the_steady_are_served_to_their_end(tmp_path: Path) -> None:
    """At the least speed an upload of any length goes on, until it has taken the longest time."""

    async def story() -> float:
        with pytest.raises(TooSlowError):
            await upload(tmp_path, drip(SPEED, 1.0), longest=100.0)
        return clock()

    assert run_jumping(story()) == pytest.approx(100.0)


def test_the_least_of_those_who_wait_are_next() -> None:
    """Who has the fewest turns is next, then whose address has, then who came first."""

    def turn(user: int, address: str) -> Turn:
        return Turn(client(user, address), Pace(SPEED, PATIENCE))

    held = [turn(1, "a"), turn(1, "a"), turn(2, "b")]
    for_itself, at_busy, at_idle = turn(1, "a"), turn(3, "a"), turn(4, "c")
    waiting = [for_itself, at_busy, turn(2, "b"), at_idle, turn(5, "c")]
    assert next_turn(waiting, held, {}) is at_idle
    assert next_turn(waiting, held, {UUID(int=4): 1}) is waiting[-1]
    assert next_turn(waiting[:2], held, {}) is at_busy
    assert next_turn([for_itself], held, {UUID(int=1): 9}) is for_itself


@pytest.mark.parametrize(
    ("held", "waits", "served"),
    [
        ([(n, f"a{n}") for n in range(MAX_UPLOADS)], (99, "b"), False),
        ([(n, f"a{n}") for n in range(MAX_UPLOADS - 1)], (99, "b"), True),
        ([(n, "a") for n in range(MAX_UPLOADS_OF_ADDRESS)], (99, "a"), False),
        ([(n, "a") for n in range(MAX_UPLOADS_OF_ADDRESS)], (99, "b"), True),
        ([(1, f"a{n}") for n in range(MAX_UPLOADS_OF_ONE)], (1, "b"), False),
        ([(1, f"a{n}") for n in range(MAX_UPLOADS_OF_ONE)], (2, "a1"), True),
    ],
)
def test_turns_have_three_bounds(
    held: list[tuple[int, str]], waits: tuple[int, str], *, served: bool
) -> None:
    """One of all, one of an address, one of a user."""
    taken = [Turn(client(*one), Pace(SPEED, PATIENCE)) for one in held]
    waiting = Turn(client(*waits), Pace(SPEED, PATIENCE))
    assert (next_turn([waiting], taken, {}) is waiting) is served
