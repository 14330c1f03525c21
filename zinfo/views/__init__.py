"""What the views of a fleet show, defined once for terminal, browser and `zinfo top --once`. Pure.

In reading order: `rows` (one shard at one moment), `expressions` (how a number is computed from the
fields of INFO), `quantities` (everything that can be a column, a name in a filter or a sort key)
and `units`. `column_values` evaluates them for many rows at once.

`filter_grammar` and `filtering` select rows, `ordering` sorts them, `grouping` and `totals` combine
them, and `problems` finds what is wrong, by the conditions in `problem_checks`. `peers` finds the
shards that INFO names by address, and `counters` computes rates. `column_sets` has the columns of
tables, `shard_page` the parts of a shard's page; `names`, `formatting` and `sparklines` turn values
into text. `columns` is the fixed table of `zinfo demo`.

The definitions are data, which the page for browsers reads as JSON; it evaluates them itself. Both
evaluators pass the same vectors, in `tests/data/views`. No threads, sockets, clocks or terminals.
Imports `zinfo.client` for types, and `zinfo.wire`.
"""
