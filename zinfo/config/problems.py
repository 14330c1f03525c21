"""The error lines of a configuration; none contains a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from pydantic.fields import FieldInfo

from zinfo.config.credentials import NamedCredentialsConfig
from zinfo.config.models import ClientConfig, Config, ShardConfig
from zinfo.config.section import Path, Section, section_of
from zinfo.config.source_models import SOURCE_MODELS
from zinfo.config.types import Expected
from zinfo.wire.nearest import nearest
from zinfo.wire.redact import redact_text, redact_url

MAX_SHOWN = 80
"""Maximum number of characters of an invalid value or key in a line."""

MAX_READ = 4096
"""Maximum length of an invalid text of which a part is shown; for a longer one only its length."""

ENORMOUS = 10**20
"""Smallest integer that is not shown: Python refuses to print very long ones."""

ARRAYS = ("shards", "sources")
"""Keys that are arrays of tables."""

TABLES_BY_NAME: Mapping[str, type[Section]] = MappingProxyType(
    {"clients": ClientConfig, "credentials": NamedCredentialsConfig}
)
"""Keys that hold tables under names of the user's choice, and the model of these tables."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KEY_ITSELF = "[key]"  # pydantic's mark for an error in a name of the user's choice
_TYPE_ERRORS = ("union_tag_invalid", "union_tag_not_found")
_SAME_MEANING = {"interval": "refresh", "refresh": "interval"}  # of keys of different types


def error_path(error: Mapping[str, object]) -> Path:
    """Return the path of the key for which pydantic reports an error.

    Args:
        error: an item of `ValidationError.errors()`.
    """
    path = error["loc"]
    assert isinstance(path, tuple)
    if error["type"] in _TYPE_ERRORS:
        return (*path, "type")
    if path[:1] == ("sources",):  # after the index, pydantic adds the type of the source
        return (*path[:2], *path[3:])
    return path


def describe_error(error: Mapping[str, object]) -> str:
    """Return the text for an error of pydantic: what was found and what was expected.

    Args:
        error: an item of `ValidationError.errors()`.
    """
    path = error["loc"]
    assert isinstance(path, tuple)
    if error["type"] in _TYPE_ERRORS:
        return _describe_type_error(error["input"])
    expected = expected_at(path)
    if error["type"] == "extra_forbidden":
        return _other_type(path) or "unknown key" + _near_key(path)
    if error["type"] == "missing":
        return f"missing, expected {expected.text}"
    context = error.get("ctx")
    reason = str(context["error"]) if isinstance(context, dict) and "error" in context else ""
    if reason.startswith("found"):  # from the validator of a table; it is a complete text
        return reason
    found = "something else" if expected.secret else _show_found(error["input"], path, expected)
    return f"found {found}{f' ({reason})' if reason else ''}, expected {expected.text}"


def _describe_type_error(table: object) -> str:
    """Return the text for a source whose type is missing or unknown."""
    names = [f'"{kind}"' for kind in SOURCE_MODELS]
    expected = f"expected {_one_of(names)}"
    if not isinstance(table, Mapping) or "type" not in table:
        return f"missing, {expected}"
    kind = table["type"]
    near = nearest(kind, SOURCE_MODELS) if isinstance(kind, str) else ""
    return f"found {show(kind)}, {expected}{near}"


def expected_at(path: Path) -> Expected:
    """Return what the key at `path`, as pydantic has it, expects."""
    model, rest = _table_at(path)
    if rest == [_KEY_ITSELF]:
        return Expected("a name of letters, digits and _ . @ -")
    if not rest:
        return _expected_table(str(path[0]))
    if rest in (["shards"], ["sources"]):
        return Expected(f"tables, each headed [[{rest[0]}]]")
    info = model.model_fields.get(str(rest[0]))
    return expected_by(info) if info else Expected("a known key")


def _table_at(path: Path) -> tuple[type[Section], list[str | int]]:
    """Return the model of the table that holds the key at `path`, and the path from there."""
    model: type[Section] | None
    match path:
        case ("shards", int(), *rest):
            model = ShardConfig
        case ("sources", int(), str(kind), *rest):  # pydantic adds the type after the index
            model = SOURCE_MODELS[kind]
        case ("sources", int(), *rest):
            model = Section
        case (str(name), _, *rest) if name in TABLES_BY_NAME:
            model = TABLES_BY_NAME[name]
        case (str(name), *rest):
            info = Config.model_fields.get(name)
            model = section_of(info) if info else None
        case _:
            model = None
    return (model, rest) if model else (Config, list(path))


def _expected_table(name: str) -> Expected:
    if name in TABLES_BY_NAME:
        return expected_by(Config.model_fields[name])
    return Expected(f"a table, headed {f'[[{name}]]' if name in ARRAYS else f'[{name}]'}")


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
        elif part != _KEY_ITSELF:
            name += ("." if name else "") + (part if _BARE_KEY.fullmatch(part) else show(part))
    return name if len(name) <= 2 * MAX_SHOWN else name[: 2 * MAX_SHOWN] + "..."


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters escaped."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _other_type(path: Path) -> str:
    """Return the text for a key of a source that only other types have; "" for any other key."""
    match path:
        case ("sources", int(), str(kind), str(key)):
            owners = [one for one, model in SOURCE_MODELS.items() if key in model.model_fields]
        case _:
            return ""
    if not owners:
        return ""
    same = _SAME_MEANING.get(key, "")
    near = f", did you mean {same}?" if same in SOURCE_MODELS[kind].model_fields else ""
    return f"found in a source of type {kind}, expected in one of type {_one_of(owners)}{near}"


def _one_of(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} or {last}" if others else last


def _near_key(path: Path) -> str:
    """Suggest a key of the same table, or else a key of the same name in another section."""
    model, rest = _table_at(path)
    key = str(path[-1])
    if len(rest) == 1 and (close := nearest(key, model.model_fields)):
        return close
    if path[0] in TABLES_BY_NAME:
        return ""
    tables: dict[Path, Iterable[str]] = {(): Config.model_fields}
    for name, info in Config.model_fields.items():
        if section := section_of(info):
            tables[name,] = section.model_fields
    others = [key_name((*table, key)) for table, keys in tables.items() if key in keys]
    return f", did you mean {' or '.join(others)}?" if others else ""
