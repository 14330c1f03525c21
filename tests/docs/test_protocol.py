"""The bytes, tables and programs in protocol.md are correct, compared with a real daemon."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from tests.daemons import RunningDaemon
from tests.protocol_page import (
    ARGUMENTS,
    EXAMPLES,
    OPERATIONS,
    REQUIRED,
    TEXT,
    blocks,
    names,
    rows,
    section,
)
from tests.protocol_vectors import read, with_hex
from tests.servers import RealServer
from tests.source_states import STATUSES
from tests.waiting import wait_until
from zinfo.bus.batches import MAX_BATCH_BYTES, MAX_FIELD_SETS
from zinfo.client import InfoMeta
from zinfo.config.models import BusConfig
from zinfo.errors import RequestError
from zinfo.history.series import SERIES
from zinfo.query.source_operations import describe_source
from zinfo.wire import bus_messages, codec, query_messages
from zinfo.wire.info_meta import NOT_AVAILABLE_AGE
from zinfo.wire.lifecycle import Event
from zinfo.wire.query_messages import Request
from zinfo.wire.slices import MAX_COPIES, MAX_SLICES, SliceSpec, slices_of

# --- bytes ---


def test_the_page_has_an_example_of_each_kind_of_message() -> None:
    assert set(EXAMPLES) == {
        *("request", "reply", "first page", "request of the next page", "columns", "history"),
        *("error", "error of another version"),
        *(
            "info",
            "delta",
            "batch",
            "fields",
            "event",
            "hb",
            "fence",
            "subscription",
            "fence subscription",
        ),
    }


@pytest.mark.parametrize("name", ["request", "request of the next page"])
def test_the_codec_reads_and_writes_the_example_requests(name: str) -> None:
    (magic, said_magic), (raw, said) = EXAMPLES[name]
    value = json.loads(said)
    request = query_messages.decode_request([magic, raw])
    assert magic.decode() == said_magic
    assert request == Request(value["op"], value["args"], value["id"], value.get("deadline"))
    assert query_messages.encode_request(request) == [magic, raw]


@pytest.mark.parametrize("name", ["reply", "first page"])
def test_the_codec_reads_and_writes_the_example_replies(name: str) -> None:
    (magic, _), (header, said_header), (body, said_body) = EXAMPLES[name]
    reply = query_messages.decode_reply([magic, header, body])
    assert reply.error is None
    assert reply.header == json.loads(said_header)
    assert reply.body == json.loads(said_body)
    extra: dict[str, Any] = dict(reply.header)
    base = [extra.pop(key) for key in ("id", "ok", "node", "epoch")]
    assert query_messages.encode_reply(base[0], base[2], base[3], extra) == [magic, header]
    assert codec.pack(reply.body) == body
    assert reply.cursor == ("db-1:6379" if name == "first page" else None)


def test_the_example_of_columns_is_a_reply() -> None:
    (magic, _), (header, said_header), (body, said_body) = EXAMPLES["columns"]
    reply = query_messages.decode_reply([magic, header, body])
    assert reply.header == json.loads(said_header)
    assert with_hex(reply.body) == json.loads(said_body)
    assert codec.pack(reply.body) == body
    content: Any = reply.body
    documented = names(section("#### `get_columns`"))
    only_with_revisions = {"revision", "time"}
    assert set(content) == documented - {"int64", "float64", "mixed"} - only_with_revisions
    assert all(f"`{key}`" in section("#### `get_columns`") for key in content["columns"][0])


def test_the_example_of_a_history_is_a_reply() -> None:
    (magic, _), (header, said_header), (body, said_body) = EXAMPLES["history"]
    reply = query_messages.decode_reply([magic, header, body])
    assert reply.header == json.loads(said_header)
    assert with_hex(reply.body) == json.loads(said_body)
    assert codec.pack(reply.body) == body
    content: Any = reply.body
    text = section("#### `history`")
    assert set(content) <= names(text)
    assert all(f"`{name}`" in text for name in SERIES)


@pytest.mark.parametrize("name", ["error", "error of another version"])
def test_the_codec_reads_and_writes_the_example_errors(name: str) -> None:
    (magic, _), (header, said) = EXAMPLES[name]
    reply = query_messages.decode_reply([magic, header])
    value = json.loads(said)
    assert reply.header == value
    assert reply.error is not None
    assert (reply.error.code, reply.error.retryable) == (value["error"]["code"], False)
    again = query_messages.encode_error(value["id"], value["node"], value["epoch"], reply.error)
    assert again == [magic, header]


def test_the_slices_on_the_page_are_those_of_the_vectors() -> None:
    text = section("## Slices")
    row = r"^\| `(.+?)` \| (.*) \| `(\w+)` \| (\d+) \| (\d+) \| ([\d, ]+) \|$"
    found = re.findall(row, text, re.MULTILINE)
    assert len(found) == 10
    for ident, pairs, by, count, copies, slices in found:
        labels = dict(pair.split("=") for pair in re.findall(r"`(.+?)`", pairs))
        spec = SliceSpec(0, int(count), int(copies), by)
        key = spec.key(ident, labels)
        numbers = [int(number) for number in slices.split(", ")]
        assert list(slices_of(key, spec.count, spec.copies)) == numbers
        vectors = [one for one in read("slices") if one["slices"] == numbers]
        assert (key, spec.count) in {(one["key"], one["count"]) for one in vectors}
    (salted, digest) = re.findall(r"`printf '(\S+)' \| b2sum` begins with `(\w+)`", text)[0]
    assert hashlib.blake2b(salted.encode()).hexdigest().startswith(digest)
    assert f"at most {MAX_SLICES}, `copies` at most `count` and at most {MAX_COPIES}" in text


@pytest.mark.parametrize("kind", ["info", "delta", "event", "hb", "fence"])
def test_the_codec_reads_and_writes_the_example_bus_messages(kind: str) -> None:
    (topic, said_topic), (header, said_header), (body, said_body) = EXAMPLES[kind]
    assert topic.decode() == said_topic
    parsed, name = bus_messages.parse_topic(topic)
    assert parsed == kind
    again = bus_messages.fence_topic(name) if kind == "fence" else bus_messages.topic(kind, name)
    assert again == topic
    assert list(bus_messages.unpack_header(header)) == json.loads(said_header)
    assert codec.pack(json.loads(said_header)) == header
    assert codec.unpack(body) == json.loads(said_body)
    assert codec.pack(json.loads(said_body)) == body


@pytest.mark.parametrize("kind", ["batch", "fields"])
def test_the_codec_reads_and_writes_the_example_batches(kind: str) -> None:
    (topic, said_topic), (header, said_header), (body, _) = EXAMPLES[kind]
    assert topic.decode() == said_topic
    assert bus_messages.parse_topic(topic) == (kind, "")
    assert list(bus_messages.unpack_header(header)) == json.loads(said_header)
    messages = bus_messages.unpack_batch(body)
    assert bus_messages.pack_batch(messages) == body
    delta = tuple(raw for raw, _ in EXAMPLES["delta"])
    if kind == "batch":
        assert messages[0] == delta
        assert bus_messages.parse_topic(messages[1][0]) == ("delta", "db-2:6379")
    else:
        assert bus_messages.fields_of_topic(topic) == ("db0", "role")
        assert [message[:2] for message in messages] == [delta[:2]]
        whole: Any = codec.unpack(delta[2])
        assert codec.unpack(messages[0][2]) == {**whole, "set": {}}


@pytest.mark.parametrize("name", ["subscription", "fence subscription"])
def test_a_subscription_is_the_byte_1_and_a_topic(name: str) -> None:
    ((raw, said),) = EXAMPLES[name]
    assert raw == b"\x01" + said.removeprefix("subscribe ").encode()


def test_ids_are_quoted_as_shown() -> None:
    shown = dict(re.findall(r"^\| `(.+?)` \| `(z1/info/.+?)` \|$", TEXT, re.MULTILINE))
    assert len(shown) == 4
    for ident, topic in shown.items():
        assert bus_messages.topic("info", ident).decode() == topic


# --- tables ---


def test_the_error_codes_are_those_of_the_code() -> None:
    kinds = RequestError.__subclasses__()
    real = {kind.code: "yes" if kind.retryable else "no" for kind in kinds}
    assert {row[0]: row[1] for row in rows(section("### Errors"), 3)} == real


def test_the_keys_of_events_are_those_of_the_code() -> None:
    keys = {*Event.__dataclass_fields__, "id", "shard_identifier"}
    assert names(section("#### event")) == keys
    example = set(json.loads(EXAMPLES["event"][2][1]))
    assert example == keys - {"labels"}  # only events about labels have them


def test_each_map_about_a_shard_names_it_in_the_same_way(daemon: RunningDaemon) -> None:
    (ident,) = _ids(daemon)
    (info,) = body_of(daemon, "get_infos", keys=["role"])
    (shard,), (entry,) = body_of(daemon, "shards"), body_of(daemon, "snapshot")
    events = body_of(daemon, "events")
    (missing,) = body_of(daemon, "get_infos", shard_ids=["x"], allow_partial=True)
    assert missing["meta"]["id"] == missing["meta"]["shard_identifier"] == "x"
    for named in (info["meta"], shard, entry, *events):
        assert named["id"] == named["shard_identifier"] == ident
    for named in (entry, *events):
        assert named["shard"] == ident, "the former key"


def test_the_keys_of_deltas_are_those_of_the_example() -> None:
    assert names(section("#### delta")) == set(json.loads(EXAMPLES["delta"][2][1]))


def test_the_constants_are_those_of_the_code() -> None:
    assert f"`{query_messages.DEFAULT_QUERY_ENDPOINT}`" in TEXT
    assert f"`{BusConfig().endpoint}`" in TEXT
    assert f"| topic of a fence | {bus_messages.MAX_FENCE_TOPIC} bytes |" in TEXT
    fields = f"{bus_messages.MAX_FIELDS}, each {bus_messages.MAX_FIELD_NAME} bytes"
    assert f"| fields in a topic | {fields} |" in TEXT
    assert f"| sets of fields | {MAX_FIELD_SETS} for clients with the same rights" in TEXT
    assert f"| a batch of deltas | {MAX_BATCH_BYTES >> 10} KiB" in TEXT


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url]) as running:
        running.wait_polled(1)
        yield running


def body_of(daemon: RunningDaemon, op: str, **args: object) -> Any:
    reply = daemon.ask(op, **args)
    assert reply.error is None, reply.error
    return reply.body


def test_hello_is_as_documented(daemon: RunningDaemon) -> None:
    hello = body_of(daemon, "hello")
    assert set(hello) == names(section("#### `hello`"))
    assert hello["ops"] == OPERATIONS
    assert hello["versions"] == [codec.VERSION]
    limits = section("## Limits")
    for name, value in hello["limits"].items():
        assert f"`{name}`" in section("#### `hello`")
        assert f"`{name}`" in limits
        assert f"{value:,}" in limits or f"{value >> 20} MiB" in limits


@pytest.mark.parametrize("op", OPERATIONS)
def test_each_operation_has_the_documented_arguments_and_no_others(
    daemon: RunningDaemon, op: str
) -> None:
    for _, default in ARGUMENTS[op].values():
        assert default in ([], {}, False, 0, None, REQUIRED)
    for argument in {name for arguments in ARGUMENTS.values() for name in arguments}:
        error = daemon.ask(op, **{argument: b"neither"}).error
        assert error is not None
        assert error.code == "bad_request"
        assert str(error).startswith(
            f"{argument} must be" if argument in ARGUMENTS[op] else "unknown argument"
        )


@pytest.mark.parametrize("op", OPERATIONS)
def test_arguments_with_their_default_values_are_accepted(daemon: RunningDaemon, op: str) -> None:
    defaults = {name: default for name, (_, default) in ARGUMENTS[op].items()}
    if REQUIRED in defaults.values():
        error = daemon.ask(op).error
        assert error is not None
        assert error.code == "bad_request"
    else:
        assert daemon.ask(op, **defaults).error is None


def test_a_single_text_is_accepted_in_place_of_an_array(
    daemon: RunningDaemon, server: RealServer
) -> None:
    for op, arguments in ARGUMENTS.items():
        for name, (kind, _) in arguments.items():
            if kind == "array of text":
                text = {"state": "up", "fields": "ops"}.get(name, server.ident)
                assert daemon.ask(op, **{name: text}).error is None


def test_meta_is_as_documented(daemon: RunningDaemon) -> None:
    ids = [*_ids(daemon), "x"]
    (plain, _) = body_of(daemon, "get_infos", shard_ids=ids, allow_partial=True)
    good, unknown = body_of(
        daemon, "get_infos", shard_ids=ids, allow_partial=True, with_labels=True
    )
    documented = names(section("#### `get_infos`"))
    assert set(good["meta"]) | set(unknown["meta"]) == documented
    assert set(unknown["meta"]) == {"shard_identifier", "id", "info_age", "error"}
    assert set(good["meta"]) | set(unknown["meta"]) == set(InfoMeta.__annotations__)
    assert set(good["meta"]) - set(plain["meta"]) == {"labels"}
    assert unknown["meta"]["info_age"] == NOT_AVAILABLE_AGE


def _ids(daemon: RunningDaemon) -> list[str]:
    return [shard["id"] for shard in body_of(daemon, "shards")]


def test_the_keys_of_sources_are_those_of_the_code() -> None:
    assert names(section("#### `sources`")) == set(describe_source(STATUSES[0], 0.0))


def test_shards_snapshot_and_events_are_as_documented(daemon: RunningDaemon) -> None:
    (shard,) = body_of(daemon, "shards")
    documented = names(section("#### `shards`"))
    assert set(shard) == documented
    (entry,) = body_of(daemon, "snapshot")
    assert set(entry) == documented | names(section("#### `snapshot`"))
    first, *_ = body_of(daemon, "events")
    assert set(first) == names(section("#### event"))


@pytest.mark.parametrize(
    ("op", "more"), [("snapshot", {"number"}), ("events", {"oldest", "newest"}), ("shards", set())]
)
def test_replies_carry_the_documented_numbers(
    daemon: RunningDaemon, op: str, more: set[str]
) -> None:
    assert set(daemon.ask(op).header) - {"id", "ok", "node", "epoch"} == more
    for name in more:
        assert f"`{name}`" in section(f"#### `{op}`")


def test_the_keys_of_reply_headers_are_documented(daemon: RunningDaemon) -> None:
    text = section("### Frames of a request")
    table = text[text.index("key of the header") :]
    documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|[^|]+", table, re.MULTILINE))))
    assert len(documented) == 10
    for op in OPERATIONS:
        assert set(daemon.ask(op).header) <= documented


def test_heartbeats_are_as_documented(daemon: RunningDaemon) -> None:
    documented = names(section("#### hb"))
    assert set(json.loads(EXAMPLES["hb"][2][1])) == documented
    with zmq.Context() as context, context.socket(zmq.SUB) as bus:
        bus.subscribe(bus_messages.topic("hb"))
        bus.connect(daemon.bus)
        assert bus.poll(60_000)
        topic, header, body = bus.recv_multipart()
    assert bus_messages.parse_topic(topic) == ("hb", bus_messages.unpack_header(header).node)
    totals: Any = codec.unpack(body)
    assert set(totals) == documented


# --- the programs ---


def test_the_client_on_the_page_prints_role_and_memory(
    daemon: RunningDaemon, server: RealServer
) -> None:
    client, _ = blocks("python")
    done = run(client, daemon)
    assert done.returncode == 0, done.stderr
    ident, role, memory = done.stdout.split()
    assert (ident, role) == (server.ident, "master")
    assert int(memory) > 0


@pytest.mark.parametrize("number", [0, 1])
def test_the_programs_are_20_lines_and_use_pyzmq_and_msgpack_only(number: int) -> None:
    program = blocks("python")[number]
    assert set(re.findall(r"^import (\w+)", program, re.MULTILINE)) == {"os", "msgpack", "zmq"}
    assert "from " not in program
    statements = [line for line in program.splitlines() if line and not line.startswith("import")]
    assert len(statements) <= 20


def test_the_client_on_the_page_prints_the_error_of_the_daemon(daemon: RunningDaemon) -> None:
    client, _ = blocks("python")
    done = run(client.replace("get_infos", "gossip"), daemon)
    assert done.returncode == 1
    assert "unknown operation 'gossip'" in done.stderr


def test_the_subscriber_on_the_page_prints_messages_and_reports_staleness(
    server: RealServer,
) -> None:
    _, subscriber = blocks("python")
    with RunningDaemon([server.url], environ={"ZINFO_BUS_HEARTBEAT": "0.5"}) as daemon:
        process = subprocess.Popen(
            [sys.executable, "-c", subscriber],
            env={**os.environ, "ZINFO_CONNECT": daemon.query},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            wanted = {f"z1/info/{server.ident}/", "z1/hb/"}
            for line in process.stdout:
                wanted = {topic for topic in wanted if not line.startswith(topic)}
                if not wanted:
                    break
            assert not wanted
            daemon.kill()
            *_, last = process.stdout
            assert last == "no heartbeat: the last values are stale\n"
            assert wait_until(lambda: process.poll() is not None, what="the end")
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()


def run(program: str, daemon: RunningDaemon) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ZINFO_CONNECT": daemon.query},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
