"""The credentials of `[local]` are sent only to servers of trusted users."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.spawning import free_port
from tests.waiting import wait_until
from tests.watchers.imposters import NOBODY, as_root, running_imposter, wait_for_commands
from zinfo.client import Client

PASSWORD, USER = "pw-of-local-91", "user-of-local-92"


def config(directory: Path, *trusted: str) -> str:
    file = directory / "password"
    file.touch(0o600)
    file.write_text(PASSWORD)
    return (
        "[poll]\nmin_interval = 0.1\nmax_interval = 0.1\ninterval_step = 0\n"
        f'[local]\nenabled = true\ninterval = 0.2\nusername = "{USER}"\n'
        f'password_file = "{file}"\ntrusted_users = {list(trusted)}\n'
    )


@as_root
@pytest.mark.parametrize("way", ["port", "socket"])
def test_another_users_process_is_not_sent_the_password(
    short_tmp: Path, way: str, promise: Promise
) -> None:
    short_tmp.chmod(0o777)  # for the imposter's socket
    address = free_port() if way == "port" else f"{short_tmp}/s"
    ident = f":{address}" if way == "port" else str(address)
    seen = short_tmp / "seen"
    text = config(short_tmp)
    with (
        running_imposter(address, seen) as imposter,
        RunningDaemon(config_text=text) as daemon,
    ):
        wait_until(lambda: ident in str(daemon.ask("shards").body), what="the imposter's shard")
        sent = wait_for_commands(seen, 3)
        log = daemon.log()
    promise(
        f"a process of another user, called redis-server, at a {way}",
        "user and password are not sent",
        f"{len(sent)} bytes sent, with password: {PASSWORD.encode() in sent}",
    )
    assert PASSWORD.encode() not in sent
    assert USER.encode() not in sent
    # Of this process only: other tests may have servers of that user at the same time.
    assert (
        log.count(f"user and password are not sent to process {imposter.pid} (redis-server)") == 1
    )


@as_root
@pytest.mark.parametrize("trusted", ["65534", pwd.getpwuid(NOBODY).pw_name, "*"])
def test_a_configured_user_is_trusted(short_tmp: Path, trusted: str) -> None:
    seen = short_tmp / "seen"
    text = config(short_tmp, trusted)
    with running_imposter(free_port(), seen), RunningDaemon(config_text=text):
        assert PASSWORD.encode() in wait_for_commands(seen, 3)


@as_root
def test_a_process_that_takes_over_a_trusted_address_is_not_sent_the_password(
    short_tmp: Path, promise: Promise
) -> None:
    port, first, second = free_port(), short_tmp / "first", short_tmp / "second"
    text = config(short_tmp).replace("interval = 0.2", "interval = 3600")  # no second scan
    daemon = RunningDaemon(config_text=text)
    with running_imposter(port, first, uid=0) as trusted, daemon, Client(daemon.query) as client:
        assert PASSWORD.encode() in wait_for_commands(first, 2)
        trusted.kill()
        trusted.wait()
        with running_imposter(port, second):

            def refused() -> bool:
                (shard,) = (one for one in client.shards() if one["id"].endswith(f":{port}"))
                return shard["reason"] == "auth" and "not sent" in shard["error"]

            wait_until(refused, what="the shard to be refused the password")
            sent = second.read_bytes()
    promise(
        "another user's process takes the port of a trusted server",
        "nothing is sent to it",
        f"{len(sent)} bytes",
    )
    assert sent == b""
