"""`up` takes passwords and pages in: checked first, by one reload, and no password is told anywhere."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.config import parse_config
from orchestrator.gateway.files import ERRORS, USERS, users_file
from orchestrator.gateway.passwords import find_changed, write_users
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.observe import observe
from orchestrator.stack.guests import find_basic_auth, list_basic_auth
from orchestrator.stack.withheld import list_secrets
from orchestrator.wording import describe_forecast
from tests.fakes.stacks import load_shop, shop_with
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.stack.access import BasicAuth

PASSWORD, OTHER = "correct horse battery", "another-word-of-ann"
USERS_OF_SHOP = {"ann": "ANN_PASSWORD", "bob": "BOB_PASSWORD"}


class Office(World):
    """A stack whose one service is for people with a password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.variables |= {"ANN_PASSWORD": PASSWORD, "BOB_PASSWORD": "bob-has-one-too"}
        self.notes["basic_auth"] = {"users": dict(USERS_OF_SHOP)}
        self.notes["routes"] = [{"path": "/"}]

    @property
    def auth(self) -> BasicAuth:
        """Return who may come in."""
        ((_, found),) = list_basic_auth(self.house.stack)
        return found

    def stored(self, folder: str = USERS) -> list[str]:
        """Return the names of files in the gateway's volume."""
        return self.host.box("shop-gateway").names(folder)

    def users(self) -> str:
        """Return the file that NGINX asks."""
        path = users_file(observe(self.house).supplies.users(self.auth))
        assert f"auth_basic_user_file {path};" in self.text()
        return self.host.box("shop-gateway").read(path)

    def text(self) -> str:
        """Return the config that NGINX serves."""
        config = observe(self.house).config
        assert config is not None
        return config.text

    def settle(self) -> None:
        """Let workers of configs before leave."""
        self.clock.sleep(200)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Return a stack with passwords; nothing runs."""
    return Office(tmp_path)


def quiet(office: Office) -> None:
    """Bring the stack up without the witness: there is no public listener here."""
    office.up()
    office.changes()
    office.events.clear()


def test_nginx_knows_users_by_salted_hashes(office: Office) -> None:
    """A hash is of the password and of 16 bytes that nobody can guess."""
    quiet(office)
    lines = dict(line.split(":") for line in office.users().splitlines())
    assert [*lines] == ["ann", "bob"]
    whole = base64.b64decode(lines["ann"].removeprefix("{SSHA}"))
    digest, salt = whole[:20], whole[20:]
    assert hashlib.sha1(PASSWORD.encode() + salt, usedforsecurity=False).digest() == digest
    assert len(salt) == 16
    assert write_users({"ann": PASSWORD}) != write_users({"ann": PASSWORD})


def test_a_second_up_changes_nothing(office: Office) -> None:
    """The salts stay as long as the passwords do."""
    quiet(office)
    assert office.up().gateway == "unchanged"
    assert office.changes() == []


def test_another_password_is_one_reload(office: Office) -> None:
    """The list before is there until no worker can read it any more."""
    quiet(office)
    before = office.stored()
    office.variables["ANN_PASSWORD"] = OTHER
    told = forecast(office.house, None, None)
    assert told.gateway == ("services.notes.basic_auth: `ann` with another password",)
    assert (
        "gateway: services.notes.basic_auth: `ann` with another password;"
        " `stackctl up` takes it in\n"
    ) in describe_forecast(told)
    assert office.up().gateway == "reconfigured"
    assert find_changed(office.users(), {"ann": OTHER, "bob": "bob-has-one-too"}) == []
    office.settle()
    assert office.up().gateway == "unchanged"
    assert len(office.stored()) == 1
    assert office.stored() != before
    assert forecast(office.house, None, None).gateway == ()


def test_a_list_stays_while_a_worker_may_read_it(office: Office) -> None:
    """One that leaves answers on connections that are kept, by the config before."""
    quiet(office)
    office.host.habits.workers_linger = 60.0
    (before,) = office.stored()
    office.variables["ANN_PASSWORD"] = OTHER
    office.up()
    assert before in office.stored()
    office.settle()
    office.up()
    assert before not in office.stored()


def test_a_lost_list_comes_back(office: Office) -> None:
    """With new salts: so NGINX takes up another config."""
    quiet(office)
    (before,) = office.stored()
    box = office.host.box("shop-gateway")
    office.engine.execute(box.id, ("rm", "-rf", "--", f"{USERS}/{before}"))
    assert office.up().gateway == "reconfigured"
    assert len(office.stored()) == 1


def test_a_new_gateway_has_the_passwords(office: Office) -> None:
    """Also where the one before is gone with its volume."""
    quiet(office)
    office.take_down(volumes=True)
    office.up()
    assert find_changed(office.users(), {"ann": PASSWORD, "bob": "bob-has-one-too"}) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "the password `ANN_PASSWORD` is not set"),
        ("", "is empty: whoever knows the name would come in"),
        ("one\ntwo", "has a line break or another control character"),
    ],
)
def test_a_password_that_is_none_is_told_first(
    office: Office, value: str | None, said: str
) -> None:
    """Before anything is made, and without the value."""
    office.variables.pop("ANN_PASSWORD")
    if value is not None:
        office.variables["ANN_PASSWORD"] = value
    with pytest.raises(ConfigurationError, match=said) as raised:
        office.up()
    assert raised.value.message.startswith("services.notes.basic_auth.users.ann: ")
    assert not value or value not in raised.value.message
    assert office.host.boxes == {}


def test_a_release_keeps_who_comes_in(office: Office) -> None:
    """It needs no password: whoever releases need not have one."""
    quiet(office)
    before = office.users()
    office.notes["routes"] = []  # no witness: there is no listener that it could ask
    office.notes["basic_auth"] = None
    office.document["services"]["other"] = {
        **office.notes,
        "routes": [{"path": "/"}],
        "basic_auth": {"users": dict(USERS_OF_SHOP)},
    }
    office.variables.clear()
    assert office.deploy("v2").outcome == "deployed"
    assert office.users() == before


def test_a_release_opens_no_route_without_its_passwords(office: Office) -> None:
    """It says who brings them."""
    office.notes["basic_auth"] = None
    quiet(office)
    office.notes["basic_auth"] = {"users": {"ann": "ANN_PASSWORD"}}
    result = office.deploy("v2")
    assert isinstance(result.error, StackctlError)
    assert result.error.message == (
        "services.notes.basic_auth: the gateway has not got these passwords yet"
    )
    assert result.error.hint == "`stackctl up` brings them"
    assert office.serving() == {"v1"}


def test_no_password_and_no_hash_is_in_what_a_stack_leaves(office: Office) -> None:
    """Neither in a config, an event, a plan or the evidence."""
    quiet(office)
    hashes = [line.partition(":")[2] for line in office.users().splitlines()]
    office.variables["ANN_PASSWORD"] = OTHER
    told = [describe_forecast(forecast(office.house, None, None), diff=True), office.text()]
    office.up()
    told += [office.text(), *map(str, office.events), str(office.house)]
    reports = office.house.reports
    told += [file.read_text() for file in reports.rglob("*") if file.is_file()]
    assert len(told) > 10
    for word in (PASSWORD, OTHER, "bob-has-one-too", *hashes):
        assert not [text for text in told if word in text]


def test_passwords_are_withheld_as_other_secrets_are(office: Office) -> None:
    """So no error of the engine or of a program tells one."""
    assert {one.variable for one in list_secrets(office.house.stack)} == {*USERS_OF_SHOP.values()}


def test_a_route_goes_before_its_service(tmp_path: Path) -> None:
    """It has users of its own, or asks nobody."""
    wanted = {"users": {"ann": "A"}}
    routes: list[Any] = [
        {"path": "/"},
        {"path": "/open/", "basic_auth": False},
        {"path": "/other/", "basic_auth": {"users": {"bob": "B"}}},
    ]
    document = shop_with("services.web.basic_auth", wanted)
    document = shop_with("services.web.routes", routes, document)
    service = load_shop(tmp_path, document).services["web"]
    found = [find_basic_auth(service, route) for route in service.routes]
    assert [one and one.users for one in found] == [{"ann": "A"}, None, {"bob": "B"}]


def test_a_page_is_taken_in(office: Office) -> None:
    """Another page is another config, and `plan` says so."""
    office.document["gateway"]["error_pages"] = {404: "404.html"}
    page = office.folder / "404.html"
    page.write_text("<h1>Nothing here</h1>")
    quiet(office)
    (before,) = office.stored(ERRORS)
    assert office.host.box("shop-gateway").read(f"{ERRORS}/{before}") == page.read_text()
    assert before.removesuffix(".html") in office.text()
    page.write_text("<h1>Nothing at all</h1>")
    assert forecast(office.house, None, None).gateway == ("gateway.error_pages.404: another page",)
    assert office.up().gateway == "reconfigured"
    office.settle()
    office.up()
    office.changes()
    assert office.up().gateway == "unchanged"
    assert office.changes() == []
    (after,) = office.stored(ERRORS)
    assert after != before
    assert after.removesuffix(".html") in office.text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "gateway.error_pages.404: cannot be read: No such file or directory"),
        (b"x" * (256 * 1024 + 1), "a page has at most 256k"),
        (b"\xff\xfe", "gateway.error_pages.404: is no text in UTF-8"),
    ],
)
def test_a_page_that_cannot_be_shown_is_refused(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """When stack.yaml is read, so `validate` says it too."""
    if content is not None:
        (tmp_path / "404.html").write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        load_shop(tmp_path, shop_with("gateway.error_pages", {404: "404.html"}))


def test_a_page_lies_in_the_repository(tmp_path: Path) -> None:
    """As all that stack.yaml names does."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "404.html").write_text("private")
    with pytest.raises(ConfigurationError, match=r"gateway.error_pages.404: lies outside"):
        load_shop(folder, shop_with("gateway.error_pages", {404: "../404.html"}))


def test_a_config_is_held_to_what_could_have_been_written(office: Office) -> None:
    """An id becomes a path."""
    quiet(office)
    text = office.text()
    (name,) = office.stored()
    assert parse_config(text) is not None
    assert parse_config(text.replace(name, "../../../etc/passwd")) is None
