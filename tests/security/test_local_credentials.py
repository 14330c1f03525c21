"""The credentials of `[local]` are sent only to servers of trusted users."""

from __future__ import annotations

import pwd
import secrets
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemons import RunningDaemon
from tests.discovery.imposters import NOBODY, as_root, running_imposter
from tests.promises import Promise
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client import Client


class Login(NamedTuple):
    """User and password of one daemon; others on this machine find the same processes."""

    user: str
    password: str

    def sent_in(self, received: bytes) -> bool:
        """Whether the user or the password was received."""
        return self.user.encode() in received or self.password.encode() in received

    def wait_sent(self, seen: Path) -> None:
        """Wait until an imposter has received the password."""
        wait_until(lambda: self.password.encode() in seen.read_bytes(), what="the password")


@pytest.fixture
def login() -> Login:
    return Login(f"user-{secrets.token_hex(8)}", f"password-{secrets.token_hex(8)}")


def config(directory: Path, login: Login, *trusted: str) -> str:
    file = directory / "password"
    file.touch(0o600)
    file.write_text(login.password)
    return (
        "[poll]\nmin_interval = 0.1\nmax_interval = 0.1\ninterval_step = 0\n"
        f'[local]\nenabled = true\ninterval = 0.2\nusername = "{login.user}"\n'
        f'password_file = "{file}"\ntrusted_users = {list(trusted)}\n'
    )


def polls(daemon: RunningDaemon, ident: str) -> int:
    """Return how often the shard whose id ends like this was polled."""
    body = daemon.ask("shards").body
    assert isinstance(body, list)
    return sum(shard["revision"] for shard in body if shard["id"].endswith(ident))


@as_root
@pytest.mark.parametrize("way", ["port", "socket"])
def test_another_users_process_is_not_sent_the_password(
    short_tmp: Path, login: Login, way: str, promise: Promise
) -> None:
    short_tmp.chmod(0o777)  # for the imposter's socket
    address = free_port() if way == "port" else f"{short_tmp}/s"
    ident = f":{address}" if way == "port" else str(address)
    seen = short_tmp / "seen"
    text = config(short_tmp, login)
    with (
        running_imposter(address, seen) as imposter,
        RunningDaemon(config_text=text) as daemon,
    ):
        wait_until(lambda: polls(daemon, ident) >= 3, what="the imposter's shard to be polled")
        sent = seen.read_bytes()
        log = daemon.log()
    promise(
        f"a process of another user, called redis-server, at a {way}",
        "user and password are not sent",
        f"{len(sent)} bytes sent, with user or password: {login.sent_in(sent)}",
    )
    assert not login.sent_in(sent)
    # Of this process only: other tests may have servers of that user at the same time.
    assert (
        log.count(f"user and password are not sent to process {imposter.pid} (redis-server)") == 1
    )


@as_root
@pytest.mark.parametrize("trusted", ["65534", pwd.getpwuid(NOBODY).pw_name, "*"])
def test_a_configured_user_is_trusted(short_tmp: Path, login: Login, trusted: str) -> None:
    seen = short_tmp / "seen"
    text = config(short_tmp, login, trusted)
    with running_imposter(free_port(), seen), RunningDaemon(config_text=text):
        login.wait_sent(seen)


@as_root
def test_a_process_that_takes_over_a_trusted_address_is_not_sent_the_password(
    short_tmp: Path, login: Login, promise: Promise
) -> None:
    port, first, second = free_port(), short_tmp / "first", short_tmp / "second"
    text = config(short_tmp, login).replace("interval = 0.2", "interval = 3600")  # no second scan
    daemon = RunningDaemon(config_text=text)
    with running_imposter(port, first, uid=0) as trusted, daemon, Client(daemon.query) as client:
        login.wait_sent(first)
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
        "user and password are not sent to it",
        f"{len(sent)} bytes, with user or password: {login.sent_in(sent)}",
    )
    assert not login.sent_in(sent)
