"""Who may write: tokens, and the keys that they are checked with."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from notes_issuer import Issuer, SigningKey, signed
from notes_processes import NotesService, wait_until

SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOTE = {"title": "a"}
WRITES: list[tuple[str, str, object]] = [
    ("POST", "/notes/", NOTE),
    ("PUT", f"/notes/{SOME_ID}", {"title": "a", "version": 1}),
    ("DELETE", f"/notes/{SOME_ID}", None),
]
PAST = int(time.time()) - 60


def with_other_key(issuer: Issuer) -> str:
    """Sign with a key that is not published, under the id of one that is."""
    return signed(SigningKey().private, issuer.keys[0].id, issuer.claims())


def with_unknown_key(issuer: Issuer) -> str:
    """Sign with a key that is not published, under its own id."""
    key = SigningKey()
    return signed(key.private, key.id, issuer.claims())


def without_key_id(issuer: Issuer) -> str:
    """Sign without saying with which key."""
    return signed(issuer.keys[0].private, None, issuer.claims())


def unsigned(issuer: Issuer) -> str:
    """Name `none` as the algorithm."""
    return signed(None, issuer.keys[0].id, issuer.claims(), "none")


def with_public_key_as_secret(issuer: Issuer) -> str:
    """Sign with what everybody knows, by an algorithm that takes it for a secret."""
    key = issuer.keys[0]
    return signed(key.public, key.id, issuer.claims(), "HS256")


def with_changed_claims(issuer: Issuer) -> str:
    """Put another user's claims before a good signature."""
    head, _, signature = issuer.token().split(".")
    return f"{head}.{issuer.token().split('.')[1]}.{signature}"


def with_changed_signature(issuer: Issuer) -> str:
    """Turn one bit of a good signature."""
    head, claims, signature = issuer.token().split(".")
    turned = bytearray(urlsafe_b64decode(signature + "=="))
    turned[7] ^= 1
    return f"{head}.{claims}.{urlsafe_b64encode(turned).decode().rstrip('=')}"


def with_deep_head(_issuer: Issuer) -> str:
    """Nest the first part so deep that it cannot be read."""
    return f"{urlsafe_b64encode(b'[' * 30_000).decode()}.a.b"


FORGERIES: dict[str, Callable[[Issuer], str]] = {
    "no token at all": lambda _: "abc",
    "three parts": lambda _: "a.b.c",
    "very long": lambda _: "a" * 10_000,
    "very deep": with_deep_head,
    "expired": lambda issuer: issuer.token(exp=PAST),
    "not yet issued": lambda issuer: issuer.token(iat=int(time.time()) + 3600),
    "another issuer": lambda issuer: issuer.token(iss="somebody"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "another audience": lambda issuer: issuer.token(aud="elsewhere"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "no end": lambda issuer: issuer.token(exp=None),
    "no user": lambda issuer: issuer.token(sub=None),
    "a user that is no id": lambda issuer: issuer.token(sub="admin"),
    "another key": with_other_key,
    "an unknown key": with_unknown_key,
    "no key id": without_key_id,
    "unsigned": unsigned,
    "the public key as secret": with_public_key_as_secret,
    "changed claims": with_changed_claims,
    "changed signature": with_changed_signature,
}


@pytest.mark.parametrize(("method", "path", "content"), WRITES)
@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer"])
def test_a_write_without_a_token_is_refused(
    visitor: httpx.Client, method: str, path: str, content: object, header: str | None
) -> None:
    """Who writes has to say who it is, by a bearer token."""
    headers = {} if header is None else {"Authorization": header}
    answer = visitor.request(method, path, json=content, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(visitor: httpx.Client, issuer: Issuer, forgery: str) -> None:
    """Whatever is wrong with a token, the answer is the same and does not say what."""
    token = FORGERIES[forgery](issuer)
    answer = visitor.post("/notes/", json=NOTE, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "the token is not valid",
    }


def test_no_token_is_ever_logged(
    shared_service: NotesService, visitor: httpx.Client, issuer: Issuer
) -> None:
    """Neither a good token nor a bad one leaves more in the log than that it was refused."""
    tokens = [issuer.token(), issuer.token(exp=PAST), with_other_key(issuer)]
    for token in tokens:
        visitor.post("/notes/", json=NOTE, headers={"Authorization": f"Bearer {token}"})
    log = shared_service.log.read_text()
    assert "token refused" in log
    assert all(part not in log for token in tokens for part in token.split(".")[1:])


def test_reads_need_no_token(visitor: httpx.Client, client: httpx.Client) -> None:
    """Anybody may list, read and search."""
    path = client.post("/notes/", json=NOTE).headers["location"]
    assert visitor.get("/notes/").status_code == 200
    assert visitor.get(path).status_code == 200
    assert visitor.post("/notes/search", json={"text": "a"}).status_code == 200


def test_without_keys_writes_are_503_and_reads_go_on(
    database_url: str, own_issuer: Issuer, tmp_path: Path
) -> None:
    """Where auth was never reached no token can be checked; when it comes, writes go on."""
    own_issuer.close()
    log = tmp_path / "notes.log"
    with NotesService(database_url, log, own_issuer) as service, service.client() as client:
        answer = client.post("/notes/", json=NOTE)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "5"
        assert client.get("/notes/").status_code == 200
        own_issuer.open()
        wait_until(lambda: client.post("/notes/", json=NOTE).status_code == 201)


@pytest.mark.parametrize("document", [[], {"keys": "none"}, {"keys": [{"kid": "a"}, 1, None]}, "{"])
def test_a_key_set_without_a_key_is_like_none(
    database_url: str, own_issuer: Issuer, tmp_path: Path, document: object
) -> None:
    """What auth publishes may be nonsense: no token is taken then, and nothing fails."""
    own_issuer.document = document or {"keys": []}
    log = tmp_path / "notes.log"
    with NotesService(database_url, log, own_issuer) as service, service.client() as client:
        assert client.post("/notes/", json=NOTE).status_code == 503
        own_issuer.document = None
        wait_until(lambda: client.post("/notes/", json=NOTE).status_code == 201)


def test_keys_are_used_on_while_auth_is_away(
    database_url: str, own_issuer: Issuer, tmp_path: Path
) -> None:
    """Keys once fetched serve on without auth; a key that is not among them is not believed."""
    log = tmp_path / "notes.log"
    with NotesService(database_url, log, own_issuer) as service, service.client() as client:
        assert client.post("/notes/", json=NOTE).status_code == 201
        own_issuer.close()
        assert client.post("/notes/", json=NOTE).status_code == 201
        unknown = {"Authorization": f"Bearer {with_unknown_key(own_issuer)}"}
        assert client.post("/notes/", json=NOTE, headers=unknown).status_code == 401
        assert client.post("/notes/", json=NOTE).status_code == 201


def test_a_new_key_is_found(database_url: str, own_issuer: Issuer, tmp_path: Path) -> None:
    """After auth has changed its key, tokens of the new and of the old one are taken."""
    log = tmp_path / "notes.log"
    with NotesService(database_url, log, own_issuer) as service, service.client() as earlier:
        assert earlier.post("/notes/", json=NOTE).status_code == 201
        own_issuer.rotate()
        with service.client() as later:
            wait_until(lambda: later.post("/notes/", json=NOTE).status_code == 201)
        assert earlier.post("/notes/", json=NOTE).status_code == 201
