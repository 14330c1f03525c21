"""A real daemon for the tests: a process of `zinfo serve`, started, queried, stopped, killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import psutil
import zmq
from typing_extensions import Self, override

from tests.managed_process import ManagedProcess
from tests.spawning import HOST, command_prefix, free_port, is_free
from tests.waiting import wait_until
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Reply, Request, decode_reply, encode_request

ROOT = Path(__file__).parents[1]

STOP_TIMEOUT = 30.0
"""Seconds between SIGTERM and SIGKILL; on an idle machine a daemon needs less than two."""

REPLY_TIMEOUT = 30.0
"""Seconds to wait for one reply."""


class DaemonError(Exception):
    """A daemon did not start, did not reply, or did not stop."""


def set_curve_keys(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Configure CURVE on a socket that has not connected yet."""
    socket.curve_serverkey = keys.server
    socket.curve_publickey, socket.curve_secretkey = keys.own


class RunningDaemon(ManagedProcess):
    """One daemon on free ports of 127.0.0.1.

    Entering starts it and waits until it replies to a ping; leaving ends it with SIGTERM (with
    SIGKILL if that takes too long), and fails if its exit code is not 0. After `kill()` or
    `terminate()`, `start()` starts it again at the same endpoints.

    Args:
        shards: URLs of the shards.
        local: Whether to watch the servers of this machine.
        xmlrpc: Whether to enable the XML-RPC server.
        http: Whether to enable the HTTP server.
        config_text: Text of a configuration file; a test may rewrite it at `config_path`.
        environ: Additional environment variables.
        args: Further options of `zinfo serve`.
        keys: CURVE keys of this object's own queries.
    """

    working_directory = ROOT

    def __init__(
        self,
        shards: Sequence[str] = (),
        *,
        local: bool = False,
        xmlrpc: bool = False,
        http: bool = False,
        config_text: str | None = None,
        environ: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="zi-", dir="/tmp")), DaemonError)
        self._keys = keys
        self.query = ""  #: The query endpoint; empty before the first start.
        self.bus = ""  #: The bus endpoint; empty before the first start.
        self.xmlrpc = ""  #: URL of the XML-RPC server; empty if it is not enabled.
        self._wants_xmlrpc = xmlrpc
        self.http = ""  #: URL of the HTTP server; empty if it is not enabled.
        self._wants_http = http
        self._options = [
            *(f"--shard={url}" for url in shards),
            *(["--local"] if local else []),
            *args,
        ]
        self._environ = {**os.environ, **(environ or {})}
        self.config_path = self.directory / "zinfo.toml"
        if config_text is not None:
            self.config_path.write_text(config_text, encoding="utf-8")
            self._options.append(f"--config={self.config_path}")
        self._killed = False
        self.last_log = ""  #: Its log when its directory was removed.

    def log(self) -> str:
        """Its output since the first start."""
        return self._output()

    # -- start and stop

    def start(self) -> Self:
        """Start the process and wait until it replies.

        Raises:
            DaemonError: It exited, or did not reply in time; with its log.
        """
        self._start(None if self.query else self._choose_addresses, self._environ)
        self._killed = False
        return self

    @override
    def kill(self) -> None:
        self._killed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT)

    def terminate(self) -> int:
        """Send SIGTERM, and wait for its end.

        Returns:
            Its exit code.

        Raises:
            DaemonError: It had to be killed.
        """
        if self._process is None:
            raise DaemonError("no process before the first start")
        if self.running:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
                raise DaemonError(f"did not end in {STOP_TIMEOUT} s:\n{self.log()}") from None
        return self._process.returncode

    def restart(self) -> Self:
        """Stop it, and start it again at the same endpoints: with another process id and epoch."""
        self.terminate()
        return self.start()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._process is not None and not self._killed:
                code = self.terminate()
                if code and error is None:
                    raise DaemonError(f"the daemon ended with {code}:\n{self.log()}")
        finally:
            self._remove()

    # -- queries

    def ask(self, op: str, /, **args: object) -> Reply:
        """Send one request over a new socket.

        Args:
            op: The operation.
            args: Its arguments.

        Returns:
            The reply, which may be an error reply.

        Raises:
            DaemonError: There was no reply in time.
        """
        return self._ask(Request(op, args), REPLY_TIMEOUT)

    def wait_polled(self, count: int, timeout: float = REPLY_TIMEOUT) -> None:
        """Wait until it has the INFO of this many shards.

        Args:
            count: Number of shards.
            timeout: Seconds to wait.
        """
        wait_until(lambda: self._polled() >= count, timeout, f"{count} shards to be polled")

    def wait_settled(self) -> None:
        """Wait until it has the result of the first poll of each shard: no shard is new."""

        def settled() -> bool:
            body = self.ask("shards").body
            assert isinstance(body, list)
            return all(shard["state"] != "new" for shard in body)

        wait_until(settled, REPLY_TIMEOUT, "the first poll of each shard")

    # -- implementation

    def _choose_addresses(self) -> None:
        """Choose free ports; not by the kernel, which may give one to a client between starts."""
        self.query = f"tcp://{HOST}:{free_port()}"
        self.bus = f"tcp://{HOST}:{free_port()}"
        if self._wants_xmlrpc:
            self.xmlrpc = f"http://{HOST}:{free_port()}/"
        if self._wants_http:
            self.http = f"http://{HOST}:{free_port()}/"

    @override
    def _command(self) -> list[str]:
        command = [*command_prefix(), sys.executable, "-m", "zinfo", "serve", *self._options]
        command += [f"--query={self.query}", f"--bus={self.bus}"]
        if self.xmlrpc:
            command.append(f"--xmlrpc={urlsplit(self.xmlrpc).netloc}")
        if self.http:
            command.append(f"--http={urlsplit(self.http).netloc}")
        return command

    @override
    def _wait_ready(self, offset: int) -> None:
        super()._wait_ready(offset)
        self._ask(Request("ping"), REPLY_TIMEOUT)

    @override
    def _is_ready(self) -> bool:
        port = urlsplit(self.query).port
        assert port is not None
        if is_free(port):  # much cheaper than to read all connections of the machine
            return False
        with contextlib.suppress(psutil.Error):
            connections = psutil.Process(self.pid).net_connections("tcp")
            ports = {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
            return port in ports
        return False

    def _ask(self, request: Request, timeout: float) -> Reply:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            if self._keys is not None:
                set_curve_keys(socket, self._keys)
            socket.connect(self.query)
            socket.send_multipart(encode_request(request))
            if not socket.poll(int(timeout * 1000)):
                raise DaemonError(f"no reply to {request.op} within {timeout} s:\n{self.log()}")
            return decode_reply(socket.recv_multipart())

    def _polled(self) -> int:
        body = self.ask("shards").body
        assert isinstance(body, list)
        return sum(shard["revision"] > 0 for shard in body)

    def _remove(self) -> None:
        self.last_log = self.log()
        with contextlib.suppress(Exception):
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
