"""benchmarks/load.py: the load that it generates, its report, and its checks of the replies."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import zmq

from benchmarks.load import main
from benchmarks.queries import NAMES, QueryGenerator
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.spawning import HOST, free_port
from zinfo.wire.codec import pack, unpack
from zinfo.wire.query_messages import Reply

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """A daemon that has polled its one server."""
    environ = {
        "ZINFO_POLL_MIN_INTERVAL": "0.2",
        "ZINFO_POLL_MAX_INTERVAL": "0.2",
        # Three of them without a message, which make a subscriber stale, are half a minute.
        "ZINFO_BUS_HEARTBEAT": "10",
    }
    with RealServer() as server, RunningDaemon([server.url], environ=environ) as running:
        running.wait_polled(1)
        yield running


class Load(Protocol):
    """Runs the tool for a second; returns its exit code, its JSON and its stderr."""

    def __call__(self, *words: str) -> tuple[int, dict[str, Any], str]: ...


@pytest.fixture
def load(capsys: pytest.CaptureFixture[str]) -> Load:
    """The tool in this process; its workers are processes of their own."""

    def run(*words: str) -> tuple[int, dict[str, Any], str]:
        code = main(["--json", "--seconds=1", *words])
        output, errors = capsys.readouterr()
        return code, json.loads(output or "{}"), errors

    return run


@contextlib.contextmanager
def modifying_proxy(daemon: RunningDaemon, change: Callable[[Any], Any]) -> Iterator[str]:
    """Relay queries to a daemon, and change its replies to those for one field of a shard."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as front:
        port = front.bind_to_random_port(f"tcp://{HOST}")
        over = threading.Event()

        def serve() -> None:
            with context.socket(zmq.REQ) as back:
                back.linger = 0
                back.connect(daemon.query)
                while not over.is_set():
                    if not front.poll(50):
                        continue
                    route, empty, *request = front.recv_multipart()
                    back.send_multipart(request)
                    magic, header, body = back.recv_multipart()
                    if b"used_memory" in request[1]:
                        body = pack(change(unpack(body)))
                    front.send_multipart([route, empty, magic, header, body])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://{HOST}:{port}"
        finally:
            over.set()
            thread.join()


def test_every_kind_of_query_is_sent_checked_and_timed(daemon: RunningDaemon, load: Load) -> None:
    code, result, stderr = load(daemon.query, f"--mix={','.join(NAMES)}", "--clients=3")
    assert (code, stderr) == (0, "")
    queries = result["queries"]
    assert set(queries["times"]) == set(NAMES)
    assert queries["wrong"] == queries["lost"] == 0
    assert queries["errors"] == {}
    for row in queries["times"].values():
        assert 0 < row["p50"] <= row["p99"] <= row["max"]


def test_as_many_queries_are_sent_as_the_rate_says(daemon: RunningDaemon, load: Load) -> None:
    code, result, _ = load(daemon.query, "--rate=100", "--clients=2", "--processes=1")
    assert code == 0
    answered = sum(row["answered"] for row in result["queries"]["times"].values())
    assert answered + result["queries"]["unasked"] == 100


def test_subscribers_get_updates_without_a_gap(daemon: RunningDaemon, load: Load) -> None:
    code, result, _ = load(
        daemon.query, "--clients=0", "--subscribers=2", "--kinds=delta,info", "--seconds=3"
    )
    assert code == 0
    subscribers = result["subscribers"]
    assert subscribers["gaps"] == subscribers["stale"] == subscribers["restarts"] == 0
    assert all(one["delta"] and one["snapshot"] for one in subscribers["counts"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda body: [], "not the one shard"),
        (lambda body: body * 2, "not the one shard"),
        (
            lambda body: [{**body[0], "used_memory": "a lot"}],
            "not have exactly the requested field",
        ),
        (lambda body: [{**body[0], "more": 1}], "not have exactly the requested field"),
        (lambda body: [{"used_memory": 1}], "cannot be read"),
        (lambda body: 3, "cannot be read"),
    ],
)
def test_a_wrong_reply_is_noticed(change: Callable[[Any], Any], problem: str) -> None:
    queries = QueryGenerator(["a"], {"field": 1})
    body = [{"used_memory": 1, "meta": {"shard_identifier": "a", "revision": 1, "info_age": 0.1}}]
    assert queries.problem(queries.next(), Reply(1, {}, body)) == ""
    assert problem in queries.problem(queries.next(), Reply(1, {}, change(body)))


def test_wrong_replies_are_counted_and_reported_with_exit_code_1(
    daemon: RunningDaemon, load: Load
) -> None:
    with modifying_proxy(daemon, lambda body: body * 2) as endpoint:
        code, result, stderr = load(endpoint, "--mix=field,one", "--rate=20", "--clients=1")
    assert code == 1
    assert result["queries"]["wrong"]
    assert "not the one shard" in stderr


def test_an_older_revision_than_before_is_wrong() -> None:
    queries = QueryGenerator(["a"], {"field": 1})
    for revision, problem in ((7, ""), (7, ""), (6, "field: a goes back to revision 6")):
        meta = {"shard_identifier": "a", "revision": revision, "info_age": 0.1}
        reply = Reply(1, {}, [{"used_memory": 1, "meta": meta}])
        assert queries.problem(queries.next(), reply) == problem


def test_a_long_reply_may_be_older_than_the_reply_to_a_later_query() -> None:
    queries = QueryGenerator(["a"], {"field": 1, "fields": 1e-9})
    quick = queries.next()
    long = queries._all("fields")
    for query, revision in ((quick, 7), (long, 6)):
        meta = {"shard_identifier": "a", "revision": revision, "info_age": 0.1}
        assert not queries.problem(query, Reply(1, {}, [{"used_memory": 1, "meta": meta}]))


def test_a_shard_on_two_pages_is_wrong() -> None:
    queries = QueryGenerator(["a", "b"], {"fields": 1})
    query = queries.next()
    meta = {"shard_identifier": "a", "revision": 1, "info_age": 0.1}
    reply = Reply(1, {"cursor": "a"}, [{"used_memory": 1, "meta": meta}])
    assert queries.problem(query, reply) == ""
    assert query.request.args["cursor"] == "a"
    assert queries.problem(query, reply) == "fields: a shard is listed twice"


def test_an_unreachable_daemon_is_exit_code_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", f"tcp://{HOST}:{free_port()}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("load: no answer from")


@pytest.mark.parametrize(
    "words", ["--mix=poll", "--mix=one=0", "--kinds=all", "--clients=-1", "--seconds=0"]
)
def test_an_invalid_option_is_exit_code_2(words: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([words])
    assert end.value.code == 2
