"""What the views of a fleet show, defined once for terminal, browser and `zinfo top --once`. Pure.

In reading order: `rows` (one shard at one moment), `expressions` (how a number is computed from the
fields of INFO), `quantities` (everything that can be a column, a name in a filter or a sort key).
`columns` lays them out as a table, `filtering` selects rows, `shard_page` has the parts of a
shard's page, `counters` computes rates, and `formatting`, `plots` and `sparklines` turn values into
text.

The definitions are data, which the page for browsers reads as JSON; it evaluates them itself. Both
evaluators pass the same vectors, in `tests/data/views`. No threads, sockets, clocks or terminals.
Imports `zinfo.client` for types, and `zinfo.wire`.
"""
