"""Definitions that both legacy programs need are identical in both files."""

from __future__ import annotations

import ast

from tests.clients.runtimes import CLIENTS, LEGACY

OWN = {"EXAMPLES", "make_parser", "run"}
"""Names that are defined differently in the two files."""

OTHER = "statements that define no name"


def definitions(name: str) -> dict[str, str]:
    """The source of each definition of a program by name, with comments in its lines."""
    text = (CLIENTS / name).read_text(encoding="utf-8")
    found = {OTHER: ""}
    for node in ast.parse(text).body:
        source = "\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno])
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = source
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = source
        elif isinstance(node, ast.For) or isinstance(getattr(node, "value", None), ast.Call):
            found[OTHER] += source
    return found


def test_shared_definitions_of_the_legacy_programs_are_identical() -> None:
    query, stream = (definitions(name) for name in LEGACY.values())
    shared = (query.keys() & stream.keys()) - OWN
    assert shared >= {"encode_request", "decode_reply", "read_keys", "connect", "Parser"}
    assert "UNSAFE.extend" in query[OTHER]
    assert {name: query[name] for name in shared} == {name: stream[name] for name in shared}
