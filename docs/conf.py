"""Sphinx builds the documentation site from docs/: `tox -e docs`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from pygments.lexers import TextLexer
from sphinx.application import Sphinx
from sphinx.util.inspect import TypeAliasForwardRef

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from zinfo import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE_URL = PROJECT["urls"]["Source"]

project = "zinfo"
author = "zinfo maintainers"
copyright = "2026, the zinfo maintainers"  # noqa: A001 (a name that Sphinx reads)
version = release = __version__

extensions = [
    "myst_parser",  # pages are Markdown, which repository sites show as well
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # docstrings are in Google style
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

myst_heading_anchors = 5

default_role = "code"  # docstrings have single backticks, as Markdown has
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {  # shown by name; the pages describe them
    "Context": "zmq.Context",
    "Info": "Info",
    "Listener": "Listener",
    "ShardCallback": "ShardCallback",
    "FaultCallback": "FaultCallback",
    "FreeCallback": "FreeCallback",
    "SnapshotCallback": "SnapshotCallback",
    "Update": "Update",
    "Value": "Value",
}
python_maximum_signature_line_length = 88  # of a longer one, each argument has a line of its own
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = False  # each attribute is an entry of its own, which search finds
napoleon_attr_annotations = False  # signatures have the types

toc_object_entries_show_parents = "hide"  # the column is narrow

html_theme = "furo"
html_title = f"zinfo {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": SOURCE_URL,
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

setattr(TypeAliasForwardRef, "__repr__", lambda alias: alias.name)  # noqa: B010 (mypy allows no other way)
"""The text of an alias within a generic type."""

LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
"""A Markdown link to a file, with its anchor."""


def link_files_outside_docs(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let links that leave docs/ lead to the repository: the site has no such pages."""
    folder = (ROOT / "docs" / page).parent

    def absolute(link: re.Match[str]) -> str:
        path = (folder / link[1]).resolve()
        if path.is_relative_to(ROOT / "docs") or not path.is_relative_to(ROOT):
            return link[0]
        kind = "tree" if path.is_dir() else "blob"
        return f"]({SOURCE_URL}/{kind}/main/{path.relative_to(ROOT)}{link[2] or ''})"

    source[0] = LINK.sub(absolute, source[0])


CLASS = re.compile(r"<class '[\w.]*?(\w+)'>")
"""A class in a signature."""

LAMBDA = re.compile(r"<function [\w.]+\.<lambda>>")
"""A lambda in a signature."""

OPTION_OR_URL = re.compile(r"(`+[^`]+`+)|(?<![\w-])(--[a-z][\w-]*|[a-z]+://[^\s`,;)\]]*[\w*])")
"""Code in a help text, or else an option or a URL."""


def shorten_classes(*arguments: str | None) -> tuple[str, str | None] | None:
    """Show a default that is a class by its name, and one that is a lambda as `...`."""
    signature, returned = arguments[-2:]
    if signature is None:
        return None
    return LAMBDA.sub("...", CLASS.sub(r"\1", signature)), returned


def show_options_as_code(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Show options and URLs in help texts as code: otherwise two hyphens become a dash."""
    for number, line in enumerate(lines):
        if not line.startswith(".."):
            lines[number] = OPTION_OR_URL.sub(lambda found: found[1] or f"``{found[2]}``", line)


def show_parts_of_help(_app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Show the parts of a command's help that follow its options as blocks of code."""
    lines[:] = [line for part in _parts(context.command.epilog or "") for line in part]


def _parts(epilog: str) -> Iterator[list[str]]:
    """Yield each part, such as the examples, as reStructuredText."""
    for part in epilog.split("\b\n")[1:]:
        title, *lines = part.strip().splitlines()
        yield [f".. rubric:: {title.removesuffix(':')}", ""]
        yield [".. code-block:: text", "", *(f"   {line.strip()}" for line in lines), ""]


def omit(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Omit a list of arguments, which have no texts, or of variables, which the page describes."""
    lines.clear()


def setup(app: Sphinx) -> None:
    """Register the hooks; Sphinx calls this."""
    app.connect("source-read", link_files_outside_docs)
    app.connect("autodoc-process-signature", shorten_classes)
    app.connect("sphinx-click-process-description", show_options_as_code)
    app.connect("sphinx-click-process-options", show_options_as_code)
    app.connect("sphinx-click-process-epilog", show_parts_of_help)
    app.connect("sphinx-click-process-arguments", omit)
    for event in ("sphinx-click-process-envvars", "sphinx-click-process-envars"):
        if event not in app.events.events:  # sphinx-click 6.2 emits the second, but does not add it
            app.add_event(event)
        app.connect(event, omit)
    app.add_lexer("wire", TextLexer)  # the notation of messages in protocol.md
