"""Arguments of a query: taken by name and type, so that a wrong one is told and not guessed at."""

from __future__ import annotations

import math
from collections.abc import Mapping

from zinfo.errors import BadRequestError

# How many items a list or map may have. The bytes of a request are bounded, too, but what
# a request costs goes by the number of its items.
MAX_IDS = 10_000  # shard ids: those of all shards, where they fit the request
MAX_KEYS = 1_000  # fields, or beginnings of their names: more than an INFO has
MAX_SECTIONS = 100  # sections of INFO, of which there are two dozen
MAX_TOPICS = 1_000  # topics; a client subscribes 500 before it takes all
MAX_LABELS = 100  # labels that a shard must have


class Arguments:
    """The arguments of one request; each is taken once, then `finish` refuses what is left.

    Args:
        values: arguments by name, as they came.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._left = dict(values)

    def ids(self, name: str) -> tuple[str, ...]:
        """Take a list of shard ids, in which one may stand twice.

        Raises:
            BadRequestError: something else, or too many.
        """
        return self._texts(name, MAX_IDS)

    def texts(self, name: str, most: int = MAX_KEYS) -> tuple[str, ...]:
        """Take a list of texts, each once; one text counts as a list of one.

        Args:
            name: of the argument.
            most: texts given, at most.

        Raises:
            BadRequestError: something else, or too many.
        """
        texts = self._texts(name, most)
        return tuple(dict.fromkeys(texts)) if len(texts) > 1 else texts

    def _texts(self, name: str, most: int) -> tuple[str, ...]:
        value = self._left.pop(name, None)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list):
            raise BadRequestError(f"{name} must be a list of texts")
        if len(value) > most:
            raise _too_many(name, most, len(value))
        if not all(isinstance(item, str) for item in value):
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
            BadRequestError: something else, or too many.
        """
        value = self._left.pop(name, None)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise BadRequestError(f"{name} must be a map of text to text")
        if len(value) > MAX_LABELS:
            raise _too_many(name, MAX_LABELS, len(value))
        return value

    def finish(self) -> None:
        """Refuse arguments that nobody took.

        Raises:
            BadRequestError: there are some.
        """
        if self._left:
            names = ", ".join(sorted(self._left)[:5])[:200]
            raise BadRequestError(f"unknown argument: {names}")


def _too_many(name: str, most: int, given: int) -> BadRequestError:
    return BadRequestError(f"{name} may have {most:,} items, this has {given:,}")
