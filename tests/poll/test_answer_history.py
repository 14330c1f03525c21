"""An address is lost if it is missing from equal answers in a row; varying answers prove less."""

from __future__ import annotations

import random

import pytest

from zinfo.poll.answer_history import MAX_ANSWERS, AnswerHistory


def lost_at(connected: str, *answers: str) -> int | None:
    """Return the number of the answer, from 1, after which the connected address is lost."""
    history = AnswerHistory()
    history.add_connected(connected)
    for number, answer in enumerate(answers, 1):
        history.add(frozenset(answer))
        if history.has_lost(connected):
            return number
    return None


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["B", "B"], 2),
        (["A", "A", "A", "B", "B"], 5),
        (["AB", "AB", "B", "B"], 4),
        (["AB", "BA", "A", "AC"], None),
        (["B", "A", "B", "A", "B"], None),
        (["B", "A", "A", "B", "B"], None),  # two changes: three answers are needed
        (["B", "A", "A", "B", "B", "B"], 6),
        (["B", "C", "B", "C"], None),
        (["BC", "CD", "DE", "DE"], None),
        (["BC", "CD", "DE", "DE", "DE"], 5),
        (["A", "B", "A", *"A" * MAX_ANSWERS, "B", "B"], MAX_ANSWERS + 5),  # long ago
    ],
)
def test_the_answer_that_proves_a_failover(answers: list[str], expected: int | None) -> None:
    assert lost_at("A", *answers) == expected


def test_an_address_that_is_never_seen_again_is_lost_whatever_the_answers() -> None:
    others = [answer for _ in range(MAX_ANSWERS) for answer in ("BC", "CD")]
    assert lost_at("A", *others) == MAX_ANSWERS


def test_a_connect_finds_an_address_again() -> None:
    history = AnswerHistory()
    history.add_connected("A")
    for _ in range(3):
        history.add(frozenset("B"))
    assert history.has_lost("A")
    history.add_connected("A")
    assert not history.has_lost("A")


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [("AB", 1), ("ABC", 1), ("ABCDEFGH", 1), ("ABCDEFGH", 2), ("ABCDEFGH", 4), ("ABCDEFGH", 7)],
)
def test_random_parts_of_the_addresses_seldom_look_like_a_failover(
    addresses: str, shown: int
) -> None:
    choose = random.Random(shown)
    days = [["".join(choose.sample(addresses, shown)) for _ in range(1440)] for _ in range(10)]
    moves = [_moves(day) for day in days]
    later = sum(_moves(day) - _moves(day[:20]) for day in days)
    assert max(moves) <= 3, "moves a day, with a lookup a minute"
    assert later <= 5, "after the first 20 minutes, in ten days"


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_rotation_does_not_look_like_a_failover(size: int) -> None:
    assert lost_at("A", *["ABCDEFGH"[n % size] for n in range(1000)]) is None


def _moves(answers: list[str]) -> int:
    """Return how often a connection would move, if each connect chose from the newest answer."""
    history, connected, moves = AnswerHistory(), answers[0][0], 0
    history.add_connected(connected)
    for answer in answers:
        history.add(frozenset(answer))
        if history.has_lost(connected):
            connected, moves = answer[0], moves + 1
            history.add_connected(connected)
    return moves


def test_the_memory_of_a_history_is_bounded() -> None:
    history = AnswerHistory()
    for number in range(1000):
        history.add(frozenset({f"{number}.{n}" for n in range(10)}))
    assert len(history._last_seen) <= 10 * MAX_ANSWERS
