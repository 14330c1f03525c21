"""Streams of the table in this process: one encoding for all pages, and pages that read slowly."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from tests.adapters.page.readings import Page, data, reading
from tests.waiting import wait_until
from zinfo.adapters.page import table_stream
from zinfo.adapters.page.readings import Reading, Selection, YieldPoint
from zinfo.adapters.page.table_stream import TableStreams
from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.errors import ZinfoError
from zinfo.security.rights import ALL_RIGHTS

SELECTION = Selection(("x",), (), ALL_RIGHTS)
OTHER = Selection(("x", "y"), (), ALL_RIGHTS)
TEXT = "x" * 1000


class Source:
    """A table whose one value is the number of its reading.

    Attributes:
        reads: number of readings.
        closed: whether it was closed.
    """

    def __init__(self) -> None:
        self.reads = 0
        self.closed = False
        self.error: Exception | None = None

    def read(self, yield_point: YieldPoint) -> Reading:
        yield_point()
        self.reads += 1
        if self.error:
            raise self.error
        return reading({"a": {"x": f"{self.reads} {TEXT}", "time": self.reads}})

    def close(self) -> None:
        self.closed = True


class Streams:
    """The streams, with the sources and errors so far."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.errors: list[BaseException] = []
        self.all = TableStreams(
            self._open, ClientQuotas(100), lambda _part, error: self.errors.append(error)
        )

    def _open(self, _selection: Selection) -> Source:
        self.sources.append(Source())
        return self.sources[-1]

    def open(self, selection: Selection = SELECTION) -> Iterator[bytes]:
        return self.all.messages(selection, lambda: True)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    monkeypatch.setattr("zinfo.adapters.page.table_pacing.INTERVAL", 0.01)
    monkeypatch.setattr("zinfo.adapters.page.table_pacing.CPU_SHARE", 1.0)
    return Streams()


def test_a_hundred_pages_that_show_the_same_share_each_message(streams: Streams) -> None:
    pages = [streams.open() for _ in range(100)]
    started = [gevent.spawn(next, page) for page in pages]
    gevent.joinall(started, timeout=60)
    assert len({id(one.value) for one in started}) <= 2, "one object, or two where one came later"
    assert len(streams.sources) == 1
    before, reads = streams.all.encoded, streams.sources[0].reads
    gevent.joinall([gevent.spawn(next, page) for page in pages], timeout=60)
    assert streams.all.encoded - before <= streams.sources[0].reads - reads + 1
    other = streams.open(OTHER)
    next(other)
    assert len(streams.sources) == 2, "other fields are another table"


def test_nothing_is_read_without_a_page(streams: Streams) -> None:
    page = streams.open()
    next(page)
    (source,) = streams.sources
    page.close()  # type: ignore[attr-defined]  # WSGI closes it; Iterator has no close()
    wait_until(lambda: source.closed, 30, "the table to be closed", sleep=gevent.sleep)
    assert len(streams.all) == 0
    page = streams.open()
    assert data(next(page))["reset"]
    assert len(streams.sources) == 2


def test_a_page_that_reads_slowly_receives_everything_again(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_stream, "_MAX_QUEUED_BYTES", 3000)
    slow, page = streams.open(), Page()
    page.take(data(next(slow)))
    (source,) = streams.sources
    wait_until(lambda: source.reads > 20, 30, "many messages", sleep=gevent.sleep)
    while page.resets < 2:
        for message in next(slow).split(b"\n\n"):
            if message.startswith(b"event"):
                page.take(data(message + b"\n\n"))
    assert int(page.by_id()["a"]["x"].split()[0]) > 20


def test_an_error_of_the_source_ends_the_streams_and_is_reported(streams: Streams) -> None:
    page = streams.open()
    next(page)
    streams.sources[0].error = ZinfoError("broken")
    assert not any(message.startswith(b"event") for message in list(page)[2:])
    assert [str(error) for error in streams.errors] == ["broken"]
    again = streams.open()
    assert data(next(again))["reset"], "a page that connects again is served"
