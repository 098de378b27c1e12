"""Logging in, and guessing."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from auth_database import AuthDatabase
from auth_processes import (
    PASSWORD,
    AuthService,
    assert_problem,
    bearer,
    log_in,
    new_email,
    register,
)

FREE_FAILURES = 5
PAUSES = [30, 60, 120, 240, 480, 900, 900]
GUESSES_AT_ONCE = 20


def fail(client: httpx.Client, email: str, times: int = FREE_FAILURES) -> list[int]:
    """Fail to log in, several times; return the answers' statuses."""
    return [log_in(client, email, "a wrong one").status_code for _ in range(times)]


def end_pauses(database: AuthDatabase) -> None:
    """Let the time of all pauses be over."""
    database.rows("UPDATE login_failures SET paused_until = now()")


def checks(
    service: AuthService, email: str, password: str, address: str = ""
) -> tuple[httpx.Response, int]:
    """Try to log in; return the answer, and how many passwords were checked for it."""
    request_id = uuid4().hex
    with service.client(address) as client:
        answer = client.post(
            "/auth/login",
            json={"email": email, "password": password},
            headers={"X-Request-ID": request_id},
        )
    return answer, len(service.logged(request_id=request_id, message="password checked"))


def test_a_login_gives_both_tokens(client: httpx.Client) -> None:
    """The answer has both tokens and their lives, and nobody may store it."""
    answer = log_in(client, register(client)["email"])
    tokens = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 15 * 60)
    assert tokens["refresh_expires_in"] == 30 * 24 * 3600
    assert len(tokens["refresh_token"]) == 43
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200


def test_unknown_and_wrong_are_answered_alike(shared_service: AuthService) -> None:
    """No account and a wrong password get the same answer, and cost the same hashing."""
    with shared_service.client() as client:
        email = register(client)["email"]
    wrong, wrong_checks = checks(shared_service, email, "a wrong one")
    unknown, unknown_checks = checks(shared_service, new_email(), "a wrong one")
    assert_problem(wrong, 401)
    assert wrong.content == unknown.content
    assert wrong.headers["www-authenticate"] == unknown.headers["www-authenticate"] == "Bearer"
    assert wrong_checks == unknown_checks == 1


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_failures_make_a_stranger_wait(shared_service: AuthService, *, known: bool) -> None:
    """After 5 failures an account, there or not, is closed to who failed, its password unread."""
    with shared_service.client("198.51.100.1") as client:
        email = register(client)["email"] if known else new_email()
        assert fail(client, email) == [401] * FREE_FAILURES
    refused, checked = checks(shared_service, email.upper(), PASSWORD, "198.51.100.1")
    assert_problem(refused, 429)
    assert 0 < int(refused.headers["retry-after"]) <= PAUSES[0]
    assert checked == 0
    elsewhere, checked = checks(shared_service, email, PASSWORD, "198.51.100.2")
    assert (elsewhere.status_code, checked) == (200 if known else 401, 1)


def test_pauses_grow_and_end(own_service: AuthService) -> None:
    """Each further failure doubles the pause, up to 15 min; attempts meanwhile make it no longer."""
    email = new_email()
    with own_service.client("198.51.100.1") as client:
        assert fail(client, email, FREE_FAILURES - 1) == [401] * (FREE_FAILURES - 1)
        for pause in PAUSES:
            assert fail(client, email, 3) == [401, 429, 429]
            told = int(log_in(client, email).headers["retry-after"])
            assert pause - 10 < told <= pause
            end_pauses(own_service.database)


def test_failures_are_forgotten(own_service: AuthService) -> None:
    """A quarter of an hour without a failure, and there are 5 more."""
    email = new_email()
    with own_service.client() as client:
        assert fail(client, email) == [401] * FREE_FAILURES
        own_service.database.rows(
            "UPDATE login_failures SET paused_until = now(), forgotten_at = now()"
        )
        assert fail(client, email, FREE_FAILURES + 1) == [401] * FREE_FAILURES + [429]


def test_a_login_resets_the_count(client: httpx.Client) -> None:
    """Who knows the password after all starts anew."""
    email = register(client)["email"]
    for _ in range(2):
        assert fail(client, email, FREE_FAILURES - 1) == [401] * (FREE_FAILURES - 1)
        assert log_in(client, email).status_code == 200


def test_strangers_do_not_lock_the_owner_out(shared_service: AuthService) -> None:
    """Who fails on purpose shuts out nobody else, at whatever place, and gets no new guesses."""
    with (
        shared_service.client("203.0.113.7") as owner,
        shared_service.client("198.51.100.1") as stranger,
        shared_service.client("198.51.100.2") as another,
    ):
        email = register(owner)["email"]
        assert fail(stranger, email, FREE_FAILURES + 1) == [401] * FREE_FAILURES + [429]
        assert log_in(owner, email).status_code == 200
        assert log_in(another, email).status_code == 200
        assert fail(stranger, email, 1) == [429]
        assert fail(owner, email, FREE_FAILURES + 1) == [401] * FREE_FAILURES + [429]


def test_a_home_has_one_network(shared_service: AuthService) -> None:
    """The addresses of an IPv6 network are one client, and those of the next one are not."""
    with (
        shared_service.client("2001:db8:1:2::7") as owner,
        shared_service.client("2001:db8:1:2:ffff::1") as same_home,
        shared_service.client("2001:db8:1:3::7") as next_door,
    ):
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        assert fail(next_door, email) == [401] * FREE_FAILURES
        assert log_in(next_door, email).status_code == 429
        assert fail(same_home, email) == [401] * FREE_FAILURES
        owner.cookies.clear()
        assert log_in(owner, email).status_code == 429


def test_a_session_outlives_the_failures(client: httpx.Client) -> None:
    """Who is logged in stays so while others guess."""
    email = register(client)["email"]
    token = log_in(client, email).json()["refresh_token"]
    fail(client, email, FREE_FAILURES + 1)
    assert client.post("/auth/refresh", json={"refresh_token": token}).status_code == 200


def test_guesses_at_once_do_not_outrun_the_count(own_service: AuthService) -> None:
    """Of many guesses sent at the same moment no more are told than one after the other."""
    email = new_email()
    with own_service.client() as client, ThreadPoolExecutor(GUESSES_AT_ONCE) as pool:
        guesses = [f"wrong guess {number}" for number in range(GUESSES_AT_ONCE)]
        statuses = [
            answer.status_code
            for answer in pool.map(lambda guess: log_in(client, email, guess), guesses)
        ]
        assert sorted(statuses) == [401] * FREE_FAILURES + [429] * (GUESSES_AT_ONCE - FREE_FAILURES)
        assert log_in(client, email).status_code == 429


def test_hashes_follow_the_parameters(own_service: AuthService) -> None:
    """A login replaces a hash that was made with other parameters; the password stays the same."""
    with own_service.client() as client:
        made = register(client)
        settings = {"AUTH_ARGON2_MEMORY_KIB": "2048"}
        log = own_service.log.with_name("stronger.log")
        with (
            AuthService(own_service.database, log, **settings) as stronger,
            stronger.client() as other,
        ):
            assert log_in(other, made["email"]).status_code == 200
        [(stored,)] = own_service.database.rows("SELECT password_hash FROM users")
        assert "$m=2048,t=1,p=1$" in stored
        assert log_in(client, made["email"]).status_code == 200


def test_counts_that_are_over_are_cleared_away(own_service: AuthService) -> None:
    """Rows of failures long past go with the failures of others, some at a time."""
    database = own_service.database
    with own_service.client() as client:
        for _ in range(3):
            fail(client, new_email(), 1)
        # One of the address, and for each account one of all strangers and one of this one.
        assert database.rows("SELECT count(*) FROM login_failures") == [(7,)]
        database.rows(
            "UPDATE login_failures SET forgotten_at = now() - interval '1 second', "
            "kept_until = now() - interval '1 second'"
        )
        fail(client, new_email(), 1)
        assert database.rows("SELECT count(*) FROM login_failures") == [(3,)]
