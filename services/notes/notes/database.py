"""The connection to MongoDB."""

from typing import Any, NamedTuple, cast

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from notes.cards import Cards
from notes.changes import Changes
from notes.documents import NoteDocument
from notes.settings import Settings

Client = AsyncMongoClient[dict[str, Any]]
Notes = AsyncCollection[NoteDocument]

# Finding a server, or giving up on it: how long a request waits while the database is away. The
# client goes on looking, so the first request after its return succeeds. It looks at the clock
# every half second, so this comes to about one second.
SELECTION_MILLISECONDS = 900

# One answer of the database. Generous, because a slow answer is still an answer; a read that meets
# a database that hangs tries twice, and so takes 6 s to fail.
ANSWER_MILLISECONDS = 3000

# Waiting for one of the pool's connections. A burst is queued rather than refused; the gateway's own
# patience (30 s in stack.yaml) is longer still.
QUEUE_MILLISECONDS = 10_000

# Queries give up a little earlier, and then the database ends its work on them too.
QUERY_MILLISECONDS = 2500

# How soon a database that hangs is taken for away.
HEARTBEAT_MILLISECONDS = 2000


class Store(NamedTuple):
    """The collections. None needs an index of its own: lists and pages follow `_id`."""

    notes: Notes  # the write side: what commands change
    cards: Cards  # the read side: what lists and searches show
    changes: Changes  # what happened lately
    marks: AsyncCollection[dict[str, Any]]  # what has been done once and for all


def connect(settings: Settings) -> Client:
    """Make a client. It connects at its first use, so a database that is away is no error here."""
    return AsyncMongoClient(
        settings.database_url,
        appname="notes",
        tz_aware=True,
        connectTimeoutMS=SELECTION_MILLISECONDS,
        serverSelectionTimeoutMS=SELECTION_MILLISECONDS,
        socketTimeoutMS=ANSWER_MILLISECONDS,
        waitQueueTimeoutMS=QUEUE_MILLISECONDS,
        heartbeatFrequencyMS=HEARTBEAT_MILLISECONDS,
    )


def store_of(client: Client, settings: Settings) -> Store:
    """Name the collections."""
    database = client[settings.database_name]
    return Store(
        notes=cast("Notes", database["notes"]),
        cards=cast("Cards", database["note_cards"]),
        changes=cast("Changes", database["note_changes"]),
        marks=database["note_marks"],
    )
