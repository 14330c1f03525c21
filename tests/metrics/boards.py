"""The queries of Grafana dashboards: those of deploy/grafana, and the widely used 763."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.daemons import ROOT

FOLDER = ROOT / "deploy" / "grafana"
BOARDS: dict[str, dict[str, Any]] = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}

DASHBOARD_763 = (
    'max(max_over_time(redis_uptime_in_seconds{instance=~"$instance"}[$__interval]))',
    'sum(redis_connected_clients{instance=~"$instance"})',
    '100 * (redis_memory_used_bytes{instance=~"$instance"}'
    ' / redis_memory_max_bytes{instance=~"$instance"})',
    'sum(rate(redis_commands_total{instance=~"$instance"}[$__interval])) by (cmd)',
    'sum(irate(redis_commands_duration_seconds_total{instance=~"$instance"}[$__interval])) by (cmd)'
    ' / sum(irate(redis_commands_total{instance=~"$instance"}[$__interval])) by (cmd)',
    'rate(redis_commands_processed_total{instance=~"$instance"}[1m])',
    'irate(redis_keyspace_hits_total{instance=~"$instance"}[5m])',
    'irate(redis_keyspace_misses_total{instance=~"$instance"}[5m])',
    'redis_memory_used_bytes{instance=~"$instance"}',
    'redis_memory_max_bytes{instance=~"$instance"}',
    'sum(rate(redis_net_input_bytes_total{instance=~"$instance"}[5m]))',
    'sum(rate(redis_net_output_bytes_total{instance=~"$instance"}[5m]))',
    'sum(redis_db_keys{instance=~"$instance"}) by (db, instance)',
    'sum(redis_db_keys{instance=~"$instance"})'
    ' - sum(redis_db_keys_expiring{instance=~"$instance"})',
    'sum(redis_db_keys_expiring{instance=~"$instance"})',
    'sum(rate(redis_expired_keys_total{instance=~"$instance"}[5m])) by (instance)',
    'sum(rate(redis_evicted_keys_total{instance=~"$instance"}[5m])) by (instance)',
    'topk(5, irate(redis_commands_total{instance=~"$instance"}[1m]))',
    'sum(redis_connected_clients{instance=~"$instance"})',
    'sum(redis_blocked_clients{instance=~"$instance"})',
)
"""The queries of Grafana's dashboard 763, which was made for redis_exporter 1.x."""


class DashboardQuery(NamedTuple):
    """One query of a dashboard.

    Attributes:
        board: its file.
        panel: the title of its panel.
        expr: with variables in it.
    """

    board: str
    panel: str
    expr: str


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a dashboard, including rows and the panels in collapsed rows."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def queries() -> list[DashboardQuery]:
    """Return all queries of panels and annotations."""
    found = [
        DashboardQuery(name, panel["title"], target["expr"])
        for name, board in BOARDS.items()
        for panel in panels(board)
        for target in panel.get("targets", ())
    ]
    for name, board in BOARDS.items():
        found += [
            DashboardQuery(name, one["name"], one["expr"]) for one in board["annotations"]["list"]
        ]
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values in place of its variables.

    Raises:
        KeyError: there is none for one of them.
    """
    return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: values[found[1] or found[2]], text)
