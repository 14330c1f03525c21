"""`zinfo serve`: the daemon, from the command line's point of view."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import get_args

import click

from zinfo.cli.app import FAILED, examples
from zinfo.cli.logs import set_up_logging
from zinfo.cli.renamed_options import RenamedOption
from zinfo.config import Config, environment_notes, exposure_notes, load_config
from zinfo.config.types import LogFormat, LogLevel
from zinfo.errors import EnvironmentNotReadyError
from zinfo.wire.addresses import parse_shard_url

logger = logging.getLogger(__name__)

Flags = Mapping[str, tuple[str, object]]


def _choices(annotated: object) -> list[str]:
    return list(get_args(get_args(annotated)[0]))


@click.command(
    epilog=examples(
        "zinfo serve",
        "zinfo serve --shard redis://db-1:6379 --shard redis://db-2:6379",
        "zinfo serve --http 127.0.0.1:9121          metrics for Prometheus, a JSON API",
        "zinfo serve --config /etc/zinfo.toml --log-format json",
        "ZINFO_SHARDS='redis://zinfo:secret@db-1:6379' zinfo serve --local",
    )
)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read this TOML file; `zinfo check FILE` validates one.",
)
@click.option(
    "--shard",
    "shards",
    metavar="URL",
    multiple=True,
    help="Watch this server: redis://HOST:PORT, rediss://HOST:PORT (TLS) or unix:///PATH. "
    "May be repeated. Passwords are better in the file (password_file) or in ZINFO_SHARDS: "
    "a command line can be seen by everybody on the machine.",
)
@click.option(
    "--local",
    is_flag=True,
    default=None,
    help="Watch every redis-server, valkey-server and keydb-server process of this machine; "
    "so it does without this where no shards are given.",
)
@click.option(
    "--query", metavar="ENDPOINT", help="Answer queries here. [default: tcp://127.0.0.1:9736]."
)
@click.option(
    "--bus",
    cls=RenamedOption,
    former="--pub",
    metavar="ENDPOINT",
    help="Publish here. [default: tcp://127.0.0.1:9737].",
)
@click.option(
    "--xmlrpc", metavar="HOST:PORT", help="Serve GetInfos over XML-RPC here, too. [default: off]."
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve Prometheus metrics, a JSON API and a stream over HTTP here. [default: off].",
)
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen where other machines reach it without keys, so that all who do may read all INFO. "
    "Keys are better: `zinfo keygen --help`.",
)
@click.option(
    "--log-format",
    type=click.Choice(_choices(LogFormat)),
    help="How the log is written. [default: text]",
)
@click.option("--log-level", type=click.Choice(_choices(LogLevel)), help="[default: info]")
def serve(  # noqa: PLR0913, PLR0917 - one for each option
    file: Path | None,
    shards: tuple[str, ...],
    local: bool | None,
    query: str | None,
    bus: str | None,
    xmlrpc: str | None,
    http: str | None,
    insecure: bool | None,
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Run the daemon: poll servers, keep their INFO, publish it, answer queries.

    What is set where: file, then environment (ZINFO_POLL_TIMEOUT=2, ...), then these options; the
    later one wins, shards add up. With no shards anywhere it watches the servers of this machine.

    SIGHUP reads the file again; SIGTERM and Ctrl-C end the daemon in order, with exit code 0. The
    log goes to stderr. Exit code 1: it could not start or go on; 2: the configuration is wrong.
    """
    flags: Flags = {
        "--shard": ("shards", shards or None),
        "--local": ("local.enabled", local),
        "--query": ("query.endpoint", query),
        "--bus": ("bus.endpoint", bus),
        "--xmlrpc": ("xmlrpc.listen", xmlrpc),
        "--http": ("http.listen", http),
        "--insecure": ("security.insecure", insecure),
        "--log-format": ("log.format", log_format),
        "--log-level": ("log.level", log_level),
    }
    config = _or_local(load_config(file, os.environ, flags))
    set_up_logging(config.log.format, config.log.level)
    _say_what_is_odd(config, shards)
    _say_what_is_open(exposure_notes(config, file))
    # Only now, as a wrong configuration is told sooner without it.
    from zinfo.daemon.daemon import Daemon

    try:
        code = Daemon(config).run(reload=partial(_load_again, file, flags))
    except EnvironmentNotReadyError as error:
        logger.critical("cannot start: %s", error)
        code = FAILED
    click.get_current_context().exit(code)


def _or_local(config: Config) -> Config:
    """Have a configuration that names no shards anywhere watch this machine."""
    local = config.local
    if config.shards or "enabled" in local.model_fields_set:
        return config
    return config.model_copy(update={"local": local.model_copy(update={"enabled": True})})


def _load_again(file: Path | None, flags: Flags) -> Config:
    from zinfo.daemon.reload import read_config

    loaded = read_config(file, flags)
    _say_what_is_open((*loaded.config.warnings, *loaded.notes))
    return _or_local(loaded.config)


def _say_what_is_open(notes: tuple[str, ...]) -> None:
    for note in notes:
        logger.warning("%s", note)


def _say_what_is_odd(config: Config, shards: tuple[str, ...]) -> None:
    for note in (*config.warnings, *environment_notes(os.environ, config)):
        logger.warning("%s", note)
    if any(parse_shard_url(url).password for url in shards):
        logger.warning(
            "--shard: found a password, which process lists show; "
            "better: password_file in a --config FILE, or ZINFO_SHARDS in the environment"
        )
    if not config.shards and not config.local.enabled:
        logger.warning("no shards, and local.enabled is false: there is nothing to watch")
