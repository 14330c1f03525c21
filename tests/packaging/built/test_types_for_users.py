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
from zinfo.client import Client, ClientKeys, Delta, Event, Mirror, RecentEvents, Subscriber, View

with Client("tcp://127.0.0.1:9736", keys=None) as client:
    for info in client.get_infos(["a"], ["role"], labels={"site": "fra"}, refresh=True):
        print(info["meta"]["shard_identifier"], info["role"])
    recent: RecentEvents = client.events(since=1)
    clock: float = client.ping()


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


def check(environment: Path, program: str, directory: Path) -> tuple[int, str]:
    """Check a program as its author would; returns exit code and what mypy said."""
    path = directory / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.cache"),
            *(f"--python-executable={environment}", path.name),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("program", [CLIENTS, FRAMEWORK], ids=["clients", "framework"])
def test_a_correct_program_passes(environment: Path, program: str, tmp_path: Path) -> None:
    code, said = check(environment, program, tmp_path)
    assert code == 0, said


def test_errors_are_found(environment: Path, tmp_path: Path) -> None:
    code, said = check(environment, WRONG, tmp_path)
    assert code == 1
    for wrong in ('"Nothing"', '"endpoint"', 'has type "float"', '"real"'):
        assert wrong in said, said
