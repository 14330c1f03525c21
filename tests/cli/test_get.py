"""`zinfo get`: INFO from the daemon's cache."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import QUICK, invoke
from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.cli.unanswered import Unanswered


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_fields_are_printed_as_in_info_below_a_heading(fleet: Fleet) -> None:
    with fleet.first.client() as client:
        client.set("a", 1)
    ask = ("get", fleet.first.ident)
    # At the line's start: a run_id may well have the letters db0 in it.
    wait_until(lambda: "\ndb0:" in invoke(*ask, daemon=fleet.daemon).stdout, what="the key")
    done = invoke(*ask, daemon=fleet.daemon)
    assert done.exit_code == 0
    heading, *lines = done.stdout.splitlines()
    version = fleet.first.info_text("server").split(b"redis_version:")[1].split(b"\r")[0].decode()
    assert heading.startswith(f"# {fleet.first.ident}  up  primary  ")
    assert heading.endswith(" s old")
    names = {line.partition(":")[0] for line in lines}
    theirs = fleet.first.info_text().decode().splitlines()
    assert f"redis_version:{version}" in lines
    (database,) = (line for line in lines if line.startswith("db0:"))
    assert database in theirs
    assert database.startswith("db0:keys=1,expires=0,avg_ttl=0")  # and more from Redis 8 on
    assert names >= {line.partition(":")[0] for line in theirs if ":" in line}


def test_without_shards_all_that_were_polled_are_shown(fleet: Fleet) -> None:
    lines = invoke("get", "--key", "used_memory", daemon=fleet.daemon).stdout.splitlines()
    shards = sorted((fleet.first.ident, fleet.second.ident))
    assert [line.split()[1] for line in lines if line.startswith("#")] == shards
    assert lines[2] == ""
    assert [line.partition(":")[0] for line in lines[1::3]] == ["used_memory"] * 2


def test_json_is_one_object_a_line_with_meta(fleet: Fleet) -> None:
    done = invoke("get", "--json", daemon=fleet.daemon)
    assert done.stderr == f"1 of 3 shards has no INFO yet: {fleet.dead}\n"
    first, second = entries(done.stdout)
    names = {"shard_identifier", "id", "info_age", "state", "revision", "time"}
    assert first["meta"].keys() == names
    assert {first["meta"]["shard_identifier"], second["meta"]["shard_identifier"]} == {
        fleet.first.ident,
        fleet.second.ident,
    }
    assert isinstance(first["used_memory"], int)
    assert isinstance(first["redis_version"], str)


def test_keys_prefixes_sections_and_labels_narrow_it(fleet: Fleet) -> None:
    def names(*arguments: str) -> set[str]:
        found = entries(invoke("get", "--json", *arguments, daemon=fleet.daemon).stdout)
        return {name for entry in found for name in entry} - {"meta"}

    assert names("--key", "role", "--key", "hz") == {"role", "hz"}
    assert names("--key", "used_cpu", "--prefix") >= {"used_cpu_sys", "used_cpu_user"}
    assert names("--section", "cluster", "--section", "CPU") >= {"cluster_enabled", "used_cpu_sys"}
    assert "used_memory" not in names("--section", "cluster")
    labelled = entries(invoke("get", "--json", "--label", "role=cache", daemon=fleet.daemon).stdout)
    assert [entry["meta"]["shard_identifier"] for entry in labelled] == [fleet.second.ident]


def test_a_state_narrows_it(fleet: Fleet) -> None:
    up = invoke("get", "--json", "--state", "up", "--key", "role", daemon=fleet.daemon)
    assert [entry["meta"]["state"] for entry in entries(up.stdout)] == ["up", "up"]
    assert invoke("get", "--state", "down", daemon=fleet.daemon).stdout == ""
    shards = invoke("shards", "--json", "--state", "down", "--state", "new", daemon=fleet.daemon)
    assert [shard["id"] for shard in entries(shards.stdout)] == [fleet.dead]
    none = invoke("shards", "--state", "busy", daemon=fleet.daemon)
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "no shard matches; `zinfo shards` lists them all\n"
    for command in ("get", "shards"):
        wrong = invoke(command, "--state", "dwon", daemon=fleet.daemon)
        assert wrong.exit_code == 2
        assert "'new', 'up', 'loading', 'busy', 'down'" in wrong.stderr


def test_shards_that_are_down_or_have_no_info_are_counted_on_stderr(
    server: RealServer, server_factory: ServerFactory
) -> None:
    killed, unknown = server_factory(), "127.0.0.1:1"
    urls = [server.url, killed.url, f"redis://{unknown}"]
    with RunningDaemon(urls, environ=QUICK) as daemon:
        daemon.wait_polled(2)
        killed.kill()

        def down() -> bool:
            shards: Any = daemon.ask("shards", state="down").body
            return {shard["id"] for shard in shards} == {killed.ident, unknown}

        wait_until(down, what="both outages")

        def said(*arguments: str) -> tuple[int, str]:
            done = invoke("get", "--key", "role", *arguments, daemon=daemon)
            return done.exit_code, done.stderr

        never = f"1 of 3 shards has no INFO yet: {unknown}"
        assert (
            said()
            == said("--json")
            == said("--value")
            == (0, f"{never}; 1 is down: {killed.ident}\n")
        )
        assert said("--state", "up", "--state", "loading") == (0, "")
        assert said("--state", "down") == (0, f"1 of 2 shards has no INFO yet: {unknown}\n")
        assert (
            said("--max-age", "600")[1]
            == f"1 shard has no INFO yet: {unknown}; 1 is down: {killed.ident}\n"
        )
        assert said(server.ident) == (0, "")
        assert said(killed.ident) == (0, "")


@pytest.mark.parametrize(
    ("never", "down", "line"),
    [
        ([], [], ""),
        (["a"], [], "1 of 1 shard has no INFO yet: a"),
        (["a", "b"], ["c", "d"], "2 of 9 shards have no INFO yet: a, b; 2 are down: c, d"),
        ([], ["c"], "1 of 9 shards is down: c"),
        ([], list("abcdefg"), "7 of 9 shards are down: a, b, c, d, e and 2 more"),
        ([], ["x" * 100], f"1 of 9 shards is down: {'x' * 80}..."),
    ],
)
def test_the_line_about_shards_without_a_reply(
    never: list[str], down: list[str], line: str
) -> None:
    total = 1 if line.startswith("1 of 1 ") else 9
    assert Unanswered(never, down).described(total) == line


def test_the_line_without_the_number_of_all_shards() -> None:
    assert Unanswered([], ["a"]).described(None) == "1 shard is down: a"
    assert Unanswered(["a", "b"], ["c"]).described(None) == (
        "2 shards have no INFO yet: a, b; 1 is down: c"
    )


def test_refresh_shows_a_value_written_a_moment_ago(server: RealServer) -> None:
    slow = {"ZINFO_POLL_MIN_INTERVAL": "600", "ZINFO_POLL_MAX_INTERVAL": "600"}
    with RunningDaemon(
        [server.url], environ={**slow, "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0"}
    ) as daemon:
        daemon.wait_polled(1)
        server.client().set("a", 1)
        ask = ("get", "--key", "db0", "--json")
        (before,) = entries(invoke(*ask, daemon=daemon).stdout)
        assert before.keys() == {"meta"}
        (young,) = entries(invoke(*ask, "--refresh", "--max-age", "600", daemon=daemon).stdout)
        assert young["meta"]["revision"] == before["meta"]["revision"]
        (after,) = entries(invoke(*ask, "--refresh", daemon=daemon).stdout)
        assert after["db0"]["keys"] == 1


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_unknown_shard_is_one_line_and_exit_code_1(fleet: Fleet, form: list[str]) -> None:
    done = invoke("get", fleet.first.ident, "nowhere:1", *form, daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (1, "Error: shard nowhere:1 not found\n")


def test_a_shard_that_was_never_polled_is_a_one_line_error_with_advice(fleet: Fleet) -> None:
    done = invoke("get", fleet.dead, daemon=fleet.daemon)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: info for shard {fleet.dead} not available: "
        "no poll succeeded; `zinfo shards` shows why\n"
    )


def test_with_partial_the_rest_is_shown(fleet: Fleet) -> None:
    ask = ("get", "nowhere:1", fleet.dead, fleet.first.ident, "--partial", "--key", "role")
    done = invoke(*ask, daemon=fleet.daemon)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == "# nowhere:1  shard nowhere:1 not found"
    assert lines[2].startswith(f"# {fleet.dead}  down (refused)  info for shard")
    assert lines[-1] == "role:master"
    done = invoke("get", "nowhere:1", "--partial", daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (0, "")
    found = entries(invoke(*ask, "--json", daemon=fleet.daemon).stdout)
    assert found[0]["meta"]["error"] == "shard nowhere:1 not found"
    assert [entry["meta"]["info_age"] for entry in found[:2]] == [None, None]
    assert found[2]["meta"]["info_age"] >= 0


def test_no_info_that_is_young_enough_is_reported_and_is_no_failure(fleet: Fleet) -> None:
    done = invoke("get", "--label", "role=cache", "--max-age", "1e-9", daemon=fleet.daemon)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "no shard has INFO that matches; `zinfo shards` lists them all\n"


def test_a_field_must_match_both_key_and_section(fleet: Fleet) -> None:
    def lines(*arguments: str) -> list[str]:
        ask = ("get", fleet.first.ident, *arguments)
        return invoke(*ask, daemon=fleet.daemon).stdout.splitlines()[1:]

    both = lines("--key", "role", "--key", "hz", "--section", "memory", "--section", "server")
    assert both == ["hz:10"]
    cpu = lines("--key", "used_", "--prefix", "--section", "cpu")
    assert {line[:9] for line in cpu} == {"used_cpu_"}


def values(fleet: Fleet, *arguments: str) -> list[str]:
    done = invoke("get", *arguments, "--value", daemon=fleet.daemon)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_values_of_one_shard_are_printed_without_anything_else(fleet: Fleet) -> None:
    assert values(fleet, fleet.first.ident, "--key", "role") == ["master"]
    assert values(fleet, fleet.first.ident, "--key", "hz", "--key", "role") == ["10\tmaster"]


def test_values_of_several_shards_follow_the_id(fleet: Fleet) -> None:
    shards = sorted((fleet.first.ident, fleet.second.ident))
    ask = ("--key", "role", "--key", "config_file", "--key", "master_host")
    done = invoke("get", *ask, "--value", daemon=fleet.daemon)
    # The path of the configuration file is empty, and a primary has no master_host.
    assert done.stdout.splitlines() == [f"{shard}\tmaster\t\t-" for shard in shards]
    assert values(fleet, "--label", "role=cache", "--key", "hz") == [f"{fleet.second.ident}\t10"]


def test_the_error_of_a_shard_without_values_is_on_stderr(fleet: Fleet) -> None:
    ask = ("get", "nowhere:1", fleet.first.ident, "--partial", "--key", "hz", "--value")
    done = invoke(*ask, daemon=fleet.daemon)
    assert done.stdout == f"nowhere:1\t-\n{fleet.first.ident}\t10\n"
    assert done.stderr == "shard nowhere:1 not found\n"


@pytest.mark.parametrize("more", [[], ["--key", "h", "--prefix"], ["--key", "hz", "--json"]])
def test_values_need_names_of_fields_and_exclude_json(more: list[str]) -> None:
    done = invoke("get", "--value", *more)
    assert done.exit_code == 2
    assert "--value needs --key, and excludes --prefix and --json" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--prefix"], "--prefix applies to --key"),
        (["--label", "role"], "found 'role', expected NAME=VALUE"),
        (["--label", "=x"], "expected NAME=VALUE"),
        (["--max-age", "old"], "'old' is not a valid float"),
        (["--timeout", "0"], "0"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], expected: str) -> None:
    done = invoke("get", *arguments)
    assert done.exit_code == 2
    assert expected in done.stderr


def test_control_characters_from_a_server_are_escaped(fleet: Fleet) -> None:
    script = "return redis.error_reply('EVIL\\27[31m\\7X boo')"
    fleet.first.cli("EVAL", script, "0")

    def look() -> str:
        return invoke("get", fleet.first.ident, "--refresh", daemon=fleet.daemon).stdout

    wait_until(lambda: "EVIL" in look(), what="the error to be counted")
    assert "errorstat_EVIL\\x1b[31m\\x07X:count=1" in look().splitlines()
    assert "\x1b" not in invoke("get", "--json", daemon=fleet.daemon).stdout
