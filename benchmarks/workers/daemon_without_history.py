"""A daemon like `zinfo_daemon`, without the history of shards."""

from __future__ import annotations

from typing_extensions import override

from benchmarks.worker_loop import serve_commands
from benchmarks.workers.zinfo_daemon import ZinfoDaemon
from zinfo.config.models import Config, HistoryConfig


class DaemonWithoutHistory(ZinfoDaemon):
    """A daemon whose configuration disables the history."""

    @override
    def config(self) -> Config:
        return super().config().model_copy(update={"history": HistoryConfig(enabled=False)})


if __name__ == "__main__":
    serve_commands(DaemonWithoutHistory().handlers())
