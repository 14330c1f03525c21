"""docs/reference/configuration.md agrees with the models: each key, its type, default and unit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zinfo.config import ClientConfig, Config, ShardConfig, check_file, load_config
from zinfo.config.credentials import NamedCredentialsConfig
from zinfo.config.problems import expected_by
from zinfo.config.section import Section, section_of
from zinfo.config.source_models import SOURCE_MODELS, GuardConfig
from zinfo.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
TOML_TYPES = {bool: "boolean", int: "integer", float: "float", dict: "table", tuple: "array"}
TABLES: dict[str, type[Section]] = {
    "shards": ShardConfig,
    "clients": ClientConfig,
    "credentials": NamedCredentialsConfig,
}
COMMON = {"type", *GuardConfig.model_fields} | {
    *("name", "labels", "id", "keep", "drop", "credentials"),
}
"""The keys of all types of sources."""


class Row(NamedTuple):
    """The description of a key on the page or in a model."""

    type: str
    default: object
    unit: str


DERIVED = {"shards.id": "url", "sources.name": "type"}
"""The keys whose default is made of another key."""


def documented() -> dict[str, Row]:
    """Return every row of the tables on the page, by `section.key`."""
    rows: dict[str, Row] = {}
    section = ""
    for line in TEXT.splitlines():
        if heading := re.fullmatch(r"### (?:Top level|`\[+(\w+)(?:\.NAME)?\]+`)", line):
            section = f"{heading[1]}." if heading[1] else ""
        elif kind := re.fullmatch(r'#### `type = "(\w+)"`', line):
            section = f"sources.{kind[1]}."
        elif row := re.fullmatch(r"\| `(\w+)` \| (\w+) \| (.+?) \| (.*?) ?\| .*\|", line):
            key, type_name, default, unit = row.groups()
            assert section + key not in rows
            rows[section + key] = Row(type_name, default_of(default), unit)
    return rows


def default_of(cell: str) -> object:
    if not cell.startswith("`"):
        return {"unset": None}.get(cell, cell)
    value = tomllib.loads(f"x = {cell.strip('`')}")["x"]
    return tuple(value) if isinstance(value, list) else value


def modelled() -> dict[str, Row]:
    """Return every key of the models, by `section.key`."""
    return {name: row_of(info) for name, info in fields()}


def fields() -> Iterator[tuple[str, FieldInfo]]:
    for kind, model in SOURCE_MODELS.items():
        for key, info in model.model_fields.items():
            if key not in COMMON:
                yield f"sources.{kind}.{key}", info
            elif kind == "file":
                yield f"sources.{key}", info
    for name, info in Config.model_fields.items():
        if name == "sources":
            continue
        section = TABLES.get(name) or section_of(info)
        if section:
            yield from ((f"{name}.{key}", one) for key, one in section.model_fields.items())
        else:
            yield name, info


def row_of(info: FieldInfo) -> Row:
    default = info.get_default(call_default_factory=True)
    return Row(
        toml_type(info.annotation),
        "required" if default is PydanticUndefined else default,
        expected_by(info).unit,
    )


def toml_type(annotation: object) -> str:
    for part in (annotation, *get_args(annotation)):
        plain = getattr(part, "__origin__", part)
        while hasattr(plain, "__origin__"):
            plain = plain.__origin__
        if isinstance(plain, type) and plain in TOML_TYPES:
            return TOML_TYPES[plain]
    return "string"


def test_the_documented_keys_are_those_of_the_models() -> None:
    assert documented().keys() == modelled().keys()


@pytest.mark.parametrize("key", sorted(modelled()))
def test_type_default_and_unit_are_those_of_the_models(key: str) -> None:
    expected = modelled()[key]
    if key in DERIVED:
        expected = expected._replace(default=f"from `{DERIVED[key]}`")
    assert documented()[key] == expected


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_is_valid(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    path = tmp_path / "zinfo.toml"
    path.write_text(example, encoding="utf-8")
    config = check_file(path)
    assert [shard.id for shard in config.shards] == [
        "cache-1.example.net:6379",
        "orders",
        "/run/redis/sessions.sock",
    ]


def test_the_variables_on_the_page_have_an_effect() -> None:
    pairs = re.findall(r"`(ZINFO_\w+)=(\S+)`", TEXT)
    assert len(pairs) >= 4
    for variable, value in pairs:
        assert load_config(environ={variable: value}) != Config(), variable


def test_the_problems_on_the_page_are_the_reported_ones(tmp_path: Path) -> None:
    path = tmp_path / "zinfo.toml"
    path.write_text(
        '[poll]\nmin_interval = 5\ntimeoutt = 1\n[[shards]]\nurl = "redis://a"\n'
        '[[shards]]\nurl = "redis://b"\n[[shards]]\nurl = "redis://c"\ntimeout = "fast"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"ZINFO_QUERY_ENDPOINT": "localhost:9736"})
    said = {problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems}
    (shown,) = blocks("text")
    assert set(shown.splitlines()) == said
