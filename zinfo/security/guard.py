"""Serves each subscriber the topics that its key may have, and no others.

The XPUB socket is in manual mode: a subscription arrives with the key of whoever sent it, and what
is set right after reading it holds for that peer alone (ZMQ_XPUB_MANUAL,
https://libzmq.readthedocs.io/en/latest/zmq_setsockopt.html).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import zmq

from zinfo.endpoints import GreenSocket
from zinfo.interest import Interest
from zinfo.protocol import FENCE_PREFIX
from zinfo.security.rights import Rights


class Guard:
    """Narrows subscriptions, and keeps the interest of those that are served.

    Args:
        rights_of: returns what the client with a key may; None for a key that is not known.
        interest: takes the topics that are served.
    """

    def __init__(
        self, rights_of: Callable[[str | None], Rights | None], interest: Interest
    ) -> None:
        self._rights_of = rights_of
        self._interest = interest
        # When a peer goes its subscriptions come back, as it asked for them and without its key: so
        # what was served for a prefix is let go with the last peer that asked for it.
        self._asked: Counter[bytes] = Counter()
        self._served: dict[bytes, set[bytes]] = {}

    def clear(self) -> None:
        """Forget all: the socket has gone, and its peers with it."""
        self._asked.clear()
        for topics in self._served.values():
            for topic in topics:
                self._interest.discard(topic)
        self._served.clear()

    def subscribed(self, socket: GreenSocket, key: str | None, prefix: bytes) -> bool:
        """Serve what of a subscription is allowed; called right after it was read.

        Args:
            socket: that it was read from.
            key: of the client.
            prefix: what it asked for.

        Returns:
            Whether it gets anything.
        """
        rights = self._rights_of(key)
        served = [] if rights is None else rights.narrowed(prefix)
        if not prefix.startswith(FENCE_PREFIX):  # nobody has to know of those
            served = [topic for topic in served if self._interest.add(topic)]
        for topic in served:
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._asked[prefix] += 1
        self._served.setdefault(prefix, set()).update(served)
        return bool(served)

    def unsubscribed(self, prefix: bytes) -> None:
        """Take note that a peer wants no more of what it asked for, or has gone.

        A peer that stays is served on, at most what it may have: what else it asked for may need
        the same topics.
        """
        if self._asked[prefix] > 1:
            self._asked[prefix] -= 1
            return
        del self._asked[prefix]
        for topic in self._served.pop(prefix, ()):
            if not any(topic in others for others in self._served.values()):
                self._interest.discard(topic)
