"""`zinfo keygen`: makes CURVE keys for a daemon and its clients."""

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
        "zinfo keygen keys                  the daemon's key pair, in a new directory",
        "zinfo keygen keys dashboard cron   key pairs for two clients, in the same directory",
    )
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("clients", metavar="[CLIENT]...", nargs=-1)
def keygen(directory: Path, clients: tuple[str, ...]) -> None:
    """Make CURVE key pairs in DIR: the daemon's, or one for each CLIENT.

    A key pair is two files of mode 0600. server.key_secret and the directory clients/, which has
    the public keys of the admitted clients, stay with the daemon.

    A client needs server.key and its own NAME.key_secret; send them over a secure channel. To admit
    a client, put its NAME.key into clients/; to revoke it, remove the file. Either takes effect at
    the next SIGHUP to the daemon. Existing files are never replaced.
    """
    for name in clients:
        if name == SERVER or Path(name).name != name or name.startswith("."):
            raise ConfigError([f"{name!r}: expected a client name that can be a file name"])
    if not clients:
        _, secret = make_key_files(directory, SERVER)
        _warn_of_write_access(secret)
        (directory / CLIENTS).mkdir(mode=0o700, exist_ok=True)
        click.echo(f"{secret}: for the daemon's configuration, security.server_key")
        click.echo(f"{directory / SERVER}{PUBLIC_SUFFIX}: for every client, --server-key")
        click.echo(
            f"{directory / CLIENTS}/: put the clients' public keys here, security.client_keys"
        )
        return
    for name in clients:
        known = directory / CLIENTS
        admits = known.is_dir() and not os.path.lexists(known / f"{name}{PUBLIC_SUFFIX}")
        public, secret = make_key_files(directory, name, known if admits else None)
        _warn_of_write_access(secret)
        if admits:
            click.echo(f"{public}: admits {name} from the next SIGHUP to the daemon")
        else:
            click.echo(f"{public}: for the daemon's directory of client keys")
        click.echo(f"{secret}: for {name} only, --client-key")


def _warn_of_write_access(secret: Path) -> None:
    for note in write_access_problems([secret]):
        click.echo(f"warning: {note}", err=True)
