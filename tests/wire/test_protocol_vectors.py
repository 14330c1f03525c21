"""zinfo's codec and clients on the test vectors; other clients are tested in tests/clients/."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests import protocol_vectors
from tests.protocol_vectors import DIRECTORY, FILES, Vector, frames_of, read
from zinfo.client.decoding import (
    decode_delta,
    decode_event,
    decode_heartbeat,
    decode_snapshot,
    entry_from_map,
    event_from_map,
    parse_message,
)
from zinfo.errors import ProtocolError, RequestError
from zinfo.wire import bus_messages, codec, query_messages
from zinfo.wire.bus_messages import Header
from zinfo.wire.history_pages import history_page_of, native_floats
from zinfo.wire.query_messages import Request


def name(vector: Vector) -> str:
    return str(vector.get("name", vector.get("of")))


def each(file: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", read(file), ids=name)


def exactly(value: object) -> str:
    """Return a text that differs for 1 and 1.0, and for maps in another order."""
    return json.dumps(value)


def test_the_files_are_what_the_script_makes(tmp_path: Path) -> None:
    protocol_vectors.write(tmp_path)
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(FILES)
    for file in FILES:
        made = (tmp_path / f"{file}.json").read_text(encoding="utf-8")
        assert (DIRECTORY / f"{file}.json").read_text(encoding="utf-8") == made, file


def test_there_is_a_vector_of_every_kind_of_message() -> None:
    assert {vector["kind"] for vector in read("bus")} == {"info", "delta", "event", "hb", "fence"}
    codes = {kind.code for kind in RequestError.__subclasses__()}
    answered = [vector["header"] for vector in read("replies")]
    assert {header["error"]["code"] for header in answered if "error" in header} > codes


# --- the codec ---


@each("requests")
def test_requests_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    meaning = vector["meaning"]
    request = Request(meaning["op"], meaning["args"], meaning["id"], meaning.get("deadline"))
    assert query_messages.decode_request(frames_of(vector)) == request
    assert query_messages.encode_request(request) == frames_of(vector)


@each("replies")
def test_replies_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    frames, header = frames_of(vector), vector["header"]
    reply = query_messages.decode_reply(frames)
    assert exactly(reply.header) == exactly(header)
    base = (header["id"], header["node"], header["epoch"])
    if "error" in header:
        error = reply.error
        assert error is not None
        assert {"code": error.code, "message": str(error), "retryable": error.retryable} == (
            header["error"]
        )
        assert query_messages.encode_error(*base, error) == frames
    else:
        assert exactly(reply.body) == exactly(vector["body"])
        more = {key: header[key] for key in header if key not in ("id", "ok", "node", "epoch")}
        assert [*query_messages.encode_reply(*base, more), codec.pack(reply.body)] == frames
        assert codec.pack_fields(reply.body) == frames[2]


@each("columns")
def test_columns_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    frames = frames_of(vector)
    body = codec.unpack(frames[2])
    assert exactly(protocol_vectors.with_hex(body)) == exactly(vector["body"])
    assert codec.pack(body) == codec.pack_fields(body) == frames[2]
    assert query_messages.decode_reply(frames).header == vector["header"]


@each("history")
def test_histories_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    frames = frames_of(vector)
    body = codec.unpack(frames[2])
    assert exactly(protocol_vectors.with_hex(body)) == exactly(vector["body"])
    assert codec.pack(body) == codec.pack_fields(body) == frames[2]
    page = history_page_of(body)
    for name, values in vector["body"]["fields"].items():
        series = page.fields[name]
        assert (series is None) == (values is None)
        if series is not None:
            assert native_floats(series.tobytes()).hex() == values["hex"]


@each("bus")
def test_bus_messages_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    topic, header, body = frames_of(vector)
    kind, of = vector["kind"], vector["of"]
    assert bus_messages.parse_topic(topic) == (kind, of)
    again = bus_messages.fence_topic(of) if kind == "fence" else bus_messages.topic(kind, of)
    assert again == topic
    assert exactly(bus_messages.unpack_header(header)) == exactly(vector["header"][:5])
    assert exactly(codec.unpack(body)) == exactly(vector["body"])
    assert codec.pack(vector["header"]) == header
    assert codec.pack(vector["body"]) == codec.pack_fields(vector["body"]) == body


@each("topics")
def test_topics_are_what_the_codec_writes(vector: Vector) -> None:
    topic = bytes.fromhex(vector["topic"])
    assert bus_messages.topic(vector["kind"], vector["of"]) == topic
    if vector["of"] is not None:
        assert bus_messages.parse_topic(topic) == (vector["kind"], vector["of"])


@each("values")
def test_values_in_unusual_encodings_are_decoded(vector: Vector) -> None:
    assert exactly(codec.unpack(bytes.fromhex(vector["data"]))) == exactly(vector["meaning"])


@each("unreadable")
def test_bytes_that_are_not_a_value_are_refused(vector: Vector) -> None:
    with pytest.raises(ProtocolError):
        codec.unpack(bytes.fromhex(vector["data"]))


@each("batches")
def test_batches_are_what_the_codec_reads_and_writes(vector: Vector) -> None:
    topic, header, body = frames_of(vector)
    messages = [(first, second, last) for first, second, last in map(_bytes, vector["messages"])]
    assert bus_messages.unpack_batch(body) == messages
    assert bus_messages.pack_batch(messages) == body
    assert list(bus_messages.unpack_header(header)) == vector["header"]
    if vector["fields"] is None:
        assert topic == bus_messages.BATCH_TOPIC
    else:
        assert topic == bus_messages.fields_topic(vector["fields"])
        assert bus_messages.fields_of_topic(topic) == tuple(vector["fields"])


def _bytes(frames: list[str]) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in frames]


# --- decoding in zinfo.client ---


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    vectors = [vector for vector in read("bus") if vector["kind"] in kinds]
    return pytest.mark.parametrize("vector", vectors, ids=name)


@each("bus")
def test_topic_and_header_are_opened(vector: Vector) -> None:
    opened = parse_message(frames_of(vector))
    assert (opened.kind, opened.name) == (vector["kind"], vector["of"])
    assert opened.header == Header(*vector["header"][:5])


@of_kind("info")
def test_infos_are_read(vector: Vector) -> None:
    _, _, _, seq, time = vector["header"]
    read = asdict(decode_snapshot(parse_message(frames_of(vector))))
    expected = {"shard": vector["of"], "revision": seq, "time": time, "info": vector["body"]}
    assert exactly(read) == exactly(expected)


@of_kind("delta")
def test_deltas_are_read(vector: Vector) -> None:
    _, _, _, seq, time = vector["header"]
    body = vector["body"]
    read = asdict(decode_delta(parse_message(frames_of(vector))))
    expected = {"shard": vector["of"], "revision": seq, "base": body["base"], "time": time}
    assert exactly(read) == exactly({**expected, "set": body["set"], "unset": body["unset"]})


@of_kind("event")
def test_events_are_read(vector: Vector) -> None:
    body: Any = {key: value for key, value in vector["body"].items() if key != "more"}
    assert exactly(decode_event(parse_message(frames_of(vector))).as_map()) == exactly(body)


@of_kind("hb", "fence")
def test_totals_are_read(vector: Vector) -> None:
    _, node, epoch, beat, time = vector["header"][:5]
    read = asdict(decode_heartbeat(parse_message(frames_of(vector))))
    expected = {"node": node, "epoch": epoch, "beat": beat, "time": time}
    body = {key: vector["body"][key] for key in ("interval", "shards", "events", "revisions")}
    assert exactly(read) == exactly({**expected, **body})


def test_entries_of_snapshots_and_events_in_replies_are_read() -> None:
    bodies = {vector["name"]: vector["body"] for vector in read("replies") if "body" in vector}
    polled, unpolled = map(entry_from_map, bodies["snapshot"])
    first, second = bodies["snapshot"]
    for key in ("shard", "revision", "time", "age", "info", "labels", "interval", "seq"):
        assert exactly(getattr(polled, key)) == exactly(first[key])
    assert (unpolled.info, unpolled.reason) == (None, second["reason"])
    for event in bodies["events"]:
        assert exactly(event_from_map(event).as_map()) == exactly(event)
