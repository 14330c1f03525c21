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
from zinfo.client import Client, Fleet, Heartbeat, Mirror, Subscriber
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

with Mirror(query, context=context) as mirror, Client(query, timeout=60, context=context) as client:
    mirror.wait_ready(60)
    assert set(mirror) == {"a", "b", "c"}, set(mirror)
    assert len(client.get_infos()) == 3
    def ask():
        return Client(query, timeout=60, context=context).ping()
    asked = [gevent.spawn(ask) for _ in range(10)]
    gevent.joinall(asked)
    assert all(one.value for one in asked)
    with Subscriber(query, kinds=["hb"], timeout=60, context=context) as subscriber:
        turns = beats = 0
        while beats < 3:
            beats += isinstance(subscriber.recv(), Heartbeat)
        others_ran("the wait for heartbeats")
    turns = 0
    try:
        Client("tcp://127.0.0.1:1", timeout=0.3, context=context).ping()
    except NoAnswerError:
        others_ran("the wait for an answer")
    mirror.wait_ready(60)
with Fleet([query, "tcp://127.0.0.1:1"], timeout=60, retries=0, context=context) as fleet:
    turns = 0
    found, silent = fleet.find_members(0.3)
    assert found.node == "model" and silent.problem == "no reply", (found, silent)
    others_ran("the wait for the daemons of a fleet")
with Fleet(query, context=context) as fleet:
    turns = 0
    fleet.wait_ready(60)
    others_ran("the wait for a fleet")
    assert set(fleet) == {"a", "b", "c"}, set(fleet)
print("well")
"""


def test_waiting_clients_do_not_block_the_hub(quick_peer: WirePeer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, quick_peer.query],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "well\n"
