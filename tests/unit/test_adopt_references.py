"""References of compose files: what they mean there, and how stack.yaml says the same."""

from __future__ import annotations

import pytest

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.references import fill, find_lone, find_unset, rewrite, split

SET = {"A": "a", "EMPTY": "", "STACKCTL_KEY": "k"}
MEANT = [
    ("$A-${A}", "a-a", "${A}-${A}"),
    ("${A:-b}", "a", "${A:-b}"),
    ("${NO:-b}", "b", "${NO:-b}"),
    ("${NO-b c}", "b c", "${NO:-b c}"),
    ("${NO}", "", "${NO:-}"),
    ("${EMPTY}", "", "${EMPTY}"),
    ("${A:?say}", "a", "${A}"),
    ("costs $$1 and 5$", "costs $1 and 5$", "costs $$1 and 5$$"),
    ("a}b{c", "a}b{c", "a}b{c"),
    ("${NO:-a$$b}", "a$b", "${NO:-a$b}"),
    ("$1", "$1", "$$1"),
]


@pytest.mark.parametrize(("text", "filled", "rewritten"), MEANT)
def test_a_reference_is_filled_in_and_rewritten(text: str, filled: str, rewritten: str) -> None:
    """Both say the same with the variables of now."""
    assert fill(text, SET) == filled
    assert rewrite(text, SET) == rewritten


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${A:+b}", "cannot be said"),
        ("${NO:-${A}}", "has a reference in it"),
        ("${NO:?say}", "has no value"),
        ("${EMPTY:?say}", "has no value"),
        ("${", "begins no reference"),
        ("${A", "not closed"),
        ("${A b}", "not closed"),
        ("${A:-" * 30 + "}" * 30, "nested"),
        ("${STACKCTL_KEY}", "stackctl's own"),
    ],
)
def test_what_stack_yaml_cannot_say_has_a_reason(text: str, reason: str) -> None:
    """It is refused with words for it, and without the value."""
    with pytest.raises(Unfit, match=reason):
        rewrite(text, SET)


def test_nested_references_are_filled_in() -> None:
    """Decisions are made with what compose would read."""
    assert fill("${NO:-${A}-${NO:-${NO-x}}}", SET) == "a-x"
    assert fill("${A:+yes}${NO:+no}", SET) == "yes"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("${A}", "A"),
        ("$A", "A"),
        ("${A:?say}", "A"),
        ("${A:-}", None),
        ("x${A}", None),
        ("$$A", None),
        ("", None),
        (1, None),
    ],
)
def test_a_variable_alone_is_a_secret(text: object, name: str | None) -> None:
    """Only a text that is nothing else, and has no default."""
    assert find_lone(text) == name


def test_variables_without_a_value_are_named() -> None:
    """Those that compose takes as empty."""
    assert find_unset("${NO}-${A}-${NO2:-b}-$NO3", SET) == ["NO", "NO3"]


def test_a_text_is_split_outside_of_references() -> None:
    """`:` stands in references and in IPv6 addresses as well."""
    assert split("${HOST:-[::1]}:${PORT:-80}:8000", ":") == [
        "${HOST:-[::1]}",
        "${PORT:-80}",
        "8000",
    ]
    assert split("[::1]:80:8000", ":") == ["[::1]", "80", "8000"]
