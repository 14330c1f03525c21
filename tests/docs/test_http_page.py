"""The responses in http.md, and the metrics in metrics.md, have the form of real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.daemons import RunningDaemon
from tests.servers import RealServer

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "http.md").read_text(encoding="utf-8")
METRICS = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
ANSWERED = re.findall(r"^\$ curl '((?!\S*/history)\S+)'\n([{[].*)$", PAGE, re.MULTILINE)
STREAMS = re.findall(r"^\$ curl -N '(\S+)'\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
(STREAM, EVENTS), (TABLE, TABLES) = STREAMS
CONFIG = '[[shards]]\nurl = "{}"\nid = "db-1:6379"\nlabels = {{ site = "fra" }}\n'


def form(value: object) -> object:
    """Return a JSON value with types in place of numbers and texts."""
    if isinstance(value, dict):
        return {name: form(item) for name, item in value.items()}
    if isinstance(value, list):
        return [form(item) for item in value]
    return type(value)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The URL of a daemon that watches the shard of the page."""
    with ExitStack() as stack:
        server = stack.enter_context(RealServer())
        config = CONFIG.format(server.url)
        daemon = stack.enter_context(RunningDaemon(http=True, config_text=config))
        daemon.wait_polled(1)
        yield daemon.http


def test_the_page_has_these_examples() -> None:
    assert len(ANSWERED) == 5


@pytest.mark.parametrize(("url", "response"), ANSWERED)
def test_a_response_has_the_form_of_a_real_one(base: str, url: str, response: str) -> None:
    try:
        with urlopen(url.replace("http://127.0.0.1:9121/", base), timeout=10) as reply:
            real = json.load(reply)
    except HTTPError as error:
        real = json.load(error)
    assert form(json.loads(response)) == form(real)


def test_a_history_has_the_form_of_a_real_one(base: str) -> None:
    ((url, response),) = re.findall(r"^\$ curl '(\S+history\S+)'\n(.*)$", PAGE, re.MULTILINE)
    with urlopen(url.replace("http://127.0.0.1:9121/", base), timeout=10) as reply:
        real = json.load(reply)["data"]
    shown = json.loads(response)["data"]
    assert shown.keys() == real.keys()
    (ops,) = shown["fields"].pop("ops")
    assert len(ops) == shown["points"]
    assert len(real["fields"].pop("ops")) == 1
    assert form({**shown, "points": 0}) == form({**real, "points": 0})


def test_the_stream_has_the_events_of_the_page(base: str) -> None:
    expected = dict(re.findall(r"event: (\w+)\ndata: (.*)", EVENTS))
    assert expected.keys() == {"hello", "delta", "beat"}
    with urlopen(STREAM.replace("http://127.0.0.1:9121/", base), timeout=30) as stream:
        for name, data in sent(stream):
            if name in expected and '"set":{}' not in data:  # used_memory may be the same
                assert form(json.loads(expected.pop(name))) == form(json.loads(data))
            if not expected:
                break


def test_the_table_has_the_messages_of_the_page(base: str) -> None:
    everything, changed = re.findall(r"event: table\ndata: (.*)", TABLES)
    with urlopen(TABLE.replace("http://127.0.0.1:9121/", base), timeout=30) as stream:
        messages = (json.loads(data) for name, data in sent(stream) if name == "table")
        real = next(messages)
        real["events"] = []  # those of the daemon's start
        assert form(json.loads(everything)) == form(real)
        real = next(one for one in messages if one["columns"] and not one["shards"])
        assert form(json.loads(changed)) == form(real)


def test_the_metrics_have_the_samples_of_the_page(base: str) -> None:
    (shown,) = re.findall(r"```console\n\$ curl [^\n]*\n(.*?)```", METRICS, re.DOTALL)
    with urlopen(f"{base}metrics", timeout=10) as reply:
        lines = [line.decode() for line in reply]
    real = [line for line in lines if re.match(r"redis_(up|memory_used_bytes|db_keys){", line)]
    assert [line.split()[0] for line in real] == [line.split()[0] for line in shown.splitlines()]


def sent(stream: HTTPResponse) -> Iterator[tuple[str, str]]:
    """Yield name and data of each event."""
    for line in stream:
        name = line.decode().removeprefix("event: ").strip()
        yield name, next(stream).decode().removeprefix("data: ")
        assert next(stream) == b"\n"
