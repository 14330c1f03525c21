"""Writes the shell completion files into this directory: `python -m deploy.completion.make`.

The files call `zinfo` for the completions, so they change with click, not with zinfo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from click.shell_completion import get_completion_class

from deploy.completion.templates import TEMPLATES
from zinfo.cli.app import cli

FOLDER: Final = Path(__file__).parent

FILES: Final = {"bash": "bash/zinfo", "zsh": "zsh/_zinfo", "fish": "fish/zinfo.fish"}
"""The file for each shell, with the name by which the shell finds it.

setuptools installs them under these names (pyproject.toml).
"""


def texts() -> dict[str, str]:
    """Return the contents of the files by path."""
    made = {}
    for shell, name in FILES.items():
        kind = get_completion_class(shell)
        assert kind is not None, shell
        # Not `source()`, which runs the bash of this machine to check its version.
        script = kind(cli, {}, "zinfo", "_ZINFO_COMPLETE")
        template = TEMPLATES.get(shell, script.source_template)
        made[name] = (template % script.source_vars()).strip() + "\n"
    return made


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
