"""The commands and programs in docs/how-to/ do what their pages say."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shlex
from pathlib import Path

import click
import pytest
import redis
import trustme

from tests.clusters import RealCluster
from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.deploy.files import program
from tests.docs.pages import (
    ADAPTER,
    BUS,
    HTTP,
    KEYS,
    PAGES,
    QUERY,
    QUICK,
    ROOT,
    SHARD,
    Desk,
    DeskMaker,
    address,
    assert_same_form,
    block,
)
from tests.servers import RealServer, available_kinds
from tests.waiting import wait_until
from zinfo.cli.app import cli
from zinfo.client import Client
from zinfo.config import check_file


def test_watch_one_shard(desk: Desk) -> None:
    page, shard = "watch-one-shard", desk.real[SHARD]
    watching = desk.begin(page, "sh until-ctrl-c")
    program = desk.begin(page, "python until-ctrl-c")
    watching.wait_said(rf"Z {re.escape(shard)} (used_memory|connected_clients): \d+ -> \d+$")
    program.wait_said(rf"^{re.escape(shard)} \d+ \d+$")
    assert watching.interrupt() == 0
    program.interrupt()
    assert "used_memory:" in desk.type(page, "sh")


def test_keep_a_mirror(desk: Desk) -> None:
    page, shard = "keep-a-mirror", desk.real[SHARD]
    said = desk.type(page, "python")
    assert re.fullmatch(rf"{re.escape(shard)} up \d+ \d\.\d s old fresh\n", said)
    name, info = desk.type(page, "python", 1).strip().split(" ", 1)
    assert name == shard
    assert_same_form(
        block(page, "text", 1).split(" ", 1)[1].replace("'", '"'), info.replace("'", '"')
    )
    following = desk.begin(page, "python until-ctrl-c")
    following.wait_said(rf"^{re.escape(shard)} Event\n{re.escape(shard)} Delta$")
    following.interrupt()


def test_relay_the_bus(desk: Desk) -> None:
    page, relay = "relay-the-bus", "127.0.0.1:9747"
    with Client(f"tcp://{desk.real[QUERY]}") as client:
        desk.real[BUS] = client.hello()["bus"][0].removeprefix("tcp://")
    desk.real[relay] = address()
    relaying = desk.begin(page, "sh until-ctrl-c")
    relaying.wait_said(f"^{re.escape(desk.made_real(block(page, 'text')).strip())}$")
    assert desk.type(page, "python") == block(page, "text", 1)
    relaying.interrupt()


def test_read_columns(desk: Desk) -> None:
    page, shard = "read-columns", desk.real[SHARD]
    heading, line = desk.type(page, "sh").splitlines()
    assert heading.split() == block(page, "text").splitlines()[0].split()
    assert re.fullmatch(rf"{re.escape(shard)} +up +\d\.\d s +\d+ +\d+  master", line)
    assert_same_form(block(page, "json"), desk.type(page, "sh", 1))
    total, row = desk.type(page, "python").splitlines()
    assert re.fullmatch(r"1 shards, \d+ bytes", total)
    assert re.fullmatch(rf"{re.escape(shard)} \d+ \d+ master", row)
    if importlib.util.find_spec("numpy"):  # only the group `processes` has it
        assert re.fullmatch(r"int64 \d+\n", desk.type(page, "python numpy"))


def test_read_the_last_minutes(desk: Desk) -> None:
    page, shard = "read-the-last-minutes", desk.real[SHARD]
    line, newest = desk.type(page, "python").splitlines()
    assert re.fullmatch(rf"{re.escape(shard)} most commands/s: \S+ gaps: \d+", line)
    shown = block(page, "text").splitlines()[1]
    assert re.sub(r"\d", "0", newest) == re.sub(r"\d", "0", shown)
    assert re.fullmatch(r"[01] new values\n", desk.type(page, "python since"))


def test_read_a_fleet(desk_with: DeskMaker, server: RealServer) -> None:
    page = "read-a-fleet"
    config = f'[[shards]]\nurl = "{server.url}"\n[slice]\nnumber = {{}}\ncount = 3\ncopies = 2\n'
    with (
        RunningDaemon(config_text=config.format(0), environ=QUICK) as first,
        RunningDaemon(config_text=config.format(1), environ=QUICK) as second,
    ):
        real = [daemon.query.removeprefix("tcp://") for daemon in (first, second)]
        shown = dict(zip([QUERY, "127.0.0.1:9746"], real, strict=True))
        desk = desk_with({SHARD: server.ident, **shown, "127.0.0.1:9756": address()})
        # One of the two polls the server, or both.
        wait_until(
            lambda: any("up" in str(one.ask("shards").body) for one in (first, second)),
            what="the server to be polled",
        )
        said = desk.type(page, "python")
        line = rf"{re.escape(server.ident)} up \d+ \d\.\d s old\nstale: False\n"
        assert re.fullmatch(line, said)
        assert desk.type(page, "python", 1) == desk.made_real(block(page, "text", 1))
        said = desk.type(page, "python", 2)
        assert re.fullmatch(rf"{re.escape(server.ident)} is received from \S+\n", said)
        said = desk.type(page, "python", 3)
        line = rf"{re.escape(server.ident)} up \d+\ntotal: \d+\nevents: added up\n"
        assert re.fullmatch(line, said)
        said = desk.type(page, "sh")
        assert "role:master\n" in said


def test_wait_for_an_event(desk_with: DeskMaker, server_factory: ServerFactory) -> None:
    page, mortal = "wait-for-an-event", server_factory()
    with RunningDaemon([mortal.url], environ=QUICK) as running:
        running.wait_polled(1)
        desk = desk_with({SHARD: mortal.ident, QUERY: running.query.removeprefix("tcp://")})
        following = desk.begin(page, "sh until-ctrl-c")
        following.wait_said("#2 up, was new$")
        waiting = desk.begin(page, "python waits")
        wait_until(lambda: _joined(running) >= 2, what="both to be subscribed")
        mortal.kill()
        assert waiting.ended() == 0, waiting.said()
        assert waiting.said() == f"{mortal.ident} is down: refused\n"
        following.wait_said("#3 down \\(refused\\)")
        assert following.interrupt() == 0
        said = desk.type(page, "python")
        assert f"3 {mortal.ident} down\n" in said
        assert "continue with since = " in said


def _joined(daemon: RunningDaemon) -> int:
    """Return how many clients have joined the bus: each subscribes a fence after its topics."""
    stats = daemon.ask("stats").body
    assert isinstance(stats, dict)
    return int(stats["bus"]["messages"].get("fence", 0))


def test_use_asyncio(desk: Desk) -> None:
    lines = desk.type("use-asyncio", "python").splitlines()
    shard = desk.real[SHARD]
    assert lines[0] == "1 of 1 shards have replied"
    assert re.fullmatch(rf"{re.escape(shard)} \d+", lines[1])
    assert lines[2] == f"{ {shard: 'master'} } stale: False"
    assert re.fullmatch(r"heartbeat from \S+", lines[3])


def test_expose_to_prometheus(desk_with: DeskMaker, server: RealServer) -> None:
    page = "expose-to-prometheus"
    desk = desk_with({SHARD: server.ident, HTTP: address()})
    desk.environ |= {  # the page sets only the HTTP address, so the other ports are set here
        "ZINFO_QUERY_ENDPOINT": f"tcp://{address()}",
        "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
    }
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(desk.real[HTTP]))
    wanted = f'redis_up{{instance="{server.ident}"}} 1'
    wait_until(lambda: wanted in _tried(desk, page), 30, what="the metric")
    assert _tried(desk, page) == desk.made_real(block(page, "text")) == f"{wanted}\n"
    assert serving.interrupt() == 0


def _tried(desk: Desk, page: str) -> str:
    typed = desk.begin(page, "sh")
    typed.ended()  # grep finds nothing until the shard has been polled
    return typed.said()


def test_use_the_cli_in_scripts(desk: Desk) -> None:
    page, shard = "use-the-cli-in-scripts", desk.real[SHARD]
    program("jq", "Debian: jq")
    assert_same_form(block(page, "json"), desk.type(page, "sh"))
    assert desk.type(page, "sh", 1).strip().isdigit()
    assert re.fullmatch(rf"{re.escape(shard)}\t\d+\tmaster\n", desk.type(page, "sh", 2))
    assert re.fullmatch(rf"{re.escape(shard)}\t\d+\n", desk.type(page, "sh", 3))
    assert desk.type(page, "sh", 4) == ""
    assert desk.type(page, "sh", 5) == ""
    watching = desk.begin(page, "sh until-ctrl-c")
    with contextlib.ExitStack() as stack:

        def connect_one_more() -> bool:
            client = redis.Redis.from_url(f"redis://{shard}")
            stack.callback(client.close)
            client.ping()
            return '"field": "connected_clients"' in watching.said()

        # The first ones may connect before the command has subscribed.
        wait_until(connect_one_more, 30, "a change of connected_clients")
    changes = [line for line in watching.said().splitlines() if '"connected_clients"' in line]
    assert_same_form(block(page, "json", 1), changes[0])
    assert watching.interrupt() == 0


def test_record_and_replay(desk: Desk, tmp_path: Path) -> None:
    page, replay = "record-and-replay", address()
    desk.real["127.0.0.1:9746"] = replay
    desk.working_directory = tmp_path
    recording = desk.begin(page, "sh")
    with contextlib.closing(redis.Redis.from_url(f"redis://{desk.real[SHARD]}")) as server:
        # Each poll finds more memory in use.
        wait_until(
            lambda: server.append("key", "x" * 10_000) and not recording.running, 30, "the end"
        )
    said = recording.said()
    assert re.fullmatch(
        r"incident\.zrec: 3\.0 s of 1 shard, \d+ messages, \d+ events, .*iB\n", said
    )
    assert re.match(r"incident\.zrec: 3\.0 s of 1 shard, ", block(page, "text"))
    replaying = desk.begin(page, "sh until-ctrl-c")
    replaying.wait_said(f"^View it:  zinfo top --connect tcp://{replay}$")
    said = desk.type(page, "sh", 1)
    assert "used_memory:" in said
    assert replaying.interrupt() == 0
    rows = desk.type(page, "python").splitlines()
    changes = [row for row in rows if " used_memory " in row]
    assert changes
    assert all(re.fullmatch(r" *\d+\.\d s \S+ used_memory \d+", row) for row in changes)


def test_query_from_another_language(desk_with: DeskMaker, server: RealServer) -> None:
    page = "query-from-another-language"
    query = address()
    desk = desk_with({SHARD: server.ident, HTTP: address(), QUERY: query})
    desk.environ |= {
        "ZINFO_QUERY_ENDPOINT": f"tcp://{query}",
        "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
    }
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(desk.real[HTTP]))
    wait_until(lambda: server.ident in _tried(desk, page), 30, what="the shard over HTTP")
    assert_same_form(block(page, "json"), desk.type(page, "sh"))
    stream = desk.begin(page, "sh until-ctrl-c")
    stream.wait_said(f"^{block(page, 'text')}")
    stream.wait_said("^event: delta$")
    stream.interrupt()
    assert_same_form(block(page, "json", 1), desk.type(page, "sh", 1))
    assert json.loads(desk.type(page, "sh", 2))["role"] == "master"
    assert serving.interrupt() == 0
    for words in re.findall(r"^node (\S+)", block(page, "sh node"), re.MULTILINE):
        assert (ROOT / "clients" / "node" / words).exists()  # tests/clients runs them


def test_set_up_tls_and_acl_on_shards(
    desk_with: DeskMaker, server_factory: ServerFactory, short_tmp: Path
) -> None:
    page = "set-up-tls-and-acl-on-shards"
    program("redis-cli", "Debian: redis-tools")
    etc = short_tmp / "zinfo"
    etc.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(etc / "ca.pem"))
    pair = authority.issue_cert("127.0.0.1")
    pair.private_key_and_cert_chain_pem.write_to_path(str(short_tmp / "server.pem"))
    (short_tmp / "acl").touch()
    tls, query = address(), address()
    options = {
        "tls-port": tls.split(":")[1],
        "tls-cert-file": short_tmp / "server.pem",
        "tls-key-file": short_tmp / "server.pem",
        "tls-ca-cert-file": etc / "ca.pem",
        "tls-auth-clients": "no",
        "aclfile": short_tmp / "acl",
    }
    kinds = [kind for kind in available_kinds() if b"libssl" in kind.binary.read_bytes()]
    if not kinds:
        pytest.skip("no server with TLS here; Debian's redis-server has it")
    args = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    server = server_factory(kinds[0], args=args)
    desk = desk_with({KEYS: str(etc), "127.0.0.1:6380": tls, QUERY: query})
    desk.real["redis-cli"] = f"redis-cli -p {server.port}"
    desk.environ |= {
        "ZINFO_QUERY_ENDPOINT": f"tcp://{query}",
        "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
    }
    assert desk.type(page, "sh").split() == ["OK", "OK"]
    assert desk.type(page, "sh", 1).split() == ["OK", "OK"]
    desk.type(page, "sh", 2)
    (etc / "zinfo.toml").write_text(desk.made_real(block(page, "toml")))
    assert desk.type(page, "sh", 3).endswith("zinfo.toml: ok, 1 shard\n")
    serving = desk.begin(page, "sh serves")
    serving.wait_said("watching 1 shard")

    def listed() -> str:
        typed = desk.begin(page, "sh", number=4)
        typed.ended()  # no reply until the daemon listens
        return typed.said()

    wait_until(lambda: re.search(rf"^{tls} +up ", listed(), re.MULTILINE), 30, "the shard to be up")
    assert listed().splitlines()[0].split() == block(page, "text").splitlines()[0].split()
    assert serving.interrupt() == 0


def test_discover_shards(desk_with: DeskMaker, tmp_path: Path) -> None:
    page, query = "discover-shards", address()
    with RealCluster(primaries=3, replicas=0) as cluster:
        shown = [SHARD, "127.0.0.1:6380", "127.0.0.1:6381"]
        real = [node.ident for node in cluster.nodes]
        desk = desk_with({**dict(zip(shown, real, strict=True)), QUERY: query})
        desk.environ |= {
            "ZINFO_QUERY_ENDPOINT": f"tcp://{query}",
            "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
        }
        serving = desk.begin(page, "sh serves-cluster")
        serving.wait_said(re.escape(query))
        wait_until(
            lambda: desk.type(page, "sh").count(" up ") == len(real), what="the nodes to be up"
        )
        _, *rows = desk.type(page, "sh").splitlines()
        for line, ident in zip(sorted(rows), sorted(real), strict=True):
            assert line.startswith(f"{ident} ")
            assert line.endswith(f"cluster=cluster group={ident} source=cluster")
        assert serving.interrupt() == 0

        desk.working_directory = tmp_path / "folder"
        (desk.working_directory / "shards").mkdir(parents=True)
        (desk.working_directory / "shards" / "redis.json").write_text(block(page, "json"))
        (desk.working_directory / "zinfo.toml").write_text(desk.made_real(block(page, "toml")))
        assert desk.type(page, "sh", 1) == block(page, "text", 1)


@pytest.mark.parametrize("name", ["toml", "toml inventory", "toml pods", "toml credentials"])
def test_the_configurations_that_discover_shards_are_valid(name: str, tmp_path: Path) -> None:
    file = tmp_path / "zinfo.toml"
    file.write_text(block("discover-shards", name))
    assert check_file(file).sources


def test_the_commands_that_discover_shards_are_accepted() -> None:
    lines = re.findall(r"^\$ zinfo (.*)$", PAGES["discover-shards"], re.MULTILINE)
    assert lines
    for line in lines:
        name, *arguments = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, arguments)


def test_write_a_watcher(
    desk_with: DeskMaker, server: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("servers")
    (directory / "cache-1").write_text(f"{server.url}\n")
    running = desk_with({SHARD: server.ident}).begin(
        "write-a-watcher", "python watches DIRECTORY", str(directory)
    )
    running.wait_said("^cache-1 master$")
    assert block("write-a-watcher", "text") == "cache-1 master\n"
    (directory / "cache-2").write_text(server.url)
    running.wait_said("^cache-2 master$")
    (directory / "cache-1").unlink()
    running.wait_said("(cache-1 master\ncache-2 master\n){2}")  # it stays while it replies


def test_write_a_server_adapter(desk_with: DeskMaker, server: RealServer) -> None:
    page = "write-a-server-adapter"
    desk = desk_with({SHARD: server.ident, ADAPTER: address()})
    desk.begin(page, "python serves at 127.0.0.1:9800", server.url)
    wait_until(
        lambda: _tried(desk, page) == block(page, "text"), 30, what="the reply of the adapter"
    )


def test_secure_it(desk_with: DeskMaker, server: RealServer, short_tmp: Path) -> None:
    page = "secure-it"
    query, bus = address(), address()
    anywhere = {
        QUERY.replace("127.0.0.1", "0.0.0.0"): query.replace("127.0.0.1", "0.0.0.0"),
        BUS.replace("127.0.0.1", "0.0.0.0"): bus.replace("127.0.0.1", "0.0.0.0"),
    }
    desk = desk_with(
        {SHARD: server.ident, QUERY: query, BUS: bus, KEYS: str(short_tmp / "etc"), **anywhere}
    )
    desk.type(page, "sh")
    config = short_tmp / "etc.toml"
    config.write_text(desk.made_real(block(page, "toml")))
    assert config.name in desk.made_real(block(page, "sh serves"))
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(query.split(":")[1]))
    assert server.ident in desk.type(page, "sh", 1)
    assert desk.type(page, "python").endswith(" admitted this client\n")
    refused = desk.begin(page, "sh refused")
    assert refused.ended() != 0
    assert refused.said().startswith(block(page, "text").split(" at ")[0])
    assert serving.interrupt() == 0


def test_every_code_block_has_a_test() -> None:
    """Add new blocks here as well: otherwise a block without a test would not be noticed."""
    runnable = {
        page: len(re.findall(r"^```(?:sh|python)", text, re.MULTILINE))
        for page, text in PAGES.items()
    }
    assert runnable == TESTED


TESTED = {
    "index": 0,
    "answer-questions": 0,  # tests/top/test_operator_tasks.py has its tests
    "put-it-behind-nats": 3,  # tests/sinks/test_nats_docs.py has the tests
    # tests/docs/test_how_to_operate.py has the tests of these:
    "alert-and-dashboard": 2,
    "install-completions-and-man-pages": 1,
    "monitor-zinfo": 3,
    "run-in-a-container": 4,
    "run-on-kubernetes": 12,
    "run-several-daemons": 6,
    "run-under-systemd": 4,
    "size-it": 2,
    "tune-polling": 3,
    # and this module of these:
    "discover-shards": 3,
    "expose-to-prometheus": 2,
    "keep-a-mirror": 3,
    "query-from-another-language": 6,
    "read-a-fleet": 5,
    "read-columns": 4,
    "read-the-last-minutes": 2,
    "record-and-replay": 4,
    "relay-the-bus": 2,
    "secure-it": 5,
    "set-up-tls-and-acl-on-shards": 6,
    "install-the-light-client": 4,  # tests/packaging/built has its tests
    "use-asyncio": 1,
    "use-the-cli-in-scripts": 7,
    "wait-for-an-event": 3,
    "watch-one-shard": 3,
    "write-a-server-adapter": 2,
    "write-a-watcher": 1,
}
"""The number of commands and programs of each page."""


def test_every_page_is_in_the_list() -> None:
    listed = set(re.findall(r"\(([^)/]+)\.md\)", PAGES["index"]))
    assert listed == set(PAGES) - {"index"}
