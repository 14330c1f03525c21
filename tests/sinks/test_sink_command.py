"""`zinfo sink nats` as a command: its process, its secrets, its errors."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import environment, invoke, press_ctrl_c
from tests.daemons import ROOT
from tests.sinks.following import secret_file
from tests.sinks.nats_servers import NatsServer
from tests.spawning import HOST, free_port
from tests.waiting import wait_until

SECRET = "hunter2-and-more"


@pytest.fixture(scope="module")
def nats_server() -> Iterator[NatsServer]:
    lines = [f'authorization {{ user: "zinfo", password: "{SECRET}" }}']
    with NatsServer(lines=lines) as server:
        yield server


@contextlib.contextmanager
def sink(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command; its log goes to a file."""
    unused = f"tcp://{HOST}:{free_port()}"
    command = [sys.executable, "-m", "zinfo", "sink", "nats", "--connect", unused, *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_reads_the_password_from_a_file_and_ends_with_0_at_a_signal(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    secret, log = secret_file(tmp_path / "secret", f"{SECRET}\n"), tmp_path / "log"
    options = ["--servers", nats_server.url, "--user=zinfo", f"--password-file={secret}"]
    with sink(log, *options, "--stats", "--interval=0.1") as process:
        wait_until(lambda: "the bucket has 0 values" in log.read_text(), what="the bucket")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    text = log.read_text()
    assert "created the bucket zinfo\n" in text
    assert "puts=0 " in text
    assert SECRET not in text


def test_a_wrong_password_is_reported_without_it_until_ctrl_c(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    secret, log = secret_file(tmp_path / "secret", f"x{SECRET}\n"), tmp_path / "log"
    options = ["--servers", nats_server.url, "--user=zinfo", f"--password-file={secret}"]
    with sink(log, *options) as process:
        wait_until(lambda: "uthorization" in log.read_text(), what="the refusal")
        assert press_ctrl_c(process) == 130
    assert SECRET not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_without_nats_py_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['nats'] = None; from zinfo.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "sink", "nats"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: zinfo sink nats needs nats-py, which is not installed: "
        f"{sys.executable} -m pip install 'nats-py>=2.11'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([f"--servers=nats://u:{SECRET}@h"], "other users of this machine can read secrets"),
        ([f"--servers=http://u:{SECRET}@h"], "expected nats://HOST:PORT or tls://HOST:PORT"),
        (["--user=u"], "--user and --password-file need each other"),
        (["--tls-cert=c"], "--tls-cert and --tls-key need each other"),
        (["--token-file=missing"], "missing: cannot be read"),
        (["--tls-ca=missing"], "missing: cannot be used for TLS"),
        (["--bucket=a.b"], "bucket: found 'a.b'"),
        (["--prefix=>"], "prefix: found '>'"),
        (["--connect=tcp://*:1"], "endpoint"),
        (["--server-key=k"], "--server-key and --client-key need each other"),
    ],
)
def test_wrong_options_are_exit_code_2_and_show_no_secret(
    arguments: list[str], problem: str
) -> None:
    done = invoke("sink", "nats", *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert SECRET not in done.output
