"""The error lines of a configuration; none contains a secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from pydantic.fields import FieldInfo

from zinfo.config.models import ClientConfig, Config, ShardConfig
from zinfo.config.section import Path, Section, section_of
from zinfo.config.types import Expected
from zinfo.wire.redact import redact_text, redact_url

MAX_SHOWN = 80
"""Maximum number of characters of an invalid value or key in a line."""

MAX_READ = 4096
"""Maximum length of an invalid text of which a part is shown; for a longer one only its length."""

ENORMOUS = 10**20
"""Smallest integer that is not shown: Python refuses to print very long ones."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def describe_error(error: Mapping[str, object]) -> str:
    """Return the text for an error of pydantic: what was found and what was expected.

    Args:
        error: an item of `ValidationError.errors()`.
    """
    path = error["loc"]
    assert isinstance(path, tuple)
    expected = expected_at(path)
    if error["type"] == "extra_forbidden":
        return "unknown key" + _near_key(path)
    if error["type"] == "missing":
        return f"missing, expected {expected.text}"
    context = error.get("ctx")
    reason = str(context["error"]) if isinstance(context, dict) and "error" in context else ""
    if reason.startswith("found"):  # from the validator of a table; it is a complete text
        return reason
    found = "something else" if expected.secret else _show_found(error["input"], path, expected)
    return f"found {found}{f' ({reason})' if reason else ''}, expected {expected.text}"


def expected_at(path: Path) -> Expected:
    """Return what the key at `path` expects."""
    model: type[Section] = Config
    for depth, key in enumerate(path):
        if isinstance(key, int):
            continue
        info = model.model_fields.get(key)
        if info is None:
            return Expected("a known key")
        if path[: depth + 1] == ("shards",):
            model = ShardConfig
        elif path[:1] == ("clients",) and depth == 0 and len(path) > 2:
            return expected_in_client(path[2:])
        elif section := section_of(info):
            model = section
        else:
            return expected_by(info)
    if path == ("shards",):
        return Expected("tables, each headed [[shards]]")
    return Expected(f"a table, headed {'[[shards]]' if 'shards' in path else f'[{path[-1]}]'}")


def expected_in_client(path: Path) -> Expected:
    """Return what the key at `path` in a `[clients.NAME]` table expects."""
    info = ClientConfig.model_fields.get(str(path[0]))
    return expected_by(info) if info else Expected("a name of letters, digits and _ . @ -")


def expected_by(info: FieldInfo) -> Expected:
    """Return what a field expects, according to its type."""
    found = [
        *_expectations_in(info.annotation),
        *(one for one in info.metadata if isinstance(one, Expected)),
    ]
    return found[-1]


def _expectations_in(annotation: object) -> Iterator[Expected]:
    for part in get_args(annotation):  # Annotated[...] or Optional[Annotated[...]]
        if isinstance(part, Expected):
            yield part
        else:
            yield from _expectations_in(part)


def show(value: object, *, is_url: bool = False) -> str:
    """Return a value as text for an error: short, on one line, without passwords in URLs."""
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


def _show_found(value: object, path: Path, expected: Expected) -> str:
    """Return an invalid value as text; an address with an @ may be a URL without its scheme."""
    odd = expected.address and isinstance(value, str) and "@" in value
    return show(value, is_url=odd or path[-1] == "url")


def _show_text(text: str, redact: Callable[[str], str]) -> str:
    if len(text) > MAX_READ:
        return f"{len(text)} characters"
    text = redact(text)
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


def key_name(path: Path) -> str:
    """Return the path of a key as text: `shards[2].timeout`."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for an error in the key itself
            name += ("." if name else "") + (part if _BARE_KEY.fullmatch(part) else show(part))
    return name if len(name) <= 2 * MAX_SHOWN else name[: 2 * MAX_SHOWN] + "..."


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters escaped."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name most similar to `name`; "" if there is none."""
    if len(name) > MAX_SHOWN:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _near_key(path: Path) -> str:
    """Suggest a key of the same table, or else a key of the same name in another section."""
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
