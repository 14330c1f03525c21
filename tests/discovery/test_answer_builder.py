"""What is collected of one read of a source, and its bounds."""

from __future__ import annotations

import pytest

from zinfo.discovery import answer_builder
from zinfo.discovery.answer_builder import MAX_NOTES, MAX_REASON, MAX_REASONS, AnswerBuilder
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.target import Candidate
from zinfo.errors import SourceError


@pytest.fixture
def builder() -> AnswerBuilder:
    return AnswerBuilder(TargetRules("s", keep={"env": "prod"}))


def candidate(port: int = 1, **labels: str) -> Candidate:
    return Candidate("a", port, labels={"env": "prod", **labels})


def test_a_bad_candidate_leaves_the_others(builder: AnswerBuilder) -> None:
    for port in (1, 0, 2, 0):
        builder.add(candidate(port))
    answer = builder.answer()
    assert list(answer.targets) == ["a:1", "a:2"]
    assert answer.skipped == {"bad port": 2}


def test_a_candidate_that_keep_excludes_is_not_counted(builder: AnswerBuilder) -> None:
    builder.add(candidate(env="test"))
    assert builder.answer().targets == {}
    assert builder.answer().skipped == {}


def test_the_first_of_two_candidates_with_one_id_is_used(builder: AnswerBuilder) -> None:
    builder.add(candidate(site="fra"))
    builder.add(candidate(site="fra"))
    assert builder.answer().skipped == {}
    builder.add(candidate(site="ber"))
    answer = builder.answer()
    assert answer.targets["a:1"].labels["site"] == "fra"
    assert answer.skipped == {"the id a:1 is given twice": 1}


def test_reasons_and_remarks_are_bounded_lines(builder: AnswerBuilder) -> None:
    for number in range(MAX_REASONS + 10):
        builder.skip(f"{number}\x1b]0;title\n" + "x" * 10_000)
        builder.note(f"{number}\r\n" + "y" * 10_000)
    answer = builder.answer()
    assert len(answer.skipped) == MAX_REASONS + 1
    assert answer.skipped["other reasons"] == 10
    assert len(answer.notes) == MAX_NOTES
    for line in (*answer.skipped, *answer.notes):
        assert line.isprintable()
        assert len(line) <= MAX_REASON


def test_too_many_targets_refuse_the_whole_answer(
    builder: AnswerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_builder, "MAX_TARGETS", 3)
    for port in (1, 2, 3, 3):
        builder.add(candidate(port))
    with pytest.raises(SourceError, match="more than 3 shards"):
        builder.add(candidate(4))
