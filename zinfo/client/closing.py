"""The `with` statement of the blocking Client, Subscriber and Mirror."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import TypeVar

_Self = TypeVar("_Self", bound="Closing")


class Closing(abc.ABC):
    """A context manager that calls `close` at its end."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the sockets."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
