"""What two programs of one file each have in common is the same in both."""

from __future__ import annotations

import ast

from tests.clients.runtimes import CLIENTS, LEGACY

OWN = {"EXAMPLES", "make_parser", "run", "main", "TYPE_CHECKING"}
"""Names that mean another thing in each of the two."""


def definitions(name: str) -> dict[str, str]:
    """The source of everything that a program defines, by name."""
    text = (CLIENTS / name).read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.get_source_segment(text, node) or ""
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.get_source_segment(text, node) or ""
    return found


def test_the_legacy_programs_share_what_they_have_in_common() -> None:
    query, stream = (definitions(name) for name in LEGACY.values())
    shared = (query.keys() & stream.keys()) - OWN
    assert shared >= {"encode_request", "decode_reply", "read_keys", "connect", "Parser"}
    assert {name: query[name] for name in shared} == {name: stream[name] for name in shared}
