"""The reader of redis_exporter's Go source knows its forms, and refuses others."""

from __future__ import annotations

import re

import pytest

from tests.metrics.exporter_source import SourceError, metrics, table
from zinfo.metrics.exporter_table import ExporterMetric

MAPS = """
func NewRedisExporter(uri string) {
	e := &Exporter{
		totalScrapes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: opts.Namespace,
			Name:      "exporter_scrapes_total",
		}),
		metricMapGauges: map[string]string{
			// # Clients, see https://redis.io
			"maxclients": "max_clients", // Added in Redis 9
			"fork_usec":  "fork_usec",
			// "old": "old_name",
		},

		metricMapCounters: map[string]string{
			"keyspace_hits": "keyspace_hits_total",
		},
	}
	if opts.InclSystemMetrics {
		e.metricMapGauges["total_memory"] = "total_memory_bytes"
	}
	for k, desc := range map[string]struct {
		txt  string
		lbls []string
	}{
		"up":       {txt: "Whether it is (really) up"},
		"db_keys":  {txt: `Keys, "all" of them`, lbls: []string{"db"}},
		"link_up":  {txt: "The link", lbls: []string{"host", "port"}},
	} {
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "exporter_build_info",
	}, []string{"version", "commit_sha"})
}

func (e *Exporter) parseAndRegisterConstMetric(fieldKey string) {
	switch metricName {
	case "fork_usec":
		metricName = "fork_seconds"
	}
	e.registerConstMetric(ch, metricName, val, t)
}

func (e *Exporter) registerConstMetric(ch chan<- prometheus.Metric, metric string) {
	desc = e.createMetricDescription(metric, nil)
}
"""

EXPORTS = """
var reLink = regexp.MustCompile(`^(link_up)`)

func (e *Exporter) extract(ch chan<- prometheus.Metric) {
	e.registerConstMetricGauge(ch, "up", 1)
	e.registerConstMetricGauge(
		ch,
		"db_keys",
		float64(len(split(keys, ","))),
		dbName,
	)
	e.registerConstMetricGauge(outChan, fieldKey, float64(val), host, port)
}

func (e *Exporter) other(ch chan<- prometheus.Metric) {
	e.createMetricDescription("errors_total", []string{"err"})
	e.registerConstMetric(ch, "errors_total", usecs/1e6, prometheus.CounterValue, err)
	lbls := []string{"role"}
	if ok {
		lbls = append(lbls, "version")
	}
	e.createMetricDescription("instance_info", lbls)
	e.registerConstMetricGauge(ch, "instance_info", 1, values...)
	for _, name := range []string{
		"list_length",
	} {
		e.createMetricDescription(name, lbls)
	}
	e.registerConstSummary(ch, "list_length", count, sum, latencyMap, cmd)
	if map[string]bool{
		"io-threads": true,
		"maxmemory":  true,
	}[strKey] {
		e.registerConstMetricGauge(ch, fmt.Sprintf("config_%s", strKey), val)
	}
}
"""


def row(name: str, kind: str, labels: str, field: str, functions: str) -> ExporterMetric:
    return ExporterMetric(f"redis_{name}", kind, tuple(labels.split()), field, functions)


def test_each_form_of_a_metric_is_read() -> None:
    of_field = "parseAndRegisterConstMetric"
    assert metrics({"exporter.go": MAPS, "info.go": EXPORTS}) == [
        row("config_io_threads", "gauge", "", "", "other"),
        row("config_maxmemory", "gauge", "", "", "other"),
        row("db_keys", "gauge", "db", "", "extract"),
        row("errors_total", "counter", "err", "", "other"),
        row("exporter_build_info", "gauge", "version commit_sha", "", "NewRedisExporter"),
        row("exporter_scrapes_total", "counter", "", "", "NewRedisExporter"),
        row("fork_seconds", "gauge", "", "fork_usec", of_field),
        row("instance_info", "gauge", "role version", "", "other"),
        row("keyspace_hits_total", "counter", "", "keyspace_hits", of_field),
        row("link_up", "gauge", "host port", "", "extract"),
        row("list_length", "summary", "role version", "", "other"),
        row("max_clients", "gauge", "", "maxclients", of_field),
        row("total_memory_bytes", "gauge", "", "total_memory", of_field),
        row("up", "gauge", "", "", "extract"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metricMapCounters", "countersByField", "no map"),
        ('"up", 1', "one(1), 1", "nothing exports"),
        ("^(link_up)", "^(link_[a-z]+)", "no names"),
        ('"errors_total", []string', "names[0], []string", "no list"),
        ('"errors_total", []string{"err"}', '"other_total", []string{"err"}', "no labels"),
        ("prometheus.CounterValue", "kindOf(err)", "no type"),
        ('"db_keys",\n', '"errors_total",\n', "a gauge, and a counter"),
        ("}[strKey]", "}[other]", "no names"),
    ],
)
def test_an_unknown_form_is_an_error(old: str, new: str, message: str) -> None:
    assert old in MAPS + EXPORTS
    files = {"exporter.go": MAPS, "info.go": EXPORTS}
    with pytest.raises(SourceError, match=re.escape(message)):
        metrics({file: text.replace(old, new) for file, text in files.items()})


def test_the_table_names_version_and_commit() -> None:
    text = table([row("up", "gauge", "a b", "", "f g")], "v1.2", "abcdef")
    first, _second, columns, line = text.splitlines()
    assert "v1.2" in first
    assert "/abcdef/" in first
    assert columns == "metric,type,labels,field,functions"
    assert line == "redis_up,gauge,a b,,f g"
