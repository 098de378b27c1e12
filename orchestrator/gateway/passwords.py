"""The file by which NGINX knows passwords: a line for each user, with a salted hash. Pure.

The hash is `{SSHA}`, a single SHA-1 with a salt, which NGINX computes itself. All that it does not know
(https://nginx.org/en/docs/http/ngx_http_auth_basic_module.html) it hands to crypt() of the image's libc: which
hashes that knows differs between glibc and musl. And NGINX computes it anew with each request, while
all others of the worker wait: a slow hash, which takes tens of milliseconds, would be a way to stop the gateway.
So what guards a password is who may read the file, and how long the password is.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME = "{SSHA}"
DIGEST = hashlib.sha1(usedforsecurity=False).digest_size  # bytes, before the salt
SALT = 16  # bytes


def write_users(passwords: Mapping[str, str]) -> bytes:
    """Return the file that lets users in by their passwords, with new salts."""
    lines = (f"{user}:{_hash(word, secrets.token_bytes(SALT))}" for user, word in passwords.items())
    return "".join(f"{line}\n" for line in lines).encode()


def find_changed(content: str, passwords: Mapping[str, str]) -> list[str]:
    """Return the users whose passwords a file does not have, or that only it has, by name."""
    known = dict(line.split(":", 1) for line in content.splitlines() if ":" in line)
    return sorted(
        user
        for user in {*known, *passwords}
        if user not in known or user not in passwords or not _fits(known[user], passwords[user])
    )


def _hash(password: str, salt: bytes) -> str:
    # Not for want of a better one: see above.
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return SCHEME + base64.b64encode(digest + salt).decode()


def _fits(hashed: str, password: str) -> bool:
    try:
        salt = base64.b64decode(hashed.removeprefix(SCHEME), validate=True)[DIGEST:]
    except ValueError:
        return False
    return compare_digest(hashed.encode(), _hash(password, salt).encode())
