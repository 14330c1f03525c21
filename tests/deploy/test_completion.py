"""The completion files are up to date, and shells complete commands with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.completion.make import FILES, FOLDER, texts
from tests.cli.running import QUICK
from tests.daemons import RunningDaemon
from tests.deploy.files import program, run
from tests.deploy.shells import Shell
from tests.servers import RealServer


@pytest.mark.parametrize("name", FILES.values())
def test_a_file_is_up_to_date(name: str) -> None:
    made = texts()[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == made, "python -m deploy.completion.make"


def test_bash_completes_a_command_at_a_tab(tmp_path: Path) -> None:
    bash = program("bash", "Debian: bash")
    with Shell(bash, "--norc", "--noprofile", "-i", home=tmp_path) as shell:
        shell.wait_for("ready> ")
        shell.type(f"source {FOLDER / FILES['bash']}\n")
        shell.wait_for("ready> ")
        shell.type("zinfo sh\t")
        shell.wait_for("zinfo shards ")


def test_bash_completes_an_option_and_its_value(tmp_path: Path) -> None:
    bash = program("bash", "Debian: bash")
    with Shell(bash, "--norc", "--noprofile", "-i", home=tmp_path) as shell:
        shell.wait_for("ready> ")
        shell.type(f"source {FOLDER / FILES['bash']}\n")
        shell.wait_for("ready> ")
        shell.type("zinfo serve --log-f\t")
        shell.wait_for("--log-format ")
        shell.type("j\t")
        shell.wait_for("json ")


def test_bash_completes_nothing_for_an_unknown_command(tmp_path: Path) -> None:
    bash = program("bash", "Debian: bash")
    words = "COMP_WORDS=(zinfo nosuch) COMP_CWORD=1 COMP_LINE='zinfo nosuch' COMP_POINT=12"
    script = f"source {FOLDER / FILES['bash']}; {words}; _zinfo_completion zinfo"
    environ = Shell(bash, home=tmp_path).environ
    done = run(bash, "-c", f'{script}; echo "${{#COMPREPLY[@]}}"', env=environ)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_zsh_completes_a_command_at_a_tab(tmp_path: Path) -> None:
    zsh = program("zsh", "Debian: zsh")
    with Shell(zsh, "-f", "-i", home=tmp_path) as shell:
        shell.type(
            f"fpath=({FOLDER / 'zsh'} $fpath); autoload -U compinit && compinit -u; echo lo''aded\n"
        )
        shell.wait_for("loaded")
        shell.type("zinfo sh\t")
        shell.wait_for("zinfo shards")


def test_fish_completes_a_command(tmp_path: Path) -> None:
    fish = program("fish", "Debian: fish")
    done = run(
        fish,
        "--no-config",
        "-c",
        f"source {FOLDER / FILES['fish']}; complete --do-complete 'zinfo sh'",
        env=Shell(fish, home=tmp_path).environ,
    )
    assert done.stdout.split()[:1] == ["shards"], done.stderr


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """A daemon with two shards, whose ids have colons, and labels."""
    with RealServer() as server:
        config = f"""
            [[shards]]
            url = "{server.url}"
            id = "cache-1:6379"
            labels = {{ site = "fra" }}
            [[shards]]
            url = "{server.url}"
            id = "queue-1:6379"
        """
        with RunningDaemon(config_text=config, environ=QUICK) as daemon:
            daemon.wait_polled(2)
            yield daemon


LINES = [
    ("get cache-1:6379 que", "zinfo get cache-1:6379 queue-1:6379"),
    ("get cache-1:63", "zinfo get cache-1:6379"),
    ("record x.zrec --shard=cache-1:6", "--shard=cache-1:6379"),
    ("watch --key executabl", "zinfo watch --key executable"),
    ("shards --label=site=f", "--label=site=fra"),
]
"""What is typed after `zinfo` and before Tab, and what is shown then."""


def press_tab(shell: Shell, typed: str, shown: str) -> None:
    """Type a line and a Tab, and clear the line; again if a busy machine was too slow."""
    for attempt in range(5):
        shell.type(f"{typed}\t")
        try:
            shell.wait_for(shown, 5.0 if attempt < 4 else 30.0)
        except AssertionError:
            if attempt == 4:
                raise
        else:
            break
        finally:
            shell.type("\x15")


def test_bash_completes_names_of_a_daemon(daemon: RunningDaemon, tmp_path: Path) -> None:
    bash = program("bash", "Debian: bash")
    shell = Shell(bash, "--norc", "--noprofile", "-i", home=tmp_path)
    shell.environ["ZINFO_CONNECT"] = daemon.query
    with shell:
        shell.wait_for("ready> ")
        shell.type(f"source {FOLDER / FILES['bash']}\n")
        shell.wait_for("ready> ")
        for typed, shown in LINES:
            press_tab(shell, f"zinfo {typed}", shown)
        press_tab(shell, "zinfo shards --label si\tfr", "zinfo shards --label site=fra")


def test_zsh_completes_names_of_a_daemon(daemon: RunningDaemon, tmp_path: Path) -> None:
    zsh = program("zsh", "Debian: zsh")
    shell = Shell(zsh, "-f", "-i", home=tmp_path)
    shell.environ["ZINFO_CONNECT"] = daemon.query
    with shell:
        shell.type(
            f"fpath=({FOLDER / 'zsh'} $fpath); autoload -U compinit && compinit -u; echo lo''aded\n"
        )
        shell.wait_for("loaded")
        for typed, shown in LINES:
            press_tab(shell, f"zinfo {typed}", shown)
        press_tab(shell, "zinfo shards --label si\tfr", "zinfo shards --label site=fra")


def test_fish_completes_names_of_a_daemon(daemon: RunningDaemon, tmp_path: Path) -> None:
    fish = program("fish", "Debian: fish")
    environ = Shell(fish, home=tmp_path).environ | {"ZINFO_CONNECT": daemon.query}
    lines = [
        "get cache-1:6379 que",
        "watch --key executabl",
        "shards --label si",
        "get --label site=f",
    ]
    asked = "; ".join(f"complete --do-complete 'zinfo {line}'" for line in lines)
    script = f"source {FOLDER / FILES['fish']}; {asked}"
    done = run(fish, "--no-config", "-c", script, env=environ)
    assert done.stdout.split() == ["queue-1:6379", "executable", "site=", "site=fra"], done.stderr
