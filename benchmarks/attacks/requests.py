"""Requests that are expensive for their size, large valid requests, and shards of many fields."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from benchmarks.attacks.scene import ODD, Attack, Scene, most_fields
from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO, topic

_IN_FLIGHT = 20
_COLUMNS = ["cmdstat_info", "executable", "role", "used_memory", *map("none_{}".format, range(60))]

Run = Callable[[Scene], dict[str, Any]]


def _request(op: str, args: Callable[[Scene], dict[str, object]], in_flight: int = 1) -> Run:
    def run(scene: Scene) -> dict[str, Any]:
        return scene.request(op, args(scene), in_flight=in_flight)

    return run


def _prefixes(scene: Scene) -> dict[str, object]:
    ids = [f"shard-{number:05}" for number in range(4)]
    return {"shard_ids": ids, "keys": ["~"] * scene.scale.texts, "prefix_matching": True}


def _topics(scene: Scene) -> dict[str, object]:
    return {"topics": ["~"] * scene.scale.texts}


def _keys(scene: Scene) -> dict[str, object]:
    return {"keys": [f"{number:x}" for number in range(scene.scale.texts // 3)]}


def _sections(scene: Scene) -> dict[str, object]:
    return {"sections": [f"{number:x}" for number in range(scene.scale.texts // 3)]}


def _ids(scene: Scene) -> dict[str, object]:
    return {"shard_ids": ["no"] * (scene.scale.texts // 2), "allow_partial": True}


def _labels(scene: Scene) -> dict[str, object]:
    return {"labels": {f"{number:x}": "" for number in range(scene.scale.texts // 4)}}


def _constant(**args: object) -> Callable[[Scene], dict[str, object]]:
    return lambda _scene: dict(args)


def _fields(scene: Scene, *, most: int) -> dict[str, Any]:
    """Make a shard reply with many short lines while its INFO and deltas are subscribed."""
    lines = min(most, scene.scale.fields)
    text = b"# Server\r\n" + b"".join(b"%x:1\r\n" % number for number in range(lines))
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        for kind in (KIND_INFO, KIND_DELTA):
            socket.subscribe(topic(kind, ODD))
        socket.connect(scene.bus)
        with scene.odd.replies_with(text):
            time.sleep(scene.scale.seconds)
            errors = scene.request("get_infos", {"shard_ids": [ODD]})["errors"]
    scene.daemon.call("poll", shard=ODD)  # an ordinary INFO again
    return {"lines": lines, "errors": errors}


ATTACKS = (
    Attack("prefixes", _request("get_infos", _prefixes)),
    Attack(
        "prefixes-20",
        _request("get_infos", _prefixes, _IN_FLIGHT),
    ),
    Attack("topics", _request("snapshot", _topics)),
    Attack("topics-20", _request("snapshot", _topics, _IN_FLIGHT)),
    Attack("keys", _request("get_infos", _keys)),
    Attack("sections", _request("get_infos", _sections)),
    Attack("ids", _request("get_infos", _ids)),
    Attack("labels", _request("get_infos", _labels)),
    Attack(
        "label-20",
        _request("get_infos", _constant(labels={"site": "no"}), _IN_FLIGHT),
    ),
    Attack(
        "age-20",
        _request("get_infos", _constant(max_age=1e-9), _IN_FLIGHT),
    ),
    Attack(
        "shards-20",
        _request("shards", _constant(labels={"site": "no"}), _IN_FLIGHT),
    ),
    Attack("stats-20", _request("stats", _constant(), _IN_FLIGHT)),
    Attack("refresh", _request("get_infos", _constant(refresh=True))),
    Attack("infos", _request("get_infos", _constant())),
    Attack("snapshot", _request("snapshot", _constant())),
    Attack("infos-20", _request("get_infos", _constant(), _IN_FLIGHT)),
    Attack("columns-20", _request("get_columns", _constant(keys=_COLUMNS), _IN_FLIGHT)),
    Attack("fields", partial(_fields, most=1 << 60)),
    Attack(
        "fields-most",
        lambda scene: _fields(scene, most=most_fields() - 10),
    ),
)
