"""Options of the commands that query a daemon or several, and the error where none answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from zinfo.errors import NoAnswerError
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet, Subscriber
    from zinfo.wire.curve_keys import ClientKeys

P = ParamSpec("P")

_DNS_SCHEME = "dns+tcp://"  # begin of an endpoint that stands for several daemons

DEFAULT_TIMEOUT = 3.0
"""Seconds to wait for a reply. A running daemon replies within milliseconds."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon to query, or several that share the shards, and the output format.

    Attributes:
        endpoints: the query endpoint of each.
        timeout: seconds to wait for a reply; None where the option was not given.
        json: whether to print JSON, one object per line.
        keys: CURVE keys of this client and the daemons; None for none.
    """

    endpoints: tuple[str, ...]
    timeout: float | None
    json: bool = False
    keys: ClientKeys | None = None

    @property
    def is_fleet(self) -> bool:
        """Whether there may be several daemons."""
        return len(self.endpoints) > 1 or self.endpoints[0].startswith(_DNS_SCHEME)

    @property
    def endpoint(self) -> str:
        """The query endpoint, for a command that queries a single daemon.

        Raises:
            click.UsageError: there may be several daemons.
        """
        if self.is_fleet:
            raise click.UsageError("this command queries one daemon: give one --connect tcp://...")
        return self.endpoints[0]

    @contextmanager
    def client(self, default_timeout: float = DEFAULT_TIMEOUT) -> Iterator[Client | Fleet]:
        """Open a Client for the `with` block, or a Fleet if there may be several daemons.

        The results of the Fleet may lack shards; `zinfo.cli.missing` reports that.

        Args:
            default_timeout: seconds, where --timeout was not given.
        """
        with self.connect(default_timeout) as client:
            yield client

    def connect(self, default_timeout: float = DEFAULT_TIMEOUT) -> Client | Fleet:
        """Return a new Client, or a Fleet if there may be several daemons.

        Args:
            default_timeout: seconds, where --timeout was not given.
        """
        from zinfo.client import Client, Fleet

        timeout = self.timeout or default_timeout
        if not self.is_fleet:
            return Client(self.endpoint, timeout=timeout, keys=self.keys)
        return Fleet(self.endpoints, timeout=timeout, keys=self.keys, allow_missing=True)

    @contextmanager
    def single_client(self, default_timeout: float = DEFAULT_TIMEOUT) -> Iterator[Client]:
        """Open a Client for the `with` block, for a command that queries a single daemon.

        Args:
            default_timeout: seconds, where --timeout was not given.

        Raises:
            click.UsageError: there may be several daemons.
        """
        from zinfo.client import Client

        timeout = self.timeout or default_timeout
        with Client(self.endpoint, timeout=timeout, keys=self.keys) as client:
            yield client

    @contextmanager
    def subscriber(self, kinds: tuple[str, ...], shards: tuple[str, ...]) -> Iterator[Subscriber]:
        """Open a Subscriber for the `with` block.

        Args:
            kinds: as for `Subscriber`.
            shards: as for `Subscriber`.
        """
        from zinfo.client import Subscriber

        timeout = self.timeout or DEFAULT_TIMEOUT
        with Subscriber(
            self.endpoint, kinds=kinds, shard_ids=shards, timeout=timeout, keys=self.keys
        ) as subscriber:
            yield subscriber


def client_options(function: Callable[Concatenate[Daemon, P], None]) -> Callable[..., None]:
    """Add the options of commands that query a daemon; the command gets them as a Daemon."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
    @wraps(function)
    def command(daemon: Daemon, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> None:
        function(replace(daemon, json=as_json), *args, **kwargs)

    wrapped: Callable[..., None] = command
    return connection_options(wrapped)


def connection_options(function: Callable[Concatenate[Daemon, P], None]) -> Callable[..., None]:
    """Add the options of `client_options` except --json."""

    @click.option(
        "--connect",
        metavar="ENDPOINT",
        envvar="ZINFO_CONNECT",
        show_envvar=True,
        multiple=True,
        default=[DEFAULT_QUERY_ENDPOINT],
        show_default=True,
        help="Query endpoint of the daemon. Repeatable, for daemons that share the shards; "
        "dns+tcp://NAME:PORT for all addresses of a name.",
    )
    @click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True, max=86400),
        help=f"How long to wait for a reply.  [default: {DEFAULT_TIMEOUT:g}]",
    )
    @click.option(
        "--server-key",
        metavar="FILE",
        type=click.Path(),
        envvar="ZINFO_SERVER_KEY",
        show_envvar=True,
        help="Public key of a daemon that requires keys: its server.key.",
    )
    @click.option(
        "--client-key",
        metavar="FILE",
        type=click.Path(),
        envvar="ZINFO_CLIENT_KEY",
        show_envvar=True,
        help="Your own secret key for such a daemon: NAME.key_secret.",
    )
    @wraps(function)
    def command(
        connect: tuple[str, ...],
        timeout: float | None,
        server_key: str | None,
        client_key: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        keys = client_keys(server_key, client_key)
        try:
            function(Daemon(tuple(dict.fromkeys(connect)), timeout, keys=keys), *args, **kwargs)
        except NoAnswerError as error:
            from zinfo.cli.no_answer import no_answer

            raise no_answer(connect, keys) from error

    return command


def client_keys(server_key: str | None, client_key: str | None) -> ClientKeys | None:
    """Return the keys of --server-key and --client-key; None without both.

    Raises:
        click.UsageError: only one of them is given.
        ConfigError: a file cannot be read, or has no key.
    """
    if server_key is None and client_key is None:
        return None
    if server_key is None or client_key is None:
        raise click.UsageError("--server-key and --client-key need each other: give both or none")
    from zinfo.wire.curve_keys import ClientKeys

    return ClientKeys.read(server_key, client_key)
