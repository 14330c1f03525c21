"""The view in a terminal; the only package that needs textual.

In reading order: `terminal_caps` (what the terminal can show), `styles` (styles, text cut to fit),
`lines` (a widget that draws only visible lines), the widgets `head`, `table`, `fields`, `plots`,
`history` and `filter_bar`, the screens on top of `base_screen`, and `app`.
"""
