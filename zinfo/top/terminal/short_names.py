"""Short names of the shards that are shown; computed again only when these or the width change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zinfo.top.glyphs import Glyphs
from zinfo.views.formatting import safe
from zinfo.views.names import shorten


class ShortNames:
    """Gives the names.

    Args:
        glyphs: has the character that stands for what is left out.
    """

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._key: tuple[Sequence[str], int] = ((), 0)
        self._names: Mapping[str, str] = {}

    def fit(self, shards: Sequence[str], width: int) -> None:
        """Compute the names.

        Args:
            shards: ids of all that are shown.
            width: of a name, in characters.
        """
        key = sorted(shards), width
        if key != self._key:
            self._key = key
            self._names = shorten([safe(one) for one in key[0]], width, self._glyphs.cut)

    def __call__(self, shard: str) -> str:
        """Return the name of a shard."""
        shown = safe(shard)
        return self._names.get(shown, shown)
