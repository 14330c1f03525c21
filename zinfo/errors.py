"""Every error that zinfo raises, and the error codes of its wire.

The tree, so that a caller knows what to catch::

    ZinfoError
    ├── ConfigError              a configuration file, variable or flag is wrong
    ├── ShardExistsError         a shard with that id is live already
    ├── ProtocolError            bytes that are not a message of zinfo's wire
    ├── EnvironmentNotReadyError the process lacks something that a part needs to start
    ├── NoAnswerError            nothing answered in time at an endpoint (also a TimeoutError)
    ├── RecordingError           a file that is no recording, or cannot be read or written as one
    └── RequestError             a query was refused; `code` says why, for machines
        ├── BadRequestError      bad_request (also a ValueError)
        ├── UnsupportedVersionError  unsupported_version
        ├── UnknownOpError       unknown_op
        ├── UnknownShardError    unknown_shard (also a KeyError)
        ├── NotPolledError       not_polled (also a KeyError)
        ├── NotAllowedError      not_allowed
        ├── BusyError            busy
        ├── DeadlineError        deadline
        ├── TooLargeError        too_large
        └── InternalError        internal

Errors of redis-py, ZeroMQ and msgpack end where zinfo meets them: callers never see one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class ZinfoError(Exception):
    """Base of every error that zinfo raises on purpose."""


class ConfigError(ZinfoError):
    """A configuration that cannot be used.

    Args:
        problems: one sentence for each thing that is wrong, naming source, key and expectation.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class ShardExistsError(ZinfoError):
    """A shard with this id is live already; it was not replaced."""


class ProtocolError(ZinfoError, ValueError):
    """Bytes that are not a message of zinfo's wire."""


class EnvironmentNotReadyError(ZinfoError):
    """The process or the machine lacks something that a part needs to start."""


class NoAnswerError(ZinfoError, TimeoutError):
    """Nothing answered in time at an endpoint."""


class RecordingError(ZinfoError):
    """A file that is no recording, or cannot be read or written as one."""


class RequestError(ZinfoError):
    """A query that was refused or could not be answered.

    Attributes:
        code: the wire's error code; stable, for machines.
        retryable: True where the same request may succeed later.
        request_id: id of the request where that much could be read, so that the reply can carry it.
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
        """Return the error that a reply's `error` map describes.

        Args:
            code: the wire's code; one this version does not know gives a plain RequestError.
            message: text for humans.
            retryable: what the daemon said about trying again.
        """
        kind = cls._by_code.get(code, RequestError)
        error = kind(message, retryable=retryable)
        error.code = code
        return error


class BadRequestError(RequestError, ValueError):
    """The request is malformed or its arguments make no sense."""

    code = "bad_request"


class UnsupportedVersionError(RequestError):
    """The request speaks a version of the wire that this daemon does not serve."""

    code = "unsupported_version"


class UnknownOpError(RequestError):
    """The daemon has no such operation."""

    code = "unknown_op"


class UnknownShardError(RequestError, KeyError):
    """No live shard has this id."""

    code = "unknown_shard"


class NotPolledError(RequestError, KeyError):
    """The shard is live but has not answered INFO yet."""

    code = "not_polled"
    retryable = True


class NotAllowedError(RequestError, PermissionError):
    """This client may not do this."""

    code = "not_allowed"


class BusyError(RequestError):
    """The daemon has too much under way to take this request now."""

    code = "busy"
    retryable = True


class DeadlineError(RequestError, TimeoutError):
    """The request's own deadline passed before there was an answer."""

    code = "deadline"
    retryable = True


class TooLargeError(RequestError):
    """The request, or one entry of its reply, is over the size bound."""

    code = "too_large"


class InternalError(RequestError):
    """The daemon failed; its log has the traceback."""

    code = "internal"
