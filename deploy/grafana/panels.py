"""The panels of a Grafana dashboard, as the JSON that Grafana imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

Json: TypeAlias = "dict[str, Any]"

DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 8  # of a panel, in the grid's columns
_HEIGHT: Final = 8  # and in its rows
_STAT_WIDTH: Final = 3
_STAT_HEIGHT: Final = 4
_GOOD, _BAD = "green", "red"


class Query(NamedTuple):
    """One query of a panel.

    Attributes:
        expr: in PromQL.
        legend: names of its series.
    """

    expr: str
    legend: str = ""


def graph(
    title: str,
    unit: str,
    *queries: Query,
    about: str = "",
    stacked: bool = False,
    width: int = _WIDTH,
) -> Json:
    """Return a graph over time."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    return {
        **_panel("timeseries", title, queries, about, width),
        "fieldConfig": {"defaults": {"custom": custom, "min": 0, "unit": unit}, "overrides": []},
        "options": {
            "legend": {
                "calcs": ["lastNotNull", "max"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(
    title: str,
    unit: str,
    query: Query,
    *,
    about: str = "",
    bad: float | None = None,
    names: bool = False,
) -> Json:
    """Return one number, or the names of the series.

    Args:
        title: of the panel.
        unit: of the number.
        query: returns the data.
        about: what it means.
        bad: threshold for red.
        names: whether to show the names of the series instead of the number.
    """
    steps: list[Json] = [{"color": _GOOD, "value": None}]
    if bad is not None:
        steps.append({"color": _BAD, "value": bad})
    defaults = {"thresholds": {"mode": "absolute", "steps": steps}, "unit": unit}
    panel = _panel("stat", title, [query], about, _STAT_WIDTH, _STAT_HEIGHT)
    if names:  # only the current series, not all of the time range
        panel["targets"][0] |= {"instant": True, "range": False}
    return {
        **panel,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "colorMode": "value",
            "graphMode": "none" if names else "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "name" if names else "auto",
        },
    }


def table(
    title: str,
    unit: str,
    query: Query,
    *,
    about: str = "",
    hidden: Sequence[str] = (),
    value: str | None = None,
    link: str | None = None,
    width: int = 6,
) -> Json:
    """Return a table of the current result of a query, with a column for each label.

    Args:
        title: of the panel.
        unit: of the values.
        query: returns the data.
        about: what it means.
        hidden: labels without a column.
        value: heading of the values; None to hide them.
        link: target of a click on an instance.
        width: in columns.
    """
    without = ["Time", "__name__", *hidden, *([] if value else ["Value"])]
    organize = {
        "excludeByName": dict.fromkeys(without, True),
        "renameByName": {"Value": value} if value else {},
    }
    overrides = []
    if link is not None:
        links = [{"title": "${__value.raw}", "url": link}]
        overrides.append(
            {
                "matcher": {"id": "byName", "options": "instance"},
                "properties": [{"id": "links", "value": links}],
            }
        )
    panel = _panel("table", title, [query], about, width)
    panel["targets"][0] |= {"format": "table", "instant": True, "range": False}
    return {
        **panel,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": overrides},
        "options": {
            "showHeader": True,
            "sortBy": [{"desc": True, "displayName": value}] if value else [],
        },
        "transformations": [{"id": "organize", "options": organize}],
    }


def heatmap(title: str, unit: str, histogram: str, *, about: str) -> Json:
    """Return a heatmap of the buckets of a histogram.

    Args:
        title: of the panel.
        unit: of the buckets' bounds.
        histogram: selects its buckets.
        about: what it means.
    """
    query = Query(f"sum by (le) (rate({histogram}[$__rate_interval]))", "{{le}}")
    panel = _panel("heatmap", title, [query], about, _WIDTH)
    panel["targets"][0]["format"] = "heatmap"
    return {
        **panel,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": "cps"},
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "scheme": "Oranges",
                "steps": 64,
            },
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"show": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "unit": unit},
        },
    }


def _panel(
    kind: str,
    title: str,
    queries: Sequence[Query],
    about: str,
    width: int,
    height: int = _HEIGHT,
) -> Json:
    targets = [
        {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "range": True,
            "refId": chr(ord("A") + number),
        }
        for number, query in enumerate(queries)
    ]
    return {
        "datasource": DATASOURCE,
        "description": about,
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
        "targets": targets,
        "title": title,
        "type": kind,
    }
