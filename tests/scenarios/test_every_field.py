"""`zinfo get --json` has exactly the fields that the server reports."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ServerFactory
from tests.daemons import ROOT, RunningDaemon
from tests.load import put_load
from tests.server_kinds import ServerKind
from tests.waiting import wait_until

# They exist only after certain commands, so that two polls may differ.
TRANSIENT = ("errorstat_", "cmdstat_client", "latency_percentiles_usec_client")


def names(info_text: bytes) -> set[str]:
    """The field names in an INFO text, without zinfo's parser."""
    lines = info_text.decode().splitlines()
    found = {line.partition(":")[0] for line in lines if line and not line.startswith("#")}
    return {name for name in found if not name.startswith(TRANSIENT)}


def test_the_output_has_exactly_the_fields_of_the_server(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind)
    replica = server_factory(each_kind)
    replica.client().execute_command("REPLICAOF", "127.0.0.1", server.port)
    put_load(server.client())
    # While a replica synchronises, its fields change.
    wait_until(lambda: "db0" in replica.client().info(), what="the replica to synchronise")
    with RunningDaemon([server.url, replica.url]) as daemon:
        daemon.wait_polled(2)
        for one in (server, replica):
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "zinfo", "get", one.ident),
                    *("--json", "--refresh", "--connect", daemon.query),
                ],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
                cwd=ROOT,
            )
            (line,) = done.stdout.splitlines()
            got = {name for name in json.loads(line) if not name.startswith(TRANSIENT)}
            assert got - {"meta"} == names(one.info_text())
