"""The public names of zinfo are exactly these, and all are documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest

import zinfo

PUBLIC = {
    "Client": "zinfo.client",
    "ClientKeys": "zinfo.wire.curve_keys",
    "Fleet": "zinfo.client",
    "FleetSubscriber": "zinfo.client",
    "Guard": "zinfo.discovery.guard",
    "InfoMeta": "zinfo.wire.info_meta",
    "InfoPoller": "zinfo.poll.poller",
    "InfoProviderServicer": "zinfo.query.servicer",
    "LocalShardWatcher": "zinfo.discovery.local.watcher",
    "Mirror": "zinfo.client",
    "RedisShard": "zinfo.shards.shard",
    "ShardEvent": "zinfo.shards.registry",
    "ShardPublisher": "zinfo.shards.registry",
    "ShardWatcher": "zinfo.discovery.watcher",
    "SliceSpec": "zinfo.wire.slices",
    "SourceWatcher": "zinfo.discovery.source_watcher",
    "StaticShardWatcher": "zinfo.discovery.static",
    "Subscriber": "zinfo.client",
    "Target": "zinfo.discovery.target",
    "ZinfoError": "zinfo.errors",
}
"""Each public class and its module; repeated here on purpose."""


def members(cls: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties that a class itself defines."""
    kinds = (staticmethod, classmethod, property)
    for name, member in vars(cls).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds)):
            yield name, member


def test_all_is_exactly_the_documented_names() -> None:
    assert sorted(zinfo.__all__) == sorted([*PUBLIC, "__version__"])


def test_dir_shows_the_public_names() -> None:
    assert sorted(dir(zinfo)) == sorted(zinfo.__all__)


def test_a_star_import_imports_every_public_name() -> None:
    namespace: dict[str, object] = {}
    exec("from zinfo import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(zinfo.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_the_class_that_its_module_defines(name: str) -> None:
    found = getattr(zinfo, name)
    assert inspect.isclass(found)
    assert found.__name__ == name
    assert found is getattr(sys.modules[PUBLIC[name]], name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_class_and_its_public_methods_are_documented(name: str) -> None:
    cls = getattr(zinfo, name)
    assert cls.__doc__, f"{name} has no docstring"
    bare = [member for member, _ in members(cls) if not inspect.getdoc(getattr(cls, member))]
    assert not bare, f"without a docstring in {name}: {bare}"


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'zinfo' has no attribute 'Sharb'"):
        _ = zinfo.Sharb  # type: ignore[attr-defined]  # that it is unknown is the point


def test_submodules_can_be_imported_from_the_package() -> None:
    code = "from zinfo import errors, wire; print(errors.__name__, wire.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["zinfo.errors", "zinfo.wire"]


def test_the_version_is_that_of_the_distribution() -> None:
    assert zinfo.__version__.count(".") == 2
    assert zinfo.__version__.replace(".", "").isdigit()
