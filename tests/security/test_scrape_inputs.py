"""What a server, a client or a file says is read within bounds, and is not passed on as it came."""

from __future__ import annotations

import shutil
import subprocess

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.faults.peers import INFO, Peer
from tests.metrics.texts import families
from tests.promises import Promise

PASSWORD = "hunter2-in-a-target"
NAMES = (b"a\\b", b"a\\nb", b"ends\\")
"""Fields that a server may have, and that HELP lines name."""


def test_no_field_makes_a_scrape_invalid(promise: Promise) -> None:
    lines = b"".join(b"%s:7\r\n" % name for name in NAMES)
    with Peer(info=lambda: INFO + lines) as peer, RunningDaemon([peer.url], http=True) as daemon:
        daemon.wait_polled(1)
        text = fetch(daemon.http, "metrics").text
    helps = [line for line in text.splitlines() if line.startswith("# HELP redis_")]
    wrong = ""
    if shutil.which("promtool"):  # its parser is Prometheus' own
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        wrong = "\n".join(line for line in checked.stderr.splitlines() if "error while" in line)
    documentation = {metric.documentation for metric in families(text).values()}
    found = [name for name in NAMES if f"INFO's {name.decode()}" in documentation]
    promise(
        f"fields named {', '.join(map(repr, NAMES))}",
        "the scrape is valid",
        f"{len(helps)} HELP lines, {len(found)} names read back; {wrong or 'valid'}",
    )
    assert wrong == ""
    assert found == list(NAMES)


def test_a_password_in_a_target_is_not_repeated(promise: Promise) -> None:
    targets = (
        f"redis://:{PASSWORD}@127.0.0.1:1",
        f"redis://me:{PASSWORD}@127.0.0.1:1/0",
        f"redis://127.0.0.1:1?password={PASSWORD}",
        f":{PASSWORD}@127.0.0.1:1",
        PASSWORD,
    )
    with RunningDaemon(["redis://127.0.0.1:1"], http=True, args=["--log-level=debug"]) as daemon:
        responses = [fetch(daemon.http, f"scrape?target={target}") for target in targets]
        url = targets[0]
        others = [
            fetch(daemon.http, f"api/v1/infos?shard_ids={url}").text,
            fetch(daemon.http, f"api/v1/stream?ids={url}").text,
            repr(daemon.ask("get_infos", shard_ids=[url])),
            repr(daemon.ask("get_infos", shard_ids=[url], allow_partial=True).error),
        ]
        log = daemon.log()
    said = [response.text for response in responses] + others + [log]
    found = [text for text in said if PASSWORD in text]
    promise(
        "a password in the target or in a requested id",
        "not shown",
        f"{len(found)} of {len(said)} responses and logs",
    )
    assert [response.status for response in responses] == [200, 200, 200, 200, 404]
    assert found == []
