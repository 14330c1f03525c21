from __future__ import annotations

from pathlib import Path

import pytest

from zinfo.config import Config, environment_notes, load_config
from zinfo.errors import ConfigError


def test_the_environment_is_not_read_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZINFO_NODE", "from-outside")
    assert load_config().node == ""


def test_variables_are_converted_to_the_types_of_their_keys() -> None:
    environ = {
        "ZINFO_NODE": "7",
        "ZINFO_LOCAL_ENABLED": "Yes",
        "ZINFO_LOCAL_LABELS": "site=fra, rack = 7",
        "ZINFO_LOCAL_USERNAME": "0",
        "ZINFO_POLL_JITTER": "1e-2",
        "ZINFO_LOG_FORMAT": "json",
        "ZINFO_POLL_TIMEOUT": "",
        "ZINFO_POLL_INFO": "Memory search memory",
        "ZINFO_METRICS_LABELS": "site rack",
        "ZINFO_CONNECT": "tcp://elsewhere:1",
        "ZINFO_PURE_PYTHON": "1",
        "HOME": "/root",
    }
    config = load_config(environ=environ)
    assert (config.node, config.local.username) == ("7", "0")
    assert config.local.enabled
    assert config.local.labels == {"site": "fra", "rack": "7"}
    assert (config.poll.jitter, config.log.format) == (0.01, "json")
    assert config.poll.timeout == 3.0
    assert config.poll.info == ("memory", "search")
    assert config.metrics.labels == ("site", "rack")
    assert environment_notes(environ) == ()


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ZINFO_LOCAL_ENABLED", "maybe", "local.enabled: found 'maybe', expected true or false"),
        (
            "ZINFO_POLL_LOG_AFTER_FAILURES",
            "1.5",
            "poll.log_after_failures: found '1.5', expected a whole number from 0",
        ),
        ("ZINFO_POLL_INFO", "all cpu", "poll.info: found an array (all is a group of sections"),
        ("ZINFO_POLL_TIMEOUT", "nan", "poll.timeout: found nan, expected a number of seconds"),
        ("ZINFO_LOCAL_LABELS", "a", "local.labels: found 'a', expected names and texts"),
        ("ZINFO_POLL_TIMEOUTT", "1", "unknown variable, did you mean ZINFO_POLL_TIMEOUT?"),
        ("ZINFO_LOG", "1", "unknown variable, did you mean"),
        ("ZINFO_SHARDS_URL", "1", "unknown variable, did you mean ZINFO_SHARDS?"),
        ("ZINFO_SHARDS", "redis://a nope", "shards[1].url: found 'nope' (it has no scheme)"),
        ("ZINFO_NODE", "\udc80", "node: found '\\udc80', expected at most 255 printable"),
    ],
)
def test_an_error_names_the_invalid_variable(variable: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={variable: value})
    (found,) = caught.value.problems
    assert found.startswith(f"{variable}: {problem}")


def test_other_unknown_variables_give_warnings() -> None:
    environ = {"ZINFO_NODES": "hunter2", "ZINFO_PASSWORD": "hunter2", "ZINFO_X\n": "hunter2"}
    assert load_config(environ=environ) == Config()
    notes = environment_notes(environ)
    assert notes[0] == "ZINFO_NODES: unknown variable, did you mean ZINFO_NODE? (ignored)"
    assert len(notes) == 3
    assert "hunter2" not in "".join(notes)
    assert all(note.isprintable() for note in notes)


def test_a_variable_with_a_password_gives_no_error_and_no_warning(tmp_path: Path) -> None:
    toml = tmp_path / "zinfo.toml"
    toml.write_text('[[shards]]\nurl = "redis://a"\npassword_env = "ZINFO_QUERY_SECRET"\n')
    environ = {
        "ZINFO_QUERY_SECRET": "x",
        "ZINFO_LOCAL_PASSWORD_ENV": "ZINFO_LOCAL_SECRET",
        "ZINFO_LOCAL_SECRET": "x",
    }
    config = load_config(toml, environ)
    assert environment_notes(environ, config) == ()


def test_variables_that_kubernetes_sets_for_services_are_ignored() -> None:
    environ = {
        "ZINFO_SERVICE_HOST": "10.0.0.1",
        "ZINFO_SERVICE_PORT_QUERY": "9736",
        "ZINFO_PORT": "tcp://10.0.0.1:9736",
        "ZINFO_QUERY_SERVICE_HOST": "10.0.0.1",
        "ZINFO_QUERY_PORT": "tcp://10.0.0.1:9736",
        "ZINFO_QUERY_PORT_9736_TCP_ADDR": "10.0.0.1",
    }
    assert load_config(environ=environ) == Config()
    assert environment_notes(environ) == ()
