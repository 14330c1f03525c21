"""The licence, the native part, and `python setup.py sdist`; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

setup(
    license="MIT",
    ext_modules=[
        Extension(
            "zinfo._native",
            sorted(map(str, Path("zinfo/native").glob("*.c"))),
            depends=sorted(map(str, Path("zinfo/native").glob("*.h"))),
            optional=True,  # where there is no compiler, Python does the same, slower
            py_limited_api=True,  # one for all Pythons
            define_macros=[("Py_LIMITED_API", "0x030A0000"), ("PY_SSIZE_T_CLEAN", None)],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
