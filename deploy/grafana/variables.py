"""What a reader of a Grafana dashboard chooses at its top, as the JSON that Grafana imports."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.panels import DATASOURCE, Json


def choice_of_datasource() -> Json:
    """Return the variable for the Prometheus that is asked."""
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
    """Return a variable whose values Prometheus knows.

    Args:
        name: of the variable.
        label: what the reader sees.
        query: gives the values, in Grafana's own language.
        several: whether more than one may be chosen, and all are at first.
        first: what is chosen at first, where only one may be; empty for the first of them.
        regex: which of the values are offered.
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
    """Return a variable with given values, the first of which is chosen at first."""
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
