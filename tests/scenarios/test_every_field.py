"""`zinfo get --json` has exactly the fields that the server reports."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.daemons import ROOT, RunningDaemon
from tests.load import put_load
from tests.server_kinds import ServerKind, available_kinds
from tests.servers import RealServer
from tests.waiting import wait_until

# They exist only after certain commands, so that two polls may differ.
TRANSIENT = ("errorstat_", "cmdstat_client", "latency_percentiles_usec_client")

Pairs = dict[str, tuple[RealServer, RealServer]]


def lasting(names: set[str]) -> set[str]:
    """The names without transient ones."""
    return {name for name in names if not name.startswith(TRANSIENT)}


def names(info_text: bytes) -> set[str]:
    """The field names in an INFO text, without zinfo's parser."""
    lines = info_text.decode().splitlines()
    return lasting({line.partition(":")[0] for line in lines if line and not line.startswith("#")})


@pytest.fixture(scope="module")
def pairs() -> Iterator[Pairs]:
    """A server and its replica of each kind."""
    with contextlib.ExitStack() as stack:
        found = {}
        for kind in available_kinds():
            server, replica = (stack.enter_context(RealServer(kind)) for _ in range(2))
            replica.client().execute_command("REPLICAOF", "127.0.0.1", server.port)
            put_load(server.client())
            found[kind.name] = server, replica
        for _, replica in found.values():
            client = replica.client()
            # While a replica synchronises, its fields change.
            # B023: the function is called in this iteration, with its client.
            wait_until(lambda: "db0" in client.info(), what="the replica to synchronise")  # noqa: B023
        yield found


@pytest.fixture(scope="module")
def printed(pairs: Pairs) -> dict[str, set[str]]:
    """The names that `zinfo get --json` prints, by shard."""
    servers = [server for pair in pairs.values() for server in pair]
    with RunningDaemon([server.url for server in servers]) as daemon:
        daemon.wait_polled(len(servers))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "zinfo", "get", *(server.ident for server in servers)),
                *("--json", "--refresh", "--connect", daemon.query),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=ROOT,
        )
    shards = [json.loads(line) for line in done.stdout.splitlines()]
    return {shard["meta"]["shard_identifier"]: set(shard) - {"meta"} for shard in shards}


def test_the_output_has_exactly_the_fields_of_the_server(
    each_kind: ServerKind, pairs: Pairs, printed: dict[str, set[str]]
) -> None:
    assert len(printed) == 2 * len(pairs)
    for one in pairs[each_kind.name]:
        assert lasting(printed[one.ident]) == names(one.info_text())
