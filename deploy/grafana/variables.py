"""The variables at the top of a Grafana dashboard, as the JSON that Grafana imports."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.panels import DATASOURCE, Json


def choice_of_datasource() -> Json:
    """Return the variable that selects the Prometheus data source."""
    return {
        "current": {},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def choice(
    name: str,
    label: str,
    query: str,
    *,
    several: bool = True,
    first: str = "",
    regex: str = "",
) -> Json:
    """Return a variable with values from a Prometheus query.

    Args:
        name: of the variable.
        label: shown to users.
        query: returns the values, in the syntax of Grafana.
        several: whether more than one value can be selected; then all are selected initially.
        first: the initial value if only one can be selected; empty for the first one.
        regex: filters the values.
    """
    current: Json = {"selected": True, "text": first, "value": first} if first else {}
    if several:
        current = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "allValue": ".*" if several else None,
        "current": current,
        "datasource": DATASOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": several,
        "label": label,
        "multi": several,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "regex": regex,
        "sort": 1,
        "type": "query",
    }


def choice_of(name: str, label: str, values: Sequence[str]) -> Json:
    """Return a variable with the given values; the first is selected initially."""
    options = [{"selected": value == values[0], "text": value, "value": value} for value in values]
    return {
        "current": options[0],
        "hide": 0,
        "includeAll": False,
        "label": label,
        "multi": False,
        "name": name,
        "options": options,
        "query": ",".join(values),
        "type": "custom",
    }
