"""The licence, the native part, and `python setup.py sdist`; the rest is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildForAll(build_ext):
    """Names the native part `_native.abi3.so`, which all Pythons find.

    Python 3.15 would include the platform in the name, as in `_native.abi3-x86_64-linux-gnu.so`,
    which Pythons before 3.14 do not find.
    """

    def get_ext_filename(self, fullname):
        """Return the path of an extension."""
        return re.sub(r"\.abi3-[\w-]+\.", ".abi3.", super().get_ext_filename(fullname))


setup(
    license="MIT",
    cmdclass={"build_ext": BuildForAll},
    ext_modules=[
        Extension(
            "zinfo._native",
            sorted(map(str, Path("zinfo/native").glob("*.c"))),
            depends=sorted(map(str, Path("zinfo/native").glob("*.h"))),
            optional=True,  # without a compiler, slower Python code does the same
            py_limited_api=True,  # one build for all Pythons
            define_macros=[("Py_LIMITED_API", "0x030A0000"), ("PY_SSIZE_T_CLEAN", None)],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
