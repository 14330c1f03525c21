"""The live view, `zinfo top`: what is known of all shards, and how it looks in a terminal.

In reading order: `rows` (what a view is given), `counters` and `history` (rates and the last
minutes), `record` (one shard), `happenings` (events) and `fleet` (the model of them all; its
docstring says what a view may call). All of these are pure: no thread, no socket, no clock, no
terminal; any view can be built on them. `feed` fills the model from a daemon, with `sections`, and
`notes` has what goes wrong inside stand among the events. `texts`, `columns` and `filtering` say in
words what the model holds in numbers, put rows in order and choose among them; `measures` says what
is drawn, and `glyphs` and `sparks` draw with characters; pure, too.

`source` is what a view needs of a feed. `terminal/` is the view in a terminal; it alone needs
textual. `web/` is the one in browsers.
"""
