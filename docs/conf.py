"""Sphinx builds the documentation site from docs/: `tox -e docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

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

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 5

default_role = "code"  # docstrings have single backticks, as Markdown has
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # autodoc lists the attributes itself

html_theme = "furo"
html_title = f"zinfo {__version__}"
html_theme_options = {
    "source_repository": SOURCE_URL,
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

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


def setup(app: Sphinx) -> None:
    """Register the hook; Sphinx calls this."""
    app.connect("source-read", link_files_outside_docs)
    app.add_lexer("wire", TextLexer)  # the notation of messages in protocol.md
