"""Sources are read once, at the same time; each failure is that of one source."""

from __future__ import annotations

import os
import signal

import gevent
import pytest
from gevent.event import Event

from zinfo.daemon.read_once import read_once
from zinfo.discovery.source import Source
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError

ANSWER = Answer({"a:1": Target("redis://a:1", {})})


class Scripted(Source):
    """Answers, raises, or waits for ever."""

    kind = "scripted"

    def __init__(self, name: str, result: Answer | Exception | None, waits: bool = False) -> None:
        super().__init__(name, 1.0)
        self._result, self._waits = result, waits
        self.closed = False
        self.started = Event()

    def read(self) -> Answer | None:
        self.started.set()
        if self._waits:
            gevent.sleep(1000)
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def close(self) -> None:
        self.closed = True


def test_the_results_are_in_the_order_of_the_sources_and_all_are_closed() -> None:
    sources = [
        Scripted("slow", None, waits=True),
        Scripted("good", ANSWER),
        Scripted("failing", SourceError("refused")),
        Scripted("broken", TypeError("a secret")),
        Scripted("empty", None),
    ]
    readings = read_once(sources, timeout=0.2)
    assert [(one.name, one.error) for one in readings] == [
        ("slow", "no answer within 0.2 s"),
        ("good", ""),
        ("failing", "refused"),
        ("broken", "internal error: TypeError"),
        ("empty", "no answer"),
    ]
    assert [one.answer for one in readings] == [None, ANSWER, None, None, None]
    assert all(one.closed for one in sources)


def test_without_sources_there_is_nothing_to_wait_for() -> None:
    assert read_once([], timeout=1000) == []


def test_ctrl_c_ends_it_and_closes_the_sources() -> None:
    before = signal.getsignal(signal.SIGINT)
    waiting = Scripted("slow", None, waits=True)
    reading = gevent.spawn(read_once, [waiting], 1000)
    assert waiting.started.wait(30)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        reading.get(timeout=30)
    assert waiting.closed
    assert signal.getsignal(signal.SIGINT) is before
