"""`zinfo demo`: servers, load, a daemon and somebody who looks at them, all gone at the end.

`run` is where to start reading. The rest, in the order in which it comes into play: `program`
(which server there is), `children` with `launch` and `keeper` (processes that leave nothing
behind), `servers`, `serving` (the daemon), `load`, `outages` (kills and restarts), `watching`
(the consumer), `rows` and `picture` (what is shown), `view` (on a terminal), `lines` (on a pipe).
"""
