"""Every client of another kind than zinfo.client, and the test vectors of the wire."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

from tests.clients.programs import environment
from tests.clients.runtimes import CLIENTS, Runtime
from tests.protocol_vectors import Vector, frames_of, read
from zinfo.wire.query_messages import Request, decode_request, split_envelope

PATIENCE = 5.0  # seconds for one message to come


def results(runtime: Runtime, tasks: list[list[Any]]) -> list[Any]:
    """Have the program's own functions do the tasks."""
    done = subprocess.run(
        runtime.driver_line(),
        env=environment(runtime),
        input=json.dumps(tasks),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert len(found) == len(tasks)
    assert isinstance(found, list)
    return found


# --- clients that run elsewhere ---


def test_requests_mean_what_they_are_to_mean(runtime: Runtime) -> None:
    vectors = read("requests")
    tasks = [["encode_request", vector["meaning"]] for vector in vectors]
    for vector, frames in zip(vectors, results(runtime, tasks), strict=True):
        meaning = vector["meaning"]
        request = Request(meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
        assert decode_request([bytes.fromhex(frame) for frame in frames]) == request
        if runtime.knows_floats:
            assert frames == vector["frames"]


def test_replies_are_read(runtime: Runtime) -> None:
    vectors = read("replies")
    tasks = [["decode_reply", vector["frames"]] for vector in vectors]
    for vector, found in zip(vectors, results(runtime, tasks), strict=True):
        if "error" in vector["header"]:
            assert found == {"error": vector["header"]["error"]}, vector["name"]
        else:
            same(runtime, found, {"header": vector["header"], "body": vector["body"]})


def test_messages_of_the_bus_are_read(runtime: Runtime) -> None:
    vectors = read("bus")
    tasks = [["decode_message", vector["frames"]] for vector in vectors]
    for vector, found in zip(vectors, results(runtime, tasks), strict=True):
        header = vector["header"][:5]
        same(runtime, found, [vector["kind"], vector["of"], header, vector["body"]])


def test_topics_are_made(runtime: Runtime) -> None:
    vectors = read("topics")
    tasks = [["make_topic", vector["kind"], vector["of"]] for vector in vectors]
    assert results(runtime, tasks) == [vector["topic"] for vector in vectors]


def test_values_of_unusual_form_are_read(runtime: Runtime) -> None:
    vectors = read("values")
    found = results(runtime, [["unpack", vector["data"]] for vector in vectors])
    same(runtime, found, [vector["meaning"] for vector in vectors])


def test_what_holds_no_value_is_an_error(runtime: Runtime) -> None:
    vectors = read("unreadable")
    for vector, found in zip(
        vectors,
        results(runtime, [["unpack", vector["data"]] for vector in vectors]),
        strict=True,
    ):
        assert set(found) == {"failed"}, vector["name"]


def same(runtime: Runtime, found: object, meant: object) -> None:
    """Compare, and hold 1 and 1.0 apart where the language does."""
    assert found == meant
    if runtime.knows_floats:
        assert json.dumps(found, sort_keys=True) == json.dumps(meant, sort_keys=True)


# --- the short programs, which have no such functions: over sockets ---


def program(name: str) -> ModuleType:
    """A program of clients/ as a module, which it is none of."""
    spec = importlib.util.spec_from_file_location(f"clients_{name}", CLIENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Answering:
    """A query endpoint that answers each request with the next reply, and keeps the requests."""

    def __init__(self, replies: list[list[bytes]]) -> None:
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 1000
        self.endpoint = f"tcp://127.0.0.1:{self._router.bind_to_random_port('tcp://127.0.0.1')}"
        self.requests: list[Request] = []
        self._thread = threading.Thread(target=self._run, args=(replies,))

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._router.close()
        self._context.term()

    def _run(self, replies: list[list[bytes]]) -> None:
        for reply in replies:
            if not self._router.poll(int(PATIENCE * 1000)):
                return
            envelope, frames = split_envelope(self._router.recv_multipart())
            self.requests.append(decode_request(frames))
            self._router.send_multipart([*envelope, *reply])


@pytest.mark.parametrize(
    "vector", [one for one in read("replies") if isinstance(one.get("body"), list)], ids=str
)
def test_query_py_reads_replies(vector: Vector) -> None:
    replies = [frames_of(vector)]
    if "cursor" in vector["header"]:  # the last page
        replies.append(next(frames_of(one) for one in read("replies") if one.get("body") == []))
    with Answering(replies) as there:
        answer = list(program("query").ask(there.endpoint, "shards", {"ids": ["ä"]}, PATIENCE))
    assert json.dumps(answer) == json.dumps(vector["body"])
    assert [request.op for request in there.requests] == ["shards"] * len(replies)
    cursors = [request.args.get("cursor") for request in there.requests]
    assert cursors == [None, vector["header"].get("cursor")][: len(replies)]


def test_query_py_asks_what_it_is_to_ask_and_tells_errors() -> None:
    query = program("query")
    errors = [vector for vector in read("replies") if "error" in vector["header"]]
    asked = [vector["meaning"] for vector in read("requests")]
    pairs = list(zip(itertools.cycle(errors), asked, strict=False))
    with Answering([frames_of(error) for error, _ in pairs]) as there:
        for error, meaning in pairs:
            told = error["header"]["error"]
            with pytest.raises(query.RefusedError, match=f"^{told['code']}: {told['message']}$"):
                list(query.ask(there.endpoint, meaning["op"], meaning["args"], PATIENCE))
    assert [(request.op, request.args) for request in there.requests] == [
        (meaning["op"], meaning["args"]) for meaning in asked
    ]


@pytest.fixture
def bus() -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
    """Two ends of a connection, by which a test publishes what it likes."""
    with (
        zmq.Context() as context,
        context.socket(zmq.PAIR) as near,
        context.socket(zmq.PAIR) as far,
    ):
        near.bind("inproc://bus")
        far.connect("inproc://bus")
        yield near, far


def test_stream_py_reads_messages(bus: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    stream, (near, far) = program("stream"), bus
    for vector in read("bus"):
        near.send_multipart(frames_of(vector))
        line = next(stream.lines(far, "~fence/4f2a", PATIENCE))
        _, node, _, seq, time = vector["header"][:5]
        if vector["kind"] == "fence":
            assert line == {"kind": "joined", "node": node, "time": time}
        else:
            topic = frames_of(vector)[0].decode()
            meant = {"kind": vector["kind"], "topic": topic, "seq": seq, "time": time}
            assert json.dumps(line) == json.dumps({**meant, "body": vector["body"]})


def test_stream_py_makes_topics() -> None:
    topics = program("stream").topics
    for vector in read("topics"):
        shards = [] if vector["of"] is None else [vector["of"]]
        *_, last = topics([vector["kind"]], shards)
        assert last.encode().hex() == vector["topic"]
