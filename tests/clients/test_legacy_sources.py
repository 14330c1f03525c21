"""What two programs of one file each have in common is the same in both."""

from __future__ import annotations

import ast

from tests.clients.runtimes import CLIENTS, LEGACY

OWN = {"EXAMPLES", "make_parser", "run"}
"""Names that mean another thing in each of the two."""

LOOSE = "statements that define nothing"


def definitions(name: str) -> dict[str, str]:
    """The source, comments at its lines' ends included, of all that a program defines, by name."""
    text = (CLIENTS / name).read_text(encoding="utf-8")
    found = {LOOSE: ""}
    for node in ast.parse(text).body:
        source = "\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno])
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = source
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = source
        elif isinstance(node, ast.For) or isinstance(getattr(node, "value", None), ast.Call):
            found[LOOSE] += source
    return found


def test_the_legacy_programs_share_what_they_have_in_common() -> None:
    query, stream = (definitions(name) for name in LEGACY.values())
    shared = (query.keys() & stream.keys()) - OWN
    assert shared >= {"encode_request", "decode_reply", "read_keys", "connect", "Parser"}
    assert "UNSAFE.extend" in query[LOOSE]
    assert {name: query[name] for name in shared} == {name: stream[name] for name in shared}
