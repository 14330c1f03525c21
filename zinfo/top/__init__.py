"""The live view, `zinfo top`: what is known of all shards, and how it looks in a terminal.

In reading order: `rows` (what a view is given), `counters` and `history` (rates and the last
minutes), `record` (one shard), `happenings` (events) and `fleet` (the model of them all; its
docstring says what a view may call). All of these are pure: no thread, no socket, no clock, no
terminal; any view can be built on them. `feed` fills the model from a daemon. `columns`,
`ordering`, `filtering` and `texts` say in words what the model holds in numbers; pure, too.

The rest needs textual, and is the view in a terminal.
"""
