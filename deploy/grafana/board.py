"""A Grafana dashboard: the layout of its panels, as the JSON that Grafana imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from deploy.grafana.panels import DATASOURCE, Json

_SCHEMA: Final = 38  # of Grafana 10; later versions migrate it
_COLUMNS: Final = 24  # of Grafana's grid


class Row(NamedTuple):
    """Panels under a heading.

    Attributes:
        title: the heading.
        panels: from left to right, then in further rows.
        collapsed: whether it is closed initially; its queries run when it is opened.
    """

    title: str
    panels: Sequence[Json]
    collapsed: bool = False


def mark(name: str, expr: str, text: str, color: str) -> Json:
    """Return an annotation: a line through all graphs where a query has a result.

    Args:
        name: of the annotation, with which users switch it off.
        expr: the query.
        text: shown at the line.
        color: of the line.
    """
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expr,
        "iconColor": color,
        "name": name,
        "step": "60s",
        "titleFormat": text,
    }


def dashboard(
    uid: str,
    title: str,
    about: str,
    *,
    variables: Sequence[Json],
    rows: Sequence[Row],
    marks: Sequence[Json] = (),
) -> Json:
    """Return a dashboard.

    Args:
        uid: used in links.
        title: shown to users.
        about: what it shows.
        variables: shown at the top.
        rows: its panels.
        marks: annotations.
    """
    return {
        "annotations": {"list": list(marks)},
        "description": about,
        "editable": True,
        "graphTooltip": 1,
        "id": None,
        "links": [
            {
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
                "tags": ["zinfo"],
                "title": "zinfo",
                "type": "dashboards",
            }
        ],
        "panels": _laid_out(rows),
        "refresh": "30s",
        "schemaVersion": _SCHEMA,
        "tags": ["zinfo", "redis"],
        "templating": {"list": list(variables)},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "title": title,
        "uid": uid,
        "version": 1,
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    """Set the id and the position of each panel."""
    found: list[Json] = []
    number = y = 0
    for row in rows:
        number += 1
        heading: Json = {
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": y},
            "id": number,
            "panels": [],
            "title": row.title,
            "type": "row",
        }
        found.append(heading)
        y += 1
        x = height = 0
        for panel in row.panels:
            size = panel["gridPos"]
            if x + size["w"] > _COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            placed = {**panel, "gridPos": {**size, "x": x, "y": y}, "id": number}
            (heading["panels"] if row.collapsed else found).append(placed)
            x, height = x + size["w"], max(height, size["h"])
        y += 0 if row.collapsed else height
    return found
