"""A context manager that closes itself."""

from __future__ import annotations

from typing_extensions import Self


class Closing:
    """Base of classes with a `close` method: leaving the context calls it."""

    def close(self) -> None:
        """Release what the object holds."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
