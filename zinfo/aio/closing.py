"""The `async with` statement of the asyncio Client, Subscriber and Mirror."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import TypeVar

_Opened = TypeVar("_Opened", bound="Closing")


class Closing(abc.ABC):
    """An asynchronous context manager that calls `open`, and `close` at its end."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Start, unless that is done."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Stop for good; tasks that wait get an error."""

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
