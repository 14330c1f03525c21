"""Options that were renamed: the former spelling is accepted for one minor version, with a warning.

Environment variables follow the configuration's keys and are not handled here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

REMOVED_IN = "0.3"
"""The version that no longer accepts the former spellings."""


class RenamedOption(click.Option):
    """An option that also has a former spelling, which help and completion do not show.

    Args:
        *args: as for `click.Option`.
        former: the former spelling, such as "--pub".
        **kwargs: as for `click.Option`.
    """

    def __init__(self, *args: Any, former: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Make the parser accept both spellings; the former one is stored under its own name."""
        super().add_to_parser(parser, ctx)
        parser.add_option(obj=self, opts=[self._former], dest=self._former, nargs=self.nargs)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the value, and where it came from; warn where the former spelling was used."""
        if self._former in opts:
            assert self.name is not None
            new = self.opts[0]
            if self.name in opts:
                raise click.UsageError(
                    f"{self._former} is the former name of {new}: give only {new}"
                )
            click.echo(
                f"warning: {self._former} is now called {new}; "
                f"zinfo {REMOVED_IN} will no longer accept {self._former}",
                err=True,
            )
            opts = {**opts, self.name: opts[self._former]}
        return super().consume_value(ctx, opts)
