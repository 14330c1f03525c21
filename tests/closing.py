"""A context manager that closes itself."""

from __future__ import annotations

import abc

from typing_extensions import Self


class Closing(abc.ABC):
    """Base of classes with a `close` method: leaving the context calls it."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the object holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
