"""The query operations over HTTP: the same results as over ZeroMQ, as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.http.requests import Response, fetch
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

DEAD = "127.0.0.1:1"


def data(daemon: RunningDaemon, path: str) -> Any:
    answer = fetch(daemon.http, path)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json["data"]


def code(answer: Response) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


def test_infos_equal_those_of_the_query_endpoint(daemon: RunningDaemon, real: RealServer) -> None:
    def both() -> tuple[Any, Any] | None:
        (by_http,) = data(daemon, "api/v1/infos")
        body: Any = daemon.ask("get_infos").body
        (by_zmq,) = body
        same = by_http["meta"]["revision"] == by_zmq["meta"]["revision"]
        return (by_http, by_zmq) if same else None

    found = wait_until(both, what="two answers of one poll")
    assert found is not None
    by_http, by_zmq = found
    assert by_http.pop("meta")["shard_identifier"] == by_zmq.pop("meta")["shard_identifier"]
    assert by_http == by_zmq
    assert len(by_http) > 100


def test_arguments_select_shards_fields_and_sections(
    daemon: RunningDaemon, real: RealServer
) -> None:
    (info,) = data(daemon, f"api/v1/infos?shard_ids={real.ident}&keys=role&keys=used_memory")
    assert info.keys() == {"role", "used_memory", "meta"}
    (info,) = data(daemon, "api/v1/infos?keys=used_memory&prefix_matching=true")
    assert "used_memory_peak" in info
    (info,) = data(daemon, "api/v1/infos?sections=Clients")
    assert "connected_clients" in info
    assert "used_memory" not in info
    whole = data(daemon, f"api/v1/infos?shard_ids={DEAD}&allow_partial=1")
    assert whole[0]["meta"]["error"] == f"info for shard {DEAD} not available"
    assert whole[0]["meta"]["info_age"] is None
    assert data(daemon, "api/v1/infos?labels[site]=none") == []
    (info,) = data(daemon, "api/v1/infos?keys=role&with_labels=true")
    assert info["meta"]["labels"] == {}


def test_state_selects_shards(daemon: RunningDaemon, real: RealServer) -> None:
    (info,) = data(daemon, "api/v1/infos?state=up&state=busy&keys=role")
    assert info["meta"]["state"] == "up"
    assert data(daemon, "api/v1/infos?state=down") == []
    (shard,) = data(daemon, "api/v1/shards?state=down")
    assert shard["id"] == DEAD
    (same,) = data(daemon, f"api/v1/shards?shard_ids={DEAD}")
    (also,) = data(daemon, f"api/v1/shards?ids={DEAD}")
    assert same["id"] == also["id"] == DEAD
    answer = fetch(daemon.http, "api/v1/shards?state=gone")
    assert answer.status == 400
    assert "a state is new, up, loading, busy or down" in answer.json["error"]["message"]


def test_refresh_polls_the_shard(daemon: RunningDaemon, real: RealServer) -> None:
    path = f"api/v1/infos?shard_ids={real.ident}&refresh=true&keys=total_commands_processed"
    before = data(daemon, "api/v1/stats")["poll"]["refreshes"]
    (first,) = data(daemon, path)
    wait_until(
        lambda: data(daemon, path)[0]["meta"]["revision"] > first["meta"]["revision"] + 2,
        what="answers to be newer than one another",
    )
    assert data(daemon, "api/v1/stats")["poll"]["refreshes"] > before


def test_columns_have_the_values_of_infos(daemon: RunningDaemon, real: RealServer) -> None:
    names = ["role", "mem_fragmentation_ratio", "tcp_port", "db0", "db7"]
    columns = data(daemon, "api/v1/columns?keys=" + "&keys=".join(names))
    (info,) = data(daemon, "api/v1/infos?keys=" + "&keys=".join(names))
    at, dead = columns["ids"].index(real.ident), columns["ids"].index(DEAD)
    assert (columns["states"][at], columns["states"][dead]) == ("up", "down")
    assert 0 <= columns["ages"][at] < 60
    assert columns["ages"][dead] is None
    assert list(columns["columns"]) == names
    for name, values in columns["columns"].items():
        assert type(values[at]) is type(info.get(name)), name
        if name != "mem_fragmentation_ratio":  # which changes with each poll
            assert values[at] == info.get(name), name
        assert values[dead] is None
    assert data(daemon, "api/v1/columns?keys=role&labels[site]=none")["ids"] == []


def test_columns_are_paged(daemon: RunningDaemon, real: RealServer) -> None:
    path = "api/v1/columns?keys=tcp_port&keys=tcp_port&limit=1"
    first = fetch(daemon.http, path).json
    second = fetch(daemon.http, f"{path}&cursor={first['cursor']}").json
    assert "cursor" not in second
    ids = first["data"]["ids"] + second["data"]["ids"]
    assert ids == sorted([DEAD, real.ident])
    ports = first["data"]["columns"]["tcp_port"] + second["data"]["columns"]["tcp_port"]
    assert dict(zip(ids, ports, strict=True)) == {DEAD: None, real.ident: real.port}


def test_the_history_has_null_where_a_shard_did_not_answer(
    daemon: RunningDaemon, real: RealServer
) -> None:
    def filled() -> Any:
        found = data(daemon, f"api/v1/history?shard_ids={real.ident}&fields=memory&fields=lag")
        return found if found["fields"]["memory"][0] else None

    found = wait_until(filled, what="a step that is over")
    assert (found["step"], found["points"], found["ids"]) == (1.0, 60, [real.ident])
    assert found["newest"] % 1.0 == 0
    (memory,) = found["fields"]["memory"]
    assert memory[0] is None
    assert type(memory[-1]) is int
    assert memory[-1] > 100_000
    assert found["fields"]["lag"] == [None]
    since = data(daemon, f"api/v1/history?ids={DEAD}&fields=ops&since={found['newest'] - 3}")
    assert since["points"] >= 3
    assert since["fields"] == {"ops": [None]}
    later = data(daemon, f"api/v1/history?since={found['newest'] + 3600}&fields=memory")
    assert (later["points"], later["fields"]) == (0, {"memory": [None, None]})


def test_the_history_is_paged(daemon: RunningDaemon, real: RealServer) -> None:
    first = fetch(daemon.http, "api/v1/history?limit=1").json
    second = fetch(daemon.http, f"api/v1/history?limit=1&cursor={first['cursor']}").json
    assert "cursor" not in second
    assert first["data"]["ids"] + second["data"]["ids"] == sorted([DEAD, real.ident])
    assert first["data"]["newest"] == second["data"]["newest"]


def test_shards_and_events_are_paged(daemon: RunningDaemon, real: RealServer) -> None:
    answer = fetch(daemon.http, "api/v1/shards?limit=1").json
    (first,) = answer["data"]
    (second,) = data(daemon, f"api/v1/shards?limit=1&cursor={answer['cursor']}")
    assert {first["id"], second["id"]} == {DEAD, real.ident}
    assert {first["state"], second["state"]} == {"down", "up"}
    events = fetch(daemon.http, "api/v1/events?limit=1").json
    assert events["data"][0]["type"] == "added"
    later = fetch(daemon.http, f"api/v1/events?since={events['data'][0]['number']}").json
    assert later["data"][0]["number"] == events["data"][0]["number"] + 1
    assert later["newest"] >= later["data"][-1]["number"]


def test_stats_count_requests_over_http(daemon: RunningDaemon) -> None:
    def looks() -> int:
        answers = data(daemon, "api/v1/stats")["http"]["answers"]
        count: int = answers.get("/healthz", {}).get("200", 0)
        return count

    before = looks()
    fetch(daemon.http, "healthz")
    assert looks() == before + 1


@pytest.mark.parametrize(
    ("path", "expected", "word"),
    [
        ("api/v1/infos?shard_ids=nope", (404, "unknown_shard"), "nope"),
        (f"api/v1/infos?shard_ids={DEAD}", (503, "not_polled"), DEAD),
        ("api/v1/infos?colour=red", (400, "bad_request"), "colour"),
        ("api/v1/infos?allow_partial=perhaps", (400, "bad_request"), "allow_partial"),
        ("api/v1/infos?max_age=-1", (400, "bad_request"), "max_age"),
        ("api/v1/infos?max_age=inf", (400, "bad_request"), "max_age"),
        ("api/v1/infos?limit=1&limit=2", (400, "bad_request"), "limit"),
        ("api/v1/infos?limit=-1", (400, "bad_request"), "limit"),
        ("api/v1/infos?labels=site", (400, "bad_request"), "labels"),
        ("api/v1/infos?keys[a]=b", (400, "bad_request"), "keys"),
        ("api/v1/infos?keys=%ff", (400, "bad_request"), "URL"),
        ("api/v1/columns", (400, "bad_request"), "keys"),
        ("api/v1/columns?keys=role&cursor=1.0", (409, "changed"), "start again"),
        ("api/v1/events?cursor=x", (400, "bad_request"), "cursor"),
        ("api/v1/events?cursor=%C2%B2", (400, "bad_request"), "cursor"),
        (f"api/v1/events?cursor={5000 * '9'}", (400, "bad_request"), "cursor"),
        ("api/v1/stream?kinds=noise", (400, "bad_request"), "kinds"),
        ("scrape?target=nope", (404, "unknown_shard"), "address in target"),
        ("nothing/here", (404, "not_found"), "Not Found"),
    ],
)
def test_an_error_states_its_reason(
    daemon: RunningDaemon, path: str, expected: tuple[int, str], word: str
) -> None:
    answer = fetch(daemon.http, path)
    assert code(answer) == expected
    assert word in answer.json["error"]["message"]


def test_only_get_and_head_are_served(daemon: RunningDaemon) -> None:
    answer = fetch(daemon.http, "api/v1/infos", method="POST")
    assert code(answer) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_body_without_a_length_is_rejected(daemon: RunningDaemon) -> None:
    headers = {"Content-Length": str(1 << 20)}
    assert fetch(daemon.http, "api/v1/infos", headers).status == 400
    assert fetch(daemon.http, "healthz").status == 200


def test_the_root_page_links_to_all_others(daemon: RunningDaemon) -> None:
    page = fetch(daemon.http, "paths").text
    for path in ("/metrics", "/api/v1/infos", "/api/v1/openapi.json", "/healthz"):
        assert f'href="{path}"' in page


def test_sources_are_listed_and_accepted_only_by_post(daemon: RunningDaemon) -> None:
    (found,) = data(daemon, "api/v1/sources")
    expected: Any = daemon.ask("sources").body
    (expected,) = expected
    assert 0 <= found.pop("age") <= expected.pop("age")
    assert found == expected
    path = "api/v1/sources/accept?name=nope"
    answer = fetch(daemon.http, path, method="POST")
    assert code(answer) == (400, "bad_request")
    assert "no source has the name 'nope'" in answer.json["error"]["message"]
    answer = fetch(daemon.http, path)
    assert code(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"].startswith("POST")
    assert 'href="/api/v1/sources/accept"' not in fetch(daemon.http, "paths").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        {"Origin": "https://other.example.net"},
        {"Origin": "null"},
    ],
    ids=repr,
)
def test_no_page_of_another_site_accepts_an_answer(
    daemon: RunningDaemon, headers: dict[str, str]
) -> None:
    path = "api/v1/sources/accept?name=nope"
    assert code(fetch(daemon.http, path, headers, method="POST")) == (403, "forbidden")
