"""INFO text to typed fields, deltas and msgpack. Pure: no I/O and no clock.

Imports `wire` for msgpack and `native` for the functions that are also written in C. Begin with
`parser.py`, then `lines.py`, `kinds.py`, `values.py` and `structure.py`, then `delta.py` and
`encoder.py`; `field_reader.py` finds single fields without parsing the rest, and `sections.py`
selects those of a section.
"""
