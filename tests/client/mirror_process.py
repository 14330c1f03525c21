"""A process that holds a Mirror and says on request what it holds; tests stop and continue it.

`python -m tests.client.mirror_process ENDPOINT`: each line on its input is answered by one line of
JSON: `{"stale": bool, "epoch": int, "counters": {...}, "shards": {id: [revision, fresh, digest]}}`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.spawning import command_prefix
from zinfo.client import Mirror

ROOT = Path(__file__).parents[2]


def digest(info: object) -> str:
    """What tells two INFOs apart, types included, and is short."""
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Answer until the input ends."""
    with Mirror(sys.argv[1]) as mirror:
        for _ in sys.stdin:
            views = {shard: mirror.view(shard) for shard in mirror}
            said = {
                "stale": mirror.stale,
                "epoch": mirror.epoch,
                "counters": mirror.counters,
                "shards": {
                    shard: [view.revision, view.fresh, digest(view.info)]
                    for shard, view in views.items()
                },
            }
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()


class MirrorProcess:
    """The process, from outside.

    Args:
        endpoint: query endpoint of the daemon that it mirrors.
    """

    def __init__(self, endpoint: str) -> None:
        self._process = subprocess.Popen(
            [*command_prefix(), sys.executable, "-m", "tests.client.mirror_process", endpoint],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def look(self) -> dict[str, Any]:
        """What it holds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        assert isinstance(said, dict)
        return said

    def suspend(self) -> None:
        """Stop it as it is."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def mirror_process(endpoint: str) -> Iterator[MirrorProcess]:
    """Run a process that mirrors the daemon at this query endpoint."""
    process = MirrorProcess(endpoint)
    try:
        yield process
    finally:
        process.end()


if __name__ == "__main__":
    main()
