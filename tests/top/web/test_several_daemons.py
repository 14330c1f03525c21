"""`zinfo top --web` of three daemons that share the shards."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from tests.adapters.http.requests import fetch, stream
from tests.adapters.page.readings import Page
from tests.top.several_daemons import IDS, Daemons, shards_of
from tests.top.web.conftest import running_web


def test_copies_are_merged_and_what_is_missing_is_named() -> None:
    with ExitStack() as stack:
        daemons = Daemons(stack)
        url = stack.enter_context(running_web(daemons.running))
        messages = stack.enter_context(stream(url, "api/v1/table?keys=used_memory"))
        page = Page()
        page.take(next(messages).data)

        def wait_for(daemons_text: str, missing: int) -> Counter[str]:
            """Wait for these lines; returns the number of shards in each state."""
            while (page.head["daemons"], len(page.head["missing"])) != (daemons_text, missing):
                page.take(next(messages).data)
            return Counter(shard["state"] for shard in page.by_id().values())

        assert wait_for("3 of 3 daemons, slices 0-2, 2 copies", 0) == {"up": len(IDS)}
        assert all(shard["used_memory"] > 0 for shard in page.by_id().values())
        for shard in IDS:
            (entry,) = fetch(url, f"api/v1/infos?shard_ids={shard}&keys=role").json["data"]
            assert entry["role"] == "master"
        assert {one["id"] for one in fetch(url, "api/v1/shards").json["data"]} == set(IDS)
        history = fetch(url, "api/v1/history?fields=memory").json["data"]
        assert (set(history["ids"]), len(history["fields"]["memory"])) == (set(IDS), len(IDS))
        for name in ("shard_ids", "ids"):
            history = fetch(url, f"api/v1/history?{name}={IDS[0]}").json["data"]
            assert (history["ids"], history["points"]) == ([IDS[0]], 180)
        for path in ("shards", "infos"):
            assert fetch(url, f"api/v1/{path}?state=down&state=busy").json["data"] == []
        assert {one["shard"] for one in fetch(url, "api/v1/events").json["data"]} >= set(IDS)
        assert "get_infos" in fetch(url, "view.json").json["operations"]
        daemons.running[2].kill()
        assert wait_for("2 of 3 daemons, slices 0-1 of 3, 2 copies", 0) == {"up": len(IDS)}
        daemons.running[1].kill()
        lost = len(shards_of(1) & shards_of(2)) - len(shards_of(0) & shards_of(1) & shards_of(2))
        states = wait_for("1 of 3 daemons, slice 0 of 3, 2 copies", 2)
        assert states == {"up": len(IDS) - lost, "stale": lost}
        assert page.head["fresh"], "the others are current"
        for number in (1, 2):
            daemons.running[number].start()
        assert wait_for("3 of 3 daemons, slices 0-2, 2 copies", 0) == {"up": len(IDS)}
