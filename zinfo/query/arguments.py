"""Arguments: validates the arguments of a query, by name and type."""

from __future__ import annotations

import math
from collections.abc import Mapping

from zinfo.errors import BadRequestError
from zinfo.wire.lifecycle import checked_states

# Maximum numbers of items in a list or map. The size of a request is limited as well, but the cost
# of a request depends on the number of items.
MAX_IDS = 10_000  # shard ids, as many as fit into a request
MAX_KEYS = 1_000  # field names or prefixes of them; more than an INFO has
MAX_COLUMNS = 64  # fields of `get_columns`, each an array over all shards
MAX_SECTIONS = 100  # sections of INFO, which has two dozen
MAX_TOPICS = 1_000  # topics; a client with more than 500 subscribes to all
MAX_LABELS = 100  # labels that a shard must have
_MAX_STATES = 16  # states that a shard may have; there are five


class Arguments:
    """The arguments of one request; take each once, then call `reject_unknown`.

    Args:
        values: arguments by name, not validated.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)

    def ids(self, name: str) -> tuple[str, ...]:
        """Take a list of shard ids, with duplicates.

        Raises:
            BadRequestError: the value has another type, or too many items.
        """
        return self._texts(name, MAX_IDS)

    def shard_ids(self) -> tuple[str, ...]:
        """Take the shard ids of an operation that earlier clients send them to as `ids`.

        Raises:
            BadRequestError: both names are given, or the value is not valid.
        """
        ids, former = self.ids("shard_ids"), self.ids("ids")
        if ids and former:
            raise BadRequestError("ids is the former name of shard_ids: give only shard_ids")
        return ids or former

    def texts(self, name: str, most: int = MAX_KEYS) -> tuple[str, ...]:
        """Take a list of texts, without duplicates; a single text counts as a list of one.

        Args:
            name: of the argument.
            most: maximum number of items, with duplicates.

        Raises:
            BadRequestError: the value has another type, or too many items.
        """
        texts = self._texts(name, most)
        return tuple(dict.fromkeys(texts)) if len(texts) > 1 else texts

    def _texts(self, name: str, most: int) -> tuple[str, ...]:
        value = self._values.pop(name, None)
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
        """Take a text; None if it is missing.

        Raises:
            BadRequestError: the value has another type.
        """
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise BadRequestError(f"{name} must be text")
        return value

    def flag(self, name: str) -> bool:
        """Take a boolean; False if it is missing.

        Raises:
            BadRequestError: the value has another type.
        """
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise BadRequestError(f"{name} must be true or false")
        return bool(value)

    def seconds(self, name: str) -> float:
        """Take a number of seconds, 0 or more; 0 if it is missing.

        Raises:
            BadRequestError: the value has another type, or is negative or not finite.
        """
        value = self._values.pop(name, None)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadRequestError(f"{name} must be a number of seconds")
        if not 0 <= value < math.inf:
            raise BadRequestError(f"{name} must be a number of seconds, 0 or more")
        return float(value)

    def count(self, name: str) -> int:
        """Take an integer, 0 or more; 0 if it is missing.

        Raises:
            BadRequestError: the value has another type, or is negative.
        """
        value = self._values.pop(name, None)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadRequestError(f"{name} must be an integer, 0 or more")
        return value

    def labels(self, name: str) -> dict[str, str]:
        """Take a map of text to text; empty if it is missing.

        Raises:
            BadRequestError: the value has another type, or too many items.
        """
        value = self._values.pop(name, None)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise BadRequestError(f"{name} must be a map of text to text")
        if len(value) > MAX_LABELS:
            raise _too_many(name, MAX_LABELS, len(value))
        return value

    def states(self, name: str) -> tuple[str, ...]:
        """Take a list of states of a shard, without duplicates; empty for any state.

        Raises:
            BadRequestError: the value has another type, too many items, or one that is no state.
        """
        return checked_states(self.texts(name, _MAX_STATES))

    def reject_unknown(self) -> None:
        """Reject arguments that have not been taken.

        Raises:
            BadRequestError: there are such arguments.
        """
        if self._values:
            names = ", ".join(sorted(self._values)[:5])[:200]
            raise BadRequestError(f"unknown argument: {names}")


def _too_many(name: str, most: int, given: int) -> BadRequestError:
    return BadRequestError(f"{name} may have {most:,} items, found {given:,}")
