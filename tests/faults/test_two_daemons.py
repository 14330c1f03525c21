"""Two daemons at one endpoint."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.spawning import command_prefix


def test_a_second_daemon_at_an_endpoint_exits_with_a_clear_error(promise: Promise) -> None:
    with RunningDaemon() as daemon:
        begun = time.monotonic()
        second = subprocess.run(
            [*command_prefix(), sys.executable, "-m", "zinfo", "serve", f"--query={daemon.query}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        duration = time.monotonic() - begun
        promise(
            "two daemons, one endpoint",
            "exit 1, one clear line",
            f"{duration:.1f} s: {second.returncode}",
        )
        assert second.returncode == 1
        assert f"cannot listen at {daemon.query}" in second.stderr
        assert "Traceback" not in second.stderr
        assert daemon.ask("ping").error is None
