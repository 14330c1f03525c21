"""Renamed options: the former spelling is accepted with one warning, and is not shown in help."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tests.cli.running import invoke, zinfo
from zinfo.cli.app import COMMANDS, cli
from zinfo.cli.renamed_options import RenamedOption


@click.command()
@click.option("--bus", cls=RenamedOption, former="--pub")
def command(bus: str | None) -> None:
    """Print the value of a renamed option."""
    click.echo(bus)


def renamed() -> Iterator[tuple[str, str]]:
    """Yield the command and the new spelling of each renamed option."""
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        for option in found.params:
            if isinstance(option, RenamedOption):
                yield name, option.opts[0]


@pytest.mark.parametrize("arguments", [["--pub", "x"], ["--pub=x"]])
def test_the_former_spelling_sets_the_option_and_warns_once(arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.stdout == "x\n"
    assert done.stderr == (
        "warning: --pub is now called --bus; zinfo 0.3 will no longer accept --pub\n"
    )


@pytest.mark.parametrize(("arguments", "value"), [(["--bus", "x"], "x\n"), ([], "\n")])
def test_the_new_spelling_does_not_warn(arguments: list[str], value: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert (done.stdout, done.stderr) == (value, "")


def test_both_spellings_at_once_are_a_usage_error() -> None:
    done = CliRunner().invoke(command, ["--bus", "x", "--pub", "y"])
    assert done.exit_code == 2
    assert "--pub is the former name of --bus: give only --bus" in done.stderr


def test_serve_and_replay_accept_the_former_spelling_of_bus() -> None:
    assert list(renamed()) == [("serve", "--bus"), ("replay", "--bus")]


@pytest.mark.parametrize("name", ["serve", "replay"])
def test_help_shows_only_the_new_spelling(name: str) -> None:
    text = invoke(name, "--help").stdout
    assert "--bus ENDPOINT" in text
    assert "--pub" not in text


def test_an_error_in_a_value_given_by_the_former_spelling_names_the_new_one() -> None:
    done = zinfo("serve", "--pub", "9737")
    assert done.returncode == 2
    warning, error = done.stderr.splitlines()
    assert warning.startswith("warning: --pub is now called --bus")
    assert error.startswith("Error: --bus: ")
