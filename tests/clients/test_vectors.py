"""The example clients decode and encode the test vectors of the protocol."""

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

TIMEOUT = 5.0  # seconds for one message


def results(runtime: Runtime, tasks: list[list[Any]]) -> list[Any]:
    """Call functions of the programs; a task is the name and the arguments."""
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


# --- clients on all runtimes ---


def test_requests_are_encoded(runtime: Runtime) -> None:
    vectors = read("requests")
    tasks = [["encode_request", vector["meaning"]] for vector in vectors]
    for vector, frames in zip(vectors, results(runtime, tasks), strict=True):
        meaning = vector["meaning"]
        request = Request(meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
        assert decode_request([bytes.fromhex(frame) for frame in frames]) == request
        if runtime.distinguishes_floats:
            assert frames == vector["frames"]


def test_replies_are_decoded(runtime: Runtime) -> None:
    vectors = read("replies")
    tasks = [["decode_reply", vector["frames"]] for vector in vectors]
    for vector, found in zip(vectors, results(runtime, tasks), strict=True):
        if "error" in vector["header"]:
            assert found == {"error": vector["header"]["error"]}, vector["name"]
        else:
            assert_equal(runtime, found, {"header": vector["header"], "body": vector["body"]})


def test_bus_messages_are_decoded(runtime: Runtime) -> None:
    vectors = read("bus")
    tasks = [["decode_message", vector["frames"]] for vector in vectors]
    for vector, found in zip(vectors, results(runtime, tasks), strict=True):
        header = vector["header"][:5]
        assert_equal(runtime, found, [vector["kind"], vector["of"], header, vector["body"]])


def test_topics_are_encoded(runtime: Runtime) -> None:
    vectors = read("topics")
    tasks = [["make_topic", vector["kind"], vector["of"]] for vector in vectors]
    assert results(runtime, tasks) == [vector["topic"] for vector in vectors]


def test_values_in_unusual_encodings_are_decoded(runtime: Runtime) -> None:
    vectors = read("values")
    found = results(runtime, [["unpack", vector["data"]] for vector in vectors])
    assert_equal(runtime, found, [vector["meaning"] for vector in vectors])


def test_undecodable_bytes_are_an_error(runtime: Runtime) -> None:
    vectors = read("unreadable")
    for vector, found in zip(
        vectors,
        results(runtime, [["unpack", vector["data"]] for vector in vectors]),
        strict=True,
    ):
        assert set(found) == {"failed"}, vector["name"]


def assert_equal(runtime: Runtime, found: object, expected: object) -> None:
    """Compare; 1 and 1.0 are different if the language distinguishes them."""
    assert found == expected
    if runtime.distinguishes_floats:
        assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


# --- the short programs, which have no codec functions: over sockets ---


def program(name: str) -> ModuleType:
    """Import a program of clients/, which is not a package."""
    spec = importlib.util.spec_from_file_location(f"clients_{name}", CLIENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeQueryEndpoint:
    """A query endpoint that sends the given replies in order, and records the requests."""

    def __init__(self, replies: list[list[bytes]]) -> None:
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 1000
        self.endpoint = f"tcp://127.0.0.1:{self._router.bind_to_random_port('tcp://127.0.0.1')}"
        self.requests: list[Request] = []
        self._thread = threading.Thread(target=self._run, args=(replies,))

    def __enter__(self) -> FakeQueryEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._router.close()
        self._context.term()

    def _run(self, replies: list[list[bytes]]) -> None:
        for reply in replies:
            if not self._router.poll(int(TIMEOUT * 1000)):
                return
            envelope, frames = split_envelope(self._router.recv_multipart())
            self.requests.append(decode_request(frames))
            self._router.send_multipart([*envelope, *reply])


@pytest.mark.parametrize(
    "vector", [one for one in read("replies") if isinstance(one.get("body"), list)], ids=str
)
def test_query_py_decodes_replies(vector: Vector) -> None:
    replies = [frames_of(vector)]
    if "cursor" in vector["header"]:  # the last page
        replies.append(next(frames_of(one) for one in read("replies") if one.get("body") == []))
    with FakeQueryEndpoint(replies) as server:
        items = list(program("query").query(server.endpoint, "shards", {"ids": ["ä"]}, TIMEOUT))
    assert json.dumps(items) == json.dumps(vector["body"])
    assert [request.op for request in server.requests] == ["shards"] * len(replies)
    cursors = [request.args.get("cursor") for request in server.requests]
    assert cursors == [None, vector["header"].get("cursor")][: len(replies)]


def test_query_py_encodes_requests_and_reports_errors() -> None:
    query = program("query")
    errors = [vector for vector in read("replies") if "error" in vector["header"]]
    meanings = [vector["meaning"] for vector in read("requests")]
    pairs = list(zip(itertools.cycle(errors), meanings, strict=False))
    with FakeQueryEndpoint([frames_of(error) for error, _ in pairs]) as server:
        for error, meaning in pairs:
            reply = error["header"]["error"]
            with pytest.raises(query.QueryError, match=f"^{reply['code']}: {reply['message']}$"):
                list(query.query(server.endpoint, meaning["op"], meaning["args"], TIMEOUT))
    assert [(request.op, request.args) for request in server.requests] == [
        (meaning["op"], meaning["args"]) for meaning in meanings
    ]


@pytest.fixture
def bus() -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
    """A pair of connected sockets: the test publishes on the first."""
    with (
        zmq.Context() as context,
        context.socket(zmq.PAIR) as near,
        context.socket(zmq.PAIR) as far,
    ):
        near.bind("inproc://bus")
        far.connect("inproc://bus")
        yield near, far


def test_stream_py_decodes_messages(bus: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    stream, (near, far) = program("stream"), bus
    for vector in read("bus"):
        near.send_multipart(frames_of(vector))
        line = next(stream.lines(far, "~fence/4f2a", TIMEOUT))
        _, node, _, seq, time = vector["header"][:5]
        if vector["kind"] == "fence":
            assert line == {"kind": "joined", "node": node, "time": time}
        else:
            topic = frames_of(vector)[0].decode()
            expected = {"kind": vector["kind"], "topic": topic, "seq": seq, "time": time}
            assert json.dumps(line) == json.dumps({**expected, "body": vector["body"]})


def test_stream_py_encodes_topics() -> None:
    topics = program("stream").topics
    for vector in read("topics"):
        shards = [] if vector["of"] is None else [vector["of"]]
        *_, last = topics([vector["kind"]], shards)
        assert last.encode().hex() == vector["topic"]
