"""Who may store, list and delete: whoever shows a token that the auth service signed."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from assets_forms import assert_problem, form, post, upload
from assets_issuer import Issuer, SigningKey
from assets_processes import AssetsService, Database, free_port, wait_until

USER = "7f0c6a0e-6d3c-4c1c-9d4f-6a1f0b1f2c3d"
INVALID = 'Bearer error="invalid_token"'


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """Give the test an issuer of its own, which it may stop."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def issued_service(
    database: Database, own_issuer: Issuer, tmp_path: Path
) -> Iterator[AssetsService]:
    """Give the test a service that trusts its own issuer."""
    with AssetsService(database, own_issuer, tmp_path) as service:
        wait_until(lambda: own_issuer.asked > 0)
        yield service


def ask(service: AssetsService, token: str) -> httpx.Response:
    """Ask for a list, with a token."""
    with service.client() as client:
        return client.get("/assets/", headers={"Authorization": f"Bearer {token}"})


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Write something like a token."""
    raw = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*raw, signature)
    )


def bad_tokens(issuer: Issuer) -> dict[str, str]:
    """Make tokens that must not be taken."""
    now = int(time.time())
    good, claims = issuer.token(USER), issuer.claims(USER)
    head, body, signature = good.split(".")
    named = {"kid": issuer.key.key_id}
    other = SigningKey()
    secret = base64.urlsafe_b64encode(issuer.key.raw).decode()
    return {
        "nothing like a token": "x",
        "two parts": f"{head}.{body}",
        "no signature": f"{head}.{body}.",
        "another signature": f"{head}.{body}.{signature[:-6]}AAAAAA",
        "another body": ".".join(
            [head, unsigned({}, {**claims, "sub": str(uuid4())}).split(".")[1], signature]
        ),
        "alg none": unsigned({"alg": "none", **named}, claims),
        "alg None": unsigned({"alg": "None", "typ": "JWT", **named}, claims),
        "hs256 with the public key": jwt.encode(claims, secret, "HS256", headers=named),
        "hs256 with its bytes": jwt.encode(claims, issuer.key.raw * 2, "HS256", headers=named),
        "another key of that name": jwt.encode(claims, other.private, "EdDSA", headers=named),
        "a key that nobody knows": jwt.encode(claims, other.private, "EdDSA", headers={"kid": "a"}),
        "no key named": jwt.encode(claims, issuer.key.private, "EdDSA"),
        "a number for a key": unsigned({"alg": "EdDSA", "kid": 1}, claims),
        "a list for a header": unsigned([], claims),
        "a deep header": base64.urlsafe_b64encode(b"[" * 2000).decode() + ".e30.AA",
        "not utf-8": base64.urlsafe_b64encode(b'{"alg":"\xff"}').decode() + ".e30.AA",
        "expired": issuer.token(USER, exp=now - 10),
        "never expires": issuer.token(USER, exp=None),
        "expires in words": issuer.token(USER, exp="tomorrow"),
        "from the future": issuer.token(USER, iat=now + 3600),
        "not yet": issuer.token(USER, nbf=now + 3600),
        "another issuer": issuer.token(USER, iss="other"),
        "no issuer": issuer.token(USER, iss=None),
        "another audience": issuer.token(USER, aud="other"),
        "no audience": issuer.token(USER, aud=None),
        "nobody": issuer.token(USER, sub=None),
        "somebody who is no id": issuer.token("root"),
        "very long": issuer.token(USER, more="x" * 10_000),
    }


CASES = list(bad_tokens(Issuer()))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_token_is_refused(shared_service: AssetsService, case: str) -> None:
    """Any token but a good one is 401, with nothing said about why."""
    answer = ask(shared_service, bad_tokens(shared_service.issuer)[case])
    problem = assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == INVALID
    assert problem["detail"] == "the token is not valid"


@pytest.mark.parametrize("given", [None, "", "Bearer", "Basic dTpw", "bearer"])
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("DELETE", USER)])
def test_without_a_token_a_token_is_asked_for(
    shared_service: AssetsService, method: str, path: str, given: str | None
) -> None:
    """Storing, listing and deleting need a token, and the answer says so."""
    with shared_service.client() as client:
        del client.headers["authorization"]
        headers = {} if given is None else {"Authorization": given}
        answer = client.request(method, f"/assets/{path}", headers=headers)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_good_token_is_taken(shared_service: AssetsService) -> None:
    """A token is good with the claims of the contract, and with others besides."""
    issuer = shared_service.issuer
    just_over = issuer.token(USER, exp=int(time.time()) - 1, aud=["platform", "more"])
    for token in (issuer.token(USER), just_over, issuer.token(USER.upper(), role="any")):
        assert ask(shared_service, token).status_code == 200


def test_no_token_is_logged(shared_service: AssetsService) -> None:
    """Neither a token, good or bad, nor a part of it is found in the log."""
    tokens = [*bad_tokens(shared_service.issuer).values(), shared_service.issuer.token(USER)]
    for token in tokens:
        ask(shared_service, token)
    log = shared_service.log.read_text()
    assert "token refused" in log
    assert all(part not in log for token in tokens for part in token.split(".") if len(part) > 20)


def test_keys_are_fetched_once_for_many_requests(
    own_issuer: Issuer, issued_service: AssetsService
) -> None:
    """The key set is kept: many requests cost no more than the first."""
    with issued_service.client() as client:
        for _ in range(20):
            assert client.get("/assets/").status_code == 200
    assert own_issuer.asked == 1


def test_a_new_key_is_found(own_issuer: Issuer, issued_service: AssetsService) -> None:
    """A token of a key that came later is taken, after the pause that keeps fetches rare."""
    old = own_issuer.token(USER)
    assert ask(issued_service, old).status_code == 200
    own_issuer.key = SigningKey()
    own_issuer.keys.append(own_issuer.key.published)
    wait_until(lambda: ask(issued_service, own_issuer.token(USER)).status_code == 200)
    assert ask(issued_service, old).status_code == 200
    assert own_issuer.asked == 2


def test_unknown_keys_cause_few_fetches(own_issuer: Issuer, issued_service: AssetsService) -> None:
    """Tokens of keys that nobody knows do not become a storm on the auth service."""
    stranger = SigningKey()
    claims = own_issuer.claims(USER)
    for number in range(30):
        token = jwt.encode(claims, stranger.private, "EdDSA", headers={"kid": f"{number}"})
        assert ask(issued_service, token).status_code == 401
    assert own_issuer.asked <= 3


def test_known_keys_outlive_the_auth_service(
    own_issuer: Issuer, issued_service: AssetsService
) -> None:
    """While the auth service is away, tokens of known keys are taken, others are not."""
    good = own_issuer.token(USER)
    assert ask(issued_service, good).status_code == 200
    own_issuer.stop()
    other = jwt.encode({}, SigningKey().private, "EdDSA", headers={"kid": "other"})
    assert ask(issued_service, other).status_code == 401
    assert ask(issued_service, good).status_code == 200


def test_without_any_key_it_is_503_until_there_are_keys(
    database: Database, own_issuer: Issuer, tmp_path: Path
) -> None:
    """A service that never reached the auth service says so, serves readers, and recovers."""
    first = AssetsService(database, own_issuer, tmp_path)
    with first, first.client() as client:
        path = f"/assets/{upload(client, b'stored before')['id']}"
    own_issuer.stop()
    service = AssetsService(database, own_issuer, tmp_path)
    with service, service.client() as client:
        for answer in (client.get("/assets/"), post(client, form(b"a")), client.delete(path)):
            assert_problem(answer, 503)
            assert answer.headers["retry-after"] == "5"
        assert client.get(path).content == b"stored before"
        assert client.get("/health").status_code == 200
        own_issuer.start()
        wait_until(lambda: client.get("/assets/").status_code == 200)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{}],
        [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}],
        [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "short"}],
        [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}],
        [None],
        "keys",
        [{"kty": "OKP", "crv": "Ed25519", "kid": ["a"], "x": "A" * 43}],
        [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "A" * 100_000}],
    ],
    ids=["none", "empty", "rsa", "short", "no id", "null", "text", "odd id", "huge"],
)
def test_a_key_set_that_makes_no_sense_is_as_none(
    database: Database, own_issuer: Issuer, tmp_path: Path, keys: Any
) -> None:
    """A key set without a key for us is an auth service that does not answer yet."""
    good, own_issuer.keys = own_issuer.keys, keys
    with AssetsService(database, own_issuer, tmp_path) as service, service.client() as client:
        assert_problem(client.get("/assets/"), 503)
        own_issuer.keys = good
        wait_until(lambda: client.get("/assets/").status_code == 200)


def test_a_key_that_makes_no_sense_spoils_no_other(
    own_issuer: Issuer, issued_service: AssetsService
) -> None:
    """Of a key set with good and bad keys the good ones count."""
    own_issuer.key = SigningKey()
    own_issuer.keys = [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "?"}, {}]
    own_issuer.keys.append(own_issuer.key.published)
    wait_until(lambda: ask(issued_service, own_issuer.token(USER)).status_code == 200)


def test_an_auth_service_that_is_nowhere_does_not_keep_the_service(
    database: Database, issuer: Issuer, tmp_path: Path
) -> None:
    """The service starts and stops whether or not the auth service can be reached."""
    nowhere = f"http://127.0.0.1:{free_port()}/jwks.json"
    with AssetsService(database, issuer, tmp_path, ASSETS_JWKS_URL=nowhere) as service:
        with service.client() as client:
            assert client.get("/health").status_code == 200
        assert service.stop() == 0
