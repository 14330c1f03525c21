"""A server of the page over shards that do not exist: as many as needed, in any state.

It serves the real files and definitions. What a daemon would read from shards is made up, so that
tests, measurements and pictures of the page have the same fleet each time.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.info_texts import TEXTS
from zinfo.adapters.http.responses import encode
from zinfo.adapters.page.definitions import definitions as shared_definitions
from zinfo.adapters.page.resources import CONTENT_POLICY_OF_PAGE
from zinfo.info.parser import parse

CLUSTERS = ("cache-euw1", "session-use1", "feed-apse1")
REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-1")
TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript"}
GIB = 1 << 30
STEP = 5.0  # seconds between two values of the history
POINTS = 180
SERIES = ("ops", "memory", "hit_ratio", "clients", "net_in", "net_out")


class FakeShard:
    """One shard, whose numbers change with each poll.

    Args:
        number: of the shard, from 0.
        seed: makes its numbers.
    """

    def __init__(self, number: int, seed: int = 1) -> None:
        self.random = random.Random(seed * 1_000_003 + number)
        self.evicts = 0  # keys with each poll
        node, self.replica = number // 2, number % 2 == 1
        cluster = node % 3
        name, region = CLUSTERS[cluster], REGIONS[cluster]
        domain = f"q7xk2f.{region}.cache.example.com"
        primary = f"prod-{region}-{name}-{node:04d}-a.{domain}"
        self.id = f"{primary.replace('-a.', '-b.')}:6379" if self.replica else f"{primary}:6379"
        self.facts: dict[str, Any] = {
            "id": self.id,
            "labels": {
                "cluster": name,
                "site": region,
                "team": ("web", "feed", "ads")[node // 3 % 3],
            },
            "state": "up",
            "reason": "",
            "error": "",
            "role": "slave" if self.replica else "master",
            "version": ("7.2.4", "8.0.2", "7.0.15")[cluster],
            "since": 0.0,
            "interval": 1.0,
            "revision": 1,
        }
        self.base = 10 ** self.random.uniform(1.5, 4.7)
        limit = self.random.choice((4, 8, 16)) * GIB
        self.info: dict[str, Any] = {
            "run_id": f"{self.random.getrandbits(160):040x}",
            "uptime_in_seconds": self.random.randrange(10_000, 4_000_000),
            "total_commands_processed": int(self.base * 10_000),
            "instantaneous_ops_per_sec": int(self.base),
            "used_memory": int(limit * self.random.uniform(0.15, 0.88)),
            "used_memory_rss": int(limit * 0.9),
            "maxmemory": limit,
            "maxmemory_policy": "allkeys-lru",
            "connected_clients": self.random.randrange(5, 900),
            "blocked_clients": 0,
            "keyspace_hits": int(self.base * 9000),
            "keyspace_misses": int(self.base * 600),
            "db0": {"keys": self.random.randrange(1000, 9_000_000), "expires": 10, "avg_ttl": 0},
            "total_net_input_bytes": int(self.base * 5e5),
            "total_net_output_bytes": int(self.base * 9e5),
            "evicted_keys": 0,
            "expired_keys": 100,
            "rejected_connections": 0,
            "mem_fragmentation_ratio": round(self.random.uniform(1.0, 1.6), 2),
            "rdb_last_bgsave_status": "ok",
            "rdb_changes_since_last_save": int(self.base * 60),
            "aof_last_write_status": "ok",
            "aof_last_bgrewrite_status": "ok",
            "loading": 0,
            "latest_fork_usec": 2000,
            "rejected": 0,
            "connected_slaves": 0 if self.replica else 1,
            "master_replid": f"{random.Random(seed * 77 + node).getrandbits(160):040x}",
            "role": self.facts["role"],
        }
        if self.replica:
            self.info |= {
                "master_host": primary,
                "master_port": 6379,
                "master_link_status": "up",
                "master_last_io_seconds_ago": 1,
                "slave_repl_offset": 1000,
            }

    def poll(self) -> None:
        """Change the numbers as a second of work does."""
        jump = self.random.random
        ops = int(self.base * (0.8 + 0.4 * jump()))
        info = self.info
        info["uptime_in_seconds"] += 1
        info["evicted_keys"] += self.evicts
        info["instantaneous_ops_per_sec"] = ops
        info["total_commands_processed"] += ops
        info["keyspace_hits"] += int(ops * (0.9 + 0.09 * jump()))
        info["keyspace_misses"] += int(ops * 0.05 * jump())
        info["total_net_input_bytes"] += ops * 80
        info["total_net_output_bytes"] += ops * 400
        info["used_memory"] += int((jump() - 0.5) * 4e6)
        info["connected_clients"] = max(1, info["connected_clients"] + int(6 * jump()) - 3)
        info["db0"] = {**info["db0"], "keys": info["db0"]["keys"] + int(20 * jump())}
        self.facts["revision"] += 1

    def history(self, name: str, now: float) -> list[float | None]:
        """Return made up values of the last minutes; those of a shard that is down end earlier."""
        made = random.Random(f"{self.id}{name}")
        info = self.info
        mean = {
            "ops": self.base,
            "memory": info["used_memory"],
            "hit_ratio": 0.95,
            "clients": info["connected_clients"],
            "net_in": self.base * 80,
            "net_out": self.base * 400,
        }.get(name)
        if mean is None:
            return [None] * POINTS
        level, found = 1.0, []
        for _ in range(POINTS):
            level += (made.random() - 0.5) * 0.1 + (1 - level) * 0.05
            found.append(round(min(1.0, mean * level) if name == "hit_ratio" else mean * level, 3))
        gap = int((now - self.facts["since"]) / STEP) if self.facts["state"] == "down" else 0
        lost = min(POINTS, gap)
        return [*found[: POINTS - lost], *[None] * lost]


class FleetServer:
    """Serves the page over made up shards; entering starts it.

    Args:
        count: of shards.
        token: that requests need; "" for none.
        polled: whether the shards are polled each second. Otherwise `push` sends a message.

    Attributes:
        shards: all shards.
        requests: paths of all requests so far.
        streams: number of open streams.
    """

    def __init__(self, count: int, *, token: str = "", polled: bool = False) -> None:
        self.shards = [FakeShard(number) for number in range(count)]
        self.token = token
        self.requests: list[str] = []
        self.streams = 0
        self.fresh, self.problem = True, ""
        self.missing: list[str] = []
        self.epoch = 1
        self.events: list[dict[str, Any]] = []
        self._polled = polled
        self._condition = threading.Condition()
        self._turn = 0
        self._stopped = False
        self._ended = threading.Event()
        started = time.time() - 7200
        for shard in self.shards:
            shard.facts["since"] = started
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> FleetServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        if self._polled:
            threading.Thread(target=self._poll, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped = True
        self._ended.set()
        self.wake()
        self._server.shutdown()
        self._server.server_close()

    # --- what happens to the shards

    def set_state(
        self, number: int, state: str, reason: str = "", error: str = "", ago: float = 0.0
    ) -> None:
        """Change the state of a shard, as of some seconds ago."""
        shard = self.shards[number]
        old = shard.facts["state"]
        since = time.time() - ago
        shard.facts.update(state=state, reason=reason, error=error, since=since)
        event = {"type": state, "old": old, "new": state, "reason": reason, "message": error}
        number = len(self.events) + 1
        self.events.append({"number": number, "time": since, "shard": shard.id, **event})
        self.wake()

    def break_some(self) -> None:
        """Have some shards be down, loading, busy, full, evict, or lag."""
        self.set_state(40, "down", "timeout", "no reply to INFO within 2 s", ago=4000)
        self.set_state(120, "up", ago=400)
        self.set_state(3, "down", "refused", "connection refused", ago=240)
        self.set_state(8, "loading", ago=12)
        self.set_state(29, "busy", ago=5)
        full = self.shards[10].info
        full |= {"used_memory": int(0.97 * full["maxmemory"]), "maxmemory_policy": "noeviction"}
        self.shards[60].evicts = 700
        self.shards[33].info["master_last_io_seconds_ago"] = 57
        self.shards[35].info["master_link_status"] = "down"
        self.shards[50].info["rdb_last_bgsave_status"] = "err"
        for shard in self.shards[6:8]:  # these have all fields of a real one
            real = parse(TEXTS["redis-7.0.15-primary-3"]).fields
            shard.info = {
                **{one: real[one] for one in real if not one.startswith("slave")},
                **shard.info,
            }

    def push(self) -> None:
        """Poll all shards that answer, and send what changed."""
        for shard in self.shards:
            if shard.facts["state"] in ("up", "loading"):
                shard.poll()
        self.wake()

    def wake(self) -> None:
        """Send a message now."""
        with self._condition:
            self._turn += 1
            self._condition.notify_all()

    def end_streams(self) -> None:
        """End all open streams, as a daemon that is restarted does."""
        self.epoch += 1
        self.wake()

    def _poll(self) -> None:
        while not self._ended.wait(1.0):  # the interval between two polls
            self.push()

    # --- replies

    def messages(self, keys: Sequence[str]) -> Iterator[bytes]:
        """Yield the messages of a stream."""
        changes, turn, epoch = _Changes(self, keys), -1, self.epoch
        while not self._stopped and self.epoch == epoch:
            with self._condition:
                self._condition.wait_for(partial(self._has_news, turn), 5.0)
                turn = self._turn
            about = {
                "time": time.time(),
                "epoch": epoch,
                "fresh": self.fresh,
                "problem": self.problem,
                "daemons": "",
                "missing": self.missing,
            }
            message = about | (changes.next(time.time()) if self.fresh else {})
            yield f"event: table\ndata: {json.dumps(message)}\n\n".encode()

    def _has_news(self, turn: int) -> bool:
        return self._turn != turn or self._stopped

    def history(self, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the history of some shards."""
        now = time.time()
        by_id = {shard.id: shard for shard in self.shards}
        ids = [one for one in query.get("shard_ids", ()) if one in by_id]
        return {
            "step": STEP,
            "newest": now - now % STEP,
            "points": POINTS,
            "ids": ids,
            "fields": {
                name: [by_id[one].history(name, now) for one in ids]
                for name in query.get("fields", SERIES)
            },
        }

    def events_of(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the events of some shards; without ids those of all."""
        return [event for event in self.events if not ids or event["shard"] in ids]

    def infos(self, query: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Return the INFO of some shards."""
        wanted = set(query.get("shard_ids", ()))
        return [
            {
                **shard.info,
                "meta": {
                    "shard_identifier": shard.id,
                    "state": shard.facts["state"],
                    "revision": shard.facts["revision"],
                    "time": time.time(),
                },
            }
            for shard in self.shards
            if shard.id in wanted
        ]


class _Changes:
    """What a stream has to send: facts, times and columns that differ from those sent before.

    Args:
        fleet: the shards.
        keys: fields of the stream.
    """

    def __init__(self, fleet: FleetServer, keys: Sequence[str]) -> None:
        self._fleet = fleet
        self._keys = keys
        self._facts: dict[int, dict[str, Any]] = {}
        self._values: dict[tuple[int, str], Any] = {}
        self._events = 0
        self._first = True

    def next(self, now: float) -> dict[str, Any]:
        """Return the parts of the next message."""
        facts: dict[str, Any] = {}
        times: dict[str, list[Any]] = {"at": [], "values": []}
        columns: dict[str, dict[str, list[Any]]] = {}
        for number, shard in enumerate(self._fleet.shards):
            shown = {name: value for name, value in shard.facts.items() if name != "revision"}
            if self._facts.get(number) != shown:
                facts[str(number)] = self._facts[number] = shown
            answers = shard.facts["state"] in ("up", "loading")
            if answers or self._first:
                times["at"].append(number)
                times["values"].append(now if answers else shard.facts["since"])
            for key in self._keys:
                value = shard.info.get(key)
                if self._values.get((number, key)) != value:
                    self._values[number, key] = value
                    column = columns.setdefault(key, {"at": [], "values": []})
                    column["at"].append(number)
                    column["values"].append(value)
        events, self._events = self._fleet.events[self._events :], len(self._fleet.events)
        found = {"shards": facts, "gone": [], "times": times, "columns": columns, "events": events}
        reset, self._first = {"reset": True} if self._first else {}, False
        return reset | found


def definitions() -> dict[str, Any]:
    """Return the content of view.json."""
    made: dict[str, Any] = json.loads(encode(shared_definitions()))
    return made | {"node": "zinfo-1", "endpoint": "tcp://127.0.0.1:9736"}


def _handler(fleet: FleetServer) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"fleet": fleet, "about": json.dumps(definitions())})


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    fleet: FleetServer
    about: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        url, fleet = urlsplit(self.path), self.fleet
        query = parse_qs(url.query)
        fleet.requests.append(self.path)
        name = "index.html" if url.path == "/" else url.path.removeprefix("/page/")
        file = files("zinfo.adapters.page") / "static" / name.replace("/", "")
        replies: dict[str, Callable[[], object]] = {
            "/view.json": lambda: json.loads(self.about),
            "/api/v1/history": lambda: fleet.history(query),
            "/api/v1/infos": lambda: fleet.infos(query),
            "/api/v1/events": lambda: fleet.events_of(query.get("ids", [])),
        }
        if "/" not in name and file.is_file():
            self._send(200, file.read_bytes(), TYPES[name.rpartition(".")[2]])
        elif fleet.token and self.headers.get("Authorization") != f"Bearer {fleet.token}":
            self._send_error(401, "the token is not known")
        elif url.path == "/api/v1/table":
            self._stream(query.get("keys", []))
        elif url.path in replies:
            reply = replies[url.path]()
            body = reply if url.path == "/view.json" else {"data": reply}
            self._send(200, json.dumps(body).encode())
        else:
            self._send_error(404, "there is no such path")

    def _stream(self, keys: Sequence[str]) -> None:
        fleet = self.fleet
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        fleet.streams += 1
        try:
            for message in fleet.messages(keys):
                self.wfile.write(message)
        except OSError:
            pass  # the page was closed
        finally:
            fleet.streams -= 1

    def _send_error(self, status: int, message: str) -> None:
        self._send(status, json.dumps({"error": {"code": "x", "message": message}}).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CONTENT_POLICY_OF_PAGE)
        self.end_headers()
        self.wfile.write(body)
