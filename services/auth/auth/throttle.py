"""Failed logins slow an account down, for those who guess and not for its owner.

Failures are counted per account, known or not, by the digest of its e-mail. A client that has
logged in to the account within 90 days has a count of its own; all others share one. So strangers
who fail on purpose shut each other out, never the owner at a usual place, and never a session
that is open: nothing here is asked when a token is refreshed.

After `FREE_FAILURES` each failure pauses its count: 30 s, 60 s, and so on up to 15 min. Attempts
during a pause are refused unread and make it no longer. 15 min without a failure, or a login, and
the count is at nothing again.
"""

from typing import NamedTuple

from auth.database import Connection
from auth.problems import RefusedError

FREE_FAILURES = 5
FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 15 * 60
FORGOTTEN_SECONDS = 15 * 60
KNOWN_DAYS = 90

# Each failure clears away more rows than it adds.
PURGED_AT_ONCE = 20

STRANGERS = b""


class Count(NamedTuple):
    """Names one count of failures."""

    account: bytes
    client: bytes


async def admit(connection: Connection, account: bytes, client: bytes) -> Count:
    """Choose the count for an attempt. Raise `RefusedError` (429) while it is paused."""
    cursor = await connection.execute(
        """
        SELECT client, ceil(extract(epoch FROM paused_until - now()))::int FROM login_failures
        WHERE account = %s AND client IN (%s, %s) AND kept_until > now()
        ORDER BY length(client) DESC LIMIT 1
        """,
        (account, client, STRANGERS),
    )
    row = await cursor.fetchone()
    if row is None:
        return Count(account, STRANGERS)
    refuse_while_paused(row[1])
    return Count(account, row[0])


async def count_failure(connection: Connection, count: Count) -> None:
    """Count a failure. Raise `RefusedError` (429) if guesses sent at the same time used the count up."""
    async with connection.transaction():
        cursor = await connection.execute(
            """
            INSERT INTO login_failures AS kept (account, client, failures) VALUES (%s, %s, 1)
            ON CONFLICT (account, client) DO UPDATE SET
                failures = CASE WHEN kept.forgotten_at > now() THEN kept.failures + 1 ELSE 1 END
            RETURNING failures, ceil(extract(epoch FROM paused_until - now()))::int
            """,
            count,
        )
        [(failures, paused)] = await cursor.fetchall()
        refuse_while_paused(paused)  # and leave the count as it was
        pause = pause_after(failures)
        await connection.execute(
            """
            UPDATE login_failures SET
                paused_until = now() + make_interval(secs => %s),
                forgotten_at = now() + make_interval(secs => %s),
                kept_until = greatest(kept_until, now() + make_interval(secs => %s))
            WHERE account = %s AND client = %s
            """,
            (pause, pause + FORGOTTEN_SECONDS, pause + FORGOTTEN_SECONDS, *count),
        )
    await purge(connection)


async def forgive(connection: Connection, count: Count, client: bytes) -> None:
    """Note a login, in a transaction: its failures are forgotten, and its client is known.

    Raise `RefusedError` (429) if guesses sent at the same time have used the count up: of many at
    once no more than a few are told whether they are right.
    """
    cursor = await connection.execute(
        """
        SELECT ceil(extract(epoch FROM paused_until - now()))::int FROM login_failures
        WHERE account = %s AND client = %s FOR UPDATE
        """,
        count,
    )
    for [paused] in await cursor.fetchall():
        refuse_while_paused(paused)
    if count.client == STRANGERS:
        await connection.execute(
            "DELETE FROM login_failures WHERE account = %s AND client = %s", count
        )
    await connection.execute(
        """
        INSERT INTO login_failures (account, client, kept_until)
        VALUES (%s, %s, now() + make_interval(days => %s))
        ON CONFLICT (account, client)
        DO UPDATE SET failures = 0, forgotten_at = now(), kept_until = excluded.kept_until
        """,
        (count.account, client, KNOWN_DAYS),
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


def pause_after(failures: int) -> int:
    """Return the seconds of pause that follow this many failures."""
    if failures < FREE_FAILURES:
        return 0
    # Doubled no more often than it takes to reach the longest: numbers have ends too.
    doublings = min(failures - FREE_FAILURES, 10)
    return min(FIRST_PAUSE_SECONDS << doublings, LONGEST_PAUSE_SECONDS)


def refuse_while_paused(seconds: int) -> None:
    """Raise `RefusedError` (429) with the time to wait, if there is any."""
    if seconds > 0:
        detail = "too many failed logins for this account"
        raise RefusedError(429, detail, {"Retry-After": str(seconds)})
