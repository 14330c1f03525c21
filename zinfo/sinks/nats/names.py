"""Keys and subjects in NATS: ids of shards are encoded, so that any id is one token. Pure.

Keys of a bucket consist of `-/_=.a-zA-Z0-9`, with no dot at either end; a dot separates tokens
(https://docs.nats.io/nats-concepts/jetstream/key-value-store). docs/reference/nats.md has test
vectors.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from zinfo.errors import ConfigError

EMPTY: Final = "="
"""The encoded empty text: the shard of an event that is about the daemon."""

MAX_ENCODED: Final = 2048
"""Greatest length of an encoded id. NATS accepts 4,096 bytes for a whole protocol line."""

SHARD_KEYS: Final = "shard."
"""Begin of the keys of shards."""

SINK_KEYS: Final = "sink."
"""Begin of the keys of heartbeats."""

_ENCODED = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+", re.ASCII)


def encode(text: str) -> str:
    """Return a text as one token: percent-encoded UTF-8, with `=` instead of `%`.

    ASCII letters, digits, `-` and `_` stay; each other byte becomes `=` and two upper-case
    hexadecimal digits.

    Args:
        text: an id, or the name of a daemon or sink.
    """
    if not text:
        return EMPTY
    escaped = quote(text, safe="", errors="surrogatepass")
    return escaped.replace(".", "%2E").replace("~", "%7E").replace("%", "=")


def decode(token: str) -> str:
    """Return the text of a token.

    Raises:
        ValueError: `encode` returns this token for no text.
    """
    if token == EMPTY:
        return ""
    if not _ENCODED.fullmatch(token):
        raise ValueError(f"not an encoded id: {token!r:.80}")
    try:
        text = unquote(token.replace("=", "%"), errors="surrogatepass")
    except UnicodeDecodeError:
        raise ValueError(f"not an encoded id: {token!r:.80}") from None
    if encode(text) != token:
        raise ValueError(f"not the shortest encoding of an id: {token!r:.80}")
    return text


_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,100}(?:\.[A-Za-z0-9_-]{1,100}){0,9}", re.ASCII)


class Names(NamedTuple):
    """The names that a sink uses.

    Attributes:
        bucket: of the key-value bucket.
        stream: of the stream of events.
        prefix: first tokens of the subjects of deltas and events.
        sink: name of this sink.
    """

    bucket: str = "zinfo"
    stream: str = "zinfo-events"
    prefix: str = "zinfo"
    sink: str = "zinfo"

    def check(self) -> None:
        """Raise ConfigError if NATS does not accept one of the names."""
        problems = [
            f"{what}: found {name!r:.80}, expected letters, digits, - and _"
            for what, name in (("bucket", self.bucket), ("stream", self.stream))
            if not _NAME.fullmatch(name)
        ]
        if not _PREFIX.fullmatch(self.prefix):
            problems.append(
                f"prefix: found {self.prefix!r:.80}, expected tokens of letters, digits, - and _"
            )
        if not self.sink or len(encode(self.sink)) > MAX_ENCODED:
            problems.append("name: it is empty or too long")
        if problems:
            raise ConfigError(problems)

    @property
    def bucket_stream(self) -> str:
        """Name of the stream that holds the bucket."""
        return f"KV_{self.bucket}"

    def subject_of_key(self, key: str) -> str:
        """Return the subject to which a value of the bucket is published.

        Args:
            key: in the bucket; `*` for the last token selects all.
        """
        return f"$KV.{self.bucket}.{key}"

    def shard_subject(self, shard: str) -> str:
        """Return the subject of a shard's value in the bucket."""
        return self.subject_of_key(SHARD_KEYS + encode(shard))

    def shard_of(self, subject: str) -> str:
        """Return the id of the shard whose value a subject has.

        Raises:
            ValueError: it is no such subject.
        """
        begin = self.subject_of_key(SHARD_KEYS)
        if not subject.startswith(begin):
            raise ValueError(f"not the subject of a shard: {subject!r:.80}")
        return decode(subject[len(begin) :])

    @property
    def heartbeat_subject(self) -> str:
        """Subject of this sink's heartbeats in the bucket."""
        return self.subject_of_key(SINK_KEYS + encode(self.sink))

    def delta_subject(self, shard: str) -> str:
        """Return the subject of a shard's deltas."""
        return f"{self.prefix}.delta.{encode(shard)}"

    @property
    def event_subjects(self) -> str:
        """The subjects of all events."""
        return f"{self.prefix}.event.*"

    def event_subject(self, shard: str) -> str:
        """Return the subject of the events of a shard; of the daemon if it is ""."""
        return f"{self.prefix}.event.{encode(shard)}"
