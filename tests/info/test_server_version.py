"""A server's own version is found by rule, in the texts of all known forks and of later ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.info.parser import parse
from zinfo.info.server_version import find_version, may_have_version, version_of

TEXTS = sorted((Path(__file__).parents[1] / "data" / "info").glob("*.txt"))

# The beginnings of the section Server, as the sources of the servers write them.
SERVERS = {
    "redis 2.4": (
        "redis_version:2.4.18 redis_git_sha1:0 arch_bits:64 gcc_version:12.2.0",
        "2.4.18",
    ),
    "redis 8": ("redis_version:8.2.3 redis_mode:standalone os:Linux gcc_version:14.2.1", "8.2.3"),
    "valkey": (
        "redis_version:7.2.4 server_name:valkey valkey_version:9.1.2 gcc_version:14.2.1",
        "9.1.2",
    ),
    "keydb": ("redis_version:6.3.4 redis_mode:standalone gcc_version:12.2.0", "6.3.4"),
    "dragonfly": ("redis_version:7.4.0 dragonfly_version:df-v1.32.0 os:Linux", "df-v1.32.0"),
    "garnet": (
        "garnet_version:1.0.87 server_name:garnet os:Unix uptime_in_seconds:5 run_id:abc "
        "redis_version:7.4.3",
        "1.0.87",
    ),
    "kvrocks": (
        "version:2.10.1 kvrocks_version:2.10.1 redis_version:4.0.0 git_sha1:1 gcc_version:13.2.0",
        "2.10.1",
    ),
    "kvrocks, clang": ("clang_version:18.1.3 kvrocks_version:2.10.1", "2.10.1"),
    "kvrocks 2.0": ("version:2.0.6 git_sha1:1 os:Linux gcc_version:9.4.0", "2.0.6"),
    "pika": ("pika_version:3.5.5 pika_git_sha:1 os:Linux", "3.5.5"),
    "memurai": ("memurai_edition:Developer memurai_version:4.1.2 redis_version:7.2.5", "4.1.2"),
    "redict": ("redis_version:7.2.4 redict_version:7.3.2 redis_git_sha1:0", "7.3.2"),
    "upstash": ("upstash_version:1.13.3 redis_version:6.2.6", "1.13.3"),
    "tendis": (
        "redis_version:tendis-2.7.0-rocksdb-v6.23.3 os:Linux",
        "tendis-2.7.0-rocksdb-v6.23.3",
    ),
    "a later fork": ("redis_version:7.2.4 red-fish_version:0.1 rust_version:1.9", "0.1"),
    "a later name": ("a_version:1 redis_version:7.2.4 b_version:2 server_name:B", "2"),
    "an empty version": ("garnet_version: redis_version:7.4.3", "7.4.3"),
    "tools alone": ("gcc_version:12.2.0 go_version:1.22 rdb_version:80", None),
    "of redis": ("supported_redis_version:7.2 redis_api_version:1 redis_version:7.4.3", "7.4.3"),
}


def text(server: str) -> bytes:
    """Return a reply with this section Server, and sections of modules after it."""
    lines = server.replace(" ", "\r\n")
    return (
        f"# Server\r\n{lines}\r\n\r\n# Clients\r\nconnected_clients:1\r\nclient_version:4\r\n"
        "# search_version\r\nsearch_version:2.10.5\r\nsearch_redis_version:7.4.1 - oss\r\n"
    ).encode()


@pytest.mark.parametrize("name", SERVERS)
def test_the_version_is_that_of_the_server_itself(name: str) -> None:
    server, expected = SERVERS[name]
    raw = text(server)
    fields = parse(raw).fields
    for found in (
        find_version(raw),
        find_version(raw.replace(b"\r\n", b"\n")),
        find_version(raw.partition(b"\r\n")[2]),  # without the header
        find_version(b"# Memory\r\nused_memory:1\r\n\r\n" + raw),  # another section comes first
        version_of(fields),
    ):
        assert (found and found.text) == expected


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_bytes_and_parsed_fields_of_real_replies_have_the_same_version(path: Path) -> None:
    raw = path.read_bytes()
    found = find_version(raw)
    assert found == version_of(parse(raw).fields)
    server, _, version = path.stem.removeprefix("handmade-").partition("-")
    if version[:1].isdigit() and version[1:2] == ".":
        assert found is not None
        assert found.text.removeprefix("df-v").startswith(version.partition("-")[0])
        own = found.field.removesuffix("_version")
        assert own == ("redis" if server == "keydb" else server)


@pytest.mark.parametrize("name", SERVERS)
def test_a_known_fork_is_found_if_its_fields_were_added_by_a_later_reply(name: str) -> None:
    fields = parse(text(SERVERS["redis 8"][0])).fields
    later = parse(text(SERVERS[name][0])).fields
    found = version_of({**{key: fields[key] for key in fields if key in later}, **later})
    if not name.startswith("a later"):
        assert (found and found.text) == SERVERS[name][1]


def test_fields_of_libraries_and_formats_are_no_versions_of_a_server() -> None:
    for name in ("gcc_version", "module_api_version", "rdb-format_version", "x", "version_x"):
        assert not may_have_version(name), name
    for name in ("version", "redis_version", "goose_version", "oslo_version", "X_version"):
        assert may_have_version(name), name


def test_the_version_in_a_repeated_field_is_no_text_of_a_list() -> None:
    for raw in (b"redis_version:7.0\nredis_version:7.2\n", b"x_version:1\nx_version:7.2\n"):
        of_bytes, of_fields = find_version(raw), version_of(parse(raw).fields)
        assert of_bytes == of_fields
        assert of_bytes is not None
        assert of_bytes.text == "7.2"


@given(st.binary(max_size=300), st.sampled_from([b"", b"# Server\r\n", b"version:", b"a_version:"]))
def test_no_text_raises(raw: bytes, start: bytes) -> None:
    for one in (start + raw, raw + start + raw):
        found = find_version(one)
        assert found is None or found.text
        version_of(parse(one).fields)
