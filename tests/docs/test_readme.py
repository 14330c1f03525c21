"""The programs in the README run as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def run(code: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sample(word: str) -> str:
    found: list[str] = [code for code in PYTHON if word in code]
    assert len(found) == 1
    return found[0]


def test_the_framework_example_has_less_than_forty_lines_and_runs(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    code = sample("class FileWatcher")
    assert len([line for line in code.splitlines() if line.strip()]) < 40
    servers = [server_factory() for _ in range(2)]
    named = tmp_path / "shards"
    named.write_text("\n".join(server.ident for server in servers))
    lines = run(code, str(named)).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(s.ident for s in servers)
    assert all(line.split()[1] == "master" and int(line.split()[2]) > 0 for line in lines)


def test_the_client_example_runs(server: RealServer) -> None:
    code = sample("from zinfo.client import")
    with RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        output = run(code.replace("tcp://127.0.0.1:9736", daemon.query))
    assert output.count(server.ident) >= 3
    assert "fresh" in output


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_has_a_target(link: str) -> None:
    assert (ROOT / link).exists()
