"""What the commands that ask a daemon share: options, and plain words where nothing answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from zinfo.errors import NoAnswerError
from zinfo.protocol import DEFAULT_QUERY_ENDPOINT

if TYPE_CHECKING:
    from zinfo.client import Client, Subscriber

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
    """

    endpoint: str
    timeout: float | None
    json: bool

    @contextmanager
    def client(self, default_timeout: float = DEFAULT_TIMEOUT) -> Iterator[Client]:
        """Open a Client for the `with` block.

        Args:
            default_timeout: seconds, where the user did not say.
        """
        from zinfo.client import Client

        with Client(self.endpoint, timeout=self.timeout or default_timeout) as client:
            yield client

    @contextmanager
    def subscriber(self, kinds: tuple[str, ...], shards: tuple[str, ...]) -> Iterator[Subscriber]:
        """Join the bus for the `with` block; arguments as those of a Subscriber."""
        from zinfo.client import Subscriber

        timeout = self.timeout or DEFAULT_TIMEOUT
        with Subscriber(self.endpoint, kinds=kinds, shards=shards, timeout=timeout) as subscriber:
            yield subscriber


def asks_daemon(function: Callable[Concatenate[Daemon, P], None]) -> Callable[..., None]:
    """Give a command the options of all that ask a daemon; it gets them as its first argument."""

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
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
    @wraps(function)
    def command(
        connect: str, timeout: float | None, as_json: bool, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        try:
            function(Daemon(connect, timeout, as_json), *args, **kwargs)
        except NoAnswerError as error:
            raise NoAnswerError(
                f"nothing answers at {connect}: start a daemon with `zinfo serve`, "
                "or say with --connect or ZINFO_CONNECT where one is"
            ) from error

    return command
