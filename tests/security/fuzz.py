"""A fuzzer: `python -m tests.security.fuzz --target request --inputs 1000000`.

Guided by coverage where atheris is installed (`pip install atheris`), by plain mutation elsewhere.
An input that raises anything but zinfo's own errors is printed, and ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.info_texts import whole_delta
from tests.security.hostile_messages import BOMBS, body, mutated
from zinfo.client.decoding import (
    decode_delta,
    decode_event,
    decode_heartbeat,
    decode_snapshot,
    parse_message,
)
from zinfo.client.mirror_state import MirrorState
from zinfo.client.subscriber_state import SubscriberState
from zinfo.config import check_file
from zinfo.errors import ConfigError, ProtocolError, RequestError
from zinfo.info.encoder import encode_fields
from zinfo.info.lines import count_bad_lines, has_fields
from zinfo.info.parser import parse
from zinfo.wire.bus_messages import parse_topic, quote_name
from zinfo.wire.codec import pack
from zinfo.wire.query_messages import (
    MAGIC,
    Request,
    decode_reply,
    decode_request,
    encode_error,
    split_envelope,
)

HEADER = pack([1, "n", 7, 3, 1.5])
"""A valid header of a bus message."""

SEEDS = {
    "topic": [b"z1/info/a%2Fb/", b"z1/hb/n/", b"~fence/4f2a"],
    "reply": [pack({"id": 1, "ok": True, "epoch": 7}), pack({"ok": False, "error": {"code": "x"}})],
    "bus": [
        pack({"set": {"a": 1}, "unset": [], "base": 2}),
        pack({"interval": 1.0, "shards": 1, "events": 2, "revisions": 3}),
        pack({"shard": "a", "type": "up", "number": 1, "seq": 3, "time": 1.0}),
    ],
    "info": [
        b"# Server\r\nredis_version:7\r\ndb0:keys=1,expires=0\r\nx:1.5\r\n",
        b"# Two Words\nx_id:7e+12\ny:1e+06\nz:C=US, O=x\ncmdstat_a:b:calls=1, usec=2\nwords\n",
    ],
    "config": [b'node = "a"\n[poll]\ntimeout = 1.0\n[[shards]]\nurl = "redis://h"\n'],
}
_OURS = 0.5  # share of inputs that are mutations of valid ones, with atheris
_READERS = {
    "info": decode_snapshot,
    "delta": decode_delta,
    "event": decode_event,
    "hb": decode_heartbeat,
}


def check_request(data: bytes) -> None:
    """A request is decoded or refused, and a reply can be encoded in both cases."""
    try:
        found = decode_request([MAGIC, data])
    except RequestError as error:
        encode_error(error.request_id, "n", 1, error)
    else:
        assert isinstance(found, Request)
        encode_error(found.id, "n", 1, RequestError("x"))


def check_frames(frames: list[bytes]) -> None:
    """A message is split into an envelope and a request, or refused."""
    try:
        envelope, rest = split_envelope([b"peer", *frames])
    except ProtocolError:
        assert b"" not in frames
        return
    assert [*envelope, *rest] == [b"peer", *frames]
    try:
        decode_request(rest)
    except RequestError as error:
        encode_error(error.request_id, "n", 1, error)


def check_topic(data: bytes) -> None:
    """A topic is parsed or refused."""
    try:
        _, name = parse_topic(data)
    except ProtocolError:
        return
    quote_name(name)


def check_reply(frames: list[bytes]) -> None:
    """A reply is decoded or refused, by the decoder and by a Mirror."""
    with contextlib.suppress(ProtocolError):
        decode_reply(frames)
    state = MirrorState("tcp://a:1", rng=random.Random(1))
    state.tick(1.0)
    state.on_reply(frames, 1.1)


def check_bus(frames: list[bytes]) -> None:
    """A bus message is decoded or refused, by the decoder, a Mirror and a Subscriber."""
    with contextlib.suppress(ProtocolError):
        opened = parse_message(frames)
        _READERS.get(opened.kind, decode_delta)(opened)
    for state in (_mirror(), _stream()):
        before = state.malformed
        state.on_bus(frames, 2.0)
        state.tick(2.1)
        assert state.malformed - before in (0, 1)


def check_info(data: bytes) -> None:
    """Any bytes are parsed as INFO, and native code encodes the same fields."""
    info = parse(data)
    for layout in (info.layout, None):
        fields, found = encode_fields(data, layout)
        assert (fields.as_map(), found) == (pack(info.fields), info.layout)
    assert has_fields(data) == bool(info.fields)
    assert 0 <= count_bad_lines(data) <= data.count(b"\n") + 1
    middle = len(data) // 2
    delta, found = whole_delta(data[:middle], data, parse(data[:middle]).layout)
    assert found == info.layout
    assert delta.set.keys() <= info.fields.keys()
    assert not info.fields.keys() & set(delta.unset)


def check_config(text: str) -> None:
    """A configuration is loaded, or its problems are reported."""
    with tempfile.NamedTemporaryFile("wb", suffix=".toml") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        try:
            check_file(Path(file.name))
        except ConfigError as error:
            problems: tuple[str, ...] = error.problems
        else:
            return
    assert problems


def _join(state: Any) -> Any:
    state.tick(1.0)
    state.session.epoch = 7
    state.session._join("tcp://a:2", 1.0)
    fence = state.session._fence
    state.on_bus([fence, pack([1, "n", 7, 0, 1.0]), b""], 1.1)
    state.session.actions.clear()
    return state


def _mirror() -> MirrorState:
    state: MirrorState = _join(MirrorState("tcp://a:1", rng=random.Random(1)))
    return state


def _stream() -> SubscriberState:
    kinds = ["info", "delta", "event", "hb"]
    state: SubscriberState = _join(SubscriberState("tcp://a:1", kinds=kinds, rng=random.Random(1)))
    return state


def _bus(data: bytes) -> None:
    for kind in _READERS:
        check_bus([f"z1/{kind}/a/".encode(), HEADER, data])
    check_bus([b"z1/delta/a/", data, b"\x80"])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "request": check_request,
    "topic": check_topic,
    "reply": lambda data: check_reply([MAGIC, data, data]),
    "bus": _bus,
    "info": check_info,
    "config": lambda data: check_config(data.decode("latin-1")),
}
"""The functions under test, by name."""


def hostile_input(target: str, dice: random.Random) -> bytes:
    """Return a mutation of a valid input of a target."""
    if target == "request":
        return body(dice)
    seeds = [*SEEDS.get(target, ()), *BOMBS.values()]
    return mutated(dice.choice(seeds[:8] if dice.random() < 0.98 else seeds), dice)


def run_plain(target: str, inputs: int, dice: random.Random) -> int:
    """Run a target with mutated inputs, and return their number. An exception ends the run."""
    feed = TARGETS[target]
    for number in range(inputs):
        data = hostile_input(target, dice)
        try:
            feed(data)
        except BaseException:
            sys.stderr.write(f"input {number} of {target}: {data!r}\n")
            raise
    return inputs


def _run_guided(atheris: Any, target: str, inputs: int) -> None:
    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        # Random bytes do not get past the decoder. So half of the inputs start as mutations of
        # valid ones, and atheris mutates further those that reach new code.
        dice = random.Random(seed)
        if dice.random() < _OURS:
            return hostile_input(target, dice)[:longest]
        changed: bytes = atheris.Mutate(data, longest)
        return changed

    atheris.instrument_all()
    arguments = [sys.argv[0], f"-runs={inputs}", "-max_len=4096"]
    atheris.Setup(arguments, TARGETS[target], custom_mutator=mutate)
    atheris.Fuzz()  # ends the process


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=["all", *sorted(TARGETS)], default="request")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--plain", action="store_true", help="without atheris, where there is one")
    options = parser.parse_args()
    if not options.plain and options.target != "all":  # atheris ends the process after one target
        try:
            atheris = importlib.import_module("atheris")
        except ImportError:
            sys.stderr.write("no atheris here: plain mutation\n")
        else:
            _run_guided(atheris, options.target, options.inputs)
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    for target in sorted(TARGETS) if options.target == "all" else [options.target]:
        begun = time.monotonic()
        done = run_plain(target, options.inputs, random.Random(seed))
        seconds = round(time.monotonic() - begun, 1)
        report = {"target": target, "inputs": done, "seed": seed, "seconds": seconds}
        sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
