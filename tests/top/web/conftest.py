"""`zinfo top --web` with a daemon, and a headless browser."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from tests.daemons import ROOT, RunningDaemon
from tests.spawning import HOST, command_prefix
from tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium")
# It runs as any user, without prompts, and without a graphics card.
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def needs_browser() -> pytest.MarkDecorator:
    """Skip where there is no browser."""
    missing = CHROMIUM is None or importlib.util.find_spec("playwright") is None
    return pytest.mark.skipif(
        missing, reason="no browser here: apt-get install chromium, pip install playwright"
    )


@contextlib.contextmanager
def running_web(daemons: RunningDaemon | Sequence[RunningDaemon], *options: str) -> Iterator[str]:
    """Run `zinfo top --web` of one daemon or several, and yield its URL."""
    several = [daemons] if isinstance(daemons, RunningDaemon) else daemons
    command = [*command_prefix(), sys.executable, "-m", "zinfo", "top", f"--web={HOST}:0", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *(f"--connect={one.query}" for one in several)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:

            def printed_url() -> str | None:
                log.seek(0)
                text = log.read().decode()
                assert process.poll() is None, text
                found = re.search(r"http://[^\s;]+", text)
                return found and found[0]

            url = wait_until(printed_url, 60, "zinfo top to print its address")
            assert url is not None
            yield url
        finally:
            process.terminate()
            code = process.wait(30)
        assert code == 0, "SIGTERM is an orderly end"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, timeout=60_000
        )
        yield launched
        launched.close()
