"""CURVE rejects a client during the handshake, before it sends a request."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
import zmq

from tests.clients.programs import END_TIMEOUT, environment
from tests.clients.runtimes import LEGACY, THIS
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.keyring import Keyring
from tests.servers import RealServer
from zinfo.client import Client
from zinfo.errors import NoAnswerError

PROGRAMS = [*LEGACY.values(), "query.py", "stream.py"]


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    keyring = Keyring(tmp_path_factory.mktemp("keys") / "keys")
    keyring.authorize("known")
    keyring.make("stranger")
    return keyring


@pytest.fixture(scope="module")
def daemon(keyring: Keyring) -> Iterator[RunningDaemon]:
    rights = "[clients.admin]\n[clients.known]\n"
    with RealServer() as server, keyring.daemon([("a", server.url)], rights) as running:
        yield running


def test_a_rejected_program_ends(keyring: Keyring, daemon: RunningDaemon, promise: Promise) -> None:
    directory = keyring.directory
    keys = [f"--server-key={directory}/server.key", f"--client-key={directory}/stranger.key_secret"]
    running = []
    for program in PROGRAMS:
        more = keys if program in LEGACY.values() else []
        environ = {} if more else {"REFUSED_KEYS": keyring.texts("stranger")}
        process = subprocess.Popen(
            THIS.refused_line(program, f"--connect={daemon.query}", "--timeout=0.5", *more),
            env={**environment(THIS), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append((program, process))
    ended = []
    for program, process in running:
        _, stderr = process.communicate(timeout=END_TIMEOUT)
        ended.append((program, process.returncode, stderr.count("nothing answers at")))
    promise(
        "CURVE refuses a client before the client sends",
        "each program ends with exit code 1 and one line; tests/clients has Node and old Pythons",
        f"{len(ended)} programs: exit codes {[code for _, code, _ in ended]}",
    )
    assert ended == [(program, 1, 1) for program in PROGRAMS]


def test_a_rejected_client_times_out(
    keyring: Keyring, daemon: RunningDaemon, promise: Promise, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keyring.of("stranger")
    plain_connect = zmq.Socket.connect

    def connect(self: zmq.Socket[bytes], addr: str) -> object:
        done = plain_connect(self, addr)
        deadline = time.monotonic() + 60
        again_at = time.monotonic() + 1
        while self.poll(10, zmq.POLLOUT):
            assert time.monotonic() < deadline, "the daemon refuses nothing"
            time.sleep(0.01)
            # If ZeroMQ sees the connection end before the ERROR command, it reconnects.
            if time.monotonic() > again_at:
                self.disconnect(addr)
                done = plain_connect(self, addr)
                again_at = time.monotonic() + 1
        return done

    monkeypatch.setattr(zmq.Socket, "connect", connect)
    begun = time.monotonic()
    with (
        Client(daemon.query, timeout=0.5, retries=0, keys=keys) as client,
        pytest.raises(NoAnswerError),
    ):
        client.ping()
    promise(
        "CURVE refuses a zinfo.client.Client before it sends",
        "NoAnswerError after its timeout of 0.5 s",
        f"after {time.monotonic() - begun:.2f} s",
    )
