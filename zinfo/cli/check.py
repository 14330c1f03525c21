"""`zinfo check`: validates a configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from zinfo.cli.app import FAILED, examples
from zinfo.cli.output import emit
from zinfo.cli.text import printable
from zinfo.errors import ConfigError


@click.command(epilog=examples("zinfo check zinfo.toml"))
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Validate a configuration FILE.

    Prints one line for each problem: file, key, the value found and the value expected. Environment
    variables and options are ignored, and files that the configuration names are not opened. Secret
    files and directories that other users can read or change cause a warning, and so do shards
    whose certificates are not verified.

    Exit codes: 0 the file is valid; 1 it is not.
    """
    from zinfo.config import check_file, exposure_notes

    try:
        config = check_file(file)
    except ConfigError as error:
        for problem in error.problems:
            emit(printable(problem))
        click.get_current_context().exit(FAILED)
    for note in (*config.warnings, *exposure_notes(config, file)):
        emit(printable(f"warning: {note}"))
    count = len(config.shards)
    local = ", and the servers of its machine" if config.local.enabled else ""
    emit(printable(f"{file}: ok, {count} shard{'' if count == 1 else 's'}{local}"))
