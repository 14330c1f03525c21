"""What all commands have in common: help, errors, exit codes, Ctrl-C, closed pipes, colours."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from tests.cli.conftest import Fleet
from tests.cli.running import TIMEOUT, environment, invoke, press_ctrl_c, request_count, zinfo
from tests.daemons import ROOT
from tests.waiting import wait_until
from zinfo import __version__
from zinfo.cli import app

ESCAPE = "\x1b["

LOADED = """
import json, sys
from zinfo.__main__ import main
sys.argv[:] = ["zinfo", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)))
"""


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    done = invoke(name, "--help")
    assert done.exit_code == 0
    assert f"Usage: zinfo {name}" in done.stdout
    assert re.search(r"^  Examples:\n    .*\bzinfo ", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_option_of_every_command_has_a_help(name: str) -> None:
    module, _, attribute = app.COMMANDS[name][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []
    assert "\\b" not in invoke(name, "--help").stdout  # click's mark, where it is no mark


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_the_help_lists_every_command(arguments: list[str]) -> None:
    done = invoke(*arguments)
    for name, (_, short) in app.COMMANDS.items():
        assert re.search(
            rf"^  {name} +{re.escape(short)}$", done.stdout + done.stderr, re.MULTILINE
        )


def test_a_shell_can_complete_commands() -> None:
    completion = ShellComplete(app.cli, {}, "zinfo", "_ZINFO_COMPLETE")
    assert [item.value for item in completion.get_completions([], "s")] == [
        *("serve", "shards", "sources", "stats", "sink")
    ]


def test_the_help_loads_no_command() -> None:
    ours = {name for name in loaded("--help") if name.startswith("zinfo.cli.")}
    assert ours == {"zinfo.cli.app", "zinfo.cli.text"}


def test_a_command_that_queries_a_daemon_imports_only_what_it_needs() -> None:
    modules = loaded("get", "--help")
    assert modules.isdisjoint(
        {"gevent", "psutil", "pydantic", "redis", "rich", "ssl", "zinfo.daemon.daemon"}
    )


def test_version_prints_the_version() -> None:
    assert invoke("--version").stdout == f"zinfo {__version__}\n"


@pytest.mark.parametrize("arguments", [["nothing"], ["get", "--nothing"], ["events", "--since=x"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["srve"], "Error: no command 'srve', did you mean serve?"),
        (["shard"], "Error: no command 'shard', did you mean shards?"),
        (["xyz"], "Error: no command 'xyz'"),
        (["sink", "nast"], "Error: no command 'nast', did you mean nats?"),
    ],
)
def test_an_unknown_command_is_answered_with_a_similar_one(
    arguments: list[str], error: str
) -> None:
    done = invoke(*arguments)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, error)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [(["get", "--conect=x"], "--connect"), (["sink", "nats", "--steam=x"], "--stream")],
)
def test_an_unknown_option_is_answered_with_similar_ones(arguments: list[str], option: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert option in done.stderr.splitlines()[-1]  # versions of click differ in the words


def test_an_endpoint_that_is_none_is_wrong_usage() -> None:
    done = invoke("get", "--connect", "localhost")
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: no endpoint to connect to: it has no scheme; "
        "expected one like tcp://127.0.0.1:9736\n"
    )


@pytest.mark.parametrize("name", ["get", "shards", "watch", "events", "stats"])
def test_where_no_daemon_answers_one_line_says_so_and_what_to_do(name: str) -> None:
    done = invoke(name, "--connect", "tcp://127.0.0.1:9", "--timeout", "0.1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: nothing answers at tcp://127.0.0.1:9: connection refused; start a daemon with "
        "`zinfo serve`, or give the address of a running one with --connect or ZINFO_CONNECT\n"
    )


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_ctrl_c_ends_a_command_quietly_with_130() -> None:
    command = [sys.executable, "-m", "zinfo", "get", "--timeout", "60"]
    with subprocess.Popen(
        [*command, "--connect", "tcp://127.0.0.1:9"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # ZeroMQ has threads of its own: with them it waits for the answer.
        wait_until(lambda: threads(process.pid) > 1, what="the request")
        code = press_ctrl_c(process)
        output = process.communicate(timeout=TIMEOUT)
    assert (code, *output) == (130, b"", b"")


def piped(daemon_arguments: tuple[str, ...], fleet: Fleet, read: int) -> tuple[int, bytes]:
    """Run a command whose reader closes the pipe after some bytes."""
    with subprocess.Popen(
        [sys.executable, "-m", "zinfo", *daemon_arguments],
        cwd=ROOT,
        env=environment(fleet.daemon),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(read)
        process.stdout.close()
        code = process.wait(TIMEOUT)
        return code, process.stderr.read()


@pytest.mark.parametrize("name", ["get", "watch", "events"])
def test_a_closed_pipe_ends_a_command_quietly(fleet: Fleet, name: str) -> None:
    code, output = piped((name,), fleet, 10)
    assert code == 0
    # `get` says beside the output which shards it does not have.
    assert [line for line in output.splitlines() if b" no INFO yet" not in line] == []


@pytest.mark.parametrize("arguments", [("watch", "--key", "executable"), ("events", "-f", "DEAD")])
def test_a_closed_pipe_is_noticed_when_there_is_nothing_to_write(
    fleet: Fleet, arguments: tuple[str, ...]
) -> None:
    words = tuple(word.replace("DEAD", fleet.dead) for word in arguments)
    assert piped(words, fleet, 0) == (0, b"")


def test_output_that_cannot_be_written_is_one_line(fleet: Fleet) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zinfo", "get"],
            cwd=ROOT,
            env=environment(fleet.daemon),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"Error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("name", ["get", "shards", "stats"])
def test_without_any_stdout_a_command_does_its_work_and_ends(fleet: Fleet, name: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m zinfo {name} >&-', sys.executable],
        cwd=ROOT,
        env=environment(fleet.daemon),
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        check=False,
    )
    noted = f"1 of 3 shards has no INFO yet: {fleet.dead}\n" if name == "get" else ""
    assert (done.returncode, done.stderr.decode()) == (0, noted)


def test_following_without_any_stdout_goes_on_until_ctrl_c(fleet: Fleet) -> None:
    before = request_count(fleet.daemon, "events")
    with subprocess.Popen(
        ["sh", "-c", 'exec "$0" -m zinfo events --follow >&-', sys.executable],
        cwd=ROOT,
        env=environment(fleet.daemon),
        stderr=subprocess.PIPE,
    ) as process:
        wait_until(lambda: request_count(fleet.daemon, "events") > before, what="the request")
        beats = heartbeats(fleet)
        wait_until(lambda: heartbeats(fleet) > beats, what="a heartbeat")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, b"")


def heartbeats(fleet: Fleet) -> int:
    """How many the daemon has sent."""
    stats = fleet.daemon.ask("stats").body
    assert isinstance(stats, dict)
    count = stats["bus"]["messages"].get("hb", 0)
    assert isinstance(count, int)
    return count


def on_a_terminal(fleet: Fleet, **environ: str) -> str:
    """What `zinfo shards` prints on a terminal."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "zinfo", "shards"],
            cwd=ROOT,
            env=environment(fleet.daemon, **environ),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            text = b""
            while part := read_terminal(ours):
                text += part
            assert process.wait(TIMEOUT) == 0
            return text.decode()
    finally:
        os.close(ours)


def read_terminal(number: int) -> bytes:
    try:
        return os.read(number, 65536)
    except OSError:  # a terminal whose other side is closed
        return b""


def test_colours_are_for_terminals_that_want_them(fleet: Fleet) -> None:
    assert f"{ESCAPE}32mup{ESCAPE}0m" in on_a_terminal(fleet)
    assert ESCAPE not in on_a_terminal(fleet, NO_COLOR="1")
    assert ESCAPE not in on_a_terminal(fleet, TERM="dumb")
    assert ESCAPE not in zinfo("shards", daemon=fleet.daemon).stdout


def test_an_error_that_zinfo_does_not_know_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(app.COMMANDS, "get", ("tests.cli.test_app:broken", "Fails."))
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(app.cli, ["get"], catch_exceptions=False)


@click.command()
def broken() -> None:
    """Fail as no command should."""
    raise ZeroDivisionError
