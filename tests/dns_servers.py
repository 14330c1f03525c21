"""A real DNS server for the tests: dnsmasq, whose records change."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from typing_extensions import Self, override

from tests.managed_process import ManagedProcess
from tests.spawning import HOST, command_prefix, free_port

DNSMASQ = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
"""Path of the program, or None."""

HINT = "no dnsmasq (Debian: apt install dnsmasq-base)"
"""Why tests are skipped without it."""

DOMAIN = "example.test"
"""The domain whose names it knows."""


class DnsServerError(Exception):
    """The server did not start; with its output."""


class DnsServer(ManagedProcess):
    """dnsmasq on 127.0.0.1 with the names of one domain; entering starts it.

    Attributes:
        port: its UDP and TCP port.
        resolv_conf: path of a file that names it.
    """

    def __init__(self) -> None:
        super().__init__(Path(f"/tmp/zi-{secrets.token_hex(4)}"), DnsServerError)
        self.port = 0
        self._hosts = self.directory / "hosts"
        self._services: Sequence[str] = ()
        self.resolv_conf = str(self.directory / "resolv.conf")

    def set_hosts(self, hosts: Mapping[str, Iterable[str]]) -> None:
        """Set the addresses by name (without the domain), from the next question on."""
        lines = [f"{ip} {name}.{DOMAIN}" for name, addresses in hosts.items() for ip in addresses]
        self._hosts.write_text("".join(f"{line}\n" for line in lines))
        if self.running:
            offset = len(self._output())
            self.signal(signal.SIGHUP)
            while f"read {self._hosts}" not in self._output(offset):
                assert self.running, self._output()

    def set_services(self, services: Sequence[str]) -> None:
        """Set the SRV records, `_name._tcp.DOMAIN,target,port`, and start it again."""
        self._services = services
        self.kill()
        self._start(None)

    def __enter__(self) -> Self:
        self.directory.mkdir(mode=0o700)
        Path(self.resolv_conf).write_text(f"nameserver {HOST}\nsearch {DOMAIN}\n")
        self._hosts.touch()
        try:
            self._start(self._choose_port)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process and remove its directory."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    @override
    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(60)

    def _choose_port(self) -> None:
        self.port = free_port()

    @override
    def _command(self) -> list[str]:
        options = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--log-facility=-",
            "--pid-file=",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
            f"--user={_user()}",
            f"--listen-address={HOST}",
            f"--port={self.port}",
            f"--local=/{DOMAIN}/",
            f"--addn-hosts={self._hosts}",
            *(f"--srv-host={service}" for service in self._services),
        ]
        return [*command_prefix(), str(DNSMASQ), *options]

    @override
    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
            return f"read {self._hosts}" in self._output()
        return False


def _user() -> str:
    """The user who runs the tests: dnsmasq would choose another."""
    return Path.home().owner()
