"""Access tokens: what they say, which are believed, and how their keys change."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from auth_database import AuthDatabase
from auth_processes import SEED, AuthService, assert_problem, bearer, log_in, register, session
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

OTHER_SEED = urlsafe_b64encode(b"the seed of another signing key.").decode()
KEY = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(f"{SEED}="))
PUBLIC = KEY.public_key().public_bytes_raw()
KID = sha256(PUBLIC).hexdigest()[:16]

# How the public key is written where somebody takes it for a secret that is shared.
PUBLIC_KEY_FORMS = {
    "raw": PUBLIC,
    "pem": KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "jwk": urlsafe_b64encode(PUBLIC).rstrip(b"="),
}


def claims(**changes: Any) -> dict[str, Any]:
    """Write the claims of a good token, with changes; None takes a claim away."""
    now = int(time.time())
    whole = {
        "iss": "auth",
        "aud": "platform",
        "sub": str(uuid4()),
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(content: dict[str, Any], key: Any = KEY, **header: Any) -> str:
    """Sign with the service's own key, unless told."""
    return jwt.encode(content, key, "EdDSA", headers={"kid": KID, **header})


def written(header: Any, content: Any, signature: bytes = b"") -> str:
    """Write a token by hand, which no library would."""
    return ".".join(
        urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        .decode()
        .rstrip("=")
        for part in (header, content, signature)
    )


def shared_secret_token(secret: bytes) -> str:
    """Sign with the public key, as if it were a secret that both sides know."""
    unsigned = written({"alg": "HS256", "typ": "JWT", "kid": KID}, claims()).rstrip(".")
    signature = digest(secret, unsigned.encode(), "sha256")
    return f"{unsigned}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def me(client: httpx.Client, token: str) -> httpx.Response:
    """Ask for the account."""
    return client.get("/auth/me", headers=bearer(token))


def public_keys(client: httpx.Client) -> list[dict[str, str]]:
    """Read what the service publishes."""
    keys: list[dict[str, str]] = client.get("/auth/.well-known/jwks.json").json()["keys"]
    return keys


def test_a_token_says_what_was_agreed(client: httpx.Client) -> None:
    """Other services verify a token with the published key, and read its user and its end."""
    made = register(client)
    token = log_in(client, made["email"]).json()["access_token"]
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "JWT", "kid": KID}
    [key] = [key for key in public_keys(client) if key["kid"] == header["kid"]]
    said = jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=["EdDSA"], issuer="auth", audience="platform"
    )
    assert said.keys() == {"iss", "aud", "sub", "iat", "exp", "jti"}
    assert said["sub"] == made["id"]
    assert said["exp"] - said["iat"] == 15 * 60


def test_keys_are_published_without_their_secret(client: httpx.Client) -> None:
    """The key set has public halves only, and may be kept for 5 min."""
    answer = client.get("/auth/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json() == {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": urlsafe_b64encode(PUBLIC).decode().rstrip("="),
                "kid": KID,
                "use": "sig",
                "alg": "EdDSA",
            }
        ]
    }


def test_a_token_made_by_hand_is_good(client: httpx.Client) -> None:
    """The forgeries below fail by what is wrong with them: the same without the wrong is believed."""
    user_id = register(client)["id"]
    assert me(client, signed(claims(sub=user_id))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "elsewhere"},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "never"},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"jti": None},
        {"sub": None},
        {"sub": "admin"},
        {"sub": ""},
    ],
    ids=lambda changes: "-".join(f"{name}={str(value)[:6]}" for name, value in changes.items()),
)
def test_wrong_claims_are_not_believed(client: httpx.Client, changes: dict[str, Any]) -> None:
    """A token for others, from others, or past its time opens nothing, however well signed."""
    changes = {"sub": register(client)["id"], **changes}
    content = claims(**changes)
    unchecked = written({"alg": "EdDSA", "kid": KID}, content).rstrip(".")
    signature = urlsafe_b64encode(KEY.sign(unchecked.encode())).decode().rstrip("=")
    assert_not_valid(me(client, f"{unchecked}.{signature}"))


FORGERIES = {
    "none": written({"alg": "none", "kid": KID}, claims()),
    "None": written({"alg": "None", "kid": KID}, claims()),
    "no-algorithm": written({"kid": KID}, claims()),
    "unsigned": written({"alg": "EdDSA", "kid": KID}, claims()),
    "other-key": signed(claims(), Ed25519PrivateKey.generate()),
    "no-kid": jwt.encode(claims(), KEY, "EdDSA"),
    "unknown-kid": signed(claims(), kid="0" * 16),
    "kid-is-a-list": written({"alg": "EdDSA", "kid": [KID]}, claims(), b"x" * 64),
    "kid-is-null": written({"alg": "EdDSA", "kid": None}, claims(), b"x" * 64),
    "kid-is-a-path": signed(claims(), kid="../../dev/null"),
    "key-comes-along": signed(
        claims(),
        Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(OTHER_SEED)),
        jwk={"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        jku="http://127.0.0.1/keys",
    ),
    "critical": signed(claims(), crit=["exp"]),
    "claims-are-a-list": written({"alg": "EdDSA", "kid": KID}, [1], b"x" * 64),
    "header-is-a-list": written([1], claims(), b"x" * 64),
    "deep": written(b"[" * 3000, claims(), b"x" * 64),
    "long-number": written(b'{"alg": "EdDSA", "kid": ' + b"9" * 5000 + b"}", claims(), b"x"),
    "two-parts": "a.b",
    "five-parts": "a.b.c.d.e",
    "word": "x",
    "points": "..",
    "not-base64": "%.%.%",
}


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_a_forgery_is_not_believed(client: httpx.Client, forgery: str) -> None:
    """What this service's key has not signed, as it signs, is no token."""
    assert_not_valid(me(client, FORGERIES[forgery]))


@pytest.mark.parametrize("form", PUBLIC_KEY_FORMS)
def test_the_public_key_is_no_shared_secret(client: httpx.Client, form: str) -> None:
    """A token signed with the public key as a secret is no token."""
    assert_not_valid(me(client, shared_secret_token(PUBLIC_KEY_FORMS[form])))


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Token x"])
def test_without_a_token_one_is_asked_for(client: httpx.Client, header: str) -> None:
    """A request without a bearer token is told what is missing."""
    answer = client.get("/auth/me", headers={"Authorization": header} if header else {})
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_changed_letter_is_noticed(client: httpx.Client) -> None:
    """No part of a good token can be touched."""
    good = session(client)["access_token"]
    parts = good.split(".")
    for number, part in enumerate(parts):
        swapped = ("B" if part[5] == "A" else "A").join((part[:5], part[6:]))
        touched = [*parts[:number], swapped, *parts[number + 1 :]]
        assert_not_valid(me(client, ".".join(touched)))
    assert me(client, good).status_code == 200


def test_keys_change_without_a_logout(database: AuthDatabase, tmp_path: Path) -> None:
    """While both keys are listed both are believed; the first signs; one that is gone counts no more."""

    def service(keys: str) -> AuthService:
        return AuthService(database, tmp_path / "auth.log", AUTH_SIGNING_KEYS=keys)

    with service(SEED) as before, before.client() as client:
        email = register(client)["email"]
        old = log_in(client, email).json()["access_token"]
    with service(f"{OTHER_SEED}, {SEED}") as both, both.client() as client:
        new = log_in(client, email).json()["access_token"]
        assert [me(client, token).status_code for token in (old, new)] == [200, 200]
        kids = [key["kid"] for key in public_keys(client)]
        assert kids == [jwt.get_unverified_header(token)["kid"] for token in (new, old)]
    with service(OTHER_SEED) as after, after.client() as client:
        assert [me(client, token).status_code for token in (old, new)] == [401, 200]


def assert_not_valid(answer: httpx.Response) -> None:
    """Check that a token was refused, and that nothing says why."""
    assert_problem(answer, 401)
    assert answer.json()["detail"] == "the token is not valid"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
