"""Failed logins slow down who guesses, and lock nobody out of an account.

Failures are counted by the digest of the account's e-mail, known or not, and of the client:

- A **known device** brings a cookie of an earlier login to the account. It has a count of its own, and
  no other: whatever strangers do, it is not made to wait for them.
- A **known address** has seen a login to the account within 90 days. It has a count of its own, and
  shares that of all that its address tries.
- All others are **strangers**. One has a count with each account that it tries, and shares two wider
  ones: that of its address with all accounts, which is the bound on trying one password everywhere,
  and that of the account with all strangers, which is the bound on guessing from many addresses.

A count takes so many failures in 15 min. After these each failure pauses it: 30 s, 60 s, and so on up
to 15 min. Attempts during a pause are refused unread and make it no longer. 15 min after the last
pause it is at nothing again. A login forgives the client's own failures and nobody else's. Nothing
here is asked when a token is refreshed.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from auth.database import Connection
from auth.problems import RefusedError

FREE_FAILURES = 5
FREE_FAILURES_OF_ADDRESS = 100
FREE_FAILURES_OF_ACCOUNT = 50
FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 15 * 60
FORGOTTEN_SECONDS = 15 * 60
KNOWN_DAYS = 90

# Each failure clears away more rows than it adds.
PURGED_AT_ONCE = 20

# No digest is as short, so these are nobody's.
ANY_ACCOUNT = b""
ANY_STRANGER = b"strangers"


class Client(NamedTuple):
    """Who tries to log in: digests of the address, and of the device if the account knows it."""

    address: bytes
    device: bytes | None


class Count(NamedTuple):
    """Names one count of failures, and says how many it takes."""

    account: bytes
    client: bytes
    free: int


class Attempt(NamedTuple):
    """One login to one account, and the counts that it falls under: the widest first."""

    account: bytes
    client: Client
    counts: Sequence[Count]

    @property
    def own(self) -> Count:
        """The count of this client with this account."""
        return self.counts[-1]


async def admit(connection: Connection, account: bytes, client: Client) -> Attempt:
    """Choose the counts for an attempt. Raise `RefusedError` (429) while one of them is paused."""
    address = Count(ANY_ACCOUNT, client.address, FREE_FAILURES_OF_ADDRESS)
    known = Count(account, client.address, FREE_FAILURES)
    strangers = Count(account, ANY_STRANGER, FREE_FAILURES_OF_ACCOUNT)
    # Apart from the row that makes an address a known one.
    stranger = Count(account, sha256(b"stranger" + client.address).digest(), FREE_FAILURES)
    if client.device is not None:
        device = Count(account, client.device, FREE_FAILURES)
        counts = [device]
        paused = await pauses(connection, counts)
    else:
        paused = await pauses(connection, [address, known, strangers, stranger])
        counts = [address, known] if known in paused else [address, strangers, stranger]
    refuse_while_paused(max(paused.get(count, 0) for count in counts))
    return Attempt(account, client, counts)


async def pauses(connection: Connection, counts: Sequence[Count]) -> dict[Count, int]:
    """Tell the seconds of pause that are left, of the counts that are kept."""
    cursor = await connection.execute(
        """
        SELECT account, client, ceil(extract(epoch FROM paused_until - now()))::int
        FROM login_failures JOIN unnest(%s::bytea[], %s::bytea[]) AS asked (account, client)
            USING (account, client)
        WHERE kept_until > now()
        """,
        ([count.account for count in counts], [count.client for count in counts]),
    )
    found = {(account, client): paused for account, client, paused in await cursor.fetchall()}
    return {count: found[count[:2]] for count in counts if count[:2] in found}


async def count_failure(connection: Connection, attempt: Attempt) -> None:
    """Count a failure. Raise `RefusedError` (429) if guesses sent at the same time used a count up."""
    async with connection.transaction():
        # Always in this order, or two attempts would wait for each other.
        for count in attempt.counts:
            await count_one(connection, count)
    await purge(connection)


async def count_one(connection: Connection, count: Count) -> None:
    """Add a failure to a count, in a transaction."""
    cursor = await connection.execute(
        """
        INSERT INTO login_failures AS kept (account, client, failures) VALUES (%s, %s, 1)
        ON CONFLICT (account, client) DO UPDATE SET
            failures = CASE WHEN kept.forgotten_at > now() THEN kept.failures + 1 ELSE 1 END
        RETURNING failures, ceil(extract(epoch FROM paused_until - now()))::int
        """,
        count[:2],
    )
    [(failures, paused)] = await cursor.fetchall()
    refuse_while_paused(paused)  # and leave the counts as they were
    pause = pause_after(failures, count.free)
    if failures > 1 and not pause:
        return  # the 15 min of a count go by whether or not there are more failures
    await connection.execute(
        """
        UPDATE login_failures SET
            paused_until = now() + make_interval(secs => %s),
            forgotten_at = now() + make_interval(secs => %s),
            kept_until = greatest(kept_until, now() + make_interval(secs => %s))
        WHERE account = %s AND client = %s
        """,
        (pause, pause + FORGOTTEN_SECONDS, pause + FORGOTTEN_SECONDS, *count[:2]),
    )


async def forgive(connection: Connection, attempt: Attempt) -> None:
    """Note a login, in a transaction: its failures are forgotten, and its address is known.

    Raise `RefusedError` (429) if guesses sent at the same time have used a count up: of many at
    once no more than a few are told whether they are right.
    """
    for count in attempt.counts:
        cursor = await connection.execute(
            """
            SELECT ceil(extract(epoch FROM paused_until - now()))::int FROM login_failures
            WHERE account = %s AND client = %s FOR UPDATE
            """,
            count[:2],
        )
        for [paused] in await cursor.fetchall():
            refuse_while_paused(paused)
    own = attempt.own
    await connection.execute(
        "UPDATE login_failures SET failures = 0, forgotten_at = now() "
        "WHERE account = %s AND client = %s",
        own[:2],
    )
    await connection.execute(
        """
        INSERT INTO login_failures AS kept (account, client, kept_until)
        VALUES (%s, %s, now() + make_interval(days => %s))
        ON CONFLICT (account, client) DO UPDATE SET kept_until = excluded.kept_until
        """,
        (attempt.account, attempt.client.address, KNOWN_DAYS),
    )


async def purge(connection: Connection) -> None:
    """Remove some rows that say nothing any more; skip those that others hold."""
    await connection.execute(
        """
        DELETE FROM login_failures WHERE (account, client) IN (
            SELECT account, client FROM login_failures WHERE kept_until < now()
            ORDER BY kept_until LIMIT %s FOR UPDATE SKIP LOCKED
        )
        """,
        (PURGED_AT_ONCE,),
    )


def pause_after(failures: int, free: int = FREE_FAILURES) -> int:
    """Return the seconds of pause that follow this many failures."""
    if failures < free:
        return 0
    # Doubled no more often than it takes to reach the longest: numbers have ends too.
    doublings = min(failures - free, 10)
    return min(FIRST_PAUSE_SECONDS << doublings, LONGEST_PAUSE_SECONDS)


def refuse_while_paused(seconds: int) -> None:
    """Raise `RefusedError` (429) with the time to wait, if there is any."""
    if seconds > 0:
        detail = "too many failed logins"
        raise RefusedError(429, detail, {"Retry-After": str(seconds)})
