"""The HTTP face of assets."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from assets import catalog
from assets.catalog import Asset, AssetNotFoundError, AssetPage, Cursor, PageLimit
from assets.database import Pool
from assets.downloads import download
from assets.openapi import FILE, UPLOAD, problems
from assets.storage import Folder, remove_quietly
from assets.tokens import User
from assets.uploads import Uploads

router = APIRouter(prefix="/assets", tags=["assets"])

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def pool_of(request: Request) -> Pool:
    """Hand a route the database."""
    pool: Pool = request.app.state.pool
    return pool


async def folder_of(request: Request) -> Folder:
    """Hand a route the folder of files."""
    folder: Folder = request.app.state.folder
    return folder


async def uploads_of(request: Request) -> Uploads:
    """Hand a route what takes uploads."""
    uploads: Uploads = request.app.state.uploads
    return uploads


async def path_asset_id(
    asset_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
) -> UUID:
    """Take the id from the path; one that cannot exist is an asset that does not."""
    if _ID.fullmatch(asset_id) is None:
        raise AssetNotFoundError
    return UUID(asset_id)


Catalog = Annotated[Pool, Depends(pool_of)]
Files = Annotated[Folder, Depends(folder_of)]
Incoming = Annotated[Uploads, Depends(uploads_of)]
AssetId = Annotated[UUID, Depends(path_asset_id)]


@router.post(
    "/",
    status_code=201,
    openapi_extra=UPLOAD,
    responses=problems(400, 401, 403, 408, 413, 415, 422, 503, 507),
)
async def create_asset(
    request: Request, response: Response, user: User, uploads: Incoming, pool: Catalog
) -> Asset:
    """Store a file: a form with one part, `file`."""
    asset = await uploads.take(request, user, pool)
    response.headers["Location"] = f"/assets/{asset.id}"
    return asset


@router.get("/", responses=problems(401, 422, 503))
async def list_assets(
    pool: Catalog,
    user: User,
    limit: Annotated[PageLimit, Query()] = 20,
    after: Annotated[Cursor | None, Query()] = None,
) -> AssetPage:
    """List one's own assets, newest first."""
    return await catalog.list_assets(pool, user, limit, after)


@router.get("/{asset_id}", response_class=Response, responses=FILE | problems(404, 416, 422, 503))
async def get_asset(request: Request, asset_id: AssetId, pool: Catalog, files: Files) -> Response:
    """Read a file, or a range of it."""
    return await download(request, await catalog.get_asset(pool, asset_id), files)


@router.head("/{asset_id}", response_class=Response, responses=FILE | problems(404, 422, 503))
async def head_asset(request: Request, asset_id: AssetId, pool: Catalog, files: Files) -> Response:
    """Read what a file is, without the file."""
    return await download(request, await catalog.get_asset(pool, asset_id), files)


@router.get("/{asset_id}/meta", responses=problems(404, 422, 503))
async def get_asset_meta(asset_id: AssetId, pool: Catalog) -> Asset:
    """Read what is known of a file."""
    return await catalog.get_asset(pool, asset_id)


@router.delete("/{asset_id}", status_code=204, responses=problems(401, 403, 404, 422, 503))
async def delete_asset(asset_id: AssetId, user: User, pool: Catalog, files: Files) -> None:
    """Remove one's own file: first the row, so that nothing is listed and not there."""
    await catalog.delete_asset(pool, asset_id, user)
    await remove_quietly(files, asset_id)
