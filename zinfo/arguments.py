"""Arguments of a query: taken by name and type, so that a wrong one is told and not guessed at."""

from __future__ import annotations

import math
from collections.abc import Mapping

from zinfo.errors import BadRequestError


class Arguments:
    """The arguments of one request; each is taken once, then `finish` refuses what is left.

    Args:
        values: arguments by name, as they came.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._left = dict(values)

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of texts; one text counts as a list of one.

        Raises:
            BadRequestError: neither.
        """
        value = self._left.pop(name, None)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadRequestError(f"{name} must be a list of texts")
        return tuple(value)

    def text(self, name: str) -> str | None:
        """Take a text; None where it was not given.

        Raises:
            BadRequestError: something else.
        """
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise BadRequestError(f"{name} must be text")
        return value

    def flag(self, name: str) -> bool:
        """Take a boolean; False where it was not given.

        Raises:
            BadRequestError: something else.
        """
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise BadRequestError(f"{name} must be true or false")
        return bool(value)

    def seconds(self, name: str) -> float:
        """Take a number of seconds, 0 or more; 0 where it was not given.

        Raises:
            BadRequestError: something else.
        """
        value = self._left.pop(name, None)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadRequestError(f"{name} must be a number of seconds")
        if not 0 <= value < math.inf:
            raise BadRequestError(f"{name} must be a number of seconds from 0 up")
        return float(value)

    def count(self, name: str) -> int:
        """Take a whole number, 0 or more; 0 where it was not given.

        Raises:
            BadRequestError: something else.
        """
        value = self._left.pop(name, None)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadRequestError(f"{name} must be a whole number from 0 up")
        return value

    def labels(self, name: str) -> dict[str, str]:
        """Take a map of text to text; empty where it was not given.

        Raises:
            BadRequestError: something else.
        """
        value = self._left.pop(name, None)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise BadRequestError(f"{name} must be a map of text to text")
        return value

    def finish(self) -> None:
        """Refuse arguments that nobody took.

        Raises:
            BadRequestError: there are some.
        """
        if self._left:
            names = ", ".join(sorted(self._left)[:5])[:200]
            raise BadRequestError(f"unknown argument: {names}")
