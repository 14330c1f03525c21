"""A program that uses an installed zinfo is checked by `mypy --strict` with its types."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.packaging.built.distributions import Distributions

pytest.importorskip("mypy", reason="the typing group of pyproject.toml brings it")

CLIENTS = """
import asyncio

import zinfo.aio
from zinfo.client import Client, ClientKeys, Column, Columns, Delta, Event, Mirror, RecentEvents
from zinfo.client import InfoMeta, Subscriber, View

with Client("tcp://127.0.0.1:9736", keys=None) as client:
    for info in client.get_infos(["a"], ["role"], labels={"site": "fra"}, refresh=True):
        meta: InfoMeta = info["meta"]
        print(meta["id"], meta["info_age"] + 1, meta["state"].upper(), info["role"])
    up = client.get_infos(state="up") + client.get_infos(state=["up", "busy"])
    print([shard["since"] for shard in client.shards(shard_ids=["a"], state="down")], up)
    recent: RecentEvents = client.events(since=1)
    clock: float = client.ping()
    columns: Columns = client.get_columns(["used_memory"], {"site": "fra"})
    column: Column = columns["used_memory"]
    for at, value in enumerate(column):
        print(columns.ids[at], columns.ages[at] + 1, columns.states[at], value, column.values[at])
    for shard, (memory, *_) in columns.rows():
        print(shard.upper(), memory, memoryview(column.valid or b"").nbytes)


def listener(shard: str, change: Delta | Event) -> None:
    print(shard, change.time)


with Mirror(on_change=listener) as mirror:
    mirror.wait_ready(1)
    view: View = mirror.view("a")
    print(mirror["a"]["role"], mirror.stale, mirror.state("a")[1], view.fresh)

with Subscriber(kinds=["delta"]) as updates:
    for update in updates:
        if isinstance(update, Delta):
            revision: int = update.revision


async def main(keys: ClientKeys) -> None:
    async with zinfo.aio.Client(keys=keys) as client:
        moment: float = await client.ping()
        print((await client.get_columns(["role"]))["role"].dtype)
        async for page in client.iter_infos(keys=["role"]):
            print(page[0]["role"], moment)
    async with zinfo.aio.Mirror() as mirror:
        await mirror.wait_ready()
        print(mirror["a"], mirror.revision("a") + 1)
    async with zinfo.aio.Subscriber() as updates:
        async for update in updates:
            if isinstance(update, Event):
                number: int = update.number
        last = await updates.recv(1)
        print(last is None)


asyncio.run(main(ClientKeys.read("server.key", "own.key_secret")))
"""

FRAMEWORK = """
from pathlib import Path

import gevent
from zinfo import InfoPoller, InfoProviderServicer, RedisShard, ShardPublisher, ShardWatcher


class OwnShard(RedisShard):
    def polling_interval(self) -> float:
        return 0.25 if self.role == "master" else 1.0


class OwnWatcher(ShardWatcher):
    def __init__(self, publisher: ShardPublisher, path: Path) -> None:
        super().__init__(publisher)
        self.path = path

    def start(self) -> None:
        self.spawn(self.run)

    def run(self) -> None:
        for address in set(self.path.read_text().split()) - set(self.shards):
            self.add(OwnShard(address, f"redis://{address}"))
        gevent.sleep(1)


publisher = ShardPublisher()
servicer = InfoProviderServicer(publisher)
with OwnWatcher(publisher, Path("shards")) as watcher, InfoPoller(publisher):
    watcher.run()
    print(servicer.GetInfos(keys=["role"])[0])
"""

WRONG = """
from zinfo.aio import Client
from zinfo.client import Mirror, Nothing

Mirror(endpoint=1)


async def main(client: Client) -> None:
    moment: str = await client.ping()
    client.ping().real
"""


@pytest.fixture(scope="module")
def environment(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the zinfo of the wheel; the rest is this one's."""
    directory = tmp_path_factory.mktemp("types")
    python = directory / "env" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(directory / "env")], check=True
    )
    found = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    packages = Path(found.stdout.strip())
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(packages)
    # Only the folder itself: an editable zinfo in it is found by a .pth of its own, which is not
    # read here.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def errors(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The errors that mypy finds in each program, checked as their author would, but in one run."""
    directory = tmp_path_factory.mktemp("programs")
    programs = {"clients": CLIENTS, "framework": FRAMEWORK, "wrong": WRONG}
    for name, program in programs.items():
        (directory / f"{name}.py").write_text(program)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=/dev/null"),
            *(f"--python-executable={environment}", "--no-error-summary", "."),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, ""), done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert all(line.split(".py:")[0] in programs for line in lines), done.stdout
    return {name: [line for line in lines if line.startswith(f"{name}.py:")] for name in programs}


@pytest.mark.parametrize("name", ["clients", "framework"])
def test_a_correct_program_passes(errors: dict[str, list[str]], name: str) -> None:
    assert errors[name] == []


def test_errors_are_found(errors: dict[str, list[str]]) -> None:
    for wrong in ('"Nothing"', '"endpoint"', 'has type "float"', '"real"'):
        assert [line for line in errors["wrong"] if wrong in line], errors["wrong"]
