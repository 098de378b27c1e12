"""Names made to break out: 1,000 of them, all refused; and what is odd and harmless, kept as data."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from assets_forms import ask_raw, assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import AssetsService, Database

ENDS = ["etc/passwd", "x.png", "canary", "incoming/a.part", "con", "web.config", ".htaccess", "a b"]
ENDS += ["proc/self/environ", "x.png;.php"]
WAYS_UP = [
    "../",
    "..\\",
    "/",
    "\\",
    "//host/share/",
    "\\\\host\\share\\",
    "C:\\",
    "C:",
    "file:///",
    "./",
    "~/",
    "....//",
    "..;/",
    "%2e%2e%2f",
    "%2e%2e/",
    "..%2f",
    "..%5c",
    "%252e%252e%252f",
    "..%c0%af",
    "..%u2215",
    "\uff0e\uff0e\uff0f",
    "\u2024\u2024/",
    "..\u2215",
    "..\uff3c",
    "a/../../",
    "{canary}/",
    "..%ef%bc%8f",
    "%25252e%25252e%25252f",
    "%u002e%u002e%u002f",
    "..%e0%80%af",
]
DEPTHS = [1, 2, 8]
DEVICES = ["CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "LPT9", "COM¹", "CONIN$", "conout$"]
DEVICE_FORMS = [
    "{}",
    "{}.txt",
    "{}.tar.gz",
    "{}.",
    "{} ",
    "{}:",
    "{} .txt",
    "{}\uff0etxt",
    "{}%2etxt",
]
UNSEEN = [chr(c) for c in (*range(32), 127, 0x85, 0x9B, 0x2028, 0x2029, 0x200B, 0x200E, 0x202A)]
UNSEEN += [
    chr(c) for c in (0x202B, 0x202D, 0x202E, 0x2066, 0x2067, 0x2069, 0xFEFF, 0xE0001, 0xFFFF)
]
UNSEEN += [chr(c) for c in (0xE000, 0xFDD0, 0xFFFE, 0x1FFFE, 0x10FFFF)]
UNSEEN_FORMS = ["a{}b.png", "{}a.png", "a.png{}"]
NOT_UTF8 = [
    b"\xff",
    b"\xc0\xae\xc0\xae\xc0\xaf",  # "../" in more bytes than it takes
    b"\xe0\x80\xae\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\x9c",
    b"\xed\xa0\x80",  # half of a pair
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",  # beyond the last character
    b"\xfe\xff\x00/",
    b"a\x80b",
]
LONG = ["a" * 201, "a" * 10_000, "ü" * 201, "😀" * 10_000, "../" * 3_000, "a." * 5_000, "é" * 201]
BLANK = [" ", ".", "..", "...", " .", ". ", " a", "a ", "a.", "\t", "\u3000", "\u00a0a", " " * 200]
BLANK += ["\u200d", "\u200c\u200d"]
ODD = [
    "$(id)",
    "`id`",
    "'; DROP TABLE assets;--",
    "<b>",
    "a|b",
    "-rf",
    "*",
    "?",
    "%s%n",
    "{0}",
    "&&",
]


def names() -> Iterator[bytes]:
    """Make all the names."""
    for end, up, depth in itertools.product(ENDS, WAYS_UP, DEPTHS):
        yield (up * depth + end).encode()
    for device, shape in itertools.product(DEVICES, DEVICE_FORMS):
        yield shape.format(device).encode()
    for unseen, shape in itertools.product(UNSEEN, UNSEEN_FORMS):
        yield shape.format(unseen).encode()
    for raw, shape in itertools.product(NOT_UTF8, [b"%b", b"a%b.png"]):
        yield shape % raw
    for text in (*LONG, *BLANK):
        yield text.encode()


NAMES = list(names())
GROUPS = 4


@pytest.fixture
def jailed(database: Database, issuer: Issuer, tmp_path: Path) -> Iterator[AssetsService]:
    """Give the test a service whose folder has neighbours to break out to."""
    for neighbour in ("canary", "etc/passwd", "x.png", "home/canary", "home/x.png"):
        path = tmp_path / neighbour
        path.parent.mkdir(exist_ok=True)
        path.write_text("root:canary")
    with AssetsService(database, issuer, tmp_path / "home") as service:
        yield service


def neighbours(service: AssetsService) -> dict[str, bytes]:
    """Read all files around the service's folder but its log."""
    home = service.folder.parents[1]
    return {
        str(path): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and service.folder not in path.parents and path != service.log
    }


def test_there_are_a_thousand_names() -> None:
    """The names are as many as promised, and all different."""
    assert len(set(NAMES)) == len(NAMES) >= 1000


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_name_that_is_more_than_a_name_is_refused(jailed: AssetsService, group: int) -> None:
    """Each with a problem that says so; nothing is stored, and nothing around the folder changed."""
    before = neighbours(jailed)
    with jailed.client() as client:
        for name in NAMES[group::GROUPS]:
            answer = post(client, form(b"content", name))
            assert answer.status_code in {400, 422}, name
            assert_problem(answer, answer.status_code)
    assert neighbours(jailed) == before
    assert jailed.files() == []
    assert jailed.database.rows() == 0


def test_a_name_that_is_only_odd_is_kept_as_data(jailed: AssetsService) -> None:
    """It is no part of a path, shows no tricks, and comes back as it was."""
    before = neighbours(jailed)
    with jailed.client() as client:
        for name in ODD:
            asset = upload(client, b"content", name)
            assert_harmless(asset["name"])
            headers = client.get(f"/assets/{asset['id']}").headers
            assert unquote(headers["content-disposition"].partition("''")[2]) == name
    assert neighbours(jailed) == before
    stored = jailed.files()
    assert len(stored) == jailed.database.rows() == len(ODD)
    assert all(len(file) == 35 and file[:2] == file[3:5] for file in stored)


def assert_harmless(name: str) -> None:
    """Check that a name is only a name, even decoded once more."""
    assert 0 < len(name) <= 200
    for form_of_name in (name, unquote(name)):
        assert not set(form_of_name) & set("/\\:\0")
        assert form_of_name.isprintable()
        assert form_of_name.strip(". ") != ""


def test_good_names_are_kept(shared_service: AssetsService) -> None:
    """What people call their files is taken as it is."""
    good = ["a", "a" * 200, "Bericht (2) Größe.tar.gz", "한국어.txt", "👨‍👩‍👧.png", "console.txt"]
    good += [
        "100%.txt",
        "100%effort",
        "50%u",
        "½.txt",
        "a..b",
        ".gitignore",
        'comma, semi; quote\' and "double".txt',
        "C++.h",
    ]
    with shared_service.client() as client:
        for name in good:
            answer = post(client, form(b"content", name.encode()))
            assert (answer.status_code, answer.json().get("name")) == (201, name)


TARGETS = [
    way * depth + end
    for way in (b"../", b"..%2f", b"%2e%2e%2f", b"..%5c", b"..\\", b"%252e%252e%252f", b"..%c0%af")
    for depth in (1, 3, 9)
    for end in (b"etc/passwd", b"etc%2fpasswd", b"canary", b"home/canary%00", b"canary/meta")
]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
def test_a_path_breaks_nothing(jailed: AssetsService, method: bytes) -> None:
    """An id that is a way out of the folder is no id: nothing is read, and nothing removed."""
    before = neighbours(jailed)
    token = b"Authorization: Bearer " + jailed.issuer.token("0" * 32).encode()
    for target in TARGETS:
        answer = ask_raw(jailed.port, method, b"/assets/" + target, token)
        assert answer.status in {404, 405}, target
        assert answer.content_type == "application/problem+json"
        assert b"canary" not in answer.body
    assert neighbours(jailed) == before
