"""A process with a Mirror that prints its contents on request; tests stop and continue it.

`python -m tests.client.mirror_process ENDPOINT`: for each line on its input it prints one line of
JSON: `{"stale": bool, "epoch": int, "counters": {...}, "shards": {id: [revision, fresh, digest]}}`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import AbstractContextManager

from tests.client.other_process import OtherProcess, other_process
from zinfo.client import Mirror


def digest(info: object) -> str:
    """Return a short text that differs for different INFOs, types included."""
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Print until the input ends."""
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


def mirror_process(endpoint: str) -> AbstractContextManager[OtherProcess]:
    """Run a process that mirrors the daemon at this query endpoint."""
    return other_process("tests.client.mirror_process", endpoint)


if __name__ == "__main__":
    main()
