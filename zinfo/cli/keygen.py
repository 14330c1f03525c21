"""`zinfo keygen`: CURVE keys for a daemon and its clients."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zinfo.cli.app import examples, verbatim
from zinfo.errors import ConfigError
from zinfo.wire.curve_keys import PUBLIC_SUFFIX, make_key_files
from zinfo.wire.secret_files import write_access_problems

SERVER = "server"
CLIENTS = "clients"


@click.command(
    epilog=verbatim(
        "In the daemon's configuration",
        "[security]",
        'server_key = "keys/server.key_secret"',
        'client_keys = "keys/clients"',
    )
    + "\n\n"
    + examples(
        "zinfo keygen keys                  the daemon's pair, in a new directory",
        "zinfo keygen keys dashboard cron   pairs for two clients, in the same",
    )
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("clients", metavar="[CLIENT]...", nargs=-1)
def keygen(directory: Path, clients: tuple[str, ...]) -> None:
    """Make keys in DIR: the daemon's, or those of the CLIENTs that are named.

    A pair is two files of mode 0600. server.key_secret and the directory clients/ with the public
    keys of those that are let in stay with the daemon.

    A client gets server.key and its own NAME.key_secret, over a way that nobody else can read. To
    let a client in, have its NAME.key in clients/; to shut it out, remove it there. Both count from
    the next SIGHUP to the daemon on. No file is ever replaced.
    """
    for name in clients:
        if name == SERVER or Path(name).name != name or name.startswith("."):
            raise ConfigError([f"{name!r}: expected a client's name, which becomes a file's"])
    if not clients:
        _, secret = make_key_files(directory, SERVER)
        _warn_of_others(secret)
        (directory / CLIENTS).mkdir(mode=0o700, exist_ok=True)
        click.echo(f"{secret}: for the daemon's configuration, security.server_key")
        click.echo(f"{directory / SERVER}{PUBLIC_SUFFIX}: for every client, --server-key")
        click.echo(
            f"{directory / CLIENTS}/: put the clients' public keys here, security.client_keys"
        )
        return
    for name in clients:
        known = directory / CLIENTS
        lets_in = known.is_dir() and not os.path.lexists(known / f"{name}{PUBLIC_SUFFIX}")
        public, secret = make_key_files(directory, name, known if lets_in else None)
        _warn_of_others(secret)
        if lets_in:
            click.echo(f"{public}: lets {name} in, from the next SIGHUP to the daemon on")
        else:
            click.echo(f"{public}: for the daemon's directory of client keys")
        click.echo(f"{secret}: for {name} alone, --client-key")


def _warn_of_others(secret: Path) -> None:
    for note in write_access_problems([secret]):
        click.echo(f"warning: {note}", err=True)
