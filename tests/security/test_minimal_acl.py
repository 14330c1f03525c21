"""The ACL rules that the documentation names are sufficient and minimal."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.server_kinds import ServerKind
from tests.waiting import wait_until
from zinfo.poll.advice import ACL_RULES

SECURITY = Path(__file__).parents[2] / "docs" / "explanation" / "security.md"


def documented_rules() -> list[str]:
    """The rules of the page's ACL SETUSER line, less the password."""
    (line,) = re.findall(r"^ACL SETUSER zinfo (.+)$", SECURITY.read_text(), re.MULTILINE)
    return [rule for rule in str(line).split() if not rule.startswith(">")]


def test_a_user_without_rights_is_down_until_the_command_in_its_error_is_run(
    server_factory: ServerFactory,
) -> None:
    server = server_factory()
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "zinfo", "on", ">l3ast")
    config = (
        "[poll]\nmin_interval = 0.05\nmax_interval = 0.05\nmax_backoff = 0.1\n"
        f'[[shards]]\nurl = "{server.url}"\nid = "s"\nusername = "zinfo"\npassword = "l3ast"\n'
    )
    with RunningDaemon(config_text=config) as daemon:

        def shard() -> dict[str, str]:
            body = daemon.ask("shards").body
            assert isinstance(body, list)
            (only,) = body
            assert isinstance(only, dict)
            return only

        wait_until(lambda: shard()["reason"] == "noperm", what="a refusal of INFO")
        error, log = shard()["error"], daemon.log
        command = error.partition("on the server, run: ")[2].replace(" USER ", " zinfo ")
        assert command.endswith(ACL_RULES)
        wait_until(lambda: error in log(), what="the error in the log")
        events = daemon.ask("events").body
        assert isinstance(events, list)
        assert events[-1]["message"] == error
        admin.execute_command(*command.split())
        wait_until(lambda: shard()["state"] == "up", what="the shard to be up")


def test_the_documented_acl_is_sufficient(
    each_kind: ServerKind, server_factory: ServerFactory, short_tmp: Path, promise: Promise
) -> None:
    server = server_factory(each_kind)
    rules = documented_rules()
    assert " ".join(rules).endswith(ACL_RULES)
    server.client().execute_command("ACL", "SETUSER", "zinfo", ">l3ast", *rules)
    password = short_tmp / "password"
    password.touch(0o600)
    password.write_text("l3ast\n")
    config = (
        "[poll]\nmin_interval = 0.05\nmax_interval = 0.05\ninterval_step = 0\n"
        f'[[shards]]\nurl = "{server.url}"\nid = "s"\nusername = "zinfo"\n'
        f'password_file = "{password}"\n'
    )
    with RunningDaemon(config_text=config) as daemon:

        def shard() -> dict[str, object]:
            body = daemon.ask("shards").body
            assert isinstance(body, list)
            (only,) = body
            assert isinstance(only, dict)
            return only

        def polled() -> bool:
            revision = shard()["revision"]
            return isinstance(revision, int) and revision > 5

        wait_until(polled, what="six polls")
        state = shard()
    # Daemons of other tests that discover the servers of the machine try passwords of their own.
    log = server.client().execute_command("ACL", "LOG")
    refused = [entry for entry in log if entry[b"username"] == b"zinfo"]
    names = server.client().execute_command("CLIENT", "LIST")
    promise(
        f"{each_kind.name}: ACL {' '.join(rules)}",
        "up, no command refused",
        f"{state['state']}, {len(refused)} refused",
    )
    assert state["state"] == "up"
    assert refused == []
    assert names is not None
