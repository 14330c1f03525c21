"""Ten tasks of an operator in the terminal, with the keys that the docs give."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tests.daemons import ROOT
from tests.top import operator_tasks as tasks
from tests.top.fleet import FleetSource
from tests.top.operator_tasks import TASKS, OperatorTask
from tests.top.screen import lines, press, see, show, text

PAGE = (ROOT / "docs" / "how-to" / "answer-questions.md").read_text(encoding="utf-8")
SIZE = (140, 36)


@pytest.fixture(scope="module")
def source() -> FleetSource:
    """A fleet in three clusters, in which something is wrong."""
    made = FleetSource(240)
    for _ in range(3):
        made.poll_all()
    made.break_more()
    return made


def shards(pilot: Pilot[None]) -> list[str]:
    """The lines of shards in the table."""
    return [line for line in lines(pilot) if re.search(r" (primary|replica) ", line)]


def fullest(pilot: Pilot[None]) -> None:
    assert "40 of 240 shown" in text(pilot)
    found = [int(re.findall(r" (\d+)% ", line)[0]) for line in shards(pilot)]
    assert found == sorted(found, reverse=True)
    assert all("eu-central-1" in line and " primary " in line for line in shards(pilot))


def healthy(pilot: Pilot[None]) -> None:
    (line,) = [line for line in lines(pilot) if "prod-eu-central-1-sessions (80)" in line]
    assert "1 busy" in line
    assert "40p 40r" in line


def changed(pilot: Pilot[None]) -> None:
    seen = text(pilot)
    assert "no reply to INFO within 2 s" in seen
    assert "refused" in seen


def lagging(pilot: Pilot[None]) -> None:
    assert "1 of 240 shown" in text(pilot)
    assert "0030-r" in shards(pilot)[0]


def down(pilot: Pilot[None]) -> None:
    (line,) = [line for line in lines(pilot) if line.startswith(">critical")]
    assert re.search(r">critical +33m .*0002.* down +connection refused", line)
    assert "no server listens there" in text(pilot)


def evicting(pilot: Pilot[None]) -> None:
    assert "2 of 240 shown" in text(pilot)


def compared(pilot: Pilot[None]) -> None:
    assert re.search(r"0000.*0001", text(pilot), re.DOTALL)
    assert any(line.startswith("!") or " ! " in line for line in lines(pilot))


def clients(pilot: Pilot[None]) -> None:
    assert "▼clients" in text(pilot)


def versions(pilot: Pilot[None]) -> None:
    assert re.search(r"▸ 7\.0\.15 \(\d+\)", text(pilot))
    assert re.search(r"▸ 7\.2\.4 \(\d+\)", text(pilot))


def refusing(pilot: Pilot[None]) -> None:
    assert "1 of 240 shown" in text(pilot)
    assert "down: refused" in text(pilot)


ANSWERS: dict[OperatorTask, Callable[[Pilot[None]], None]] = {
    tasks.FULLEST: fullest,
    tasks.HEALTHY: healthy,
    tasks.CHANGED: changed,
    tasks.LAGGING: lagging,
    tasks.DOWN: down,
    tasks.EVICTING: evicting,
    tasks.COMPARED: compared,
    tasks.CLIENTS: clients,
    tasks.VERSIONS: versions,
    tasks.REFUSING: refusing,
}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.question)
def test_the_keys_answer_the_question(source: FleetSource, task: OperatorTask) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "240 shards")
        for key in task.typed:
            await press(pilot, "enter" if key == "\n" else key)
        ANSWERS[task](pilot)

    show(source, steps, SIZE)


def test_a_shard_that_is_down_says_since_when_in_a_group_too(source: FleetSource) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "t", *"cluster", "enter", "enter")
        assert "down: refused 33m" in text(pilot)

    show(source, steps, SIZE)


def test_the_docs_have_each_question_and_its_keys() -> None:
    for task in TASKS:
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {task.question} ")]
        keys = row.split("|")[2]
        assert as_documented(task.typed) == keys.strip(), task.question


def as_documented(typed: str) -> str:
    """The keys as the docs have them: `/` `role=primary` Enter."""
    texts = re.findall(r"\n|(?:^|(?<=\n))[/=a-z](?=\w)|[^\n]+", typed)
    return " ".join("Enter" if one == "\n" else f"`{one}`" for one in texts)
