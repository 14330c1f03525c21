"""`[[sources]]`, `[credentials.NAME]` and `[guard]`: their keys, errors and merging."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from zinfo.config import Config, changed_keys, environment_notes, load_config
from zinfo.config.source_models import (
    ClusterSourceConfig,
    DnsSourceConfig,
    FileSourceConfig,
    HttpSourceConfig,
    SentinelSourceConfig,
)
from zinfo.errors import ConfigError

EXAMPLE = """
state_dir = "state"

[credentials.orders]
username = "zinfo"
password_file = "secrets/orders"
ca_file = "tls/ca.pem"
hosts = ["*.orders.example.net", "10.20.*"]

[credentials.sentinels]
password_env = "ZINFO_CREDENTIALS_SENTINELS"
hosts = ["*.example.net"]

[[sources]]
name = "cmdb"
type = "http"
url = "https://cmdb.example.net/sd/redis"
token_file = "/run/secrets/cmdb"
refresh = 30
labels = { region = "fra" }
id = "{cluster}/{host}:{port}"
keep = { env = "prod*" }
drop = { __meta_team = "test" }
credentials = "orders"

[[sources]]
name = "files"
type = "file"
files = ["/etc/zinfo/shards/*.json", "shards/*.yml"]
scheme = "rediss"

[[sources]]
name = "orders"
type = "cluster"
seeds = ["rediss://a.orders.example.net:6380", "rediss://B.orders.example.net"]
address = "hostname"
credentials = "orders"
misses = 3
hold = 0

[[sources]]
type = "sentinel"
sentinels = ["redis://s1.example.net:26380", "redis://s2.example.net", "redis://[::1]/0"]
masters = ["cache-*"]
sentinel_credentials = "sentinels"
watch_sentinels = true

[[sources]]
type = "dns"
names = ["_redis._tcp.redis.cache.svc.cluster.local", "cache.example.net"]
port = 6379

[guard]
misses = 1
max_removed = 0.25
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "zinfo.toml"


def problems_of(
    toml: Path,
    text: str = "",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[str, object]] | None = None,
) -> list[str]:
    """The errors of loading, without the directory of the file."""
    toml.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(toml, environ or {}, flags or {})
    assert all(problem.isprintable() for problem in caught.value.problems)
    return [problem.replace(f"{toml.parent}/", "") for problem in caught.value.problems]


def test_every_type_is_read_with_its_keys_and_defaults(toml: Path) -> None:
    toml.write_text(EXAMPLE)
    config = load_config(toml)
    http, files, cluster, sentinel, dns = config.sources
    assert isinstance(http, HttpSourceConfig)
    assert (http.url, http.refresh, http.timeout) == ("https://cmdb.example.net/sd/redis", 30, 10)
    assert (http.id, http.keep) == ("{cluster}/{host}:{port}", {"env": "prod*"})
    assert isinstance(files, FileSourceConfig)
    assert files.files == ("/etc/zinfo/shards/*.json", f"{toml.parent}/shards/*.yml")
    assert (files.scheme, files.interval) == ("rediss", 2.0)
    assert isinstance(cluster, ClusterSourceConfig)
    assert cluster.seeds == (
        "rediss://a.orders.example.net:6380",
        "rediss://b.orders.example.net:6379",
    )
    assert (cluster.address, cluster.misses, cluster.hold) == ("hostname", 3, 0)
    assert isinstance(sentinel, SentinelSourceConfig)
    assert sentinel.sentinels == (
        "redis://s1.example.net:26380",
        "redis://s2.example.net:26379",
        "redis://[::1]:26379",
    )
    assert (sentinel.name, sentinel.masters, sentinel.watch_sentinels) == (
        "sentinel",
        ("cache-*",),
        True,
    )
    assert isinstance(dns, DnsSourceConfig)
    assert (dns.name, dns.port, dns.interval) == ("dns", 6379, 10.0)
    assert (config.guard.misses, config.guard.max_removed, config.guard.hold) == (1, 0.25, 30.0)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]*"  # a name with wildcards
    folder.mkdir()
    (folder / "zinfo.toml").write_text(EXAMPLE)
    config = load_config(folder / "zinfo.toml")
    assert config.state_dir == f"{folder}/state"
    orders = config.credentials["orders"]
    assert orders.password_file == f"{folder}/secrets/orders"
    assert orders.ca_file == f"{folder}/tls/ca.pem"
    (files,) = (one for one in config.sources if isinstance(one, FileSourceConfig))
    assert files.files[1] == f"{tmp_path}/a[[]1][*]/shards/*.yml"


def test_an_empty_state_dir_stays_empty(toml: Path) -> None:
    toml.write_text('state_dir = ""')
    assert load_config(toml).state_dir == ""


FILE = '[[sources]]\ntype = "file"\nfiles = ["a.json"]\n'
HTTP = '[[sources]]\ntype = "http"\nurl = "http://h/sd"\n'
HTTPS = '[[sources]]\ntype = "http"\nurl = "https://h/sd"\n'
CLUSTER = '[[sources]]\ntype = "cluster"\nseeds = ["redis://a"]\n'
SENTINEL = '[[sources]]\ntype = "sentinel"\nsentinels = ["redis://a"]\n'
DNS = '[[sources]]\ntype = "dns"\nnames = ["_r._tcp.x"]\n'
CREDENTIALS = '[credentials.orders]\nhosts = ["a"]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[[sources]]\nfiles = ['a.json']",
            'sources[0].type: missing, expected "file", "http", "cluster", "sentinel" or "dns"',
        ),
        (
            "[[sources]]\ntype = 'clustr'",
            'sources[0].type: found \'clustr\', expected "file", "http", "cluster", "sentinel" '
            'or "dns", did you mean cluster?',
        ),
        ("[[sources]]\ntype = 5", "sources[0].type: found 5, expected"),
        ("[[sources]]\ntype = 'file'", "sources[0].files: missing, expected an array of"),
        ("[sources]\ntype = 'file'", "sources: found a table, expected tables, each headed [[so"),
        ("sources = ['x']", "sources[0]: found 'x', expected a table, headed [[sources]]"),
        (
            HTTP + 'seeds = ["redis://a"]',
            "sources[0].seeds: found in a source of type http, expected in one of type cluster",
        ),
        (
            HTTP + "interval = 5",
            "sources[0].interval: found in a source of type http, expected in one of type file, "
            "cluster, sentinel or dns, did you mean refresh?",
        ),
        (CLUSTER + "seed = 1", "sources[0].seed: unknown key, did you mean seeds?"),
        (FILE + "timeout = 1", "sources[0].timeout: found in a source of type file, expected in"),
        (FILE + "zzz = 1", "sources[0].zzz: unknown key"),
        (FILE + "scheme = 'tcp'", 'expected "redis" or "rediss"'),
        (
            "[[sources]]\ntype = 'file'\nfiles = []",
            "sources[0].files: found an array (it is empty)",
        ),
        (
            "[[sources]]\ntype = 'file'\nfiles = ['a.txt']",
            "sources[0].files[0]: found",
        ),
        (FILE + 'name = "a b"', "sources[0].name: found 'a b', expected a name of letters, digits"),
        (
            FILE + 'name = "static"',
            "found 'static' (it is the name of [[shards]])",
        ),
        (FILE + FILE, "sources[1].name: found the name 'file', expected a unique one: sources[0]"),
        (FILE + 'id = "{host.x}"', "sources[0].id: found '{host.x}' (expected names of labels"),
        (FILE + 'id = "{"', "sources[0].id: found '{'"),
        (FILE + "keep = { env = 5 }", "sources[0].keep.env: found 5, expected names of labels and"),
        (FILE + 'labels = { source = "x" }', "sources[0].labels: found the label source"),
        (FILE + "misses = 0", "sources[0].misses: found 0, expected a whole number from 1"),
        (
            FILE + "max_removed = 2",
            "sources[0].max_removed: found 2, expected a number from 0 to 1",
        ),
        ("[guard]\nmax_removed = -1", "guard.max_removed: found -1, expected a number from"),
        (
            CREDENTIALS + FILE + 'credentials = "order"',
            "sources[0].credentials: found 'order', expected the name of a table "
            "[credentials.NAME], did you mean orders?",
        ),
        (
            SENTINEL + 'sentinel_credentials = "x"',
            "sources[0].sentinel_credentials: found 'x', expected the name of a table",
        ),
        ("[credentials.a]\nusername = 'x'", "credentials.a.hosts: missing, expected an array of"),
        ("[credentials.a]\nhosts = []", "credentials.a.hosts: found an array (it is empty)"),
        ("[credentials.a]\nhosts = ['10.0.0.0/99']", "credentials.a.hosts[0]: found '10.0.0.0/99'"),
        (
            "[credentials.a]\nhosts = ['a']\npassword_file = 'x'\npassword_env = 'X'",
            "credentials.a.password_file: found together with credentials.a.password_env",
        ),
        (
            "[credentials.a]\nhosts = ['a']\nkey_file = 'x'",
            "credentials.a.key_file: found without",
        ),
        (
            "[credentials.'a b']\nhosts = ['a']",
            "credentials.'a b': found 'a b', expected a",
        ),
        (
            "credentials = 5",
            "credentials: found 5, expected tables, each headed [credentials.NAME]",
        ),
        (
            HTTP + 'url = "ftp://x"'.join(("", ""))[:0] + "refresh = 0",
            "sources[0].refresh: found 0",
        ),
        (HTTP + 'username = "x"', "sources[0].username: found without sources[0].password_file"),
        (HTTP + 'password_file = "x"', "sources[0].password_file: found without sources[0].usern"),
        (
            HTTP + 'token_file = "t"\nusername = "u"\npassword_file = "p"',
            "sources[0].token_file: found together with sources[0].username",
        ),
        (HTTPS + 'key_file = "k"', "sources[0].key_file: found without sources[0].cert_file"),
        (HTTP + 'ca_file = "c"', "sources[0].ca_file: found with sources[0].url without TLS"),
        (
            '[[sources]]\ntype = "cluster"\nseeds = ["redis://a", "rediss://b"]',
            "sources[0].seeds: found redis:// and rediss://, expected one of them",
        ),
        (
            '[[sources]]\ntype = "cluster"\nseeds = ["redis://a", "b:6379"]',
            "sources[0].seeds[1]: found 'b:6379' (it has no scheme), expected an array of",
        ),
        (
            '[[sources]]\ntype = "cluster"\nseeds = ["unix:///a"]',
            "sources[0].seeds[0]: found 'unix:///a' (its scheme is not supported)",
        ),
        (
            '[[sources]]\ntype = "cluster"\nseeds = ["redis://u:p@a"]',
            "sources[0].seeds[0]: found 'redis://***@a' (it has a user or a password; a table "
            "[credentials.NAME] in a file can have them)",
        ),
        (
            '[[sources]]\ntype = "dns"\nnames = ["_r._tcp.x", "cache"]',
            "sources[0].names[1]: found without sources[0].port, expected a port",
        ),
        (
            '[[sources]]\ntype = "dns"\nnames = ["cache:6379"]\nport = 1',
            "sources[0].names[0]: found 'cache:6379' (it has a port; the key port can have it)",
        ),
        (
            '[[sources]]\ntype = "dns"\nnames = ["10.0.0.1"]\nport = 1',
            "sources[0].names[0]: found '10.0.0.1' (it is not a name)",
        ),
        (
            f'[[sources]]\ntype = "dns"\nnames = ["{64 * "a"}.x"]\nport = 1',
            "sources[0].names[0]: found '" + 64 * "a" + ".x' (it is not a name)",
        ),
        (
            f'[[sources]]\ntype = "dns"\nnames = {["a"] * 1001}\nport = 1',
            "sources[0].names: found an array, expected an array of names in DNS",
        ),
        (DNS + "port = 70000", "sources[0].port: found 70000, expected a whole number from 1"),
        (CLUSTER + 'address = "ipv6"', "sources[0].address: found 'ipv6', expected \"ip\" or"),
        (SENTINEL + "masters = []", "sources[0].masters: found an array (it is empty)"),
        ("state_dir = 5", "state_dir: found 5, expected the path of a directory, or an empty text"),
    ],
)
def test_each_error_is_one_line_with_the_key(toml: Path, text: str, problem: str) -> None:
    (found,) = problems_of(toml, text)
    assert found.startswith("zinfo.toml: ")
    assert problem in found


@pytest.mark.parametrize(
    "url",
    [
        "cmdb.example.net/sd",
        "ftp://h/",
        "http:///sd",
        "http://*/sd",
        "http://h:0/",
        "http://h:x/",
        "http://h:/",
        "http://h:70000/",
        "http://h/#x",
        "http://h/a b",
        "http://[::1/",
        "http://a..b/",
    ],
)
def test_a_url_that_cannot_be_requested_is_refused(toml: Path, url: str) -> None:
    (found,) = problems_of(toml, f'[[sources]]\ntype = "http"\nurl = "{url}"\n')
    assert "expected http://HOST/PATH or https://HOST/PATH" in found


@pytest.mark.parametrize("url", ["http://h", "HTTPS://[::1]:8443/sd?x=1", "http://10.0.0.1:80/"])
def test_a_url_that_can_be_requested_stays_as_it_is(toml: Path, url: str) -> None:
    toml.write_text(f'[[sources]]\ntype = "http"\nurl = "{url}"\n')
    (source,) = load_config(toml).sources
    assert isinstance(source, HttpSourceConfig)
    assert source.url == url


@pytest.mark.parametrize(
    "text",
    [
        '[[sources]]\ntype = "http"\nurl = "http://u:hunter2@h/"',
        '[[sources]]\ntype = "http"\nurl = "http://h:x/?token=hunter2"',
        '[[sources]]\ntype = "http"\nurl = "u:hunter2@h"',
        '[[sources]]\ntype = "cluster"\nseeds = ["redis://u:hunter2@h"]',
        '[[sources]]\ntype = "cluster"\nseeds = ["u:hunter2@h"]',
        '[[sources]]\ntype = "cluster"\nseeds = ["redis://:hunter2"]',
        '[[sources]]\ntype = "cluster"\nseeds = "redis://u:hunter2@h"',
        '[[sources]]\ntype = "sentinel"\nsentinels = ["redis://u:hun/hunter2@h"]',
        '[[sources]]\ntype = "file"\nfiles = ["a.json"]\npassword = "hunter2"',
        '[[sources]]\ntype = "http"\nurl = "http://h"\ntoken = "hunter2"',
        '[[sources]]\ntype = "http"\nurl = "http://h"\ntoken_file = "hunter2\\n"',
        '[credentials.a]\nhosts = ["h"]\npassword = "hunter2"',
        '[credentials.a]\nhosts = ["h"]\npassword_file = "hunter2\\n"',
        '[credentials.a]\nhosts = ["h"]\npassword_env = "hunter2!"',
        '[[sources]]\ntype = "http"\nurl = "http://u:hunter2@ex\u2100mple/"',
        '[credentials]\na = "redis://u:hunter2@h"',
        '[credentials.a]\nhosts = ["redis://u:hunter2@h"]',
        '[credentials.a]\nhosts = ["u:hunter2@h/1"]',
        '[http]\nproxies = ["redis://u:hunter2@h"]',
    ],
)
def test_an_error_never_contains_a_password(toml: Path, text: str) -> None:
    assert "hunter2" not in "".join(problems_of(toml, text))


def test_all_errors_of_several_sources_are_reported_together(toml: Path) -> None:
    text = FILE + "hold = 'x'\n" + CLUSTER + "seeds2 = 1\n" + FILE + 'name = "f2"\nid = "{"\n'
    assert [line.split(": ")[1] for line in problems_of(toml, text)] == [
        "sources[0].hold",
        "sources[1].seeds2",
        "sources[2].id",
    ]


def test_an_invalid_table_of_credentials_causes_no_error_where_it_is_named(toml: Path) -> None:
    text = "[credentials.a]\nusername = 5\nhosts = ['a']\n" + FILE + 'credentials = "a"\n'
    (found,) = problems_of(toml, text)
    assert "credentials.a.username: found 5" in found


def test_variables_set_the_guard_and_the_state_directory_only(toml: Path) -> None:
    environ = {"ZINFO_STATE_DIR": "/var/lib/zinfo", "ZINFO_GUARD_MISSES": "4"}
    config = load_config(environ=environ)
    assert (config.state_dir, config.guard.misses) == ("/var/lib/zinfo", 4)
    assert environment_notes(environ) == ()
    found = problems_of(toml, "", {"ZINFO_SOURCES": "x", "ZINFO_CREDENTIALS_A_HOSTS": "x"})
    assert found == [
        "ZINFO_CREDENTIALS_A_HOSTS: [credentials] is read from files only",
        "ZINFO_SOURCES: [sources] is read from files only",
    ]


def test_a_variable_with_a_password_gives_no_error_and_no_warning(toml: Path) -> None:
    toml.write_text(EXAMPLE)
    environ = {"ZINFO_CREDENTIALS_SENTINELS": "hunter2"}
    assert environment_notes(environ, load_config(toml, environ)) == ()


def test_changed_sources_and_credentials_count_as_one_key_each(toml: Path) -> None:
    toml.write_text(EXAMPLE)
    changed = changed_keys(Config(), load_config(toml))
    assert changed == (
        "state_dir",
        "sources",
        "credentials",
        "guard.misses",
        "guard.max_removed",
    )


# --- from the command line


def of_flags(**flags: tuple[str, ...]) -> Config:
    given = {f"--{kind}": (f"sources.{kind}", texts) for kind, texts in flags.items()}
    return load_config(flags=given)


def test_the_urls_of_a_flag_are_the_seeds_of_one_source() -> None:
    (source,) = of_flags(cluster=("redis://a", "redis://b:7000")).sources
    assert source == ClusterSourceConfig(type="cluster", seeds=("redis://a", "redis://b:7000"))
    assert source.name == "cluster"
    assert source.login is None


def test_each_flag_makes_sources_of_its_type() -> None:
    config = of_flags(
        sentinel=("redis://s1", "redis://s2"),
        file=("a.json", "b/*.yml"),
        http=("http://h/1", "http://h/2"),
        dns=("_redis._tcp.x", "cache.svc:6380"),
        cluster=(),
    )
    assert [source.name for source in config.sources] == [
        "sentinel",
        "file",
        "http",
        "http-2",
        "dns",
        "dns-2",
    ]
    second = config.sources[-1]
    assert isinstance(second, DnsSourceConfig)
    assert (second.names, second.port) == (("cache.svc",), 6380)


def test_sentinels_with_tls_monitor_servers_with_tls() -> None:
    (source,) = of_flags(sentinel=("rediss://s1",)).sources
    assert isinstance(source, SentinelSourceConfig)
    assert source.scheme == "rediss"


def test_a_password_in_a_url_belongs_to_the_source_and_is_not_shown() -> None:
    config = of_flags(cluster=("redis://zinfo:hun%40ter2@a", "redis://b"))
    (source,) = config.sources
    assert isinstance(source, ClusterSourceConfig)
    assert source.seeds == ("redis://a:6379", "redis://b:6379")
    assert source.login is not None
    assert source.login.username == "zinfo"
    assert source.login.password is not None
    assert source.login.password.get_secret_value() == "hun@ter2"
    assert "ter2" not in repr(config) + str(config) + config.model_dump_json() + repr(source.login)
    (unpickled,) = pickle.loads(pickle.dumps(config)).sources
    assert unpickled.login == source.login


def test_the_urls_of_a_flag_have_one_password(toml: Path) -> None:
    flags = {"--cluster": ("sources.cluster", ["redis://:hunter2@a", "redis://:hunter3@b"])}
    (found,) = problems_of(toml, flags=flags)
    assert found == "--cluster: found different users or passwords, expected the same"


@pytest.mark.parametrize(
    ("flag", "kind", "text", "problem"),
    [
        ("--cluster", "cluster", "b:hunter2@a", "sources[0].seeds[0]: found '***@a'"),
        (
            "--cluster",
            "cluster",
            "redis://u:hunter2@a:x",
            "sources[0].seeds[0]: found 'redis://***",
        ),
        ("--sentinel", "sentinel", "unix:///a", "sources[0].sentinels[0]: found 'unix:///a'"),
        ("--file", "file", "a.txt", "sources[0].files[0]: found 'a.txt'"),
        ("--http-sd", "http", "h", "sources[0].url: found 'h' (it has no scheme)"),
        ("--dns", "dns", "cache", "sources[0].names[0]: found without sources[0].port"),
        ("--dns", "dns", "cache:99999999", "sources[0].port: found '99999999', expected a whole"),
    ],
)
def test_an_error_names_the_flag(toml: Path, flag: str, kind: str, text: str, problem: str) -> None:
    (found,) = problems_of(toml, flags={flag: (f"sources.{kind}", [text])})
    assert found.startswith(f"{flag}: {problem}")
    assert "hunter2" not in found


def test_sources_of_file_and_flags_are_combined_and_their_names_are_unique(toml: Path) -> None:
    toml.write_text(CLUSTER + 'name = "orders"\n')
    flags = {"--cluster": ("sources.cluster", ["redis://b"])}
    assert [one.name for one in load_config(toml, flags=flags).sources] == ["orders", "cluster"]
    (found,) = problems_of(toml, CLUSTER, flags=flags)
    assert found == (
        "--cluster: sources[0].name: found the name 'cluster', expected a unique one: "
        "sources[0] (zinfo.toml) has the same"
    )


def test_a_file_cannot_give_a_source_a_password(toml: Path) -> None:
    for key in ("login", "_login"):
        (found,) = problems_of(toml, CLUSTER + f'{key} = {{ password = "hunter2" }}\n')
        assert f"sources[0].{key}: unknown key" in found
