"""Old key names are accepted for one minor version, with a warning."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.daemons import ROOT, RunningDaemon
from tests.servers import RealServer
from zinfo.cli.check import check
from zinfo.config import Config, environment_notes, load_config
from zinfo.config.models import ClientConfig
from zinfo.config.renamed import RENAMED, current_path
from zinfo.errors import ConfigError

OLD = """\
[poll]
grace = 7
backoff_max = 9
[query]
refresh_floor = 0.4
[security]
server_key = "server.key"
client_keys = "clients"
[clients.ops]
withheld = ["executable"]
"""
NEW = (
    OLD.replace("grace", "log_after_failures")
    .replace("backoff_max", "max_backoff")
    .replace("refresh_floor", "min_refresh_interval")
    .replace("withheld", "hidden_fields")
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "zinfo.toml"
    path.write_text(OLD, encoding="utf-8")
    return path


def test_a_file_with_old_names_makes_the_same_configuration_and_warns(
    file: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text(NEW, encoding="utf-8")
    old, new = load_config(file), load_config(tmp_path / "new.toml")
    assert old.model_dump() == new.model_dump()
    assert old.poll.log_after_failures == 7
    assert new.warnings == ()
    assert sorted(old.warnings) == [
        f"{file}: clients.ops.withheld is deprecated, use clients.ops.hidden_fields",
        f"{file}: poll.backoff_max is deprecated, use poll.max_backoff",
        f"{file}: poll.grace is deprecated, use poll.log_after_failures",
        f"{file}: query.refresh_floor is deprecated, use query.min_refresh_interval",
    ]


def test_variables_and_flags_with_old_names_are_accepted(file: Path) -> None:
    environ = {"ZINFO_POLL_GRACE": "8"}
    config = load_config(file, environ, {"--floor": ("query.refresh_floor", "0.5")})
    assert (config.poll.log_after_failures, config.query.min_refresh_interval) == (8, 0.5)
    assert environment_notes(environ, config) == ()
    assert "ZINFO_POLL_GRACE: poll.grace is deprecated, use poll.log_after_failures" in (
        config.warnings
    )
    assert "--floor: query.refresh_floor is deprecated, use query.min_refresh_interval" in (
        config.warnings
    )


def test_a_later_source_wins_whichever_name_it_uses(file: Path) -> None:
    assert load_config(file, {"ZINFO_POLL_MAX_BACKOFF": "2"}).poll.max_backoff == 2


def test_a_source_with_both_names_of_a_key_is_refused(file: Path) -> None:
    file.write_text(OLD.replace("grace = 7", "grace = 7\nlog_after_failures = 7"))
    environ = {"ZINFO_POLL_BACKOFF_MAX": "1", "ZINFO_POLL_MAX_BACKOFF": "1"}
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ)
    text = "found beside {}, which is its new name, expected one"
    assert list(caught.value.problems) == [
        f"{file}: poll.grace: {text.format('poll.log_after_failures')}",
        f"ZINFO_POLL_BACKOFF_MAX: poll.backoff_max: {text.format('poll.max_backoff')}",
    ]


def test_an_error_in_a_value_under_an_old_name_states_its_source() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={"ZINFO_POLL_GRACE": "often"})
    (problem,) = caught.value.problems
    assert problem.startswith("ZINFO_POLL_GRACE: poll.log_after_failures: found 'often'")


def test_warnings_survive_the_pipe_from_the_loader_process(file: Path) -> None:
    config = load_config(file)
    assert pickle.loads(pickle.dumps(config)).warnings == config.warnings


def test_each_renamed_key_exists_under_its_new_name_only_and_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "versioning.md").read_text(encoding="utf-8")
    for old in RENAMED:
        section, *_any, key = current_path(old)
        model = ClientConfig if section == "clients" else type(getattr(Config(), str(section)))
        assert key in model.model_fields
        assert old[-1] not in model.model_fields
        assert f"`{'.'.join(map(str, old)).replace('*', 'NAME')}`" in page


def test_zinfo_check_prints_the_warnings(file: Path) -> None:
    result = CliRunner().invoke(check, [str(file)])
    assert result.exit_code == 0
    assert f"warning: {file}: poll.grace is deprecated, use poll.log_after_failures" in (
        result.output.splitlines()
    )


def test_the_daemon_logs_the_warnings_once_at_start(server: RealServer) -> None:
    with RunningDaemon([server.url], environ={"ZINFO_POLL_GRACE": "8"}) as daemon:
        daemon.wait_polled(1)
        log = daemon.log()
    lines = [line for line in log.splitlines() if "poll.grace is deprecated" in line]
    assert len(lines) == 1
