"""Clients on other machines need keys, unless `insecure` is set explicitly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.spawning import command_prefix, free_port
from zinfo.config import BusConfig, Config, QueryConfig, SecurityConfig, XmlRpcConfig, load_config
from zinfo.errors import ConfigError

OPEN = [
    "tcp://*:25999",
    "tcp://0.0.0.0:25999",
    "tcp://[::]:25999",
    "tcp://10.1.2.3:1",
    "tcp://db:1",
]
LOCAL = ["tcp://127.0.0.1:1", "tcp://127.9.9.9:*", "tcp://[::1]:1", "tcp://localhost:1", "ipc:///x"]


def serve(*args: str) -> subprocess.CompletedProcess[str]:
    command = [*command_prefix(), sys.executable, "-m", "zinfo", "serve", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("option", ["--query", "--bus"])
def test_the_daemon_does_not_start_on_an_insecure_address(option: str, promise: Promise) -> None:
    done = serve(f"{option}=tcp://0.0.0.0:{free_port()}")
    promise(f"{option} at 0.0.0.0, no keys", "exit 2, one line", f"exit {done.returncode}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "other machines can reach" in done.stderr
    assert "--insecure" in done.stderr


def test_the_insecure_option_allows_an_open_address(promise: Promise) -> None:
    with RunningDaemon(args=["--insecure", "--log-level=info"]) as daemon:
        port = daemon.query.rpartition(":")[2]
    done = serve("--query=tcp://*:*", "--bus=tcp://0.0.0.0:0", "--xmlrpc=0.0.0.0:1", "--insecure")
    promise("XML-RPC at 0.0.0.0, --insecure", "exit 2", f"exit {done.returncode}")
    assert port
    assert done.returncode == 2
    assert "xmlrpc.listen" in done.stderr


@pytest.mark.parametrize("endpoint", OPEN)
def test_an_address_reachable_from_other_machines_needs_keys_or_insecure(endpoint: str) -> None:
    for part in ({"query": QueryConfig(endpoint=endpoint)}, {"bus": BusConfig(endpoint=endpoint)}):
        with pytest.raises(ValueError, match="other machines can reach"):
            Config(**part)
        Config(**part, security=SecurityConfig(insecure=True))
        Config(**part, security=SecurityConfig(server_key="k", client_keys="d"))


@pytest.mark.parametrize("endpoint", LOCAL)
def test_a_local_address_needs_no_keys(endpoint: str) -> None:
    assert Config(query=QueryConfig(endpoint=endpoint)).query.endpoint == endpoint


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "host:1"])
def test_the_xmlrpc_server_listens_on_this_machine_only(listen: str) -> None:
    for security in (SecurityConfig(insecure=True), SecurityConfig()):
        with pytest.raises(ValueError, match="other machines can reach"):
            Config(xmlrpc=XmlRpcConfig(listen=listen), security=security)


def test_insecure_can_be_set_by_flag_variable_and_file() -> None:
    flags = {"--bus": ("bus.endpoint", "tcp://*:1"), "--insecure": ("security.insecure", True)}
    assert load_config(flags=flags).bus.endpoint == "tcp://*:1"
    variables = {"ZINFO_BUS_ENDPOINT": "tcp://*:1", "ZINFO_SECURITY_INSECURE": "yes"}
    assert load_config(environ=variables).bus.endpoint == "tcp://*:1"
    with pytest.raises(ConfigError):
        load_config(environ={"ZINFO_BUS_ENDPOINT": "tcp://*:1"})
