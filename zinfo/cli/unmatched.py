"""What commands print about shards and labels that do not exist, with similar ones that do.

The known names are requested from the daemon, only after nothing was found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from zinfo.cli.output import note
from zinfo.errors import RequestError, ZinfoError
from zinfo.wire.redact import redact_text

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet

_SHOWN = 5  # names in one line
_PART = 3  # least number of characters of a part of an id that is suggested
_NAME_LENGTH = 80  # characters of a name of the daemon in a line


class Unmatched(NamedTuple):
    """Something that was asked for and does not exist; `str()` describes it in one line.

    Attributes:
        what: such as "shard db-9 not found".
        hint: such as "did you mean db-1?"; "" for none.
    """

    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.what}, {self.hint}" if self.hint else self.what


def fail_if_unmatched(unmatched: Collection[Unmatched]) -> None:
    """End the command with exit code 1 and one line.

    Raises:
        ZinfoError: there is something in `unmatched`.
    """
    if unmatched:
        raise ZinfoError(limited(map(str, unmatched), "; "))


def report(unmatched: Collection[Unmatched], *, fails: bool) -> None:
    """Print on stderr what does not exist.

    Args:
        unmatched: may be empty.
        fails: whether the command then ends with exit code 1.

    Raises:
        ZinfoError: it does.
    """
    if fails:
        fail_if_unmatched(unmatched)
    for one in unmatched:
        note(str(one))


def note_waiting(unmatched: Iterable[Unmatched]) -> None:
    """Print on stderr that a command waits for what does not exist yet."""
    for what, hint in unmatched:
        note(f"{what}; waiting for it" + (f" ({hint})" if hint else ""))


def unmatched_shards(client: Client | Fleet, shard_ids: Collection[str]) -> dict[str, Unmatched]:
    """Return which of some shards do not exist, by id.

    Returns nothing if this client is not allowed to list the shards.

    Args:
        client: requests the shards.
        shard_ids: their ids.
    """
    try:
        known = {str(shard["id"]) for shard in client.shards()} if shard_ids else set()
    except RequestError:
        return {}
    return {
        shard_id: Unmatched(
            f"shard {redact_text(shard_id)} not found", _similar_id(shard_id, known)
        )
        for shard_id in shard_ids
        if shard_id not in known
    }


def unmatched_labels(
    client: Client | Fleet, labels: Mapping[str, str], shard_ids: Collection[str] = ()
) -> list[Unmatched]:
    """Return why no shard has some labels; nothing if one has them.

    Args:
        client: requests the shards.
        labels: name and value of each.
        shard_ids: the shards of which one must have them, of those that exist; empty for all.
    """
    if not labels:
        return []
    try:
        shards = client.shards()
    except RequestError:
        return []
    ids = set(shard_ids) or {shard["id"] for shard in shards}
    found = [shard.get("labels") or {} for shard in shards if shard["id"] in ids]
    if (shard_ids and not found) or any(labels.items() <= one.items() for one in found):
        return []
    known: dict[str, set[str]] = {}
    for name, value in (pair for one in found for pair in one.items()):
        known.setdefault(name, set()).add(value)
    of = "none of these shards has" if shard_ids else "no shard has"
    for name, value in labels.items():
        if name not in known:
            return [Unmatched(f"{of} a label {name}", hint(name, known))]
        if value not in known[name]:
            what = f"{of} the label {name}={value}"
            return [Unmatched(what, hint(value, known[name], prefix=f"{name}="))]
    wanted = " ".join(f"{name}={value}" for name, value in labels.items())
    return [Unmatched(f"{of} all of the labels {wanted}")]


def _similar_id(shard_id: str, known: Collection[str]) -> str:
    """Return a hint at the only id that contains a text, or at the most similar one."""
    containing = [one for one in known if shard_id in one]
    if len(containing) == 1 and len(shard_id) >= _PART:
        return f"did you mean {containing[0]}?"
    return hint(shard_id, known, lists=False)


def unmatched_events(
    client: Client | Fleet,
    shard_ids: Collection[str],
    labels: Mapping[str, str],
    printed: Collection[str],
) -> list[Unmatched]:
    """Return which shards do not exist, and why no shard has some labels.

    Args:
        client: requests the shards.
        shard_ids: ids of the shards whose events were asked for; empty for all.
        labels: that they have.
        printed: ids of shards of which there were events. They may have been removed since.
    """
    missing = [shard_id for shard_id in shard_ids if shard_id not in printed]
    return [
        *unmatched_shards(client, missing).values(),
        *unmatched_labels(client, labels, shard_ids),
    ]


def hint(name: str, known: Collection[str], *, prefix: str = "", lists: bool = True) -> str:
    """Return a hint at the known name that is most similar to `name`; "" for none.

    Args:
        name: the unknown name.
        known: all names.
        prefix: printed before a name.
        lists: whether some of the known names are the hint if none is similar.
    """
    from zinfo.wire.nearest import most_similar

    if similar := most_similar(name, known):
        return f"did you mean {prefix}{similar}?"
    names = [prefix + one[:_NAME_LENGTH] for one in sorted(known)]
    return f"known are: {limited(names, ', ')}" if names and lists else ""


def limited(texts: Iterable[str], separator: str) -> str:
    """Return the first texts in one line, and how many more there are."""
    every = list(texts)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return separator.join(every[:_SHOWN]) + more
