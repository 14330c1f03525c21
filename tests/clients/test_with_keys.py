"""The programs with a daemon that requires keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.programs import END_TIMEOUT, Running, environment, run
from tests.clients.runtimes import THIS, Runtime
from tests.daemons import RunningDaemon
from tests.protocol_page import blocks
from tests.security.keyring import Keyring
from tests.servers import RealServer

PROGRAMS = ("query", "stream")


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    keyring = Keyring(tmp_path_factory.mktemp("keys") / "keys")
    keyring.authorize("old")
    keyring.make("stranger")
    return keyring


@pytest.fixture(scope="module")
def daemon(keyring: Keyring) -> Iterator[RunningDaemon]:
    with (
        RealServer() as server,
        keyring.daemon([("mine", server.url), ("theirs", server.url)], RIGHTS) as running,
    ):
        running.wait_polled(2)
        yield running


RIGHTS = '[clients.admin]\n[clients.old]\nshards = ["mine"]\n'


def keys(keyring: Keyring, name: str = "old") -> list[str]:
    directory = keyring.directory
    return [f"--server-key={directory}/server.key", f"--client-key={directory}/{name}.key_secret"]


def test_a_client_is_admitted_by_its_key_and_sees_its_shards(
    each_runtime: Runtime, keyring: Keyring, daemon: RunningDaemon
) -> None:
    connect = f"--connect={daemon.query}"
    done = run("query", connect, *keys(keyring), "--json", "--key=role", runtime=each_runtime)
    assert (done.returncode, done.stderr) == (0, "")
    (info,) = map(json.loads, done.stdout.splitlines())
    assert (info["meta"]["shard_identifier"], info["role"]) == ("mine", "master")
    ask = (connect, *keys(keyring), "--json", "--key=total_commands_processed")
    with Running("stream", *ask, runtime=each_runtime) as stream:
        for _ in range(4):  # totals include shards that it cannot see, which is no gap
            line = stream.json()
            assert (line["update"], line["shard"]) == ("change", "mine")
            assert line["new"] > line["old"]


def test_keys_can_be_set_in_the_environment(
    runtime: Runtime, keyring: Keyring, daemon: RunningDaemon
) -> None:
    options = [option.partition("=")[2] for option in keys(keyring)]
    environ = dict(zip(("ZINFO_SERVER_KEY", "ZINFO_CLIENT_KEY"), options, strict=True))
    environ["ZINFO_CONNECT"] = daemon.query
    done = run("query", "--json", "--key=role", environ=environ, runtime=runtime)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_key_is_reported_in_one_line(
    runtime: Runtime, keyring: Keyring, daemon: RunningDaemon, program: str
) -> None:
    ask = (f"--connect={daemon.query}", "--timeout=0.7", *keys(keyring, "stranger"))
    done = run(program, *ask, runtime=runtime)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("(a daemon does not answer a client whose key it does not know)\n")
    assert done.stderr.count("\n") == 1


def test_an_invalid_key_file_is_reported(runtime: Runtime, keyring: Keyring) -> None:
    server, _ = keys(keyring)
    directory = keyring.directory
    for broken in ("x" * 39, "x" * 39 + "~"):
        (directory / "broken.key_secret").write_text(f'    secret-key = "{broken}"\n')
        (directory / "broken.key_secret").chmod(0o600)
        done = run("query", server, keys(keyring, "broken")[1], runtime=runtime)
        assert done.returncode == 2
        assert "found a broken secret key, expected 40 characters of Z85\n" in done.stderr
    done = run("query", server, f"--client-key={directory}/server.key", runtime=runtime)
    assert done.returncode == 2
    assert "server.key: found no secret key, expected what `zinfo keygen` makes\n" in done.stderr
    (directory / "open.key_secret").write_bytes((directory / "old.key_secret").read_bytes())
    (directory / "open.key_secret").chmod(0o644)
    done = run("stream", server, keys(keyring, "open")[1], runtime=runtime)
    assert done.returncode == 2
    assert "found mode 0644, expected 0600, as it holds a secret: chmod 600 it\n" in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_hangs_if_the_connection_is_refused_before_it_sends(
    runtime: Runtime, keyring: Keyring, daemon: RunningDaemon, program: str
) -> None:
    ask = (f"--connect={daemon.query}", "--timeout=0.7", *keys(keyring, "stranger"))
    done = ended(runtime, runtime.refused_line(program, *ask))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("(a daemon does not answer a client whose key it does not know)\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["query.py", "stream.py"])
def test_nor_does_a_program_without_options_for_keys(
    keyring: Keyring, daemon: RunningDaemon, program: str
) -> None:
    line = THIS.refused_line(program, f"--connect={daemon.query}", "--timeout=0.7")
    done = ended(THIS, line, REFUSED_KEYS=keyring.texts("stranger"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"nothing answers at {daemon.query}" in done.stderr


def test_nor_do_the_examples_of_the_protocol_page(
    keyring: Keyring, daemon: RunningDaemon, tmp_path: Path
) -> None:
    environ = {"ZINFO_CONNECT": daemon.query, "REFUSED_KEYS": keyring.texts("stranger")}

    def refused(number: int) -> subprocess.CompletedProcess[str]:
        example = tmp_path / f"example{number}.py"
        example.write_text(blocks("python")[number])
        return ended(THIS, THIS.refused_line(str(example)), **environ)

    with ThreadPoolExecutor() as threads:  # each waits for its timeout of 5 s
        for done in threads.map(refused, range(2)):
            ended_in = done.stderr, daemon.running, daemon.log()[-2000:]
            assert (done.returncode, done.stdout) == (1, ""), ended_in
            assert done.stderr.endswith("zmq.error.Again: Resource temporarily unavailable\n"), (
                ended_in
            )


def ended(runtime: Runtime, line: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command line, which must end by itself."""
    return subprocess.run(
        line,
        env={**environment(runtime), **environ},
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT,
        check=False,
    )
