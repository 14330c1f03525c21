"""Prometheus itself reads the same targets and labels from every text that it accepts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.metrics.prometheus import AVAILABLE, MISSING, TOOL
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources.target_groups import GroupFormat, parse_target, read_target_groups
from zinfo.wire.addresses import host_port

JSON = [
    "[]",
    "null",
    " [ ] ",
    '[{"targets": ["a:1", "b:2"], "labels": {"env": "x"}}, {"targets": ["c:3"]}]',
    '[{"targets": ["a", "10.0.0.1", "[::1]:7000"]}]',
    '[{"targets": null, "labels": null}, {"targets": ["a:1"], "labels": null}]',
    "[{}]",
    '[{"labels": {"a": "b"}}]',
    '[{"Targets": ["a:1"], "LABELS": {"env": "x"}}]',
    '[{"targets": ["a:1"], "targets": ["b:1"]}]',
    '[{"targets": ["a:1"], "labels": {"env": "x", "env": "y"}}]',
    '[{"targets": ["a:1"], "labels": {"env": "x", "b": "1"}, "labels": {"env": "y", "c": "2"}}]',
    '[{"targets": ["a:1"], "labels": {"env": "", "b": null, "c": "1"}}]',
    '[{"targets": ["a:1"], "labels": {"__x__": "x", "__meta_a": "1", "_a": "2", "A": "3"}}]',
    r'[{"targets": ["a:1"], "labels": {"a": "\u00e9\ud83d\ude00", "b": "\ud800", "c": "\n\t\""}}]',
    '[{"targets": ["a:1"], "labels": {"a": "é\\/"}}]',
    '[{"targets": ["a:1"]}]\n\n',
    # What it refuses.
    "",
    "{}",
    "[null]",
    '[{"targets": ["a:1"]}] x',
    '[{"targets": ["a:1"], "owner": "me"}]',
    '[{"targets": ["a:1"], "labels": {"a": 1}}]',
    '[{"targets": ["a:1"',
    '\ufeff[{"targets": ["a:1"]}]',
]

YAML = [
    "",
    "[]",
    "~",
    "---\n",
    "# nothing\n",
    "- targets: [a:1, 'b:2']\n  labels: {env: x}\n",
    "- targets:\n  - a:1\n  - '[::1]:7000'\n  labels:\n    env: x\n",
    "- targets: [a]\n  labels: {a: 6379, b: true, c: 2026-01-01, d: 1.10, e: 0x1, f: yes}\n",
    "- targets: [a]\n  labels: {a: ~, b: null, c: Null, d: NULL, e: , f: 'null', g: !!str null}\n",
    "- targets: [6379, true, 1.50]\n",
    "- targets: [a]\n  labels:\n    a: |\n      two\n      lines\n    b: >\n      one\n      two\n",
    "- targets: [a]\n---\n- targets: [b]\n",
    "- targets: [a]\n...\nnot: [yaml\n",
    "%YAML 1.1\n---\n- targets: [a]\n",
    "- &g\n  targets: [a:1]\n  labels: {env: y}\n- *g\n- {<<: *g}\n",
    "- targets: &t [a, b]\n  labels: &l {env: x, dc: y}\n- targets: *t\n  labels: *l\n"
    "- targets: [c]\n  labels: {<<: *l, own: z}\n",
    "- targets: [a]\n  labels: &l {env: x, b: '1'}\n- targets: [c]\n"
    "  labels: {c: z, <<: [{f: g}, *l]}\n",
    "- targets: [a]\n  labels: {a: \"\\u00e9\\n\\x41\", 'b': 'it''s'}\n",
    "- {targets: [a], labels: {}}\n",
    "- targets:\n  labels:\n",
    "\ufeff- targets: [a]\n",
    # What it refuses.
    "targets: [a]",
    "- targets: a\n",
    "- ~\n",
    "- targets: [a]\n  targets: [b]\n",
    "- targets: [a]\n  owner: me\n",
    "- targets: [a:1",
]

Found = dict[str, dict[str, str]]
"""Labels by id; those whose names begin with `__` are left out."""


def visible(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if not name.startswith("__")}


def by_prometheus(folder: Path, kinds: Sequence[str]) -> dict[str, Found]:
    """What Prometheus finds, by path; files that it refuses are absent."""
    jobs = [
        {"job_name": kind, "file_sd_configs": [{"files": [f"{folder}/*.{kind}"]}]} for kind in kinds
    ]
    config = folder / "prometheus.config"
    config.write_text(json.dumps({"scrape_configs": jobs}))
    found: dict[str, Found] = {}
    for kind in kinds:
        # It collects for the whole time, and then prints what it has.
        command = [TOOL, "check", "service-discovery", "--timeout=2s", str(config), kind]
        output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        for target in json.loads(output):
            labels = target["discoveredLabels"]
            made = parse_target(labels["__address__"], "redis")
            of_file = found.setdefault(labels["__meta_filepath"], {})
            own = {name: value for name, value in labels.items() if name != "job"}
            assert of_file.setdefault(host_port(made.host, made.port), visible(own)) == visible(own)
    return found


@pytest.mark.skipif(not AVAILABLE, reason=MISSING)
def test_what_prometheus_accepts_means_the_same(tmp_path: Path) -> None:
    texts = {"json": JSON, "yml": YAML}
    for kind, some in texts.items():
        for number, text in enumerate(some):
            (tmp_path / f"{number}.{kind}").write_text(text)
    found = by_prometheus(tmp_path, list(texts))
    assert len(found) >= 25
    for path, theirs in found.items():
        form = GroupFormat(TargetRules("x"), yaml=path.endswith(".yml"))
        answer = read_target_groups(Path(path).read_bytes(), form, lambda: None)
        ours = {ident: dict(target.labels) for ident, target in answer.targets.items()}
        expected = {ident: {**labels, "source": "x"} for ident, labels in theirs.items()}
        assert ours == expected, Path(path).read_text()
        assert (answer.skipped, answer.notes) == ({}, ())
