"""The HTTP face of the commands and queries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from notes import queries
from notes.access import User
from notes.commands import CreateNote, Desk, UpdateNote
from notes.database import Store
from notes.documents import known_note_id
from notes.problems import documented
from notes.queries import Cursor, NoteMatches, NotePage, NoteView, PageLimit, SearchNotes

router = APIRouter(prefix="/notes", tags=["notes"], responses=documented(422, 503))

STRANGERS = "public, max-age=1, stale-while-revalidate=5"  # for those without a token
# The gateway calls an entity tag weak where it compresses the answer. It is the note's version all
# the same, so both forms are taken back.
IF_MATCH_PATTERN = r'^(W/)?"[1-9][0-9]{0,9}"$'


async def stored_notes(request: Request) -> Store:
    """Hand a route the collections that the app opened at its start."""
    store: Store = request.app.state.store
    return store


Stored = Annotated[Store, Depends(stored_notes)]


async def desk_of_user(request: Request, store: Stored, user: User) -> Desk:
    """Hand a route the desk that takes this user's commands."""
    state = request.app.state
    return Desk(store.notes, state.owners, state.projector, user)


async def path_note_id(note_id: str) -> str:
    """Take the id from the path; one that cannot exist is a note that does not."""
    return known_note_id(note_id)


async def matched_version(
    if_match: Annotated[str | None, Header(pattern=IF_MATCH_PATTERN)] = None,
) -> int | None:
    """Take the version out of `If-Match`."""
    return None if if_match is None else int(if_match.strip('W/"'))


async def json_only(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    """Refuse a body that is not called JSON: a page elsewhere could make a browser send it."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be application/json")


async def shared_for_a_moment(request: Request, response: Response) -> None:
    """Let the gateway answer strangers for a second; whoever has a token sees their own writing."""
    known = "Authorization" in request.headers
    response.headers["Cache-Control"] = "no-cache" if known else STRANGERS


UsersDesk = Annotated[Desk, Depends(desk_of_user)]
NoteId = Annotated[str, Depends(path_note_id)]
Matched = Annotated[int | None, Depends(matched_version)]
takes_json = [Depends(json_only)]
shared = [Depends(shared_for_a_moment)]
BODY_ERRORS = documented(400, 413, 415)


@router.get("/", dependencies=shared)
async def list_notes(
    store: Stored,
    limit: Annotated[PageLimit, Query()] = 20,
    after: Annotated[Cursor | None, Query()] = None,
) -> NotePage:
    """List notes, newest first."""
    return await queries.list_notes(store.cards, limit, after)


@router.post("/search", dependencies=takes_json, responses=BODY_ERRORS)
async def search_notes(request: Request, store: Stored, query: SearchNotes) -> NoteMatches:
    """Find notes by a text in title or body. `next` goes on where this has stopped looking."""
    return await queries.search_notes(store.cards, query, request.app.state.max_searched)


@router.get("/{note_id}", responses=documented(404), dependencies=shared)
async def get_note(store: Stored, note_id: NoteId, response: Response) -> NoteView:
    """Read one note. Its entity tag is its version."""
    return tagged(response, await queries.get_note(store.notes, note_id))


@router.post(
    "/",
    status_code=201,
    dependencies=takes_json,
    responses=BODY_ERRORS | documented(401, 403),
)
async def create_note(desk: UsersDesk, command: CreateNote, response: Response) -> NoteView:
    """Create a note, which belongs to whoever sends it."""
    note = await desk.create(command)
    response.headers["Location"] = f"/notes/{note['_id']}"
    return tagged(response, NoteView.of(note))


@router.put(
    "/{note_id}",
    dependencies=takes_json,
    responses=BODY_ERRORS | documented(401, 403, 404, 409),
)
async def update_note(
    desk: UsersDesk, note_id: NoteId, command: UpdateNote, matched: Matched, response: Response
) -> NoteView:
    """Replace a note's content, if its version is the one that `If-Match` or the body names."""
    note = await desk.update(note_id, replaced_version(command, matched), command)
    return tagged(response, NoteView.of(note))


@router.delete("/{note_id}", status_code=204, responses=documented(401, 403, 404, 409))
async def delete_note(desk: UsersDesk, note_id: NoteId, matched: Matched) -> None:
    """Remove a note, if its version is the one that `If-Match` names, where it names one."""
    await desk.delete(note_id, matched)


def replaced_version(command: UpdateNote, matched: int | None) -> int:
    """Decide which version an update replaces. Raise if it names none, or two."""
    version = command.version if matched is None else matched
    if version is None:
        fault = {"type": "missing", "loc": ("body", "version"), "msg": "Field required"}
        raise RequestValidationError([fault])
    if command.version not in {None, version}:
        fault = {"type": "differs", "loc": ("body", "version"), "msg": "If-Match names another"}
        raise RequestValidationError([fault])
    return version


def tagged(response: Response, note: NoteView) -> NoteView:
    """Give the answer its note's entity tag."""
    response.headers["ETag"] = f'"{note.version}"'
    return note
