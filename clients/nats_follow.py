#!/usr/bin/env python3
"""Follow the shards that `zinfo sink nats` writes into NATS, and print what changes.

Needs nats-py only: the values are msgpack, which 40 lines below decode. docs/reference/nats.md in
zinfo's repository describes keys and values, and the rule by which `Shards.fresh` decides.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import struct
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nats
import nats.errors
import nats.js.errors

EXAMPLES = """examples:
  nats_follow.py                                    each new value of every shard
  nats_follow.py --key role --key used_memory       only these fields
  nats_follow.py --once                             all shards as they are, then end

exit codes: 0 done, 1 no reply, 2 wrong usage
"""

MISSED = 3  # intervals without a heartbeat after which nothing is fresh
SILENCE = 6.0  # seconds without any message after which the bucket is read again

_FORMATS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
_FORMATS.update({0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"})
_LENGTHS = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_LENGTHS.update({0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"})


def unpack(data: bytes) -> Any:
    """Decode msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    value, end = _value(data, 0)
    if end != len(data):
        raise ValueError("bytes after the value")
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    code, at = data[at], at + 1
    if code < 0x80 or code >= 0xE0:
        return (code if code < 0x80 else code - 256), at
    if code < 0xC0:
        kind, size = (0xDE, code & 15) if code < 0x90 else (0xDC, code & 15)
        if code >= 0xA0:
            kind, size = 0xD9, code & 31
        return _sized(data, at, kind, size)
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code], at
    if code in _FORMATS:
        return _number(data, at, _FORMATS[code])
    if code not in _LENGTHS:
        raise ValueError(f"unexpected type {code:#x}")
    size, at = _number(data, at, _LENGTHS[code])
    return _sized(data, at, code, size)


def _number(data: bytes, at: int, format_: str) -> tuple[Any, int]:
    end = at + struct.calcsize(format_)
    return struct.unpack(format_, data[at:end])[0], end


def _sized(data: bytes, at: int, kind: int, size: int) -> tuple[Any, int]:
    """Decode the content of a text, bytes, an array or a map."""
    if kind < 0xDC:
        if at + size > len(data):
            raise ValueError("truncated")
        raw = data[at : at + size]
        return (raw if kind < 0xD9 else raw.decode("utf-8", "backslashreplace")), at + size
    items: list[Any] = []
    for _ in range(size if kind < 0xDE else 2 * size):
        item, at = _value(data, at)
        items.append(item)
    return (items if kind < 0xDE else dict(zip(items[::2], items[1::2], strict=True))), at


def decode_id(token: str) -> str:
    """Return the id in a key: percent-encoded, with `=` for `%`; `=` alone is the empty text."""
    return "" if token == "=" else unquote(token.replace("=", "%"))


class Shards:
    """The values of a bucket, and which of them are fresh. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}  # by id
        self.beats: dict[str, tuple[dict[str, Any], float | None]] = {}  # by sink; when it came
        self._initial: set[str] | None = set()

    def start(self) -> None:
        """The bucket is read again, from its beginning."""
        self._initial = set()
        self.beats = {sink: (beat, None) for sink, (beat, _) in self.beats.items()}

    def on_ready(self) -> None:
        """The values of the past have all come: what did not come no longer exists."""
        if self._initial is not None:
            for shard in self.values.keys() - self._initial:
                del self.values[shard]
        self._initial = None

    def on_entry(self, key: str, value: bytes | None, now: float) -> str | None:
        """Take over a value, or its end (None); return the id of the shard that changed."""
        kind, _, token = key.partition(".")
        if kind == "sink" and value is not None:
            beat = unpack(value)
            live = self._initial is None  # an old one may be of a sink that is gone
            self.beats[decode_id(token)] = (beat, now if live else None)
        if kind != "shard":
            return None
        shard = decode_id(token)
        if self._initial is not None:
            self._initial.add(shard)
        if value is None:
            return shard if self.values.pop(shard, None) is not None else None
        found = unpack(value)
        known = self.values.get(shard)
        if known is not None and _precedes(found, known):
            return None
        self.values[shard] = found
        return shard

    def fresh(self, shard: str, now: float) -> bool:
        """Return whether a value is what the daemon has, but for the lag of its sink."""
        sink = self.values[shard]["sink"]
        beat, at = self.beats.get(sink, ({}, None))
        if at is None or beat["ended"] or beat["format"] != 1:
            return False
        if now - at > MISSED * beat["interval"]:
            return False
        return beat["stale"] is not None and shard not in beat["stale"]

    def complete(self, now: float) -> bool:
        """Return whether no shard is missing, and all are fresh."""
        sinks = [beat["complete"] for beat, at in self.beats.values() if at is not None]
        return bool(sinks) and all(sinks) and all(self.fresh(shard, now) for shard in self.values)


def _precedes(found: dict[str, Any], known: dict[str, Any]) -> bool:
    """Return whether a value is older than another one of the same run of the same daemon."""
    same = ("node", "epoch")
    if any(found[name] != known[name] for name in same):
        return False
    return bool(found["revision"] < known["revision"])


class Printer:
    """Prints values, and which are stale."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._before: dict[str, dict[str, Any]] = {}
        self._status = ""

    def changed(self, shard: str, value: dict[str, Any] | None) -> None:
        """Print what changed in a shard."""
        before = self._before.pop(shard, {})
        if value is None:
            print(f"{shard} removed", flush=True)
            return
        info = value["info"] or {}
        shown = {
            "state": value["state"],
            **({"reason": value["reason"]} if value["reason"] else {}),
        }
        shown.update({name: info[name] for name in self._keys or info if name in info})
        self._before[shard] = shown
        news = [f"{k}={json.dumps(v)}" for k, v in shown.items() if before.get(k) != v]
        if news:
            print(f"{shard} revision {value['revision']}: {' '.join(news)}", flush=True)

    def status(self, shards: Shards, now: float) -> None:
        """Print a line where other shards are stale than before."""
        stale = sorted(shard for shard in shards.values if not shards.fresh(shard, now))
        line = f"# {len(shards.values)} shards, "
        if not stale:
            line += "all fresh" if shards.complete(now) else "fresh, but some may be missing"
        elif len(stale) == len(shards.values):
            line += "all stale"
        else:
            line += f"{len(stale)} stale: {' '.join(stale[:5])}{' ...' if stale[5:] else ''}"
        if line != self._status:
            print(line, flush=True)
        self._status = line


async def follow(stream: Any, bucket: str, shards: Shards, printer: Printer, once: bool) -> None:
    """Watch the bucket until there is silence; the caller calls again."""
    watcher = await (await stream.key_value(bucket)).watchall()
    shards.start()
    heard = time.monotonic()
    try:
        while time.monotonic() - heard < SILENCE:
            with contextlib.suppress(nats.errors.TimeoutError):
                entry = await watcher.updates(timeout=0.2)
                heard = time.monotonic()
                if entry is None:
                    shards.on_ready()
                else:
                    gone = entry.operation in ("DEL", "PURGE")
                    shard = shards.on_entry(entry.key, None if gone else entry.value, heard)
                    if shard is not None:
                        printer.changed(shard, shards.values.get(shard))
                    if entry.delta:
                        continue  # more values of the past will come at once
            now = time.monotonic()
            printer.status(shards, now)
            if once and shards.complete(now):
                return
    finally:
        with contextlib.suppress(nats.errors.Error):
            await watcher.stop()


async def run(options: argparse.Namespace) -> int:
    """Follow until Ctrl-C, or once."""
    secret: dict[str, Any] = {}
    if options.user:
        text = Path(options.password_file).read_text(encoding="utf-8")
        secret = {"user": options.user, "password": text.split("\n", 1)[0].rstrip("\r")}
    shards, printer = Shards(), Printer(options.key)

    async def on_error(error: Exception) -> None:
        print(f"# {type(error).__name__}", file=sys.stderr, flush=True)

    try:
        client = await asyncio.wait_for(
            nats.connect(
                options.servers.split(","),
                error_cb=on_error,
                ping_interval=2,
                max_reconnect_attempts=-1,
                **secret,
            ),
            options.timeout,
        )
    except (nats.errors.Error, OSError, asyncio.TimeoutError) as error:
        print(f"no connection to {options.servers}: {type(error).__name__}", file=sys.stderr)
        return 1
    while True:
        try:
            stream = client.jetstream(domain=options.domain)
            await follow(stream, options.bucket, shards, printer, options.once)
        except nats.js.errors.BucketNotFoundError:
            print(f"there is no bucket {options.bucket}", file=sys.stderr)
            return 1
        except (nats.errors.Error, asyncio.TimeoutError) as error:
            print(f"# trying again: {type(error).__name__}", file=sys.stderr, flush=True)
            await asyncio.sleep(0.5)
        if options.once and shards.complete(time.monotonic()):
            await client.close()
            return 0
        printer.status(shards, time.monotonic())


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", default="nats://127.0.0.1:4222", help="separated by commas")
    parser.add_argument("--bucket", default="zinfo")
    parser.add_argument("--domain", help="JetStream domain of the bucket, through a leaf node")
    parser.add_argument("--key", action="append", default=[], help="a field of INFO; repeatable")
    parser.add_argument("--once", action="store_true", help="end when all shards are known")
    parser.add_argument("--user", help="needs --password-file")
    parser.add_argument("--password-file", help="its first line is the password")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to connect")
    options = parser.parse_args()
    if bool(options.user) != bool(options.password_file):
        parser.error("--user and --password-file need each other")
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        return asyncio.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
