"""Devices that have logged in before: strangers do not make them wait."""

import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest
from auth.devices import COOKIE_PATH, GOOD_SECONDS, Devices, signature
from auth.throttle import FREE_FAILURES_OF_ACCOUNT, FREE_FAILURES_OF_ADDRESS
from auth_database import AuthDatabase
from auth_processes import PASSWORD, SEED, AuthService, log_in, new_email, register

FREE_FAILURES = 5
HOME = "203.0.113.7"
SEEDS = [b"a" * 32, b"b" * 32]
ACCOUNT = sha256(b"a@b.example").digest()


def fail(client: httpx.Client, email: str, times: int = FREE_FAILURES) -> list[int]:
    """Fail to log in, several times; return the answers' statuses."""
    return [log_in(client, email, "a wrong one").status_code for _ in range(times)]


def fail_from_everywhere(service: AuthService, email: str) -> None:
    """Fail from so many addresses that the account is closed to strangers."""
    for number in range(FREE_FAILURES_OF_ACCOUNT // FREE_FAILURES):
        with service.client(f"198.51.100.{number}") as stranger:
            assert fail(stranger, email) == [401] * FREE_FAILURES


def test_the_cookie_is_for_logins_only(shared_service: AuthService) -> None:
    """No script and no other site has it, and over HTTPS it stays there."""
    with shared_service.client() as client:
        account = {"email": register(client)["email"], "password": PASSWORD}
        for proto, secure in (("http", False), ("https", True)):
            answer = client.post("/auth/login", json=account, headers={"X-Forwarded-Proto": proto})
            [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
            assert cookie["path"] == COOKIE_PATH
            assert (cookie["samesite"], cookie["httponly"]) == ("strict", True)
            assert (bool(cookie["secure"]), int(cookie["max-age"])) == (secure, GOOD_SECONDS)
        assert "set-cookie" not in log_in(client, account["email"], "a wrong one").headers


def test_a_known_device_waits_for_no_stranger(own_service: AuthService) -> None:
    """However many fail, and from everywhere, a device that has logged in is let in, at any place."""
    with own_service.client(HOME) as owner, own_service.client("192.0.2.1") as abroad:
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        fail_from_everywhere(own_service, email)
        assert log_in(abroad, email).status_code == 429
        abroad.cookies = owner.cookies
        assert log_in(abroad, email).status_code == 200


def test_a_known_address_waits_for_no_stranger_elsewhere(own_service: AuthService) -> None:
    """A client that keeps no cookies is let in where it has logged in before."""
    with own_service.client(HOME) as owner:
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        fail_from_everywhere(own_service, email)
        owner.cookies.clear()
        assert log_in(owner, email).status_code == 200


def test_a_known_device_waits_for_nobody_at_its_address(own_service: AuthService) -> None:
    """Behind one shared address a stranger shuts out himself, and the owner's device gets in."""
    with own_service.client(HOME) as owner, own_service.client(HOME) as stranger:
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        assert fail(stranger, email, FREE_FAILURES + 1) == [401] * FREE_FAILURES + [429]
        assert log_in(owner, email).status_code == 200
        assert fail(stranger, email, 1) == [429]


def test_a_known_device_has_a_count_of_its_own(own_service: AuthService) -> None:
    """A device guesses no more often than others do, and a login forgives it."""
    with own_service.client(HOME) as owner, own_service.client("192.0.2.1") as abroad:
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        abroad.cookies = owner.cookies
        for _ in range(2):
            assert fail(owner, email, FREE_FAILURES - 1) == [401] * (FREE_FAILURES - 1)
            assert log_in(owner, email).status_code == 200
        assert fail(abroad, email, FREE_FAILURES + 1) == [401] * FREE_FAILURES + [429]


def test_a_device_is_known_to_its_account_only(own_service: AuthService) -> None:
    """Whoever has logged in to one account is a stranger to all others."""
    with own_service.client(HOME) as owner, own_service.client("192.0.2.1") as other:
        email, others = register(owner)["email"], register(other)["email"]
        assert log_in(other, others).status_code == 200
        fail_from_everywhere(own_service, email)
        assert log_in(other, email).status_code == 429
        renamed = {cookie.name: cookie.value or "" for cookie in other.cookies.jar}
        assert log_in(owner, email).status_code == 429  # it has made the account, and never entered
        assert Devices([SEED.encode()]).known(renamed, ACCOUNT) is None


def test_all_replicas_know_the_same(database: AuthDatabase, tmp_path: Path) -> None:
    """A device that is known to one replica is to the other, and both count together."""
    with (
        AuthService(database, tmp_path / "one.log") as one,
        AuthService(database, tmp_path / "two.log", "v1") as two,
        one.client(HOME) as here,
        two.client(HOME) as there,
    ):
        email = register(here)["email"]
        assert log_in(here, email).status_code == 200
        fail_from_everywhere(one, email)
        there.cookies = here.cookies
        assert log_in(there, email).status_code == 200
        there.cookies = here.cookies  # each login makes another device
        assert fail(here, email, 3) + fail(there, email, 3) == [401] * FREE_FAILURES + [429]


def test_an_address_cannot_try_all_accounts(own_service: AuthService) -> None:
    """Failures of one address count together over all accounts; a known device is let in there."""
    with own_service.client(HOME) as owner, own_service.client(HOME) as sprayer:
        email = register(owner)["email"]
        assert log_in(owner, email).status_code == 200
        assert fail(sprayer, new_email(), 1) == [401]
        own_service.database.rows(
            "UPDATE login_failures SET failures = %s WHERE account = ''",
            FREE_FAILURES_OF_ADDRESS - 2,
        )
        assert [fail(sprayer, new_email(), 1) for _ in range(3)] == [[401], [401], [429]]
        assert log_in(owner, email).status_code == 200
        with own_service.client("192.0.2.1") as elsewhere:
            assert fail(elsewhere, new_email(), 1) == [401]


def test_a_few_failures_now_and_then_close_nothing(own_service: AuthService) -> None:
    """15 min after the first of them the failures of all strangers begin anew, under their bound."""
    email = new_email()
    with own_service.client(HOME) as client:
        assert fail(client, email, 2) == [401, 401]
        [first] = own_service.database.rows(
            "SELECT forgotten_at FROM login_failures WHERE client = 'strangers'"
        )
        own_service.database.rows(
            "UPDATE login_failures SET failures = %s, forgotten_at = now() "
            "WHERE client = 'strangers'",
            FREE_FAILURES_OF_ACCOUNT - 1,
        )
        assert fail(client, email, 2) == [401, 401]
        [second] = own_service.database.rows(
            "SELECT failures, paused_until <= now() FROM login_failures WHERE client = 'strangers'"
        )
    assert first is not None
    assert second == (2, True)


def cookies(devices: Devices, account: bytes = ACCOUNT) -> dict[str, str]:
    """Make a device's cookies."""
    cookie = devices.cookie_for(account)
    return {cookie.name: cookie.value}


def test_a_cookie_outlives_a_change_of_keys() -> None:
    """What one of the keys has signed is known, whichever is in front; what another has is not."""
    old, both, new = Devices(SEEDS[:1]), Devices(SEEDS[::-1]), Devices(SEEDS[1:])
    made = cookies(old)
    assert old.known(made, ACCOUNT) == both.known(made, ACCOUNT) is not None
    assert new.known(made, ACCOUNT) is None
    assert new.known(cookies(both), ACCOUNT) is not None


def test_each_login_makes_another_device() -> None:
    """Two devices of one account count apart, and are not told apart by the cookie's name."""
    devices = Devices(SEEDS)
    first, second = cookies(devices), cookies(devices)
    assert first.keys() == second.keys()
    assert devices.known(first, ACCOUNT) != devices.known(second, ACCOUNT)


@pytest.mark.parametrize("value", ["", "x", "====", "é", "A" * 76, "A" * 75 + "=", "A" * 8000])
def test_a_cookie_that_is_not_ours_is_nobodys(value: str) -> None:
    """Any other value is that of a stranger, and no failure."""
    devices = Devices(SEEDS)
    assert devices.known({devices.cookie_for(ACCOUNT).name: value}, ACCOUNT) is None


def test_a_changed_cookie_is_nobodys() -> None:
    """Not one bit may differ."""
    devices = Devices(SEEDS)
    name, value = devices.cookie_for(ACCOUNT)
    for place in range(len(value) - 1):
        other = "A" if value[place] != "A" else "B"
        changed = {name: value[:place] + other + value[place + 1 :]}
        assert devices.known(changed, ACCOUNT) is None
    other = sha256(b"another").digest()
    assert devices.known({devices.cookie_for(other).name: value}, other) is None


def test_a_cookie_ends() -> None:
    """One from before half a year is no longer good."""
    devices = Devices(SEEDS)
    key, name = devices._keys[0], devices.cookie_for(ACCOUNT).name  # noqa: SLF001

    def made(age: int) -> dict[str, str]:
        body = int(time.time() - age).to_bytes(8) + b"0" * 16
        return {name: urlsafe_b64encode(body + signature(key, ACCOUNT, body)).decode()}

    assert devices.known(made(GOOD_SECONDS - 3600), ACCOUNT) is not None
    assert devices.known(made(GOOD_SECONDS + 1), ACCOUNT) is None
