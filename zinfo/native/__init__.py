"""The optional native part: C sources, and the loader of the compiled module `zinfo._native`.

Without the compiled module, a Python version of each function does the same, slower. Imports
nothing of zinfo. Begin with `loader.py`, whose protocol lists the functions; then `encode.c`.
"""
