"""The vectors, bytes, commands and configurations on the pages about NATS."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from tests.cli.running import QUICK, environment
from tests.daemons import ROOT, RunningDaemon
from tests.docs.pages import block
from tests.servers import RealServer
from tests.sinks.nats_servers import NatsServer
from tests.sinks.test_names import VECTORS
from tests.sinks.test_values import COPY
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.names import encode

PAGE = "put-it-behind-nats"
REFERENCE = (ROOT / "docs" / "reference" / "nats.md").read_text(encoding="utf-8")


def test_the_reference_has_the_vectors_of_ids() -> None:
    rows = re.findall(r"^\| (`[^`]+`|\(empty\)) \| `([^`]+)` \|$", REFERENCE, re.MULTILINE)
    found = {"" if text == "(empty)" else text.strip("`"): token for text, token in rows}
    assert found.items() >= VECTORS.items()


def test_the_bytes_in_the_reference_are_the_value_that_it_describes() -> None:
    (text,) = re.findall(r"```text\n([0-9a-f\n]+)```", REFERENCE)
    packed = bytes.fromhex(text.replace("\n", ""))
    assert f"This value of {len(packed)} bytes is of the shard" in REFERENCE
    assert packed == COPY.value("zinfo", 1000)[0]
    keys = re.findall(r"^\| `(\w+)` \| [a-z ]+ \| ", REFERENCE, re.MULTILINE)
    assert keys == list(msgpack.unpackb(packed))


def test_the_reference_describes_each_counter() -> None:
    section = REFERENCE.split("## Counters")[1].split("## What waits")[0]
    assert [name for name in Counters().as_map() if f"`{name}`" not in section] == []


@pytest.fixture(scope="module")
def hub() -> Iterator[NatsServer]:
    port = free_port()
    line, domain = block(PAGE, "text hub").splitlines()
    line = line.replace("0.0.0.0:7422", f"127.0.0.1:{port}")
    assert domain == "jetstream { domain: hub }"
    with NatsServer(lines=[line], jetstream="domain: hub,") as server:
        server.leaf_port = port
        yield server


@pytest.fixture(scope="module")
def shard(hub: NatsServer) -> Iterator[str]:
    """The shard that a sink, started as on the page, writes."""
    with RealServer() as server, RunningDaemon([server.url], environ=QUICK) as daemon:
        command = shlex.split(
            block(PAGE, "sh")
            .replace("tcp://127.0.0.1:9736", daemon.query)
            .replace("nats://127.0.0.1:4222", hub.url)
        )
        assert command[0] == "zinfo"
        log = hub.directory / "sink"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment(), stderr=file
            )
        try:
            wait_until(lambda: "values of this sink" in log.read_text(), what="the sink")
            shown = [line.partition(" ")[2] for line in block(PAGE, "text").splitlines()]
            assert [line.partition(" ")[2] for line in log.read_text().splitlines()] == shown
            yield server.ident
        finally:
            process.terminate()
            assert process.wait(30) == 0


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def follow(url: str, *options: str) -> list[str]:
    command = block(PAGE, "sh", 1).replace("nats://127.0.0.1:4222", url)
    assert command.startswith("python ")
    return run(*shlex.split(command)[1:], *options).splitlines()


def test_the_one_file_client_prints_what_the_page_shows(hub: NatsServer, shard: str) -> None:
    shown = block(PAGE, "text", 1).replace("127.0.0.1:6379", shard).splitlines()
    printed = [re.sub(r"revision \d+", "revision 7", line) for line in follow(hub.url)]
    assert [line for line in printed if line in shown] == shown
    assert printed[-1] == shown[-1]


def test_the_program_reads_a_value(hub: NatsServer, shard: str, tmp_path: Path) -> None:
    follow(hub.url)  # until it is there
    program = block(PAGE, "python").replace("nats://127.0.0.1:4222", hub.url)
    program = program.replace("127=2E0=2E0=2E1=3A6379", encode(shard))
    path = tmp_path / "read.py"
    path.write_text(program, encoding="utf-8")
    assert run(str(path)) == block(PAGE, "text", 2).replace("127.0.0.1:6379", shard)


def test_a_client_of_a_leaf_node_follows_the_bucket(hub: NatsServer, shard: str) -> None:
    listen, leafnodes = block(PAGE, "text leaf").splitlines()
    assert listen.startswith("listen: ")
    leafnodes = leafnodes.replace("hub.example.net:7422", f"127.0.0.1:{hub.leaf_port}")
    with NatsServer(name="leaf", lines=[leafnodes], jetstream=None) as leaf:
        assert follow(leaf.url, "--domain=hub")[-1] == "# 1 shards, all fresh"
