"""The programs in the README run as written."""

from __future__ import annotations

import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.cli.app import cli
from zinfo.config.models import Config
from zinfo.views import columns

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL))
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

RGB_WITH_ALPHA = 6
"""The colour type of a PNG with transparency."""


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


def test_the_client_example_is_right_for_a_shard_that_is_up_down_or_unknown(
    server: RealServer, server_factory: ServerFactory
) -> None:
    code, killed, unknown = sample("from zinfo.client import"), server_factory(), "127.0.0.1:1"
    with RunningDaemon([server.url, killed.url, f"redis://{unknown}"]) as daemon:
        daemon.wait_polled(2)
        killed.kill()

        def states() -> list[tuple[str, str]]:
            shards: Any = daemon.ask("shards").body
            return sorted((shard["id"], shard["state"]) for shard in shards)

        wanted = sorted([(server.ident, "up"), (killed.ident, "down"), (unknown, "down")])
        wait_until(lambda: states() == wanted, what="both outages")
        output = run(code.replace("tcp://127.0.0.1:9736", daemon.query))
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[:2]] == sorted([server.ident, killed.ident])
    said = {words[0]: " ".join(words[1:]) for words in map(str.split, lines[3:6])}
    assert re.fullmatch(r"up \d+ current", said[server.ident])
    assert re.fullmatch(r"down refused \d+ not current", said[killed.ident])
    assert said[unknown] == "down refused no INFO not current"
    assert lines[6] == "3 shards, all copies are fresh"


@pytest.mark.parametrize("line", re.findall(r"^zinfo .*?(?= +#|$)", SHELL, flags=re.MULTILINE))
def test_the_command_line_accepts_every_command(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    group = click.Context(cli, **cli.context_settings)
    command = cli.get_command(group, name)
    assert command is not None
    command.make_context(name, arguments, parent=group)


def test_the_commands_to_try_it_and_to_test_it_are_there() -> None:
    assert "pip install '.[demo]' && zinfo demo\n" in SHELL
    assert SHELL.endswith("pip install tox && tox\n")


def test_the_demo_prints_the_columns_of_the_readme() -> None:
    (heading,) = re.findall(r"^shard  .*$", README, flags=re.MULTILINE)
    shown = [column.heading for column in columns.COLUMNS if column.heading in heading.split()]
    assert heading.split() == shown
    assert len(shown) > 8


def test_the_picture_is_small_and_has_transparent_corners() -> None:
    picture = (ROOT / "docs" / "images" / "top-readme.png").read_bytes()
    assert len(picture) < 400_000
    header = struct.unpack(">II2B", picture[16:26])
    assert header[0] > 1600
    assert header[3] == RGB_WITH_ALPHA


def test_the_readme_and_the_faq_state_the_default_settings() -> None:
    faq = " ".join((ROOT / "docs" / "faq.md").read_text(encoding="utf-8").split())
    config = Config()
    shortest, longest = config.poll.min_interval, config.poll.max_interval
    assert f"every {shortest:g} s, idle ones every {longest:g} s" in " ".join(README.split())
    assert f"every {shortest:g} s for a busy shard and every {longest:g} s for an idle one" in faq
    assert f"newest {config.query.events_kept:,} events" in faq
    silence = f"within three heartbeats ({3 * config.bus.heartbeat:g} s by default)"
    assert silence in faq


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_has_a_target(link: str) -> None:
    assert (ROOT / link).exists()
