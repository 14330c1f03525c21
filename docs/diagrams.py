"""Writes the diagrams of docs/explanation as SVG files.

    python -m docs.diagrams [FOLDER]

The folder is docs/images unless given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.drawing import Drawing, SequenceDrawing

IMAGES = Path(__file__).parent / "images"


def architecture() -> Drawing:
    """The parts of the daemon, the servers and the clients."""
    image = Drawing(
        860, 400,
        "Watchers add shards to the registry. The poller polls the servers and stores snapshots in "
        "the shards. The bus publishes changes to subscribers. The servicer reads the shards and "
        "answers queries through the router, the HTTP server and the XML-RPC server.",
    )  # fmt: skip
    image.box(164, 16, 524, 368, kind="frame")
    image.text(180, 40, "zinfo daemon: one process, one thread", "note", "start")
    for offset in (12, 6, 0):
        image.box(16 + offset, 186 + offset, 100, 58)
    image.text(66, 212, "Servers", "strong")
    image.text(66, 230, "Redis, Valkey", "note")
    image.box(180, 62, 140, 58, ["Watchers", "which shards exist"], kind="own")
    image.box(180, 186, 140, 58, ["InfoPoller", "when to poll"], kind="own")
    image.box(372, 56, 140, 232, kind="own")
    image.text(442, 80, "ShardPublisher", "strong")
    image.text(442, 98, "registry of shards", "note")
    for offset in (10, 5, 0):
        image.box(380 + offset, 168 + offset, 114, 96)
    image.text(437, 192, "RedisShard", "strong")
    for number, line in enumerate(("newest snapshot", "state", "interval")):
        image.text(437, 212 + number * 18, line, "note")
    image.box(564, 62, 110, 58, ["InfoBus", "XPUB sockets"], kind="own")
    image.box(564, 186, 110, 58, ["Servicer", "queries"], kind="own")
    image.box(564, 274, 110, 30, ["QueryRouter"], kind="own")
    image.box(564, 312, 110, 26, ["HTTP"], kind="own")
    image.box(564, 344, 110, 26, ["XML-RPC"], kind="own")
    image.box(724, 62, 120, 58, ["Subscribers", "SUB sockets"], kind="client")
    image.box(724, 264, 120, 50, ["Clients", "DEALER, REQ"], kind="client")
    image.box(724, 326, 120, 50, ["Prometheus", "browsers, scripts"], kind="client")
    image.arrow((320, 91), (372, 91))
    image.text(346, 84, "add", "note")
    image.arrow((128, 215), (180, 215), both=True)
    image.text(146, 206, "INFO", "note")
    image.arrow((320, 215), (380, 215))
    image.text(346, 208, "store", "note")
    image.arrow((504, 196), (540, 196), (540, 91), (564, 91))
    image.text(546, 156, "changes", "note", "start")
    image.arrow((504, 222), (564, 222))
    image.text(538, 215, "read", "note")
    image.arrow((674, 91), (724, 91))
    image.arrow((619, 274), (619, 244))
    image.arrow((724, 289), (674, 289), both=True)
    image.arrow((724, 351), (700, 351), (700, 325), (674, 325), both=True)
    image.arrow((700, 351), (700, 357), (674, 357))
    return image


def snapshot_path() -> Drawing:
    """The path of a snapshot, from the due time of a poll to a subscriber."""
    image = SequenceDrawing(
        860, 536,
        "A due poll sends INFO. The reply is stored as a snapshot with the next revision, encoded "
        "if there is a subscriber, and sent.",
        [
            ("Server", "plain", 70), ("InfoConnection", "own", 222), ("InfoPoller", "own", 384),
            ("PollScheduler", "own", 516), ("InfoBus", "own", 652), ("Subscriber", "client", 788),
        ],
    )  # fmt: skip
    top = image.y
    image.y += 24
    image.message("PollScheduler", "InfoPoller", "_start_poll", style="code")
    image.message("InfoPoller", "InfoConnection", "send_request", style="code")
    image.message("InfoConnection", "Server", "INFO everything")
    image.box(196, top - 6, 398, 122, kind="frame")
    image.text(206, top + 11, "callback: a poll is due", "note", "start")
    image.text(430, 222, "other callbacks and greenlets run, until the reply is readable", "note")
    image.y = top = 248
    image.y += 24
    image.message("Server", "InfoConnection", "reply")
    image.message("InfoConnection", "InfoPoller", "on_reply(bytes)", style="code")
    image.step("InfoPoller", ["store the snapshot", "revision + 1"], width=156)
    image.message("InfoPoller", "InfoBus", "publish_snapshot", style="code")
    image.y += 2
    image.step("InfoBus", ["encode", "if there is a subscriber"], width=168)
    image.message("InfoBus", "Subscriber", "via ZeroMQ")
    image.box(196, top - 6, 546, image.y - top - 8, kind="frame")
    image.text(206, top + 11, "callback: the reply is readable", "note", "start")
    return image


def query_path() -> Drawing:
    """The path of a query, from the client to the snapshots and back."""
    image = SequenceDrawing(
        860, 606,
        "The router decodes a request and checks the rights of the client. An operation encodes "
        "the snapshots of the shards, with a yield every 2 ms, and returns a page of up to 1 MiB.",
        [
            ("Client", "client", 70), ("QueryRouter", "own", 250), ("Operations", "own", 430),
            ("EntryEncoder", "own", 610), ("RedisShard", "plain", 780),
        ],
    )  # fmt: skip
    image.message("Client", "QueryRouter", "request")
    image.step("QueryRouter", ["decode", "check the rights"], width=140)
    image.message("QueryRouter", "Operations", "run", style="code")
    image.step("Operations", ["only with refresh", "poll, and wait"], width=150)
    image.message("Operations", "EntryEncoder", "blocks", style="code")
    top = image.y - 24
    image.y += 8
    image.message("EntryEncoder", "RedisShard", "select", style="code")
    image.message("RedisShard", "EntryEncoder", "snapshot", kind="dashed")
    image.step("EntryEncoder", ["encode its fields", "yield every 2 ms"], width=150)
    image.box(520, top, 326, image.y - top - 22, kind="frame")
    image.text(836, image.y - 34, "for each shard", "note", "end")
    image.y += 12
    image.message("EntryEncoder", "Operations", "entries", kind="dashed")
    image.step("Operations", ["page", "at most 1 MiB"], width=130)
    image.message("Operations", "QueryRouter", "page and cursor", kind="dashed")
    image.message("QueryRouter", "Client", "reply", kind="dashed")
    return image


def shard_states() -> Drawing:
    """The states of a shard."""
    image = Drawing(
        760, 232,
        "A new shard becomes up, loading, busy or down with its first poll. Each later poll may "
        "change that to any other of the four. Removal ends it.",
    )  # fmt: skip
    image.box(20, 86, 100, 58, ["new", "not polled yet"])
    image.box(170, 16, 420, 200, kind="frame")
    image.text(380, 40, "by the result of the newest poll", "note")
    image.box(190, 56, 180, 62, ["up", "replied to INFO"], kind="client")
    image.box(390, 56, 180, 62, ["loading", "replied loading:1"], kind="warn")
    image.box(190, 136, 180, 62, ["busy", "replied -BUSY"], kind="warn")
    image.box(390, 136, 180, 62, ["down", "failed, with a reason"], kind="bad")
    image.box(640, 86, 100, 58, ["removed", "not watched"])
    image.arrow((120, 115), (170, 115))
    image.arrow((590, 115), (640, 115))
    return image


def gap() -> Drawing:
    """A lost delta, and how a Mirror repairs the gap."""
    image = SequenceDrawing(
        760, 412,
        "Delta 43 is lost. Delta 44 does not apply to revision 42, so the shard is stale. A "
        "snapshot of revision 44 and delta 45 make it fresh.",
        [("Daemon", "own", 150), ("Mirror", "client", 500)],
    )  # fmt: skip
    image.text(620, 40, "The Mirror has", "note", "start")
    steps = (
        ("1", "delta 42, base 41", "line", "revision 42, fresh"),
        ("2", "delta 43, base 42", "lost", "revision 42, fresh"),
        ("3", "delta 44, base 43", "line", "revision 42, stale"),
    )
    for number, text, kind, held in steps:
        _numbered(image, number, held)
        image.message("Daemon", "Mirror", text, kind)
    image.step("Mirror", ["44 does not apply to 42", "random delay"], kind="bad", width=200)
    _numbered(image, "4", "revision 42, stale")
    image.message("Mirror", "Daemon", "request: snapshot of this shard", "dashed")
    _numbered(image, "5", "revision 42, stale")
    image.message("Daemon", "Mirror", "delta 45, base 44")
    _numbered(image, "6", "revision 44, stale")
    image.message("Daemon", "Mirror", "reply: snapshot, revision 44", "dashed")
    image.step("Mirror", ["apply delta 45", "which was held back"], kind="client", width=200)
    image.text(620, image.y - 38, "revision 45, fresh", "note", "start")
    return image


def _numbered(image: SequenceDrawing, number: str, held: str) -> None:
    image.text(40, image.y + 4, number, "strong")
    image.text(620, image.y + 4, held, "note", "start")


def trust_boundaries() -> Drawing:
    """Who is trusted, and what protects each boundary."""
    image = Drawing(
        860, 392,
        "The daemon, its files and root are trusted. Servers, clients, other users of the machine "
        "and the network are not. Five boundaries separate them.",
    )  # fmt: skip
    image.box(196, 16, 400, 360, kind="frame")
    image.text(212, 40, "the machine of the daemon", "note", "start")
    image.box(
        250,
        84,
        200,
        96,
        ["zinfo daemon", "trusted: has all INFO,", "decides what each", "client may see"],
        kind="own",
    )
    image.box(250, 264, 150, 76, ["Its files", "keys, passwords,", "configuration"], kind="own")
    image.box(466, 264, 112, 76, ["Other users", "and their", "processes"], kind="warn")
    image.box(20, 94, 120, 76, ["Servers", "Redis, Valkey", "may be malicious"], kind="warn")
    image.box(690, 20, 150, 58, ["ZeroMQ clients", "a key for each"], kind="client")
    image.box(690, 104, 150, 58, ["HTTP clients", "token, certificate"], kind="client")
    image.box(690, 188, 150, 58, ["Anyone else", "on the network"], kind="bad")
    image.arrow((140, 132), (250, 132), both=True)
    image.arrow((690, 49), (350, 49), (350, 84), both=True)
    image.arrow((690, 133), (450, 133), both=True)
    image.arrow((690, 217), (618, 217), kind="lost", head=False)
    image.cross(612, 217)
    image.arrow((325, 264), (325, 180), both=True)
    image.arrow((522, 264), (522, 160), (450, 160))
    image.arrow((466, 302), (418, 302), kind="lost", head=False)
    image.cross(412, 302)
    for x, y, number in (
        (168, 132, "1"), (642, 49, "2"), (642, 133, "3"), (522, 222, "4"), (442, 302, "5"),
    ):  # fmt: skip
        image.box(x - 11, y - 11, 22, 22, [number], kind="card")
    return image


DIAGRAMS: dict[str, Callable[[], Drawing]] = {
    "architecture.svg": architecture,
    "gap.svg": gap,
    "query-path.svg": query_path,
    "shard-states.svg": shard_states,
    "snapshot-path.svg": snapshot_path,
    "trust-boundaries.svg": trust_boundaries,
}


def main() -> None:
    """Write all diagrams."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    for name, draw in DIAGRAMS.items():
        (folder / name).write_text(str(draw()), encoding="utf-8")


if __name__ == "__main__":
    main()
