"""Writes the dashboards into this directory: `python -m deploy.grafana.make`, from a checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from deploy.grafana.fleet import fleet
from deploy.grafana.own import own

FOLDER: Final = Path(__file__).parent


def texts() -> dict[str, str]:
    """Return the JSON of the dashboards by file name."""
    made = {"fleet.json": fleet(), "zinfo.json": own()}
    return {
        name: json.dumps(board, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        for name, board in made.items()
    }


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
