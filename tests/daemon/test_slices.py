"""A daemon with `[slice]` polls its part of what it is given, and says which part that is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.cli.running import invoke
from tests.daemon.test_daemon import reload, shards
from tests.daemons import RunningDaemon
from tests.waiting import wait_until
from zinfo.wire.slices import SliceSpec

LISTED = [f"127.0.0.1:{port}" for port in range(1, 21)]
"""Shards of `[[shards]]`; no server listens there."""

FOUND = [f"127.0.0.1:{port}" for port in range(21, 41)]
"""Shards that a source lists."""

SPEC = SliceSpec(1, 3, 2)
MINE = {one for one in (*LISTED, *FOUND) if SPEC.includes(one, {})}
METRIC = 'zinfo_slice_info{by="id",copies="2",count="3",number="1"} 1.0'


def config(path: Path, count: int) -> str:
    (path / "a.json").write_text(json.dumps([{"targets": FOUND}]), encoding="utf-8")
    tables = "".join(f'[[shards]]\nurl = "redis://{one}"\n' for one in LISTED)
    source = f'[[sources]]\ntype = "file"\nfiles = ["{path}/*.json"]\ninterval = 0.1\n'
    return f"[slice]\ncount = {count}\ncopies = 2\n{tables}{source}"


def test_a_daemon_polls_its_slice_until_it_is_restarted_with_another(tmp_path: Path) -> None:
    environ = {"ZINFO_SLICE_NUMBER": "zinfo-1"}
    with RunningDaemon(config_text=config(tmp_path, 3), http=True, environ=environ) as daemon:
        wait_until(lambda: shards(daemon).keys() == MINE, what="the shards of the slice")
        assert 0 < len(MINE.intersection(FOUND)) < len(FOUND)
        for op in ("hello", "stats"):
            body: Any = daemon.ask(op).body
            assert body["slice"] == {"number": 1, "count": 3, "copies": 2, "by": "id"}
        done = invoke("stats", "--connect", daemon.query)
        assert re.search(r"^slice\.count +3$", done.stdout, re.MULTILINE)
        assert f"watching {len(MINE.intersection(LISTED))} shards" in daemon.log()
        assert f"; {SPEC}\n" in daemon.log()
        with urlopen(f"{daemon.http}metrics") as page:
            assert METRIC in page.read().decode()
        reload(daemon, config(tmp_path, 4), f"watching {len(MINE)} shards")
        assert "needs a restart: slice.count" in daemon.log()
        body = daemon.ask("hello").body
        assert body["slice"]["count"] == 3
        assert shards(daemon).keys() == MINE
