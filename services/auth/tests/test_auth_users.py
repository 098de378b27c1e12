"""Making an account, and looking at it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import product
from pathlib import Path
from uuid import UUID

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
    session,
)

AT_ONCE = 8
ANOTHER_PASSWORD = "another password"  # noqa: S105  of accounts that tests make


def test_a_new_account_is_shown_to_its_owner(client: httpx.Client) -> None:
    """Who registers gets the account, and sees the same with an access token of it."""
    made = register(client, display_name="Zoë 😀")
    assert UUID(made["id"]).version == 4
    assert datetime.fromisoformat(made["created_at"]).utcoffset() is not None
    assert made["display_name"] == "Zoë 😀"
    token = log_in(client, made["email"]).json()["access_token"]
    seen = client.get("/auth/me", headers=bearer(token))
    assert (seen.status_code, seen.json()) == (200, made)
    assert seen.headers["cache-control"] == "no-store"


def test_an_address_is_one_however_it_is_written(client: httpx.Client) -> None:
    """Case, spaces around it and the way of composing letters make no other account."""
    email = f"Ölaf.{new_email()}"
    assert register(client, email=f"  {email.upper()} ")["email"] == email.casefold()
    decomposed = email.replace("Ö", "O\u0308")
    again = client.post("/auth/register", json={"email": decomposed, "password": PASSWORD})
    assert_problem(again, 409)
    assert log_in(client, decomposed).status_code == 200


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("order", [1, -1])
def test_addresses_that_fold_alike_are_two(
    database: AuthDatabase, tmp_path: Path, version: str, order: int
) -> None:
    """`straße@` and `strasse@` are two accounts, whichever comes first, each with its password."""
    with (
        AuthService(database, tmp_path / "auth.log", version) as service,
        service.client() as client,
    ):
        made = {
            register(client, email=email, password=f"password of {email}")["id"]: email
            for email in ["STRAßE@b.example", "STRASSE@b.example"][::order]
        }
        assert len(made) == 2
        for account, email in made.items():
            tokens = log_in(client, email.lower(), f"password of {email}").json()
            seen = client.get("/auth/me", headers=bearer(tokens["access_token"])).json()
            assert (seen["id"], seen["email"]) == (account, email.lower())


def test_an_account_of_an_earlier_version_keeps_its_spellings(
    database: AuthDatabase, tmp_path: Path
) -> None:
    """An account that was stored folded is entered as ever, also once its spelling is another's."""
    with AuthService(database, tmp_path / "auth.log") as service, service.client() as client:
        old = register(client, email="straße@b.example")
        database.rows("UPDATE users SET email = 'strasse@b.example'")
        for email in ("straße@b.example", "strasse@b.example", "STRASSE@B.EXAMPLE"):
            assert log_in(client, email).status_code == 200
        new = register(client, email="straße@b.example", password=ANOTHER_PASSWORD)
        for password, account in ((PASSWORD, old), (ANOTHER_PASSWORD, new)):
            answer = log_in(client, "straße@b.example", password)
            header = bearer(answer.json()["access_token"])
            assert client.get("/auth/me", headers=header).json()["id"] == account["id"]
        assert log_in(client, "strasse@b.example", ANOTHER_PASSWORD).status_code == 401


def test_spellings_are_no_way_around_the_count(own_service: AuthService) -> None:
    """Guesses in many spellings that fold to one account count with that account."""
    with own_service.client() as client:
        register(client, email="sss@b.example")
        letters = "s\u017f"  # the long s folds to the other one
        guesses = [f"{''.join(three)}@b.example" for three in product(letters, repeat=3)]
        statuses = [log_in(client, email, "a wrong one").status_code for email in guesses]
        assert statuses == [401] * 5 + [429] * 3


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_spellings_cost_the_same_whether_or_not_they_are_there(
    own_service: AuthService, *, known: bool
) -> None:
    """Where an address has two spellings both are checked, with or without an account."""
    with own_service.client() as client:
        if known:
            register(client, email="strasse@b.example")
        assert log_in(client, "straße@b.example", "a wrong one").status_code == 401
    assert len(own_service.logged(message="password checked")) == 2


def test_a_taken_address_is_refused_and_kept(client: httpx.Client) -> None:
    """A second account with one address is a conflict, and the first keeps its password."""
    email = register(client)["email"]
    answer = client.post("/auth/register", json={"email": email, "password": "another password"})
    assert_problem(answer, 409)
    assert log_in(client, email, "another password").status_code == 401
    assert log_in(client, email).status_code == 200


def test_of_registrations_at_once_one_succeeds(client: httpx.Client) -> None:
    """One address registered many times at the same moment becomes one account."""
    account = {"email": new_email(), "password": PASSWORD}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda _: client.post("/auth/register", json=account), range(AT_ONCE))
        statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * (AT_ONCE - 1)


@pytest.mark.parametrize("length", [12, 200])
def test_a_password_of_any_letters_is_good(client: httpx.Client, length: int) -> None:
    """A password has 12 to 200 characters, whichever, and is the same from another keyboard."""
    password = ("é\u212b 😀'\"\\\t" * 40)[:length]
    email = register(client, password=password)["email"]
    composed = password.replace("é", "e\u0301")
    if length == 12:
        assert log_in(client, email, composed).status_code == 200
    assert log_in(client, email, password).status_code == 200
    assert log_in(client, email, password[:-1] + "x").status_code == 401


def test_a_name_can_be_changed_and_taken_away(client: httpx.Client) -> None:
    """PATCH changes the name and nothing else; null takes it away."""
    token = bearer(session(client)["access_token"])
    before = client.get("/auth/me", headers=token).json()
    assert before["display_name"] is None
    for name in ("Ann", None):
        changed = client.patch("/auth/me", json={"display_name": name}, headers=token)
        assert (changed.status_code, changed.json()) == (200, {**before, "display_name": name})
        assert client.get("/auth/me", headers=token).json() == changed.json()


def test_passwords_are_stored_as_argon2id_only(shared_service: AuthService) -> None:
    """The database holds a hash with its parameters, and the log holds neither."""
    with shared_service.client() as client:
        made = register(client)
        log_in(client, made["email"])
    [(stored,)] = shared_service.database.rows(
        "SELECT password_hash FROM users WHERE id = %s", made["id"]
    )
    assert stored.startswith("$argon2id$v=19$m=1024,t=1,p=1$")
    log = shared_service.log.read_text()
    assert PASSWORD not in log
    assert made["email"] not in log
    assert stored not in log


def test_the_token_of_an_account_that_is_gone_is_not_valid(shared_service: AuthService) -> None:
    """Where the account was removed its tokens open nothing."""
    with shared_service.client() as client:
        made = register(client)
        tokens = log_in(client, made["email"]).json()
        shared_service.database.rows("DELETE FROM users WHERE id = %s", made["id"])
        header = bearer(tokens["access_token"])
        assert_problem(client.get("/auth/me", headers=header), 401)
        changed = client.patch("/auth/me", json={"display_name": "a"}, headers=header)
        assert_problem(changed, 401)
        refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert_problem(refreshed, 401)
