"""Reloads of large configurations."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from benchmarks.attacks.scene import Attack, Scene

_LABELS = 8
_TEXT = "x" * 1000  # value of a label: eight for each of 1,000 shards make a file of 8 MB
_numbers = itertools.count()  # so that each round writes a different file


def _with_most(scene: Scene) -> None:
    scene.write(scene.scale.reloaded)
    scene.reload(scene.scale.reloaded)


def _with_usual(scene: Scene) -> None:
    scene.write(scene.scale.shards)
    scene.reload(scene.scale.shards)


def _labels(scene: Scene) -> dict[str, Any]:
    scene.write(scene.scale.reloaded, labels={"site": f"site-{next(_numbers)}"})
    return dict(scene.reload(scene.scale.reloaded))


def _all(scene: Scene) -> dict[str, Any]:
    scene.write(scene.scale.reloaded, name=f"round-{next(_numbers)}")
    return dict(scene.reload(scene.scale.reloaded))


def _large(scene: Scene) -> dict[str, Any]:
    scene.write(scene.scale.shards, labels={f"label{number}": _TEXT for number in range(_LABELS)})
    size = scene.config.stat().st_size
    return {"bytes": size, **scene.reload(scene.scale.shards)}


def _same(scene: Scene) -> dict[str, Any]:
    return dict(scene.reload(scene.scale.reloaded))


def _broken(scene: Scene) -> dict[str, Any]:
    """Write an invalid URL for every shard, so that there is one error message for each."""
    scene.write(scene.scale.reloaded)
    text = scene.config.read_text().replace("redis://", "http://")
    scene.config.write_text(text)
    return dict(scene.daemon.call("reload", seconds=120))


def _attack(name: str, run: Callable[[Scene], dict[str, Any]]) -> Attack:
    return Attack(name, run, before=_with_most, after=_with_usual)


ATTACKS = (
    _attack("reload-same", _same),
    _attack("reload-labels", _labels),
    _attack("reload-all", _all),
    _attack("reload-broken", _broken),
    Attack("reload-large", _large, after=_with_usual),
)
