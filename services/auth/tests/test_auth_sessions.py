"""Refresh tokens: swapped, used twice, ended, expired."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import httpx
import pytest
from auth_processes import AuthService, assert_problem, bearer, log_in, register, session

AT_ONCE = 20
DAYS = 24 * 3600


def refresh(client: httpx.Client, tokens: dict[str, Any]) -> httpx.Response:
    """Swap a refresh token for the next."""
    return client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


def log_out(client: httpx.Client, token: str) -> httpx.Response:
    """End a session."""
    return client.post("/auth/logout", json={"refresh_token": token})


def test_a_session_goes_on_and_on(client: httpx.Client) -> None:
    """Each refresh gives two new tokens, and the new ones work."""
    tokens = session(client)
    seen = {tokens["refresh_token"]}
    for _ in range(3):
        answer = refresh(client, tokens)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json().keys() == tokens.keys()
        tokens = answer.json()
        seen.add(tokens["refresh_token"])
        assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
    assert len(seen) == 4


def test_a_used_token_ends_its_session(client: httpx.Client) -> None:
    """A refresh token that comes again takes the whole session with it, and no other."""
    email = register(client)["email"]
    first, elsewhere = log_in(client, email).json(), log_in(client, email).json()
    second = refresh(client, first).json()
    third = refresh(client, second).json()
    assert_problem(refresh(client, first), 401)
    assert_problem(refresh(client, third), 401)
    assert refresh(client, elsewhere).status_code == 200


def test_of_refreshes_at_once_one_wins(shared_service: AuthService) -> None:
    """Many swaps of one token give one answer; the others end the session, as a copy would."""
    with shared_service.client() as client:
        tokens = session(client)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda _: refresh(client, tokens), range(AT_ONCE)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [401] * (AT_ONCE - 1)
        [won] = [answer.json() for answer in answers if answer.status_code == 200]
        assert_problem(refresh(client, won), 401)


@pytest.mark.parametrize("token", ["x", "0" * 43, "x" * 200, "Ünknown"])
def test_a_token_that_nobody_has_is_refused(client: httpx.Client, token: str) -> None:
    """What is no refresh token is refused, and says no more than a used one."""
    answer = refresh(client, {"refresh_token": token})
    assert_problem(answer, 401)
    assert answer.json()["detail"] == "the refresh token is not valid"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_access_token_refreshes_nothing(client: httpx.Client) -> None:
    """Each kind of token is good for one thing."""
    tokens = session(client)
    answer = refresh(client, {"refresh_token": tokens["access_token"]})
    assert answer.status_code in {401, 422}
    assert_problem(client.get("/auth/me", headers=bearer(tokens["refresh_token"])), 401)


def test_a_logout_ends_the_session(client: httpx.Client) -> None:
    """After a logout no token of the session is swapped; it ends with any of them, used or not."""
    email = register(client)["email"]
    with_last, with_first = log_in(client, email).json(), log_in(client, email).json()
    last = refresh(client, with_last).json()
    answer = log_out(client, last["refresh_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(refresh(client, last), 401)
    last = refresh(client, with_first).json()
    assert log_out(client, with_first["refresh_token"]).status_code == 204
    assert_problem(refresh(client, last), 401)


def test_a_logout_without_a_session_is_done(client: httpx.Client) -> None:
    """A logout is 204 the second time too, and with a token that nobody has."""
    token = session(client)["refresh_token"]
    assert [log_out(client, each).status_code for each in (token, token, "x")] == [204] * 3


def test_a_token_expires(own_service: AuthService) -> None:
    """A refresh token is good for 30 days; after that it is refused, and ends nothing."""
    database = own_service.database
    with own_service.client() as client:
        tokens = session(client)
        [(seconds,)] = database.rows(
            "SELECT extract(epoch FROM expires_at - now())::int FROM refresh_tokens"
        )
        assert 30 * DAYS - 60 < seconds <= 30 * DAYS
        database.rows("UPDATE refresh_tokens SET expires_at = now()")
        assert_problem(refresh(client, tokens), 401)
        assert database.rows("SELECT ended_at FROM sessions") == [(None,)]


def test_tokens_are_stored_as_digests_only(own_service: AuthService) -> None:
    """The database and the log hold nothing that a thief could use."""
    with own_service.client() as client:
        tokens = session(client)
        following = refresh(client, tokens).json()
        refresh(client, tokens)
    stored = own_service.database.rows("SELECT digest FROM refresh_tokens ORDER BY used_at")
    digests = [sha256(each["refresh_token"].encode()).digest() for each in (tokens, following)]
    assert [digest for (digest,) in stored] == digests
    log = own_service.log.read_text()
    assert "a used refresh token came again" in log
    for secret in (tokens["refresh_token"], tokens["access_token"], following["refresh_token"]):
        assert secret not in log


def test_what_is_over_is_cleared_away(own_service: AuthService) -> None:
    """A login removes its account's ended sessions and expired tokens, and keeps the living ones."""
    database = own_service.database
    with own_service.client() as client:
        email = register(client)["email"]
        ended, expired, alive = (log_in(client, email).json() for _ in range(3))
        following = refresh(client, alive).json()
        log_out(client, ended["refresh_token"])
        database.rows("UPDATE sessions SET ended_at = ended_at - interval '2 hours'")
        for token in (expired["refresh_token"], alive["refresh_token"]):
            digest = sha256(token.encode()).digest()
            database.rows("UPDATE refresh_tokens SET expires_at = now() WHERE digest = %s", digest)
        newest = log_in(client, email).json()
        assert database.rows("SELECT count(*) FROM sessions") == [(2,)]
        assert database.rows("SELECT count(*) FROM refresh_tokens") == [(2,)]
        assert refresh(client, following).status_code == 200
        assert refresh(client, newest).status_code == 200


def test_a_session_that_goes_on_leaves_no_heap(own_service: AuthService) -> None:
    """A refresh removes the expired tokens of its session, and of no other."""
    database = own_service.database
    with own_service.client() as client:
        other, tokens = session(client), session(client)
        for _ in range(5):
            tokens = refresh(client, tokens).json()
        refresh(client, other)
        database.rows("UPDATE refresh_tokens SET expires_at = now() WHERE used_at IS NOT NULL")
        tokens = refresh(client, tokens).json()
        assert database.rows(
            "SELECT count(*) FROM refresh_tokens GROUP BY session_id ORDER BY 1"
        ) == [(2,), (2,)]
        assert refresh(client, tokens).status_code == 200
