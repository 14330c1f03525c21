"""The command line with keys: options, variables, and plain words where they are wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from tests.daemons import RunningDaemon
from tests.security.keyring import Keyring
from tests.servers import RealServer
from zinfo.cli.app import cli


@pytest.fixture
def daemon(keyring: Keyring, server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon with one shard that requires keys."""
    with keyring.daemon([("s", server.url)]) as daemon:
        daemon.wait_polled(1)
        yield daemon


def run(daemon: RunningDaemon, *words: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--connect", daemon.query], env=environ)


def test_commands_take_keys_from_options_and_variables(
    keyring: Keyring, daemon: RunningDaemon
) -> None:
    server, own = f"{keyring.directory}/server.key", f"{keyring.directory}/admin.key_secret"
    for done in (
        run(daemon, "shards", "--server-key", server, "--client-key", own),
        run(daemon, "shards", ZINFO_SERVER_KEY=server, ZINFO_CLIENT_KEY=own),
    ):
        assert done.exit_code == 0, done.output
        assert "s      up" in done.output
    events = run(daemon, "events", "--server-key", server, "--client-key", own)
    assert "up, was new" in events.output


def test_problems_with_keys_are_reported_in_one_line(
    keyring: Keyring, daemon: RunningDaemon
) -> None:
    server = f"{keyring.directory}/server.key"
    one = run(daemon, "shards", "--server-key", server)
    assert one.exit_code == 2
    assert "need each other" in one.output
    public = run(
        daemon, "shards", "--server-key", server, "--client-key", f"{keyring.clients}/admin.key"
    )
    assert public.exit_code == 2
    assert "found no secret key" in public.output
    keyring.make("stranger")
    stranger = f"{keyring.directory}/stranger.key_secret"
    unknown = run(
        daemon, "shards", "--timeout", "0.7", "--server-key", server, "--client-key", stranger
    )
    assert unknown.exit_code == 1
    assert "it does not accept this key" in unknown.output
    without = run(daemon, "shards", "--timeout", "0.7")
    assert without.exit_code == 1
    assert "it requires keys; give --server-key and --client-key" in without.output
