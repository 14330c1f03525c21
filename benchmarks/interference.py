"""How long one peer, request, shard or reload delays pings, polls and heartbeats of others."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.attacks import reloads, requests, sockets, web
from benchmarks.attacks.scene import Attack, OddServer, Scene
from benchmarks.cores import Cores
from benchmarks.figures import Figure
from benchmarks.progress import log_progress
from benchmarks.script import FULL, Scale, main
from benchmarks.servers import Servers, loaded_servers
from benchmarks.targets import INTERFERENCE
from benchmarks.worker import Worker
from tests.security.keyring import ADMIN, Keyring

ATTACKS = {
    attack.name: attack
    for attack in (*sockets.ATTACKS, *requests.ATTACKS, *web.ATTACKS, *reloads.ATTACKS)
}
"""All attacks, by name."""

NUMBERS = tuple(
    f"{kind}{name}"
    for name, attack in ATTACKS.items()
    for kind in (("ping ", "") if attack.frames else ("",))
)

HEARTBEAT = 0.1  # seconds; a tenth of the default, so that some are due during each attack

_INTERVAL = 1.0  # seconds between two polls of a shard
_ROUNDS = 3  # maximum number of rounds: some attacks take long
_RECOVERED = 50.0  # milliseconds; the daemon has recovered when all delays are shorter
_RECOVERY_TIMEOUT = 60.0  # seconds to wait for that
_CHECK_INTERVAL = 0.25  # seconds between two checks
_MILLION = 1_000_000
_HEADING = f"""
[query]
endpoint = "tcp://127.0.0.1:*"
[bus]
endpoint = "tcp://127.0.0.1:*"
heartbeat = {HEARTBEAT}
[poll]
min_interval = {_INTERVAL}
max_interval = {_INTERVAL}
interval_step = 0
"""
_HTTP = '[http]\nlisten = "127.0.0.1:0"\n'


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the delays during each attack, compared with the time just before it."""
    names = {number.rpartition(" ")[2] for number in wanted}
    chosen = [attack for name, attack in ATTACKS.items() if name in names]
    figures: list[Figure] = []
    shards = max(scale.shards, scale.reloaded if scale.shards >= FULL.shards else 0)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=shards))
        for keyed in (False, True):
            attacks = [attack for attack in chosen if attack.keyed == keyed]
            if attacks:
                with _scene(scale, servers, keyed=keyed) as (scene, probe):
                    for attack in attacks:
                        figures += _measure(attack, scene, probe)
    return [figure for figure in figures if figure.number in wanted]


@contextlib.contextmanager
def _scene(scale: Scale, servers: Servers, *, keyed: bool) -> Iterator[tuple[Scene, Worker]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zi-", dir="/tmp")))
        ring = Keyring(folder) if keyed else None
        heading = _HEADING + (_security(ring) if ring else _HTTP)
        scene = Scene(
            daemon=Worker("served_daemon", cores=Cores.MEASURED, config=str(folder / "zinfo.toml")),
            scale=scale,
            urls=servers.urls,
            config=folder / "zinfo.toml",
            heading=heading,
            odd=stack.enter_context(OddServer()),
            keys=ring.of(ADMIN) if ring else None,
        )
        scene.write(scale.shards)
        stack.enter_context(scene.daemon)
        stack.callback(scene.daemon.call, "end")
        scene.wait_up(scale.shards)
        options: dict[str, Any] = {"query": scene.query, "bus": scene.bus, "heartbeat": HEARTBEAT}
        if scene.keys is not None:
            keys = (scene.keys.server, *scene.keys.own)
            options["keys"] = [key.decode() for key in keys]
        yield scene, stack.enter_context(Worker("latency_probe", gevent=False, **options))


def _security(ring: Keyring) -> str:
    (table, _) = ring.config().split("[poll]")
    return table


def _measure(attack: Attack, scene: Scene, probe: Worker) -> list[Figure]:
    """Return how much an attack increases the delays of others."""
    rounds = []
    if attack.before is not None:
        attack.before(scene)
    for _ in range(min(scene.scale.rounds, _ROUNDS) if scene.scale.shards >= FULL.shards else 1):
        rounds.append(_round(attack, scene, probe))
    if attack.after is not None:
        attack.after(scene)
    over = [each["over"] for each in rounds]
    detail = {"what": INTERFERENCE[attack.name], "rounds": rounds}
    worst = max(rounds, key=lambda each: max(each["over"].values()))
    note = _format(worst)
    log_progress(f"{attack.name}: {note}")
    if attack.frames is None:
        return [
            Figure(attack.name, [max(each.values()) for each in over], note=note, detail=detail)
        ]
    millions = attack.frames(scene.scale) / _MILLION
    return [
        Figure(f"ping {attack.name}", [each["ping"] / millions for each in over], note=note),
        Figure(
            attack.name,
            [max(each["poll"], each["heartbeat"]) for each in over],
            note=note,
            detail=detail,
        ),
    ]


def _round(attack: Attack, scene: Scene, probe: Worker) -> dict[str, Any]:
    _wait_for_recovery(scene, probe)
    _reset(scene, probe)
    time.sleep(scene.scale.seconds / 2)
    quiet = _report(scene, probe)
    _reset(scene, probe)
    began = time.monotonic()
    seen = attack.run(scene)
    seconds = time.monotonic() - began
    time.sleep(2 * HEARTBEAT)
    found = _report(scene, probe)
    return {
        "quiet": quiet,
        "found": found,
        "over": {name: found[name] - quiet[name] for name in ("ping", "poll", "heartbeat")},
        "seconds": seconds,
        "seen": dict(seen or {}),
    }


def _wait_for_recovery(scene: Scene, probe: Worker) -> None:
    until = time.monotonic() + _RECOVERY_TIMEOUT
    while time.monotonic() < until:
        _reset(scene, probe)
        time.sleep(min(_CHECK_INTERVAL, scene.scale.seconds / 4))
        found = _report(scene, probe)
        if max(found["ping"], found["poll"], found["heartbeat"]) < _RECOVERED:
            return
    log_progress("the daemon has not recovered within a minute; continuing")


def _reset(scene: Scene, probe: Worker) -> None:
    scene.daemon.call("reset")
    probe.call("reset")


def _report(scene: Scene, probe: Worker) -> dict[str, float]:
    return {**probe.call("report"), **scene.daemon.call("report")}


def _format(each: Mapping[str, Any]) -> str:
    """Return the longest delays of one round in ms, and in parentheses those before the attack."""
    parts = [
        f"{name} {each['found'][name]:.0f} ({each['quiet'][name]:.0f})"
        for name in ("ping", "poll", "heartbeat", "iteration")
    ]
    seen = [f"{name} {_short(value)}" for name, value in each["seen"].items() if value]
    return ", ".join(itertools.chain(parts, seen))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
