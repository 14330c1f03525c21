"""The user whose process is at the other end of a connection on this machine."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.discovery.imposters import NOBODY, as_root, running_imposter
from tests.spawning import free_port
from zinfo.shards.peer_user import peer_uids, peer_uids_available, resolve_uids

ME = frozenset({os.geteuid()})

on_linux = pytest.mark.skipif(not peer_uids_available(), reason="no /proc/net/tcp")


@on_linux
@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("accepted", [False, True])
def test_the_user_of_a_tcp_server_is_found(bound: str, accepted: bool) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((bound, 0))
        listener.listen()
        hosts = {"::": ("::1", "127.0.0.1"), "::1": ("::1",)}.get(bound, ("127.0.0.1",))
        for host in hosts:
            sock = stack.enter_context(socket.create_connection((host, listener.getsockname()[1])))
            if accepted:
                stack.enter_context(listener.accept()[0])
            assert peer_uids(sock) == ME


@on_linux
def test_the_user_of_a_unix_server_is_found(short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as sock:
        listener.bind(f"{short_tmp}/s")
        listener.listen()
        sock.connect(f"{short_tmp}/s")
        assert peer_uids(sock) == ME


@as_root
@pytest.mark.parametrize("options", [(), ("--deaf",)], ids=["accepts", "does not accept"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_user_of_another_users_tcp_server_is_found(
    short_tmp: Path, host: str, options: tuple[str, ...]
) -> None:
    port = free_port()
    with (
        running_imposter(port, short_tmp / "seen", *options),
        socket.create_connection((host, port)) as sock,
    ):
        assert peer_uids(sock) == {NOBODY}
        if not options:
            sock.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert sock.recv(99) == b"+OK\r\n"  # it has been accepted by now
            assert peer_uids(sock) == {NOBODY}


@as_root
def test_the_user_of_another_users_unix_server_is_found(short_tmp: Path) -> None:
    short_tmp.chmod(0o777)
    with (
        running_imposter(f"{short_tmp}/s", short_tmp / "seen"),
        socket.socket(socket.AF_UNIX) as sock,
    ):
        sock.connect(f"{short_tmp}/s")
        assert peer_uids(sock) == {NOBODY}


@on_linux
def test_the_user_of_a_server_that_has_exited_is_not_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        accepted = listener.accept()[0]
    with sock:
        accepted.close()
        assert sock.recv(1) == b""
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match="not connected"):
            peer_uids(sock)


def test_users_are_found_by_name_and_number() -> None:
    mine = frozenset({0, os.geteuid()})
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert resolve_uids(()) == (mine, ())
    assert resolve_uids((name, "12345", "no-such-user")) == (mine | {12345}, ("no-such-user",))
    assert resolve_uids((name, "*")) == (None, ())
