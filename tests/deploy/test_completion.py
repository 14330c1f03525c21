"""The completion files are up to date, and shells complete commands with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.completion.make import FILES, FOLDER, texts
from tests.deploy.files import program, run
from tests.deploy.shells import Shell


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
    words = "COMP_WORDS=(zinfo nosuch) COMP_CWORD=1 COMP_LINE='zinfo nosuch'"
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
