"""The clients in a process patched by gevent, with a green context."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.client.wire_peer import WirePeer

ROOT = Path(__file__).parents[2]

PROGRAM = """
from gevent import monkey
monkey.patch_all()

import sys
import gevent
import zmq.green
from zinfo.client import Client, Delta, Heartbeat, Mirror, Subscriber
from zinfo.errors import NoAnswerError

query = sys.argv[1]
context = zmq.green.Context()
turns = 0

def others():
    global turns
    while True:
        turns += 1
        gevent.sleep(0.01)

gevent.spawn(others)

def others_ran(what):
    global turns
    assert turns, f"nothing else ran during {what}"
    turns = 0

with Mirror(query, context=context) as mirror, Client(query, context=context) as client:
    mirror.wait_ready()
    assert set(mirror) == {"a", "b", "c"}, set(mirror)
    assert len(client.get_infos()) == 3
    asked = [gevent.spawn(lambda: Client(query, context=context).ping()) for _ in range(10)]
    gevent.joinall(asked, timeout=10)
    assert all(one.value for one in asked)
    with Subscriber(query, kinds=["hb"], context=context) as subscriber:
        turns = 0
        for _ in range(3):
            assert isinstance(subscriber.recv(5), Heartbeat)
        others_ran("the wait for heartbeats")
    turns = 0
    try:
        Client("tcp://127.0.0.1:1", timeout=0.3, context=context).ping()
    except NoAnswerError:
        others_ran("the wait for an answer")
    assert not mirror.stale
print("well")
"""


def test_waiting_clients_do_not_block_the_hub(peer: WirePeer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, peer.query],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "well\n"
