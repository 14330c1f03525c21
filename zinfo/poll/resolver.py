"""Looks up host names in threads of their own, so that a slow name server delays nothing else.

gevent looks names up in the ten threads that it has for everything. If a name server does not
reply, a lookup takes half a minute. Ten of them would keep every other shard from connecting, even
one whose address is numeric, and would keep the daemon from stopping.
"""

from __future__ import annotations

import _socket
import socket
from typing import Any

import gevent
import gevent.resolver.thread
import gevent.threadpool

_MAX_THREADS = 64  # one thread per lookup
_IDLE_SECONDS = 60  # until a thread without work ends


def use_threaded_resolver() -> None:
    """Install a `ThreadedResolver` in gevent's hub, unless the program chose another resolver."""
    hub: Any = gevent.get_hub()
    if type(hub.resolver) is gevent.resolver.thread.Resolver:
        hub.resolver = ThreadedResolver(hub)


class ThreadedResolver(gevent.resolver.thread.Resolver):
    """A resolver for gevent that shares lookups and uses no thread for numeric addresses.

    Args:
        hub: gevent's hub.
    """

    def __init__(self, hub: Any) -> None:
        super().__init__(hub)
        self._threads = gevent.threadpool.ThreadPool(
            _MAX_THREADS, hub, idle_task_timeout=_IDLE_SECONDS
        )
        self._running: dict[tuple[Any, ...], gevent.Greenlet[..., Any]] = {}

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Return the addresses of a host, as `socket.getaddrinfo` does."""
        if isinstance(host, str) and isinstance(port, int | None) and is_numeric(host):
            flags |= socket.AI_NUMERICHOST
            return _socket.getaddrinfo(host, port, family, kind, proto, flags)
        if not isinstance(host, str) or not isinstance(port, int):
            return super().getaddrinfo(host, port, family, kind, proto, flags)
        # All ports of a host share one lookup, as do later attempts until the lookup has ended.
        key = (host, None, family, kind, proto, flags)
        lookup = self._running.get(key)
        if lookup is None:
            lookup = self._running[key] = gevent.spawn(self._look_up, key)
        try:
            found = lookup.get()
        except TimeoutError as error:  # the caller's own timeout
            message = f"looking up {host} takes too long"
            raise socket.gaierror(socket.EAI_AGAIN, message) from error
        if isinstance(found, Exception):
            raise type(found)(*found.args)  # not the same object to every waiting caller
        if isinstance(found, gevent.GreenletExit):
            raise socket.gaierror(socket.EAI_AGAIN, f"looking up {host} was aborted")
        return [(*entry[:4], (entry[4][0], port, *entry[4][2:])) for entry in found]

    def _look_up(self, key: tuple[Any, ...]) -> Any:
        # Errors are returned: gevent prints those that a greenlet raises.
        try:
            return self._threads.apply(_socket.getaddrinfo, key)
        except Exception as error:
            return error
        finally:
            del self._running[key]


def is_numeric(host: str) -> bool:
    """Return whether a host is an IP address, which needs no lookup."""
    if ":" in host:  # in every IPv6 address, and in no name
        return True
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True
