"""Files that cannot be read, are not TOML, are too large, or have passwords in wrong places."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.config import check_file, load_config
from zinfo.config.inputs import MAX_FILE_BYTES
from zinfo.errors import ConfigError


def problems_of(path: Path, content: bytes | str | None = None) -> list[str]:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        check_file(path)
    assert caught.value.__cause__ is None
    return [problem.replace(f"{path.parent}/", "") for problem in caught.value.problems]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "zinfo.toml"


def test_a_missing_file_is_an_error(toml: Path) -> None:
    assert problems_of(toml) == ["zinfo.toml: cannot be read: No such file or directory"]


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path)
    assert problem.endswith(": cannot be read: Is a directory")


def test_a_path_with_a_nul_is_an_error() -> None:
    assert problems_of(Path("a\0b")) == [r"a\x00b: cannot be read: not a path"]


def test_an_endless_file_is_rejected_after_the_size_limit() -> None:
    (problem,) = problems_of(Path("/dev/zero"))
    assert problem.endswith(f"found more than {MAX_FILE_BYTES} bytes, expected fewer")


def test_errors_of_other_sources_are_reported_along_with_a_missing_file(toml: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(toml, {"ZINFO_POLL_MIN_INTERVAL": "9", "ZINFO_POLL_LOG_AFTER_FAILURES": "x"})
    first, second = caught.value.problems
    assert first.endswith("No such file or directory")
    assert second.startswith("ZINFO_POLL_LOG_AFTER_FAILURES: poll.log_after_failures: found 'x'")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # How the expected text is quoted depends on the version of tomli.
        ("node = 'a'\n[poll\n", "zinfo.toml: line 2, column 6: not TOML: Expected "),
        ("\n\nnode = ", "zinfo.toml: line 3"),
        ("[poll]\ntimeout = fast\n", "zinfo.toml: line 2, column 11: not TOML: Invalid value"),
        ("node = 'a'\nnode = 'b'\n", "zinfo.toml: line 2"),
        ("x = '\0'\n", "zinfo.toml: line 1"),
        (b"# \xc3\xa4\n# \xff\n", "zinfo.toml: line 2: found a byte that is not UTF-8"),
        (b"\xff\xfen\x00", "zinfo.toml: line 1: found a byte that is not UTF-8"),
        ("x = " + "[" * 100_000, "zinfo.toml: "),
        ("x." * 5000 + "y = 1", "zinfo.toml: "),
        (f"node = {'9' * 5000}", "zinfo.toml: "),
        (f"node = 0x{'f' * 50_000}", "zinfo.toml: node: found an enormous number, expected"),
        ("x" * 100_000 + " = 1", "zinfo.toml: xxx"),
        (f"node = '{'x' * 100_000}'", "node: found 100000 characters, expected at most 255"),
        (f"node = '{'x' * 300}'", f"node: found '{'x' * 80}...', expected at most 255"),
        ('"a\\nb\\u001b" = 1', r"zinfo.toml: 'a\nb\x1b': unknown key"),
        ('node = "a\\nb\\u202e"', r"node: found 'a\nb\u202e' (it contains control characters)"),
    ],
)
def test_invalid_toml_is_reported_in_one_short_line(
    toml: Path, text: str | bytes, problem: str
) -> None:
    (found,) = problems_of(toml, text)
    assert problem in found
    assert found.isprintable()
    assert len(found) < 400


def test_a_byte_order_mark_is_accepted(toml: Path) -> None:
    toml.write_bytes(b"\xef\xbb\xbfnode = 'a'\r\n")
    assert check_file(toml).node == "a"


def test_an_empty_file_gives_the_defaults(toml: Path) -> None:
    toml.write_bytes(b"")
    assert check_file(toml) == load_config()


def test_of_a_thousand_errors_a_hundred_are_listed(toml: Path) -> None:
    problems = problems_of(toml, "".join(f"k{number} = 1\n" for number in range(1000)))
    assert len(problems) == 101
    assert problems[-1] == "and 900 more problems"


def test_ten_thousand_shards_are_loaded(toml: Path) -> None:
    toml.write_text("".join(f'[[shards]]\nurl = "redis://h{n}"\n' for n in range(10_000)))
    shards = check_file(toml).shards
    assert (len(shards), shards[-1].id) == (10_000, "h9999:6379")


@pytest.mark.parametrize(
    "text",
    [
        '[[shards]]\nurl = "redis://:hunter2"',
        '[[shards]]\nurl = "redis://u:hunter2@h:x"',
        '[[shards]]\nurl = "redis://u:hun/hunter2@h"',
        '[[shards]]\nurl = "redis://u:hunter2@h?db=hunter2"',
        '[[shards]]\nurl = "redis://h?password=hunter2"',
        '[[shards]]\nurl = "redis://u:hunter2@h"\npassword = "hunter2"',
        '[[shards]]\nurl = "redis://u:hunter2@h"\nextra = "hunter2"',
        '[[shards]]\nurl = "redis://u:hunter2@h"\ntimeout = "redis://u:hunter2@h"',
        '[[shards]]\nurl = "u:hunter2@h"',
        '[[shards]]\nurl = ["redis://u:hunter2@h"]',
        '[[shards]]\nurl = "redis://h"\npassword = ["hunter2"]',
        '[[shards]]\nurl = "redis://h"\npassword = { x = "hunter2" }',
        '[[shards]]\nurl = "redis://h"\npassword_env = "hunter2!"',
        '[[shards]]\nurl = "redis://h"\npassword_file = "hunter2\\n"',
        '[[shards]]\nurl = "redis://h"\npasword = "hunter2"',
        '[[shards]]\nurl = "redis://h"\nca_file = "x"\npassword = "hunter2"',
        '[[shards]]\nurl = "redis://:hunter2@h"\n[[shards]]\nurl = "redis://:hunter2@h"',
        '[[shards]]\nurl = "redis://a"\nid = "redis://:hunter2@h"\n' * 2,
        'shards = ["redis://u:hunter2@h"]',
        'shards = "redis://u:hunter2@h"',
        'poll = "redis://u:hunter2@h"',
        '[bus]\nendpoint = "tcp://u:hunter2@h:1"',
        '"redis://u:hunter2@h" = 1',
        'x = { "redis://u:hunter2@h" = 1, "redis://u:hunter2@h" = 2 }',
        "redis://u:hunter2@h",
    ],
)
def test_an_error_never_contains_a_password(toml: Path, text: str) -> None:
    problems = problems_of(toml, text)
    assert problems
    assert "hunter2" not in "".join(problems)


def test_an_error_never_contains_a_password_from_a_variable() -> None:
    environ = {
        "ZINFO_SHARDS": "redis://:hunter2 redis://:hun hunter2@h redis://h?hunter2",
        "ZINFO_LOCAL_PASSWORD_ENV": "hunter2!",
        "ZINFO_LOCAL_PASSWORD": "hunter2",
    }
    with pytest.raises(ConfigError) as caught:
        load_config(environ=environ)
    assert len(caught.value.problems) == 6
    assert "hunter2" not in str(caught.value)


def test_the_repr_of_a_configuration_has_no_password(toml: Path) -> None:
    toml.write_text(
        '[[shards]]\nurl = "redis://u:hunter2@h"\n'
        '[[shards]]\nurl = "redis://g"\npassword = "hunter2"\n'
    )
    config = check_file(toml)
    assert "hunter2" not in repr(config) + str(config) + config.model_dump_json()


QUOTED = st.text(max_size=20).map(
    lambda text: '"' + "".join(f"\\U{ord(one):08x}" for one in text) + '"'
)
SCALARS = st.one_of(
    st.integers(),
    st.sampled_from(['"file"', '"http"', '"cluster"', '"dns"', '["a.json"]', '["redis://a"]']),
    st.sampled_from(["true", "nan", "inf", "-0.0", "1e308", "2000-01-01", "[]", "{}", "[[{}]]"]),
    QUOTED,
)
NAMES = (
    *("node", "shards", "local", "poll", "bus", "url", "id", "labels", "timeout", "endpoint"),
    *(
        "sources",
        "type",
        "files",
        "seeds",
        "names",
        "keep",
        "credentials",
        "hosts",
        "guard",
        "hold",
    ),
)
KEYS = st.one_of(st.sampled_from(NAMES), QUOTED)
LINES = st.one_of(
    st.builds("{} = {}".format, KEYS, SCALARS),
    KEYS.map("[{}]".format),
    KEYS.map("[[{}]]".format),
    st.text(max_size=10),
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, max_size=8))
def test_any_file_gives_a_configuration_or_a_list_of_errors(
    tmp_path: Path, lines: list[str]
) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    problems: tuple[str, ...] | None = None
    try:
        check_file(path)
    except ConfigError as error:
        problems = error.problems
    assert problems is None or all(problem.isprintable() for problem in problems)
    assert problems != ()


def test_the_recursion_limit_does_not_change(toml: Path) -> None:
    before = sys.getrecursionlimit()
    problems_of(toml, "x = " + "[" * 100_000)
    assert sys.getrecursionlimit() == before
