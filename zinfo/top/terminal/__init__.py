"""The view in a terminal, with textual.

In reading order: `abilities` (what the terminal can show), `look` (styles, and text cut to fit),
`lines` (a widget that draws only the lines that are seen), the widgets `head`, `table`, `fields`,
`plots` and `history`, the screens `fleet_screen`, `shard_screen` and `help_screen`, and `app`.
"""
