"""A server that loads its data and refuses more than others do: what is old is not shown as new."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

import pytest

from tests.daemons import RunningDaemon
from tests.faults.peers import INFO, Fault, Peer, answers_info, bulk
from tests.promises import Promise
from tests.waiting import wait_until

CONFIG = """
[poll]
min_interval = 0.1
max_interval = 0.1
timeout = 2
backoff_max = 0.2
[[shards]]
url = "{url}"
id = "s"
"""
LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
AFTER = INFO.replace(b"run_id:", b"loading:1\r\nrun_id:after")


def refuses_setname(error: bytes) -> Fault:
    """Refuse the name of a connection; answer INFO, as a Redis 5 does while it loads."""

    def fault(_peer: Peer, connection: object, words: list[bytes]) -> bool:
        reply = bulk(AFTER) if words[0].upper() == b"INFO" else error
        connection.sendall(reply)  # type: ignore[attr-defined]  # a socket
        return False

    return fault


def metrics(daemon: RunningDaemon) -> str:
    with urllib.request.urlopen(f"{daemon.http}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def shard(daemon: RunningDaemon) -> dict[str, object]:
    facts = daemon.ask("shards").body
    assert isinstance(facts, list)
    return dict(facts[0])


def state(daemon: RunningDaemon, *wanted: object) -> Callable[[], bool]:
    return lambda: (shard(daemon)["state"], shard(daemon)["reason"]) == wanted


def test_what_was_known_before_is_no_metric_while_a_server_refuses_info(promise: Promise) -> None:
    with (
        Peer(answers_info(lambda: LOADING)) as peer,
        RunningDaemon(config_text=CONFIG.format(url=peer.url), http=True) as daemon,
    ):
        wait_until(state(daemon, "up", ""), what="the first INFO")
        assert "redis_up{" in metrics(daemon)
        peer.bad = True
        wait_until(state(daemon, "loading", "no_info"), what="loading")
        lines = [line for line in metrics(daemon).splitlines() if line.startswith("redis_")]
        told = daemon.ask("get_infos").body
        assert isinstance(told, list)
        promise(
            "a server answers INFO with -LOADING",
            "loading (no_info); redis_up 0, and no metric of the INFO of before",
            f"{shard(daemon)['state']} ({shard(daemon)['reason']}); {', '.join(lines)}",
        )
        assert [line.partition("{")[0] for line in lines] == ["redis_up"]
        assert lines[0].endswith(" 0")
        assert told[0]["meta"]["state"] == "loading"
        peer.bad = False
        wait_until(state(daemon, "up", ""), what="INFO again")


@pytest.mark.parametrize(
    "error",
    [
        LOADING,
        b"-NOPERM this user has no permissions to run the 'client|setname' command\r\n",
        b"-ERR unknown command 'CLIENT'\r\n",
        b"-ERR unsupported by this proxy\r\n",
    ],
)
def test_a_name_that_is_refused_keeps_nobody_from_asking(error: bytes, promise: Promise) -> None:
    with Peer(refuses_setname(error)) as peer:
        peer.bad = True
        with RunningDaemon(config_text=CONFIG.format(url=peer.url), http=True) as daemon:
            wait_until(lambda: shard(daemon)["state"] != "new", what="a state")
            told = shard(daemon)
            promise(
                f"CLIENT SETNAME: {error.decode().strip():.40}",
                "INFO is asked all the same",
                f"{told['state']}, run_id {told['run_id']}",
            )
            assert (told["state"], told["reason"]) == ("loading", "")
            assert str(told["run_id"]).startswith("after")
            assert "redis_up{" in metrics(daemon)
