"""What Prometheus' file_sd and http_sd accept is read alike, and no text does harm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources import documents
from zinfo.discovery.sources.target_groups import GroupFormat, read_target_groups
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError

RULES = TargetRules("s")


def read(text: str | bytes, *, rules: TargetRules = RULES, **options: Any) -> Answer:
    data = text.encode() if isinstance(text, str) else text
    return read_target_groups(data, GroupFormat(rules, **options), lambda: None)


def urls(answer: Answer) -> list[str]:
    return [target.url for target in answer.targets.values()]


def labels_of(answer: Answer) -> Mapping[str, str]:
    (target,) = answer.targets.values()
    return {name: value for name, value in target.labels.items() if name != "source"}


JSON_AND_YAML = [
    ('[{"targets": ["a:1", "b:2"], "labels": {"env": "x"}}]', {}),
    ("- targets: [a:1, 'b:2']\n  labels: {env: x}\n", {"yaml": True}),
    ("- targets:\n  - a:1\n  - b:2\n  labels:\n    env: x\n", {"yaml": True}),
    # As an anchor, and merged.
    ("- &g\n  targets: [a:1, b:2]\n  labels: {env: y}\n- {<<: *g, labels: {env: x}}\n- *g", {}),
]


@pytest.mark.parametrize(("text", "options"), JSON_AND_YAML[:3])
def test_targets_and_labels_are_read(text: str, options: dict[str, Any]) -> None:
    answer = read(text, **options)
    assert urls(answer) == ["redis://a:1", "redis://b:2"]
    assert list(answer.targets) == ["a:1", "b:2"]
    assert [dict(one.labels) for one in answer.targets.values()] == [
        {"env": "x", "source": "s"},
        {"env": "x", "source": "s"},
    ]
    assert answer.skipped == {}
    assert answer.notes == ()


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("cache-1:7000", "redis://cache-1:7000"),
        ("cache-1", "redis://cache-1:6379"),
        ("10.0.0.1", "redis://10.0.0.1:6379"),
        ("[::1]:7000", "redis://[::1]:7000"),
        ("[::1]", "redis://[::1]:6379"),
        ("redis://cache-1:7000", "redis://cache-1:7000"),
        ("redis://cache-1", "redis://cache-1:6379"),
        ("rediss://cache-1:7000/0", "rediss://cache-1:7000"),
        ("unix:///run/redis/a.sock", "unix:///run/redis/a.sock"),
    ],
)
def test_forms_of_a_target(target: str, url: str) -> None:
    assert urls(read(json.dumps([{"targets": [target]}]))) == [url]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("redis://u:hunter2@cache-1", "a user or password in its address"),
        ("redis://:hunter2@cache-1:1", "a user or password in its address"),
        ("hunter2@cache-1", "a user or password in its address"),
        ("redis://u:hunter2@@@:1", "bad address"),
        ("http://cache-1", "bad address"),
        ("::1", "bad address"),
        ("[::1]x", "bad address"),
        ("[::1", "bad address"),
        ("cache-1:1:2", "bad address"),
        ("cache 1:6379", "bad address"),
        (" cache-1:6379", "bad address"),
        ("cache-1\x1b[2J:6379", "bad address"),
        ("", "no host"),
        (":6379", "no host"),
        ("cache-1:", "bad port"),
        ("cache-1:0", "bad port"),
        ("cache-1:65536", "bad port"),
        ("cache-1:\u0661", "bad port"),
        ("cache-1:" + "9" * 5000, "bad port"),
        (6379, "a target is not text"),
        (None, "a target is not text"),
        (["a:1"], "a target is not text"),
        ({"a": 1}, "a target is not text"),
    ],
)
def test_a_bad_target_is_skipped_with_a_reason_and_the_others_stay(
    target: object, reason: str
) -> None:
    answer = read(json.dumps([{"targets": ["a:1", target, "b:2"]}]))
    assert urls(answer) == ["redis://a:1", "redis://b:2"]
    assert answer.skipped == {reason: 1}
    assert "hunter2" not in repr(answer)


@pytest.mark.parametrize(
    ("group", "skipped"),
    [
        ("null", {"a target group is not an object": 1}),
        ("[]", {"a target group is not an object": 1}),
        ('"x:1"', {"a target group is not an object": 1}),
        ('{"targets": "x:1"}', {"the targets of a group are not a list": 1}),
        ('{"targets": {"x:1": 1}}', {"the targets of a group are not a list": 1}),
        ('{"targets": ["x", "y"], "labels": []}', {"the labels of a group are not an object": 2}),
        ('{"targets": ["x", "y"], "labels": {"a": []}}', {"the value of a label is not text": 2}),
        ('{"targets": ["x"], "labels": {"": "b"}}', {"the name of a label is not text": 1}),
        (
            json.dumps({"targets": ["x"], "labels": {f"l{n}": "" for n in range(257)}}),
            {"more than 256 labels": 1},
        ),
        (
            json.dumps({"targets": ["x"], "labels": {"__a": "x" * 16_384}}),
            {"labels of more than 16384 characters": 1},
        ),
        (
            '{"targets": ["x"], "labels": {"__scheme__": "https"}}',
            {"__scheme__ is not redis or rediss": 1},
        ),
        ('{"targets": null, "labels": null}', {}),
        ("{}", {}),
    ],
)
def test_a_bad_group_is_skipped_with_a_reason_and_the_others_stay(
    group: str, skipped: dict[str, int]
) -> None:
    answer = read(f'[{{"targets": ["a:1"]}}, {group}, {{"targets": ["b:2"]}}]')
    assert urls(answer) == ["redis://a:1", "redis://b:2"]
    assert answer.skipped == skipped


@pytest.mark.parametrize("text", ["[]", "null", " [ ] ", "\ufeff[]"])
def test_a_json_list_may_be_empty(text: str) -> None:
    assert read(text) == Answer({})


@pytest.mark.parametrize("text", ["", "[]", "~", "---\n", "# nothing\n", "\ufeff- targets: []\n"])
def test_a_yaml_list_may_be_empty(text: str) -> None:
    assert read(text, yaml=True) == Answer({})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "it is not JSON: Expecting value (line 1)"),
        ('[{"targets": ["a:1"', "it is not JSON"),
        ('[{"targets": ["a:1"]}] x', "it is not JSON: Extra data"),
        ("[NaN]", "it is not JSON: NaN"),
        ("[{'targets': []}]", "it is not JSON"),
        ('["\n"]', "it is not JSON: Invalid control character"),
        ('{"targets": ["a:1"]}', "it is not a list of target groups"),
        ("5", "it is not a list of target groups"),
        ('"hunter2"', "it is not a list of target groups"),
        ("[" * 100_000, "it is nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
        ("<html>hunter2</html>", "it is not JSON"),
    ],
)
def test_a_json_text_that_is_no_list_is_an_error_of_the_source(text: str, part: str) -> None:
    with pytest.raises(SourceError, match="it is ") as caught:
        read(text)
    assert part in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("- targets: [a:1", "it is not YAML"),
        ("- targets: [a:1]\n x: 1\n", "line 2"),
        ("targets: [a:1]", "it is not a list of target groups"),
        ("- *nowhere", "an alias has no anchor before it"),
        ("&a [*a]", "an alias has no anchor before it"),
        ("- {<<: 5}", "<< expects a mapping"),
        ("\t- targets", "it is not YAML"),
        (b"- targets: [\xff]", "it is not YAML"),
        ("- \x00", "it is not YAML"),
        ("[" * 200, "it is nested too deeply"),
    ],
)
def test_a_yaml_text_that_is_no_list_is_an_error_of_the_source(
    text: str | bytes, part: str
) -> None:
    with pytest.raises(SourceError, match="it is ") as caught:
        read(text, yaml=True)
    assert part in str(caught.value)


def test_yaml_scalars_are_text_as_they_are_written() -> None:
    answer = read(
        "- targets: ['x']\n  labels: {a: 6379, b: true, c: 2026-01-01, d: 1.10, e: 'null', f: yes}",
        yaml=True,
    )
    assert labels_of(answer) == {
        "a": "6379",
        "b": "true",
        "c": "2026-01-01",
        "d": "1.10",
        "e": "null",
        "f": "yes",
    }


def test_json_scalars_are_text_as_in_yaml() -> None:
    answer = read('[{"targets": ["x"], "labels": {"a": 6379, "b": true, "c": 1.10, "d": false}}]')
    assert labels_of(answer) == {"a": "6379", "b": "true", "c": "1.10", "d": "false"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('[{"targets": ["x"], "labels": {"a": "", "b": null, "c": "1"}}]', {}),
        ("- targets: [x]\n  labels: {a: '', b: ~, b2: , c: 1}", {"yaml": True}),
    ],
)
def test_a_label_with_an_empty_value_is_absent(text: str, options: dict[str, Any]) -> None:
    assert labels_of(read(text, **options)) == {"c": "1"}


def test_repeated_keys_are_read_as_by_go() -> None:
    answer = read(
        '[{"targets": ["x"], "labels": {"a": "1", "a": "2", "b": "3"},'
        ' "TARGETS": ["y"], "Labels": {"c": "4", "c": "5"}}]'
    )
    assert urls(answer) == ["redis://y:6379"]
    assert labels_of(answer) == {"c": "5"}


def test_an_unknown_key_is_noted_and_the_group_is_read() -> None:
    answer = read('[{"targets": ["x"], "owner": "hunter2"}, {"owner": 1}, {"labels": {}}]')
    assert urls(answer) == ["redis://x:6379"]
    assert answer.notes == ("a group has an unknown key: owner",)


def test_only_the_first_yaml_document_is_read_as_by_go() -> None:
    assert list(read("- targets: [a]\n---\n- targets: [b]\n", yaml=True).targets) == ["a:6379"]


def test_yaml_anchors_and_merge_keys() -> None:
    text = (
        "- &one\n  targets: [a]\n  labels: &l {env: x, dc: y}\n"
        "- {<<: *one, targets: [b]}\n"
        "- targets: [c]\n  labels: {<<: [{env: first}, *l], dc: own}\n"
        "- targets: [d]\n  labels: {'<<': text}\n"
    )
    answer = read(text, yaml=True)
    found = {ident: dict(target.labels) for ident, target in answer.targets.items()}
    assert found == {
        "a:6379": {"env": "x", "dc": "y", "source": "s"},
        "b:6379": {"env": "x", "dc": "y", "source": "s"},
        "c:6379": {"env": "first", "dc": "own", "source": "s"},
        "d:6379": {"<<": "text", "source": "s"},
    }


def test_a_text_that_is_not_utf_8_has_replacement_characters() -> None:
    answer = read(b'[{"targets": ["x"], "labels": {"a": "\xff", "b": "\\ud800"}}]')
    assert labels_of(answer) == {"a": "\ufffd", "b": "\ufffd"}


def test_labels_of_a_group_choose_scheme_id_and_credentials() -> None:
    rules = TargetRules("s", credentials="own", credential_hosts={"c": HostPatterns(["x"])})
    answer = read(
        '[{"targets": ["x", "unix:///s"], "labels": {"__scheme__": "rediss", "__id__": "i",'
        ' "__credentials__": "c", "__meta_a": "1"}}]',
        rules=rules,
    )
    assert answer.targets == {"i": ("rediss://x:6379", {"source": "s"}, "c")}
    assert answer.skipped == {"no credentials for /s": 1}


def test_the_source_has_a_default_scheme() -> None:
    text = '[{"targets": ["x", "redis://y"]}]'
    assert urls(read(text, scheme="rediss")) == ["rediss://x:6379", "redis://y:6379"]


def test_hidden_labels_are_used_by_rules_and_dropped() -> None:
    rules = TargetRules("s", keep={"__meta_a": "k*", "__meta_filepath": "/f"}, id_template="{__n}")
    answer = read(
        '[{"targets": ["x"], "labels": {"__meta_a": "keep", "__n": "7"}},'
        ' {"targets": ["y"], "labels": {"__meta_a": "drop", "__n": "8"}}]',
        rules=rules,
        labels={"__meta_filepath": "/f"},
    )
    assert answer.targets == {"7": ("redis://x:6379", {"source": "s"}, "")}


def bomb() -> str:
    lines = ["- &a0 {targets: [x], labels: {a: b}}"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    return "\n".join(lines)


def test_aliases_of_aliases_are_bounded() -> None:
    answer = read(bomb(), yaml=True)
    assert answer.skipped == {"a target group is not an object": 29}


@pytest.mark.parametrize(
    "text",
    [
        "- targets: &t [" + "x, " * 200 + "]\n" + "- targets: *t\n" * 200,
        "- labels: &l {"
        + ", ".join(f"a{n}: b" for n in range(200))
        + "}\n"
        + "- labels: *l\n" * 200,
        "- &l {" + ", ".join(f"a{n}: b" for n in range(200)) + "}\n" + "- {<<: *l}\n" * 200,
    ],
)
def test_repeated_aliases_are_counted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("documents", "target_groups"):
        monkeypatch.setattr(f"zinfo.discovery.sources.{module}.MAX_ITEMS", 20_000)
    with pytest.raises(SourceError, match="it has more than 20000 values"):
        read(text, yaml=True)


def test_many_targets_are_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zinfo.discovery.answer_builder.MAX_TARGETS", 2)
    assert len(read('[{"targets": ["a", "b"]}]').targets) == 2
    with pytest.raises(SourceError, match="more than 2 shards"):
        read('[{"targets": ["a", "b", "c"]}]')


@pytest.mark.parametrize(
    ("text", "is_yaml"),
    [
        (json.dumps([{"targets": [f"h{n}" for n in range(1000)]}]), False),
        (json.dumps([{"targets": [f"h{n}" for n in range(1000)]}]), True),
        (json.dumps([{}] * 1000), False),
    ],
)
def test_the_work_pauses_often(text: str, is_yaml: bool) -> None:
    calls: list[None] = []
    read_target_groups(text.encode(), GroupFormat(RULES, yaml=is_yaml), lambda: calls.append(None))
    assert len(calls) >= 1000


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["targets", "labels", "__id__", "x", ""]), inner)
    ),
    max_leaves=20,
)


def accepts_or_refuses(data: bytes, *, is_yaml: bool) -> None:
    try:
        answer = read(data, yaml=is_yaml)
    except SourceError as error:
        assert str(error).isprintable()  # noqa: PT017 - most texts are refused, some are not
    else:
        for ident, target in answer.targets.items():
            assert ident.isprintable()
            repr(target).encode()


@settings(max_examples=examples(400))
@given(JSON_VALUES)
def test_no_json_value_raises_another_error(value: object) -> None:
    accepts_or_refuses(json.dumps(value).encode(), is_yaml=False)
    accepts_or_refuses(json.dumps(value).encode(), is_yaml=True)
    accepts_or_refuses(yaml.dump(value).encode("utf-8", "replace"), is_yaml=True)


@settings(max_examples=examples(400))
@given(st.binary(max_size=200) | st.text("[]{}:,-&*<!\"' \n\ta1", max_size=60).map(str.encode))
def test_no_bytes_raise_another_error(data: bytes) -> None:
    accepts_or_refuses(data, is_yaml=False)
    accepts_or_refuses(data, is_yaml=True)


def test_the_slow_parser_of_pyyaml_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = [read(text, yaml=True) for text, options in JSON_AND_YAML]
    monkeypatch.setattr(documents, "_LOADER", yaml.BaseLoader)
    assert [read(text, yaml=True) for text, options in JSON_AND_YAML] == fast
    for text in (b"- targets: [a:1", b"\xff\xfe\x00", b'"\\UFFFFFFFF"', b"\xff", b"- \x00"):
        with pytest.raises(SourceError, match="it is not YAML"):
            read(text, yaml=True)
