"""`zinfo sink`: writes what daemons publish into another system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zinfo.cli.app import INTERRUPTED, SuggestingGroup, examples
from zinfo.errors import ConfigError, EnvironmentNotReadyError
from zinfo.installation import command_for_extra
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

if TYPE_CHECKING:
    from zinfo.sinks.nats.sink import Sink

logger = logging.getLogger("zinfo.sinks.nats")

_STATS_SECONDS = 60.0
_SILENCE_SECONDS = 5.0  # a daemon may be started at the same time as the sink
_FILE = click.Path(path_type=Path, dir_okay=False)
_NAME = click.STRING


@click.group(
    cls=SuggestingGroup,
    epilog=examples(
        "zinfo sink nats --servers nats://127.0.0.1:4222",
        "zinfo sink nats --help                            all options",
    ),
)
def sink() -> None:
    """Write what daemons publish into another system, until Ctrl-C.

    `zinfo sink nats` writes into NATS JetStream: the newest INFO of each shard as a key-value
    bucket, deltas, and a stream of lifecycle events.
    """


@sink.command(
    epilog=examples(
        "zinfo sink nats --servers nats://127.0.0.1:4222",
        "zinfo sink nats --servers nats://a,nats://b,nats://c --replicas 3",
        "zinfo sink nats --connect tcp://10.0.0.1:9736 --connect tcp://10.0.0.2:9736",
        "zinfo sink nats --servers tls://nats.example.net --user zinfo --password-file secret",
    )
)
@click.option(
    "--connect",
    metavar="ENDPOINT",
    envvar="ZINFO_CONNECT",
    show_envvar=True,
    multiple=True,
    default=[DEFAULT_QUERY_ENDPOINT],
    show_default=True,
    help="Query endpoint of a daemon, or dns+tcp://NAME:PORT for all addresses of a name. "
    "Repeatable: the shards of all daemons are written.",
)
@click.option(
    "--server-key",
    metavar="FILE",
    envvar="ZINFO_SERVER_KEY",
    show_envvar=True,
    help="Public key of daemons that require keys: their server.key.",
)
@click.option(
    "--client-key",
    metavar="FILE",
    envvar="ZINFO_CLIENT_KEY",
    show_envvar=True,
    help="Your own secret key for such daemons: NAME.key_secret.",
)
@click.option(
    "--servers",
    metavar="URLS",
    envvar="ZINFO_NATS_SERVERS",
    show_envvar=True,
    default="nats://127.0.0.1:4222",
    show_default=True,
    help="Servers of NATS: nats://HOST:PORT or tls://HOST:PORT, separated by commas.",
)
@click.option("--user", metavar="NAME", help="User of NATS; needs --password-file.")
@click.option("--password-file", metavar="FILE", type=_FILE, help="File with the user's password.")
@click.option("--token-file", metavar="FILE", type=_FILE, help="File with a token.")
@click.option(
    "--creds",
    metavar="FILE",
    type=_FILE,
    help="Credentials file of `nsc`; needs the package nkeys.",
)
@click.option(
    "--nkey-file",
    metavar="FILE",
    type=_FILE,
    help="File with an NKEY seed; needs the package nkeys.",
)
@click.option(
    "--tls-ca",
    metavar="FILE",
    type=_FILE,
    help="Certificates of the authorities that sign the servers' certificates.",
)
@click.option("--tls-cert", metavar="FILE", type=_FILE, help="Certificate of this client.")
@click.option("--tls-key", metavar="FILE", type=_FILE, help="Key of that certificate.")
@click.option(
    "--bucket", metavar="NAME", default="zinfo", show_default=True, help="Key-value bucket."
)
@click.option(
    "--stream",
    metavar="NAME",
    default="zinfo-events",
    show_default=True,
    help="Stream of lifecycle events.",
)
@click.option(
    "--prefix",
    metavar="SUBJECT",
    default="zinfo",
    show_default=True,
    help="First token of the subjects of deltas and events.",
)
@click.option(
    "--name",
    metavar="NAME",
    default="zinfo",
    show_default=True,
    help="Name of this sink in the bucket. Of sinks with the same name, one writes at a time.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="On how many servers bucket and stream are stored, if they have to be created.",
)
@click.option("--memory", is_flag=True, help="Store them in the servers' memory, not in files.")
@click.option(
    "--max-events",
    metavar="NUMBER",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="Greatest number of events in the stream, if it has to be created.",
)
@click.option(
    "--max-event-age",
    metavar="DAYS",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Age at which events are removed from it.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Time between two heartbeats.",
)
@click.option(
    "--pause",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Least time between two values of one shard in the bucket.",
)
@click.option("--deltas/--no-deltas", default=True, show_default=True, help="Publish deltas.")
@click.option("--events/--no-events", default=True, show_default=True, help="Write events.")
@click.option("--stats", is_flag=True, help="Write the counters into the log once a minute.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the log.",
)
def nats(**options: Any) -> None:
    """Write the newest INFO of each shard into a NATS JetStream key-value bucket.

    The bucket has a key for each shard, and one with heartbeats, which says what is stale. Deltas
    are published on zinfo.delta.*, and lifecycle events are stored in a stream. Bucket and stream
    are created if they do not exist. docs/reference/nats.md describes keys, values and subjects,
    and when a reader may rely on a value.

    The sink waits for servers and daemons that do not answer. SIGTERM and Ctrl-C end it after what
    waits has been written, for at most two seconds. It needs the package nats-py.

    Exit codes: 0 ended by a signal; 1 an error, or another sink of this name took over; 2 wrong
    usage; 130 ended by Ctrl-C before it was connected.
    """
    from zinfo.cli.logs import set_up_logging

    set_up_logging(options["log_format"], "info")
    try:
        made = _sink(options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise EnvironmentNotReadyError(
            f"zinfo sink nats needs nats-py, which is not installed: {command_for_extra('nats')}"
        ) from None
    interrupted = asyncio.run(_run(made, options))
    if interrupted and not made.connected:
        click.get_current_context().exit(INTERRUPTED)


def _sink(options: dict[str, Any]) -> Sink:
    from zinfo.sinks.nats.connection import Servers
    from zinfo.sinks.nats.names import Names
    from zinfo.sinks.nats.sink import Sink, SinkOptions
    from zinfo.sinks.nats.streams import Limits

    keys = None
    if options["server_key"] is not None or options["client_key"] is not None:
        if options["server_key"] is None or options["client_key"] is None:
            raise ConfigError(["--server-key and --client-key need each other"])
        from zinfo.wire.curve_keys import ClientKeys

        keys = ClientKeys.read(options["server_key"], options["client_key"])
    servers = Servers(
        urls=[url.strip() for url in options["servers"].split(",") if url.strip()],
        user=options["user"],
        password_file=options["password_file"],
        token_file=options["token_file"],
        credentials=options["creds"],
        nkey_file=options["nkey_file"],
        ca_file=options["tls_ca"],
        certificate=options["tls_cert"],
        key_file=options["tls_key"],
    )
    names = Names(options["bucket"], options["stream"], options["prefix"], options["name"])
    names.check()
    limits = Limits(
        replicas=options["replicas"],
        memory=options["memory"],
        max_events=options["max_events"],
        max_event_age=options["max_event_age"] * 86400.0,
    )
    return Sink(
        SinkOptions(
            endpoints=options["connect"],
            servers=servers,
            names=names,
            limits=limits,
            interval=options["interval"],
            pause=options["pause"],
            deltas=options["deltas"],
            events=options["events"],
            keys=keys,
        )
    )


async def _run(made: Sink, options: dict[str, Any]) -> bool:
    """Run a sink until a signal comes; return whether it was Ctrl-C."""
    stop = asyncio.Event()
    signals: list[int] = []
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    reporter = asyncio.create_task(_report(made)) if options["stats"] else None
    with_keys = options["server_key"] is not None
    warner = asyncio.create_task(_look_later(options["connect"], with_keys=with_keys))
    try:
        await made.run(stop)
    finally:
        warner.cancel()
        if reporter is not None:
            reporter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reporter
            _log_counters(made)
    return signal.SIGINT in signals


async def _look_later(endpoints: Sequence[str], *, with_keys: bool) -> None:
    await asyncio.sleep(_SILENCE_SECONDS)
    # Not in a thread of the event loop, which would have to end before the sink does.
    arguments = {"endpoints": endpoints, "with_keys": with_keys}
    threading.Thread(target=warn_of_silence, kwargs=arguments, daemon=True).start()


def warn_of_silence(endpoints: Sequence[str], *, with_keys: bool) -> None:
    """Log at which endpoints there is no daemon; the sink waits for one without a word.

    Args:
        endpoints: those of the daemons.
        with_keys: whether the sink has CURVE keys.
    """
    from zinfo.cli.endpoint_probe import probe_all
    from zinfo.cli.peer_kinds import EITHER, QUERY

    for endpoint, found in probe_all(endpoints, with_keys=with_keys).items():
        if found.role not in (QUERY, EITHER):
            logger.warning("nothing answers at %s: %s; waiting for it", endpoint, found.text)


async def _report(made: Sink) -> None:
    while True:
        await asyncio.sleep(_STATS_SECONDS)
        _log_counters(made)


def _log_counters(made: Sink) -> None:
    logger.info("%s", made.count().line())
