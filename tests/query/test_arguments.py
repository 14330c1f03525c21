"""Validation of the arguments of queries."""

from __future__ import annotations

import pytest

from zinfo.errors import BadRequestError
from zinfo.query.arguments import Arguments


def test_a_missing_argument_has_its_default() -> None:
    args = Arguments({})
    assert args.texts("a") == ()
    assert args.text("a") is None
    assert args.flag("a") is False
    assert args.seconds("a") == 0.0
    assert args.count("a") == 0
    assert args.labels("a") == {}
    args.reject_unknown()


def test_each_argument_is_taken_once() -> None:
    args = Arguments(
        {"t": "one", "l": ["a", "b"], "f": True, "s": 1.5, "c": 3, "m": {"k": "v"}, "x": "text"}
    )
    assert args.texts("t") == ("one",)
    assert args.texts("l") == ("a", "b")
    assert args.flag("f") is True
    assert args.seconds("s") == 1.5
    assert args.count("c") == 3
    assert args.labels("m") == {"k": "v"}
    assert args.text("x") == "text"
    args.reject_unknown()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("texts", 5),
        ("texts", ["a", 1]),
        ("text", 5),
        ("flag", 1),
        ("seconds", "1"),
        ("seconds", -1),
        ("seconds", True),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("count", 1.5),
        ("count", -1),
        ("count", False),
        ("labels", ["a"]),
        ("labels", {"a": 1}),
    ],
)
def test_an_error_names_the_argument_of_the_wrong_type(kind: str, value: object) -> None:
    with pytest.raises(BadRequestError, match=r"^it must be"):
        getattr(Arguments({"it": value}), kind)("it")


def test_an_unknown_argument_is_rejected() -> None:
    with pytest.raises(BadRequestError, match="unknown argument: shrd"):
        Arguments({"shrd": 1}).reject_unknown()
