"""The licence, and `python setup.py sdist`; all else is said in pyproject.toml."""

from setuptools import setup

setup(license="MIT")
