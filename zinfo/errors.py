"""All errors that zinfo raises, and the error codes of its protocol.

The tree of errors::

    ZinfoError
    ├── ConfigError              a configuration file, variable or flag is not valid
    ├── ShardExistsError         a shard with that id is live already
    ├── ProtocolError            bytes that are not a message of zinfo's protocol
    ├── EnvironmentNotReadyError a component cannot start in this process or on this machine
    ├── NoAnswerError            no reply in time from an endpoint (also a TimeoutError)
    │   └── MissingSlicesError   so many daemons of a fleet are silent that shards may be missing
    ├── SourceError              a source of shards cannot be read, or its answer cannot be used
    ├── RecordingError           a file is not a recording, or cannot be read or written
    ├── SinkError                a sink cannot go on writing
    └── RequestError             a query was refused; `code` is the reason, for programs
        ├── BadRequestError      bad_request (also a ValueError)
        ├── UnsupportedVersionError  unsupported_version
        ├── UnknownOpError       unknown_op
        ├── UnknownShardError    unknown_shard (also a KeyError)
        ├── NotPolledError       not_polled (also a KeyError)
        ├── NotAllowedError      not_allowed
        ├── BusyError            busy
        ├── DeadlineError        deadline
        ├── TooLargeError        too_large
        ├── ChangedError         changed
        └── InternalError        internal

Errors of redis-py, ZeroMQ and msgpack are caught where they occur; callers never see one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from zinfo.client.fleet_coverage import MissingSlice

__all__ = [
    "BadRequestError",
    "BusyError",
    "ChangedError",
    "ConfigError",
    "DeadlineError",
    "EnvironmentNotReadyError",
    "InternalError",
    "MissingSlicesError",
    "NoAnswerError",
    "NotAllowedError",
    "NotPolledError",
    "ProtocolError",
    "RecordingError",
    "RequestError",
    "ShardExistsError",
    "SinkError",
    "SourceError",
    "TooLargeError",
    "UnknownOpError",
    "UnknownShardError",
    "UnsupportedVersionError",
    "ZinfoError",
]


class ZinfoError(Exception):
    """Base of every error that zinfo raises on purpose."""


class ConfigError(ZinfoError):
    """The configuration is not valid.

    Args:
        problems: one sentence for each problem, with source, key and expected value.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class ShardExistsError(ZinfoError):
    """A shard with this id is live already; it was not replaced."""


class ProtocolError(ZinfoError, ValueError):
    """Bytes that are not a message of zinfo's protocol."""


class EnvironmentNotReadyError(ZinfoError):
    """A component cannot start, because the process or the machine lacks a requirement."""


class NoAnswerError(ZinfoError, TimeoutError):
    """No reply arrived from an endpoint in time."""


class MissingSlicesError(NoAnswerError):
    """So many daemons of a fleet gave no answer that shards may be missing in the result.

    Args:
        missing: what gave no answer; `str()` of each describes it in one line.
        partial: the result without it; None where there is none.

    Attributes:
        missing: the same, as a tuple of `zinfo.client.MissingSlice`.
        partial: the same.
    """

    def __init__(self, missing: Sequence[MissingSlice], partial: object = None) -> None:
        self.missing = tuple(missing)
        self.partial = partial
        super().__init__("shards may be missing: " + "; ".join(map(str, self.missing)))


class SourceError(ZinfoError):
    """A source of shards cannot be read, or its answer as a whole cannot be used.

    Its text is one line without secrets.
    """


class RecordingError(ZinfoError):
    """A file is not a recording, or cannot be read or written."""


class SinkError(ZinfoError):
    """A sink cannot go on writing: another one has taken over, or a part of it failed."""


class RequestError(ZinfoError):
    """A query was refused or failed.

    Attributes:
        code: the error code of the protocol; stable, for programs.
        retryable: whether the same request may succeed later.
        request_id: id of the request if it could be read, so that the reply can contain it.
    """

    code: str = "internal"
    retryable: bool = False
    request_id: object = None
    _by_code: ClassVar[dict[str, type[RequestError]]] = {}

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retryable is not None:
            self.retryable = retryable

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._by_code[cls.code] = cls

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return self.message

    @classmethod
    def from_wire(cls, code: str, message: str, retryable: bool) -> RequestError:
        """Return the error in a reply's `error` map.

        Args:
            code: the code; one that is not known gives a plain RequestError.
            message: text for people.
            retryable: whether the same request may succeed later.
        """
        kind = cls._by_code.get(code, RequestError)
        error = kind(message, retryable=retryable)
        error.code = code
        return error


class BadRequestError(RequestError, ValueError):
    """The request or its arguments are not valid."""

    code = "bad_request"


class UnsupportedVersionError(RequestError):
    """The request has a version of the protocol that this daemon does not support."""

    code = "unsupported_version"


class UnknownOpError(RequestError):
    """The daemon has no such operation."""

    code = "unknown_op"


class UnknownShardError(RequestError, KeyError):
    """No live shard has this id."""

    code = "unknown_shard"


class NotPolledError(RequestError, KeyError):
    """The shard is live but has not replied to INFO yet."""

    code = "not_polled"
    retryable = True


class NotAllowedError(RequestError, PermissionError):
    """This client is not authorised for the request."""

    code = "not_allowed"


class BusyError(RequestError):
    """The daemon is handling too many requests at the moment."""

    code = "busy"
    retryable = True


class DeadlineError(RequestError, TimeoutError):
    """The request's deadline passed before the reply was ready."""

    code = "deadline"
    retryable = True


class TooLargeError(RequestError):
    """The request, or one entry of its reply, is larger than allowed."""

    code = "too_large"


class ChangedError(RequestError):
    """What the request reads changed between two pages: the client has to start again."""

    code = "changed"
    retryable = True


class InternalError(RequestError):
    """An unexpected error in the daemon; its log has the traceback."""

    code = "internal"
