"""The gateway's volume: where what lies in it, and how it is packed to be written there.

current -> configs/<id>        what NGINX starts with and reloads
configs/<id>/nginx.conf        each config in a folder of its own
live/<service>                 who gets its traffic: a link, moved by a rename, to
moves/<service>/<name>/        lane.json, what was decided; share, the buckets that get green; closed,
                               where nobody gets in; paused, where users do not; blue or green, where
                               all users get it
pages/<service>.html           what browsers are shown while it is paused
shares/<0..100>/               that many files, one a bucket
witnesses/<token>              a witness that no limit counts
certs/<id>/                    chain.pem and key.pem, which nobody but NGINX may read
assets/<service>/files/<hash>  what files of its versions hold, each content once
assets/<service>/now -> editions/<release>
assets/<service>/editions/<release>/    index.json, which version has which files; and for each color
                               those that its own version does not have, by their paths
users/<id>                     who comes in by a password, as salted hashes: as readable as a key
errors/<id>.html               what browsers are shown in the place of an error of NGINX's own
acme/<directory>/              key.pem of the account at an authority, failures.json: no more readable
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from typing import TYPE_CHECKING

from orchestrator.gateway.edition import list_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.certificates.pair import Pair
    from orchestrator.gateway.config import Config

FOLDER = "/etc/stackctl"  # inside the gateway's container
CURRENT = f"{FOLDER}/current/nginx.conf"
CONFIGS = f"{FOLDER}/configs"
LIVE = f"{FOLDER}/live"
MOVES = f"{FOLDER}/moves"
WITNESSES = f"{FOLDER}/witnesses"
CERTIFICATES = f"{FOLDER}/certs"
ACCOUNTS = f"{FOLDER}/acme"
ASSETS = f"{FOLDER}/assets"
USERS = f"{FOLDER}/users"
ERRORS = f"{FOLDER}/errors"
OWNER = 101  # of what only NGINX may read: it runs as this user, its master too
PAGES = f"{FOLDER}/pages"
SCRATCH = "/tmp"  # noqa: S108  inside the gateway's container, a volume of its own
LANE, LANES = "lane.json", "lanes"
# Removes the moves that no link leads to. Where a link is lost, they tell what users had.
# Tokens of witnesses that have long ended go too: a drain takes a day at most.
SWEEP = """
find "$1" -type f -mtime +2 -delete
cd "$0" || exit
for one in */*; do
    link=../live/${one%%/*}
    [ -s "$link/lane.json" ] || continue
    [ "$(readlink "$link")" = "../moves/$one" ] || rm -rf -- "$one"
done
"""
# Prints a line with the lane of each move of a service, be it whole or not.
STORED = 'for lane in "$0"/*/lane.json; do [ -f "$lane" ] && echo "lane $(cat -- "$lane")"; done'


def config_link(identity: str) -> str:
    """Return what the link to the config that serves says."""
    return f"configs/{identity}"


def config_folder(identity: str) -> str:
    """Return where a config lies."""
    return f"{CONFIGS}/{identity}"


def certificate_folder(identity: str) -> str:
    """Return where a certificate and its key lie."""
    return f"{CERTIFICATES}/{identity}"


def users_file(identity: str) -> str:
    """Return where a list of users lies."""
    return f"{USERS}/{identity}"


def page_file(identity: str) -> str:
    """Return where a page lies."""
    return f"{ERRORS}/{identity}.html"


def config_file(identity: str) -> str:
    """Return where the text of a config lies."""
    return f"{config_folder(identity)}/nginx.conf"


def cache_folder(upstream: str) -> str:
    """Return where the cached answers of a color lie."""
    return f"{SCRATCH}/cache_{upstream}"


def lane_file(service: str) -> str:
    """Return where the lane of a service is found, through its link."""
    return f"{LIVE}/{service}/{LANE}"


def pack_config(config: Config) -> bytes:
    """Return a tar archive with a config in its folder, to be unpacked in `FOLDER`."""
    folder = f"configs/{config.id}"
    return _pack(
        folders=("configs", folder, *_list_folders(config, folder), "live", "moves", "shares"),
        files={
            f"{folder}/nginx.conf": config.text.encode(),
            # NGINX fills in each lane, so that one request tells all of them.
            f"{folder}/{LANES}": "".join(
                f'{service} <!--# include virtual="/lane/{service}" -->\n'
                for service in config.table.upstreams
            ).encode(),
            **{f"{folder}/{name}": text.encode() for name, text in config.beside.items()},
        },
    )


def _list_folders(config: Config, folder: str) -> list[str]:
    """Return the folders that the files of a config lie in, beside its own."""
    names = (posixpath.dirname(name) for name in config.beside)
    return sorted({f"{folder}/{name}" for name in names if name})


def pack_certificates(pairs: Iterable[Pair]) -> bytes:
    """Return a tar archive with certificates and their keys, to be unpacked in `FOLDER`."""
    place = CERTIFICATES.removeprefix(f"{FOLDER}/")
    folders = [place]
    files: dict[str, bytes] = {}
    for pair in pairs:
        folder = f"{place}/{pair.certificate.id}"
        folders.append(folder)
        files |= {f"{folder}/chain.pem": pair.chain, f"{folder}/key.pem": pair.key}
    return _pack(folders, files, owner=OWNER, rights=(0o700, 0o600))


def pack_account(folder: str, files: dict[str, bytes]) -> bytes:
    """Return a tar archive with what is kept of an account in a folder of `ACCOUNTS`, for `FOLDER`."""
    place = ACCOUNTS.removeprefix(f"{FOLDER}/")
    named = {f"{place}/{folder}/{name}": content for name, content in files.items()}
    return _pack([place, f"{place}/{folder}"], named, owner=OWNER, rights=(0o700, 0o600))


def pack_supplies(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive with files of `USERS` and `ERRORS`, by their paths, to be unpacked in `FOLDER`."""
    named = {path.removeprefix(f"{FOLDER}/"): content for path, content in files.items()}
    return _pack(("users", "errors"), named, owner=OWNER, rights=(0o700, 0o600))


def pack_page(service: str, page: bytes) -> bytes:
    """Return a tar archive with what browsers are shown while a service is paused, for `FOLDER`."""
    return _pack(folders=("pages",), files={f"pages/{service}.html": page})


def stops_users(text: str, service: str) -> bool:
    """Whether a config asks, with each request of a service's users, if it is paused."""
    return f"if (-f {LIVE}/{service}/$stackctl_stop)" in text


def pack_current(identity: str) -> bytes:
    """Return a tar archive with the link to a config only, for a gateway that does not run yet."""
    link = tarfile.TarInfo("current")
    link.type, link.linkname = tarfile.SYMTYPE, config_link(identity)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(link)
    return buffer.getvalue()


def pack_contents(service: str, contents: dict[str, bytes]) -> bytes:
    """Return a tar archive with what files of a service hold, by the hashes of it, for `FOLDER`.

    The time that a file seems to have follows from its content, so that NGINX's tag for it does.
    """
    place = f"assets/{service}/files"
    named = {f"{place}/{hashed}": content for hashed, content in contents.items()}
    times = {f"{place}/{hashed}": int(hashed[:7], 16) for hashed in contents}
    return _pack(("assets", f"assets/{service}", place), named, times=times)


def pack_edition(service: str, name: str, index: str, links: dict[str, str]) -> bytes:
    """Return a tar archive with an edition of a service's assets, for `FOLDER`.

    `links` has the hash of the content of each file, by its color and path: a file is there once, under
    as many names as it takes.
    """
    place = f"assets/{service}/editions"
    folders = {above for path in links for above in list_folders(path)}
    return _pack(
        (
            "assets",
            f"assets/{service}",
            place,
            *(f"{place}/{name}/{f}" for f in ["", *sorted(folders)]),
        ),
        {f"{place}/{name}/index.json": index.encode()},
        links={
            f"{place}/{name}/{path}": f"assets/{service}/files/{h}" for path, h in links.items()
        },
    )


def _pack(
    folders: Iterable[str],
    files: Mapping[str, bytes],
    *,
    owner: int = 0,
    rights: tuple[int, int] = (0o755, 0o644),
    times: Mapping[str, int] = {},
    links: Mapping[str, str] = {},  # further names of files that are there
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in folders:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, rights[0]
            folder.uid = folder.gid = owner
            archive.addfile(folder)
        for name, content in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode, file.mtime = len(content), rights[1], times.get(name, 0)
            file.uid = file.gid = owner
            archive.addfile(file, io.BytesIO(content))
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname, link.mode = tarfile.LNKTYPE, target, rights[1]
            archive.addfile(link)
    return buffer.getvalue()
