"""The options that make sources of shards; `zinfo serve` and `zinfo check` have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import click

from zinfo.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])
Flags = Mapping[str, tuple[str, object]]


class _Option(NamedTuple):
    name: str
    type: str
    metavar: str
    help: str


_OPTIONS = (
    _Option(
        "--cluster",
        "cluster",
        "URL",
        "Poll all nodes of the Redis Cluster or Valkey cluster of this node, redis://HOST:PORT or "
        "rediss://HOST:PORT (TLS). Repeat it for other nodes of the same cluster, which are asked "
        "as well.",
    ),
    _Option(
        "--sentinel",
        "sentinel",
        "URL",
        "Poll the primaries and replicas that this Sentinel monitors, redis://HOST[:26379]. Repeat "
        "it for other Sentinels. With rediss:// the servers are reached by TLS, too.",
    ),
    _Option(
        "--file",
        "file",
        "PATTERN",
        "Poll the targets in these files, .json or .yml in the format of Prometheus' file_sd. Put "
        "a pattern in quotes: `--file 'shards/*.json'`. Repeatable.",
    ),
    _Option(
        "--http-sd",
        "http",
        "URL",
        "Poll the targets that this URL lists, in the format of Prometheus' http_sd. Repeatable.",
    ),
    _Option(
        "--dns",
        "dns",
        "NAME:PORT",
        "Poll all addresses of this name: a headless Service of Kubernetes, for example. A name "
        "that begins with _ is looked up as SRV record, and needs no port. Repeatable.",
    ),
)


def source_options(command: Command) -> Command:
    """Add the options to a command, which receives them as `cluster_sources`, `dns_sources`, ..."""
    for option in reversed(_OPTIONS):
        add = click.option(
            option.name,
            _parameter(option.type),
            metavar=option.metavar,
            multiple=True,
            help=option.help,
        )
        command = add(command)
    return command


def source_flags(options: Mapping[str, object]) -> Flags:
    """Return the options for `load_config`.

    Args:
        options: the values that the command received for `source_options`, by parameter.
    """
    return {
        option.name: (f"sources.{option.type}", options[_parameter(option.type)] or None)
        for option in _OPTIONS
    }


def source_warnings(config: Config) -> Iterator[str]:
    """Yield a warning for each option whose URLs have a password."""
    for source in config.sources:
        if source.login is not None and source.login.password is not None:
            yield (
                f"--{source.type}: found a password, which process lists show, and which is sent "
                "to every host that the source lists; better: a table [credentials.NAME] with its "
                "hosts, in a --config FILE"
            )


def _parameter(kind: str) -> str:
    return f"{kind}_sources"
