"""`zinfo check`: validates a configuration, and tries its sources out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import FAILED, examples
from zinfo.cli.output import emit, note
from zinfo.cli.source_options import Flags, source_flags, source_options
from zinfo.cli.text import printable
from zinfo.config import Config, exposure_notes, load_config
from zinfo.errors import ConfigError

if TYPE_CHECKING:
    from zinfo.daemon.read_once import Reading

DEFAULT_TIMEOUT = 15.0
"""Seconds in which each source must answer."""


@click.command(
    epilog=examples(
        "zinfo check zinfo.toml",
        "zinfo check --discover zinfo.toml",
        "zinfo check --discover --cluster redis://node-1:6379",
        "zinfo check --discover --json zinfo.toml | jq -r '.shards[].id'",
    )
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--discover",
    is_flag=True,
    help="Ask each source of shards once, and print what it lists, what is skipped and why.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="With --discover: how long each source may take.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="With --discover: print an object per source, with all its shards.",
)
@source_options
def check(
    file: Path | None, *, discover: bool, timeout: float, as_json: bool, **sources: object
) -> None:
    """Validate a configuration FILE.

    Prints one line for each problem: file, key, the value found and the value expected. Environment
    variables are ignored, and files that the configuration names are not opened. Secret files and
    directories that other users can read or change cause a warning, and so do shards whose
    certificates are not verified. No connection is made.

    With --discover the sources of shards are asked, all at once: passwords are read, and sent to
    the sources. No shard is polled. A source is `ok`, `PARTLY` if a part of it could not be read,
    or `FAILED`.

    With [slice] the last line says how many shards are in the slice. If the file leaves its number
    to the host name, that is the name of this machine.

    Exit codes: 0 the file is valid, and each source is ok; 1 otherwise.
    """
    flags = source_flags(sources)
    if file is None and not any(value for _, value in flags.values()):
        raise click.MissingParameter(param_type="argument", param_hint="'FILE'")
    if (timeout != DEFAULT_TIMEOUT or as_json) and not discover:
        raise click.UsageError("--timeout and --json need --discover")
    config = _load(file, flags)
    name = str(file or "the options")
    say = note if as_json else emit
    for warning in (*config.warnings, *exposure_notes(config, file)):
        say(printable(f"warning: {warning}"))
    if not discover:
        emit(printable(f"{name}: ok, {_summary(config)}"))
        _say_slice(config)
    elif not config.sources:
        say(printable(f"{name}: ok, {_summary(config)}; there is no source to ask"))
        if not as_json:
            _say_slice(config)
    elif not _discover(config, timeout, as_json=as_json):
        click.get_current_context().exit(FAILED)


def _load(file: Path | None, flags: Flags) -> Config:
    try:
        return load_config(file, flags=flags)
    except ConfigError as error:
        _exit_with(error)
        raise


def _exit_with(error: ConfigError) -> None:
    for problem in error.problems:
        emit(printable(problem))
    click.get_current_context().exit(FAILED)


def _summary(config: Config) -> str:
    """Return what a daemon with this file alone would watch."""
    is_local = "enabled" not in config.local.model_fields_set and config.slice.count is None
    if not config.shards and not config.sources and is_local:
        return "no shards and no sources: `zinfo serve` polls the servers of its machine"
    counts = [_count(len(config.shards), "shard")]
    if config.sources:
        counts.append(_count(len(config.sources), "source"))
    local = ", and the servers of its machine" if config.local.enabled else ""
    return ", ".join(counts) + local


def _say_slice(config: Config, readings: Sequence[Reading] | None = None) -> None:
    from zinfo.cli.slices import checked_slice, slice_line

    line = slice_line(checked_slice(config), config, readings)
    if line is not None:
        emit(printable(line))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _discover(config: Config, timeout: float, *, as_json: bool) -> bool:
    """Ask the sources and print what they list; return whether all is well."""
    from zinfo.cli.discovered import is_well, print_json, print_readings
    from zinfo.cli.slices import checked_slice
    from zinfo.daemon.read_once import read_once
    from zinfo.daemon.sources import make_sources

    try:
        entries = make_sources(config)
    except ConfigError as error:
        _exit_with(error)
        raise
    readings = read_once([entry.source for entry in entries], timeout)
    if as_json:
        found = checked_slice(config)
        if found.problem:
            note(printable(found.problem))
        for reading in readings:
            print_json(reading, found.spec)
    else:
        own = {shard.id for shard in config.shards}
        print_readings(readings, own, local=config.local.enabled)
        _say_slice(config, readings)
    return all(map(is_well, readings))
