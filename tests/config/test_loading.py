from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from zinfo.config import (
    Config,
    LocalConfig,
    PollConfig,
    QueryConfig,
    ShardConfig,
    XmlRpcConfig,
    changed_keys,
    check_file,
    load_config,
)
from zinfo.errors import ConfigError


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "zinfo.toml"


def problems_of(toml: Path, text: str | None = None, **sources: Any) -> list[str]:
    """Return the errors of loading, without the directory of the file."""
    if text is not None:
        toml.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(toml if toml.exists() else None, **sources)
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(problem.isprintable() for problem in caught.value.problems)
    return [problem.replace(f"{toml.parent}/", "") for problem in caught.value.problems]


def test_without_any_source_the_defaults_apply() -> None:
    config = load_config()
    assert config == Config()
    assert config.poll.min_interval == 0.5
    assert config.query.endpoint == "tcp://127.0.0.1:9736"
    assert config.bus.endpoint == "tcp://127.0.0.1:9737"
    assert config.shards == ()
    assert not config.local.enabled


def test_a_later_source_overrides_single_keys(toml: Path) -> None:
    toml.write_text("[poll]\ntimeout = 1.0\ngrace = 1\njitter = 0.2\n")
    environ = {"ZINFO_POLL_TIMEOUT": "2", "ZINFO_POLL_LOG_AFTER_FAILURES": "2"}
    poll = load_config(toml, environ, {"--timeout": ("poll.timeout", 3)}).poll
    assert (poll.timeout, poll.log_after_failures, poll.jitter) == (3.0, 2, 0.2)


def test_shards_of_all_sources_are_combined(toml: Path) -> None:
    toml.write_text('[[shards]]\nurl = "redis://a"\n')
    environ = {"ZINFO_SHARDS": " redis://b\n redis://c:7 "}
    flags = {"--shard": ("shards", ["redis://d", {"url": "redis://e", "id": "five"}])}
    shards = load_config(toml, environ, flags).shards
    assert [shard.id for shard in shards] == ["a:6379", "b:6379", "c:7", "d:6379", "five"]


def test_flags_can_be_text_or_none() -> None:
    flags = {
        "--query": ("query.endpoint", "ipc:///run/q"),
        "--log-after": ("poll.log_after_failures", "7"),
        "--local": ("local.enabled", True),
        "--bus": ("bus.endpoint", None),
        "--node": ("node", "1"),
        "--shard": ("shards", ()),
    }
    config = load_config(flags=flags)
    assert (config.query.endpoint, config.poll.log_after_failures) == ("ipc:///run/q", 7)
    assert (config.local.enabled, config.node) == (True, "1")
    assert config.bus == Config().bus


def test_all_errors_of_all_sources_are_reported_together(toml: Path) -> None:
    text = """
        node = 5
        timeout = 2
        [poll]
        min_interval = "fast"
        timeoutt = 3
        ops_active = true
        [query]
        endpoint = "inproc://x"
        [log]
        level = "loud"
        [[shards]]
        url = "redis://a"
        [[shards]]
        labels = { a = 3, "b c" = "fine" }
        timout = 1
        [[shards]]
        url = "redis://a"
        [[shards]]
        url = "redis://z"
        min_interval = 5
    """
    assert problems_of(toml, text, environ={"ZINFO_POLL_MIN_INTERVAL": "x"}) == [
        "zinfo.toml: node: found 5, expected at most 255 printable characters",
        "zinfo.toml: shards[1].url: missing, "
        "expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH",
        "zinfo.toml: shards[1].labels.a: found 3, "
        'expected names and texts, as in { role = "cache" }',
        "zinfo.toml: shards[1].timout: unknown key, did you mean timeout?",
        "zinfo.toml: poll.min_interval: found 'fast', "
        "expected a number of seconds above 0, at most 86400",
        "zinfo.toml: poll.ops_active: found true, expected a whole number from 0 to 1000000000",
        "zinfo.toml: poll.timeoutt: unknown key, did you mean timeout?",
        "zinfo.toml: query.endpoint: found 'inproc://x' "
        "(inproc:// cannot be reached from another process), "
        "expected tcp://HOST:PORT (either may be *) or ipc://PATH",
        'zinfo.toml: log.level: found \'loud\', expected "debug", "info", "warning" or "error"',
        "zinfo.toml: timeout: unknown key, did you mean poll.timeout?",
        "ZINFO_POLL_MIN_INTERVAL: poll.min_interval: found 'x', "
        "expected a number of seconds above 0, at most 86400",
        "zinfo.toml: shards[2]: found the id 'a:6379', "
        "expected a unique one: shards[0] has the same",
        "zinfo.toml: shards[3].min_interval: found 5.0, "
        "expected at most poll.max_interval (the default), which is 3.0",
    ]


def test_a_conflict_between_poll_and_a_shard_is_reported_once(toml: Path) -> None:
    text = "node = 'a'\n[poll]\nmin_interval = 5\n[[shards]]\nurl = 'redis://a'\ntimeout = 1\n"
    first, second = problems_of(toml, text + "[log]\nlevel = 1\n")
    assert first.startswith("zinfo.toml: log.level: found 1")
    assert second.startswith("zinfo.toml: poll.min_interval: found 5.0")


def test_an_error_names_the_flag(toml: Path) -> None:
    flags = {"--query": ("query.endpoint", "nope"), "--shard": ("shards", ["nope", 3])}
    query, first, second = sorted(problems_of(toml, flags=flags))
    assert query.startswith("--query: query.endpoint: found 'nope' (it has no scheme)")
    assert first.startswith("--shard: shards[0].url: found 'nope'")
    assert second == "--shard: shards[1]: found 3, expected a table, headed [[shards]]"


def test_a_duplicate_shard_is_reported_with_both_sources(toml: Path) -> None:
    text = '[[shards]]\nurl = "redis://a"\n[[shards]]\nurl = "redis://b"\n'
    (problem,) = problems_of(toml, text, environ={"ZINFO_SHARDS": "redis://x redis://B:6379"})
    assert problem == (
        "ZINFO_SHARDS: shards[1]: found the id 'b:6379', "
        "expected a unique one: shards[1] (zinfo.toml) has the same"
    )


def test_a_conflict_names_both_keys_and_their_sources(toml: Path) -> None:
    environ = {"ZINFO_POLL_MAX_INTERVAL": "4"}
    (mixed,) = problems_of(toml, "[poll]\nmin_interval = 5\n", environ=environ)
    assert mixed == (
        "zinfo.toml: poll.min_interval: found 5.0, "
        "expected at most poll.max_interval (ZINFO_POLL_MAX_INTERVAL), which is 4.0"
    )
    (default,) = problems_of(toml, "[poll]\nops_active = 2\n")
    assert default == (
        "zinfo.toml: poll.ops_inactive (the default): found 5, "
        "expected at most poll.ops_active, which is 2"
    )


@pytest.mark.parametrize(("minutes", "step", "steps"), [(240, 1, 14400), (1, 60, 1)])
def test_the_number_of_steps_of_a_history_is_bounded(
    toml: Path, minutes: float, step: float, steps: int
) -> None:
    found = problems_of(toml, f"[history]\nminutes = {minutes}\nstep = {step}\n")
    assert found == [
        f"zinfo.toml: history.minutes: found {steps} steps of history.step, expected 2 to 2880"
    ]


def test_a_right_that_a_client_would_never_have_is_a_conflict(toml: Path) -> None:
    keys = "[http]\ntoken_file = 'tokens'\n"
    keys += "[clients.cache]\noperations = ['sources', 'accept_source']\n"
    (found,) = problems_of(toml, f"{keys}shards = ['cache-']\n")
    assert found == (
        "zinfo.toml: clients.cache.operations: found 'accept_source' with clients.cache.shards, "
        "expected it only of a client that can see all shards"
    )
    toml.write_text(keys, encoding="utf-8")
    load_config(toml)


def test_a_later_source_can_resolve_a_conflict_but_not_an_invalid_value(toml: Path) -> None:
    toml.write_text("[poll]\nmin_interval = 5\n")
    assert load_config(toml, {"ZINFO_POLL_MAX_INTERVAL": "9"}).poll.min_interval == 5.0
    environ = {"ZINFO_POLL_MIN_INTERVAL": "1"}
    (problem,) = problems_of(toml, "[poll]\nmin_interval = -5\n", environ=environ)
    assert problem.startswith("zinfo.toml: poll.min_interval: found -5, expected")


def test_conflicts_with_an_invalid_value_are_not_reported(toml: Path) -> None:
    (problem,) = problems_of(toml, '[poll]\nmin_interval = 5\nmax_interval = "9"\n')
    assert problem.startswith("zinfo.toml: poll.max_interval: found '9', expected")


SHARD = '[[shards]]\nurl = "redis://a"\n'
TLS_SHARD = '[[shards]]\nurl = "rediss://a"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            SHARD + 'password = "x"\npassword_file = "x"',
            "[0].password_file: found together with shards",
        ),
        (SHARD + 'password_env = "x"\npassword_file = "x"', "expected at most one password"),
        ('[[shards]]\nurl = "redis://:x@a"\npassword_env = "x"', "one in the URL counts"),
        ('[[shards]]\nurl = "redis://:x@a"\npassword = "x"', "found a password in url and one"),
        ('[[shards]]\nurl = "redis://x@a"\nusername = "x"', "found a username in url and one"),
        (SHARD + 'ca_file = "x"', "[0].ca_file: found with shards[0].url without TLS"),
        (SHARD + "check_hostname = false", "[0].check_hostname: found with shards[0].url"),
        (SHARD + "tls_verify = false", "[0].tls_verify: found with shards[0].url"),
        (SHARD + 'tls_server_name = "b"', "[0].tls_server_name: found with shards[0].url"),
        (TLS_SHARD + 'tls_server_name = "[::1]"', "expected a host name or an IP address"),
        (TLS_SHARD + 'tls_verify = "no"', "[0].tls_verify: found 'no', expected true or false"),
        (TLS_SHARD + 'key_file = "x"', "[0].key_file: found without shards[0].cert_file"),
        (SHARD + "min_interval = 2\nmax_interval = 1", "[0].min_interval: found 2.0, expected"),
        (SHARD + "max_interval = 0.1", "at most shards[0].max_interval, which is 0.1"),
        (
            '[local]\npassword_env = "x"\npassword_file = "x"',
            "local.password_file: found together with",
        ),
        ('[bus]\nendpoint = "tcp://127.0.0.1:9736"', "found the address of query.endpoint"),
        ('[xmlrpc]\nlisten = "127.0.0.1:9737"', "found the address of bus.endpoint"),
        ('[bus]\nadvertise = "tcp://*:1"', "clients cannot connect to a *"),
        (SHARD + 'password = ""', "[0].password: found something else, expected a password"),
        (SHARD + "id = ''", "[0].id: found '', expected 1 to 512 printable characters"),
        (SHARD + 'labels = { "" = "x" }', "[0].labels"),
        (SHARD + "timeout = inf", "[0].timeout: found inf, expected a number of seconds"),
        (SHARD + "timeout = 0", "[0].timeout: found 0, expected"),
        ("poll = 3", "poll: found 3, expected a table, headed [poll]"),
        ("[shards]\nurl = 'x'", "shards: found a table, expected tables, each headed [[shards]]"),
        ("shards = [['x']]", "shards[0]: found an array, expected a table, headed [[shards]]"),
        ("node = 2000-01-01", "node: found a date, expected"),
        ("[poll.timeout]", "poll.timeout: found a table, expected a number of seconds"),
        ("[pol]", "pol: unknown key, did you mean poll?"),
        ("[poll.deep]\nx = 1", "poll.deep: unknown key"),
        ("endpoint = 'x'", "did you mean bus.endpoint or query.endpoint?"),
    ],
)
def test_each_error_is_one_line(toml: Path, text: str, problem: str) -> None:
    (found,) = problems_of(toml, text)
    assert found.startswith("zinfo.toml: ")
    assert problem in found


def test_user_and_password_are_removed_from_the_url() -> None:
    shard = ShardConfig(url="redis://user:hun%40ter2@Host:1/0")
    assert (shard.url, shard.id, shard.username) == ("redis://host:1", "host:1", "user")
    assert shard.password is not None
    assert shard.password.get_secret_value() == "hun@ter2"
    assert "ter2" not in repr(shard) + str(shard) + shard.model_dump_json()


def test_paths_in_a_file_are_relative_to_its_directory(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text(
        TLS_SHARD + 'password_file = "p"\nca_file = "/etc/ca.pem"\ncert_file = "tls/c.pem"\n'
        '[local]\nkey_file = "k"\ncert_file = "c"\n'
    )
    monkeypatch.chdir(toml.parent)
    config = load_config(Path(toml.name), {"ZINFO_LOCAL_CA_FILE": "ca.pem"})
    shard = config.shards[0]
    assert shard.password_file == str(toml.parent / "p")
    assert shard.ca_file == "/etc/ca.pem"
    assert shard.cert_file == str(toml.parent / "tls/c.pem")
    assert config.local.key_file == str(toml.parent / "k")
    assert config.local.ca_file == "ca.pem"


def test_settings_of_a_shard_override_those_of_poll() -> None:
    poll = PollConfig(timeout=1.0)
    plain = ShardConfig(url="redis://a")
    assert poll.for_shard(plain) is poll
    tuned = poll.for_shard(ShardConfig(url="redis://a", min_interval=0.1, interval_step=0))
    assert (tuned.min_interval, tuned.interval_step, tuned.timeout) == (0.1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ('"default"', ("default",)),
        ('["all"]', ("all",)),
        ('"cpu"', ("cpu",)),
        ('["Memory", "search"]', ("memory", "search")),
    ],
)
def test_sections_of_info_are_a_name_or_names(
    toml: Path, text: str, sections: tuple[str, ...]
) -> None:
    toml.write_text(f'[poll]\ninfo = {text}\n[[shards]]\nurl = "redis://a"\ninfo = {text}\n')
    config = load_config(toml)
    assert (config.poll.info, config.shards[0].info) == (sections, sections)


@pytest.mark.parametrize("text", ["[]", "5", '["a b"]', '["all", "cpu"]', "[1]", '""', "true"])
def test_invalid_sections_of_info_are_reported(toml: Path, text: str) -> None:
    toml.write_text(f"[poll]\ninfo = {text}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(toml)
    (problem,) = caught.value.problems
    assert "poll.info: found" in problem
    assert 'expected "everything", "all", "default" or an array of sections' in problem


def test_a_configuration_made_in_python_is_validated() -> None:
    with pytest.raises(ValidationError, match=r"min_interval: found 9\.0"):
        PollConfig(min_interval=9.0)
    with pytest.raises(ValidationError, match="at most one password"):
        LocalConfig(password_file="x", password_env="x")
    with pytest.raises(ValidationError, match=r"shards\.1: found the id 'a:6379'"):
        Config(shards=(ShardConfig(url="redis://a"), ShardConfig(url="redis://A")))
    with pytest.raises(ValidationError, match=r"query\.endpoint"):
        Config(query=QueryConfig(endpoint="tcp://127.0.0.1:9737"))
    with pytest.raises(ValidationError, match="frozen"):
        Config().node = "x"


def test_ports_that_the_system_chooses_do_not_conflict(toml: Path) -> None:
    toml.write_text('[bus]\nendpoint = "tcp://[::1]:*"\n[query]\nendpoint = "tcp://[::1]:*"\n')
    assert check_file(toml).bus.endpoint == "tcp://[::1]:*"


def test_the_xmlrpc_section_has_host_and_port() -> None:
    assert XmlRpcConfig().address is None
    assert XmlRpcConfig(listen="[::1]:50051").address == ("::1", 50051)


def test_changed_keys_has_no_shards() -> None:
    new = Config(
        node="x",
        shards=(ShardConfig(url="redis://a"),),
        poll=PollConfig(timeout=1.0, log_after_failures=3),
    )
    assert changed_keys(Config(), new) == ("node", "poll.timeout")
    assert changed_keys(new, new) == ()


def test_importing_the_configuration_loads_neither_gevent_nor_redis() -> None:
    code = (
        "import sys, zinfo.config; print([m for m in ('gevent','redis','zmq') if m in sys.modules])"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=30)
    assert output.strip() == "[]"
