"""The optional part in C: its loader, and its sources.

`loader.py` imports the compiled module `zinfo._native`, or gives None where there is none; then the
Python twin of each function does the same, slower. Imports nothing of zinfo. Begin with
`loader.py`, whose protocol lists the functions.
"""
