"""The licence, the native part, and `python setup.py sdist`; all else is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    license="MIT",
    ext_modules=[
        Extension(
            "zinfo._changes",
            ["zinfo/_changes.c"],
            optional=True,  # where there is no compiler, Python does the same, slower
            py_limited_api=True,  # one for all Pythons
        )
    ],
)
