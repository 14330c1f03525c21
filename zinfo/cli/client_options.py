"""What the commands that ask a daemon share: options, and plain words where nothing answers."""

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
    from zinfo.client import Client, Subscriber
    from zinfo.wire.curve_keys import ClientKeys

P = ParamSpec("P")

DEFAULT_TIMEOUT = 3.0
"""Seconds to wait for an answer. A daemon answers within milliseconds, or is not there."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon to ask, and how to print what it says.

    Attributes:
        endpoint: its query endpoint.
        timeout: seconds to wait for an answer; None where the user did not say.
        json: whether to print JSON, one object a line.
        keys: by which this client and the daemon know each other, if they do.
    """

    endpoint: str
    timeout: float | None
    json: bool = False
    keys: ClientKeys | None = None

    @contextmanager
    def client(self, default_timeout: float = DEFAULT_TIMEOUT) -> Iterator[Client]:
        """Open a Client for the `with` block.

        Args:
            default_timeout: seconds, where the user did not say.
        """
        from zinfo.client import Client

        timeout = self.timeout or default_timeout
        with Client(self.endpoint, timeout=timeout, keys=self.keys) as client:
            yield client

    @contextmanager
    def subscriber(self, kinds: tuple[str, ...], shards: tuple[str, ...]) -> Iterator[Subscriber]:
        """Join the bus for the `with` block; arguments as those of a Subscriber."""
        from zinfo.client import Subscriber

        timeout = self.timeout or DEFAULT_TIMEOUT
        with Subscriber(
            self.endpoint, kinds=kinds, shards=shards, timeout=timeout, keys=self.keys
        ) as subscriber:
            yield subscriber


def asks_daemon(function: Callable[Concatenate[Daemon, P], None]) -> Callable[..., None]:
    """Give a command the options of all that ask a daemon; it gets them as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
    @wraps(function)
    def command(daemon: Daemon, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> None:
        function(replace(daemon, json=as_json), *args, **kwargs)

    wrapped: Callable[..., None] = command
    return reaches_daemon(wrapped)


def reaches_daemon(function: Callable[Concatenate[Daemon, P], None]) -> Callable[..., None]:
    """Give a command what `asks_daemon` does, but for --json: it prints none."""

    @click.option(
        "--connect",
        metavar="ENDPOINT",
        envvar="ZINFO_CONNECT",
        show_envvar=True,
        default=DEFAULT_QUERY_ENDPOINT,
        show_default=True,
        help="Query endpoint of the daemon to ask.",
    )
    @click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True, max=86400),
        help=f"How long to wait for an answer.  [default: {DEFAULT_TIMEOUT:g}]",
    )
    @click.option(
        "--server-key",
        metavar="FILE",
        envvar="ZINFO_SERVER_KEY",
        show_envvar=True,
        help="Public key of a daemon that asks for keys: its server.key.",
    )
    @click.option(
        "--client-key",
        metavar="FILE",
        envvar="ZINFO_CLIENT_KEY",
        show_envvar=True,
        help="Your own secret key, that such a daemon knows you by: NAME.key_secret.",
    )
    @wraps(function)
    def command(
        connect: str,
        timeout: float | None,
        server_key: str | None,
        client_key: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        keys = _keys(server_key, client_key)
        try:
            function(Daemon(connect, timeout, keys=keys), *args, **kwargs)
        except NoAnswerError as error:
            # ZeroMQ does not tell whom it turns away: that looks as if nobody were there.
            about_keys = (
                "that knows this key" if keys else "(one that asks for keys needs --server-key)"
            )
            raise NoAnswerError(
                f"nothing answers at {connect}: start a daemon with `zinfo serve`, "
                f"or say with --connect or ZINFO_CONNECT where one is {about_keys}"
            ) from error

    return command


def _keys(server_key: str | None, client_key: str | None) -> ClientKeys | None:
    if server_key is None and client_key is None:
        return None
    if server_key is None or client_key is None:
        raise click.UsageError("--server-key and --client-key come together: give both, or none")
    from zinfo.wire.curve_keys import ClientKeys

    return ClientKeys.read(server_key, client_key)
