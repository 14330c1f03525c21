"""Host names to addresses, in threads of their own: a slow name holds up nothing but itself.

gevent looks names up in the ten threads that it has for everything. Where a name server does not
answer, a lookup takes half a minute, and ten of them would let no other shard connect, not even one
whose address is a number, nor the daemon end.
"""

from __future__ import annotations

import _socket
import socket
from typing import Any

import gevent
import gevent.resolver.thread
import gevent.threadpool

_MOST = 64  # lookups under way at the same time, at most; a thread each
_IDLE = 60  # seconds until a thread that has nothing to look up ends


def use_threads_of_their_own() -> None:
    """Have names looked up so from now on, unless the program chose a resolver for itself."""
    hub: Any = gevent.get_hub()
    if type(hub.resolver) is gevent.resolver.thread.Resolver:
        hub.resolver = Names(hub)


class Names(gevent.resolver.thread.Resolver):
    """A resolver of gevent's that shares lookups, and takes no thread for an address.

    Args:
        hub: gevent's.
    """

    def __init__(self, hub: Any) -> None:
        super().__init__(hub)
        self._threads = gevent.threadpool.ThreadPool(_MOST, hub, idle_task_timeout=_IDLE)
        self._under_way: dict[tuple[Any, ...], gevent.Greenlet[..., Any]] = {}

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Return the addresses of a host, as the function of the standard library does."""
        if not isinstance(host, str) or not isinstance(port, int):
            return super().getaddrinfo(host, port, family, kind, proto, flags)
        if _is_address(host):
            flags |= socket.AI_NUMERICHOST
            return _socket.getaddrinfo(host, port, family, kind, proto, flags)
        # All ports of a host share one lookup, and so do tries that come before it has ended.
        asked = (host, None, family, kind, proto, flags)
        lookup = self._under_way.get(asked)
        if lookup is None:
            lookup = self._under_way[asked] = gevent.spawn(self._look_up, asked)
        try:
            found = lookup.get()
        except TimeoutError as error:  # whoever asks has waited long enough
            message = f"looking up {host} takes too long"
            raise socket.gaierror(socket.EAI_AGAIN, message) from error
        if isinstance(found, Exception):
            raise type(found)(*found.args)  # not the same one to all who wait
        if isinstance(found, gevent.GreenletExit):
            raise socket.gaierror(socket.EAI_AGAIN, f"looking up {host} was ended")
        return [(*entry[:4], (entry[4][0], port, *entry[4][2:])) for entry in found]

    def _look_up(self, asked: tuple[Any, ...]) -> Any:
        # Errors are returned: gevent prints those that a greenlet raises.
        try:
            return self._threads.apply(_socket.getaddrinfo, asked)
        except Exception as error:
            return error
        finally:
            del self._under_way[asked]


def _is_address(host: str) -> bool:
    if ":" in host:  # in no name, but in every IPv6 address
        return True
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True
