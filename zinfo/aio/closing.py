"""What `async with` does with all three: open, and close whatever happens."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import TypeVar

_Opened = TypeVar("_Opened", bound="Closing")


class Closing(abc.ABC):
    """An asynchronous context manager, by `open` and `close`."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Begin, unless that is done."""

    @abc.abstractmethod
    async def close(self) -> None:
        """End for good; whoever waits is told so."""

    async def __aenter__(self: _Opened) -> _Opened:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
