"""Puts what is wrong with a configuration into words: one line each, never with a secret in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from pydantic.fields import FieldInfo

from zinfo.config.models import ClientConfig, Config, Path, Section, ShardConfig, section_of
from zinfo.config.types import Wanted
from zinfo.wire.redact import redact_text, redact_url

MAX_SHOWN = 80
"""Characters of a wrong value or key that a line repeats."""

MAX_READ = 4096
"""Characters of a wrong value up to which it is worth a look; a longer one is only counted."""

ENORMOUS = 10**20
"""From here on an integer is not repeated: Python itself refuses to print very long ones."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def describe_error(error: Mapping[str, object]) -> str:
    """Return what one of pydantic's errors says: what was found and what was expected.

    Args:
        error: an item of `ValidationError.errors()`.
    """
    path = error["loc"]
    assert isinstance(path, tuple)
    wish = wanted(path)
    if error["type"] == "extra_forbidden":
        return "unknown key" + _near_key(path)
    if error["type"] == "missing":
        return f"missing, expected {wish.text}"
    context = error.get("ctx")
    reason = str(context["error"]) if isinstance(context, dict) and "error" in context else ""
    if reason.startswith("found"):  # about a whole table, and complete
        return reason
    found = "something else" if wish.secret else _show_found(error["input"], path, wish)
    return f"found {found}{f' ({reason})' if reason else ''}, expected {wish.text}"


def wanted(path: Path) -> Wanted:
    """Return what the key at `path`, of any depth, expects."""
    model: type[Section] = Config
    for depth, key in enumerate(path):
        if isinstance(key, int):
            continue
        info = model.model_fields.get(key)
        if info is None:
            return Wanted("a known key")
        if path[: depth + 1] == ("shards",):
            model = ShardConfig
        elif path[:1] == ("clients",) and depth == 0 and len(path) > 2:
            return wanted_in_client(path[2:])
        elif section := section_of(info):
            model = section
        else:
            return wanted_of(info)
    if path == ("shards",):
        return Wanted("tables, each headed [[shards]]")
    return Wanted(f"a table, headed {'[[shards]]' if 'shards' in path else f'[{path[-1]}]'}")


def wanted_in_client(path: Path) -> Wanted:
    """Return what the key at `path` of a `[clients.NAME]` table expects."""
    info = ClientConfig.model_fields.get(str(path[0]))
    return wanted_of(info) if info else Wanted("a name of letters, digits and _ . @ -")


def wanted_of(info: FieldInfo) -> Wanted:
    """Return what a field expects, as its type says."""
    found = [
        *_wanted_in(info.annotation),
        *(one for one in info.metadata if isinstance(one, Wanted)),
    ]
    return found[-1]


def _wanted_in(annotation: object) -> Iterator[Wanted]:
    for part in get_args(annotation):  # of Optional[Annotated[...]] as of Annotated[...]
        if isinstance(part, Wanted):
            yield part
        else:
            yield from _wanted_in(part)


def show(value: object, *, is_url: bool = False) -> str:
    """Return a value as a line may repeat it: short, on one line, without passwords of URLs."""
    if isinstance(value, str):
        return _show_text(value, redact_url if is_url else redact_text)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        enormous = isinstance(value, int) and abs(value) >= ENORMOUS
        return "an enormous number" if enormous else repr(value)
    kinds: dict[type, str] = {dict: "table", list: "array", tuple: "array"}
    name = kinds.get(type(value), type(value).__name__)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _show_found(value: object, path: Path, wish: Wanted) -> str:
    """Show a wrong value; an address with an @ may be a URL that has a password and no scheme."""
    odd = wish.address and isinstance(value, str) and "@" in value
    return show(value, is_url=odd or path[-1] == "url")


def _show_text(text: str, redact: Callable[[str], str]) -> str:
    if len(text) > MAX_READ:
        return f"{len(text)} characters"
    text = redact(text)
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


def key_name(path: Path) -> str:
    """Return a key's path as people write it: `shards[2].timeout`."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]":  # pydantic's mark of an error in a key
            name += ("." if name else "") + (part if _BARE_KEY.fullmatch(part) else show(part))
    return name if len(name) <= 2 * MAX_SHOWN else name[: 2 * MAX_SHOWN] + "..."


def one_line(text: str) -> str:
    """Return `text` with what would break a line, or a terminal, escaped."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name that is most like `name`; else nothing."""
    if len(name) > MAX_SHOWN:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _near_key(path: Path) -> str:
    """Look among the keys beside this one, then for the same key in another section."""
    tables: dict[Path, Iterable[str]] = {(): Config.model_fields}
    for name, info in Config.model_fields.items():
        if section := section_of(info):
            tables[name,] = section.model_fields
    place, key = path[:-1], str(path[-1])
    if place[:1] == ("clients",):
        return nearest(key, ClientConfig.model_fields)
    beside = ShardConfig.model_fields if place[:1] == ("shards",) else tables.get(place, ())
    if close := nearest(key, beside):
        return close
    others = [key_name((*table, key)) for table, keys in tables.items() if key in keys]
    return f", did you mean {' or '.join(others)}?" if others else ""
