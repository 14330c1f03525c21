"""`zinfo serve`: runs the daemon."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import get_args

import click

from zinfo.cli.app import FAILED, examples
from zinfo.cli.logs import set_up_logging
from zinfo.cli.renamed_options import RenamedOption
from zinfo.cli.source_options import Flags, source_flags, source_options, source_warnings
from zinfo.config import Config, environment_notes, exposure_notes, load_config
from zinfo.config.types import LogFormat, LogLevel
from zinfo.errors import EnvironmentNotReadyError
from zinfo.wire.addresses import parse_shard_url

logger = logging.getLogger(__name__)


def _choices(annotated: object) -> list[str]:
    return list(get_args(get_args(annotated)[0]))


@click.command(
    epilog=examples(
        "zinfo serve",
        "zinfo serve --shard redis://db-1:6379 --shard redis://db-2:6379",
        "zinfo serve --cluster redis://node-1:6379  all nodes of a cluster",
        "zinfo serve --sentinel redis://s1 --sentinel redis://s2",
        "zinfo serve --dns redis.cache.svc:6379     all pods of a headless Service",
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
    help="Poll this server: redis://HOST:PORT, rediss://HOST:PORT (TLS) or unix:///PATH. "
    "Repeatable. Put passwords into the file (password_file) or into ZINFO_SHARDS: "
    "every user of the machine can see a command line.",
)
@click.option(
    "--local",
    is_flag=True,
    default=None,
    help="Poll every redis-server, valkey-server and keydb-server process of this machine. "
    "This is the default if no shards and no sources of shards are given.",
)
@source_options
@click.option(
    "--query", metavar="ENDPOINT", help="Answer queries here. [default: tcp://127.0.0.1:9736]"
)
@click.option(
    "--bus",
    cls=RenamedOption,
    former="--pub",
    metavar="ENDPOINT",
    help="Publish changes and events here. [default: tcp://127.0.0.1:9737]",
)
@click.option(
    "--xmlrpc", metavar="HOST:PORT", help="Serve GetInfos over XML-RPC here. [default: off]"
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve a page for browsers, metrics for Prometheus, a JSON API and a stream of changes "
    "over HTTP here. "
    "[default: off]",
)
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen without keys on addresses that other machines can reach. These machines can then "
    "read all INFO. Keys prevent that: `zinfo keygen --help`.",
)
@click.option(
    "--log-format",
    type=click.Choice(_choices(LogFormat)),
    help="Format of the log. [default: text]",
)
@click.option(
    "--log-level",
    type=click.Choice(_choices(LogLevel)),
    help="Minimum level of the lines in the log. [default: info]",
)
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
    **sources: object,
) -> None:
    """Run the daemon: poll servers, cache their INFO, publish it, answer queries.

    Settings come from the file, the environment (ZINFO_POLL_TIMEOUT=2, ...) and these options. An
    option overrides the environment, and both override the file; the shards of all three are
    polled. Without any shards it polls the servers of this machine.

    --cluster, --sentinel, --file, --http-sd and --dns are sources of shards: servers that they
    list later are polled, too, and those that they no longer list are forgotten, without a
    restart. In the file, [[sources]] have more keys, and [credentials.NAME] their passwords.
    `zinfo check --discover` tries them out.

    SIGHUP reloads the file; SIGTERM and Ctrl-C stop the daemon, with exit code 0. The log goes to
    stderr. Exit code 1: it could not start or continue; 2: the configuration is invalid.
    """
    flags: Flags = {
        "--shard": ("shards", shards or None),
        **source_flags(sources),
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
    _warn_of_settings(config, shards)
    _log_warnings(exposure_notes(config, file))
    # Imported here, so that errors of the configuration are printed sooner.
    from zinfo.daemon.daemon import Daemon

    try:
        code = Daemon(config).run(reload=partial(_load_again, file, flags))
    except EnvironmentNotReadyError as error:
        logger.critical("cannot start: %s", error)
        code = FAILED
    click.get_current_context().exit(code)


def _or_local(config: Config) -> Config:
    """Enable `local` in a configuration without any shards or sources of shards."""
    local = config.local
    is_given = config.shards or config.sources or config.slice.count is not None
    if is_given or "enabled" in local.model_fields_set:
        return config
    return config.model_copy(update={"local": local.model_copy(update={"enabled": True})})


def _load_again(file: Path | None, flags: Flags) -> Config:
    from zinfo.daemon.reload import read_config

    loaded = read_config(file, flags)
    _log_warnings((*loaded.config.warnings, *loaded.notes))
    return _or_local(loaded.config)


def _log_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        logger.warning("%s", warning)


def _warn_of_settings(config: Config, shards: tuple[str, ...]) -> None:
    _log_warnings((*config.warnings, *environment_notes(os.environ, config)))
    if any(parse_shard_url(url).password for url in shards):
        logger.warning(
            "--shard: found a password, which process lists show; "
            "better: password_file in a --config FILE, or ZINFO_SHARDS in the environment"
        )
    _log_warnings(source_warnings(config))
    if not config.shards and not config.sources and not config.local.enabled:
        logger.warning("no shards, and local.enabled is false: there is nothing to poll")
