"""Finds shards, and adds and removes them in a `ShardPublisher`.

Imports `shards` (the registry), `poll` (connections to clusters and Sentinels) and `loop`. The
daemon and programs that embed zinfo import it. Begin with `watcher.py`, the base class of what adds
shards. `static.py` adds a list, and `local/` the server processes of this machine.

A source (`source.py`) lists shards somewhere else; `sources/` has one module for each kind. It
makes an `Answer` of its candidates (`target.py`, `rules.py`, `answer_builder.py`).

`discovery.py` reads sources and follows their answers: `membership.py` decides what is removed,
`claims.py` which source owns a shard, `claim_watcher.py` applies it, and `stored_answers.py` stores
answers for the next start. The first two are pure.
"""
