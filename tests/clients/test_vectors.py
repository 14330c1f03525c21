"""The example clients decode and encode the test vectors of the protocol."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeAlias

import pytest
import zmq

from tests.clients.conftest import RuntimeCache
from tests.clients.programs import END_TIMEOUT, environment
from tests.clients.runtimes import CLIENTS, Runtime
from tests.protocol_vectors import Vector, frames_of, read
from zinfo.wire.query_messages import Request, decode_request, split_envelope

TIMEOUT = 30.0  # seconds for one message

TASKS: dict[str, Callable[[Vector], list[Any]]] = {
    "requests": lambda vector: ["encode_request", vector["meaning"]],
    "replies": lambda vector: ["decode_reply", vector["frames"]],
    "bus": lambda vector: ["decode_message", vector["frames"]],
    "topics": lambda vector: ["make_topic", vector["kind"], vector["of"]],
    "values": lambda vector: ["unpack", vector["data"]],
    "unreadable": lambda vector: ["unpack", vector["data"]],
}
"""The function that each file of vectors tests, and its arguments."""

NODE_ONLY: dict[str, Callable[[Vector], list[Any]]] = {
    "slices": lambda vector: ["slices_of", vector],
}
"""The same for what the clients for old Pythons do not have."""

Pairs: TypeAlias = "list[tuple[Vector, Any]]"


_results: dict[str, dict[str, Pairs]] = {}  # by the program of a runtime


def _all_results(runtime: Runtime) -> dict[str, Pairs]:
    """Call the functions of the programs with all vectors, in one process."""
    calls = {**TASKS, **NODE_ONLY} if runtime.driver == "node.mjs" else TASKS
    vectors = {name: read(name) for name in calls}
    tasks = [calls[name](vector) for name, found in vectors.items() for vector in found]
    done = subprocess.run(
        runtime.driver_line(),
        env=environment(runtime),
        input=json.dumps(tasks),
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    assert len(results) == len(tasks)
    following = iter(results)
    return {
        name: [(vector, next(following)) for vector in found] for name, found in vectors.items()
    }


def results(runtime: Runtime, name: str) -> Pairs:
    """Return each vector of a file, and the result of the runtime's programs."""
    if runtime.command[0] not in _results:
        _results[runtime.command[0]] = _all_results(runtime)
    found = _results[runtime.command[0]][name]
    assert found
    return found


# --- clients on all runtimes ---


def test_requests_are_encoded(each_runtime: Runtime) -> None:
    for vector, frames in results(each_runtime, "requests"):
        meaning = vector["meaning"]
        request = Request(meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
        assert decode_request([bytes.fromhex(frame) for frame in frames]) == request
        if each_runtime.distinguishes_floats:
            assert frames == vector["frames"]


def test_replies_are_decoded(each_runtime: Runtime) -> None:
    for vector, found in results(each_runtime, "replies"):
        if "error" in vector["header"]:
            assert found == {"error": vector["header"]["error"]}, vector["name"]
        else:
            assert_equal(each_runtime, found, {"header": vector["header"], "body": vector["body"]})


def test_bus_messages_are_decoded(each_runtime: Runtime) -> None:
    for vector, found in results(each_runtime, "bus"):
        header = vector["header"][:5]
        assert_equal(each_runtime, found, [vector["kind"], vector["of"], header, vector["body"]])


def test_topics_are_encoded(each_runtime: Runtime) -> None:
    for vector, found in results(each_runtime, "topics"):
        assert found == vector["topic"]


def test_values_in_unusual_encodings_are_decoded(each_runtime: Runtime) -> None:
    for vector, found in results(each_runtime, "values"):
        assert_equal(each_runtime, found, vector["meaning"])


def test_undecodable_bytes_are_an_error(each_runtime: Runtime) -> None:
    for vector, found in results(each_runtime, "unreadable"):
        assert set(found) == {"failed"}, vector["name"]


def test_slices_are_chosen_by_the_client_for_node(runtimes: RuntimeCache) -> None:
    for vector, found in results(runtimes.get("node"), "slices"):
        assert found == {"key": vector["key"], "slices": vector["slices"]}


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
