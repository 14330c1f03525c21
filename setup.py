"""The native part, and the description for PyPI; the rest is in pyproject.toml."""

import re
import sys
from pathlib import Path

import setuptools
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent

OLDEST_SETUPTOOLS = (77, 0, 3)
"""As in pyproject.toml. pip installs it; `python setup.py sdist` uses the installed setuptools."""

URLS = dict(
    re.findall(
        r'^(Documentation|Source) = "(.*)"$',
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)
SITE = URLS["Documentation"] + "/en/latest/"
REPOSITORY = URLS["Source"]
FILES = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"

IMAGES = {".gif", ".jpg", ".png", ".svg", ".webp"}

TARGET = re.compile(
    r'(?P<before>\]\(|^\[[^\]]+\]:\s+|\b(?:src|srcset|href)=")'
    r'(?P<path>[^\s()":#]*)(?P<heading>#[^\s()"]*)?(?=[\s)"]|$)',
    re.MULTILINE,
)
"""The target of a link or image in Markdown or HTML, unless it has a scheme such as `https:`."""


class BuildForAll(build_ext):
    """Names the native part `_native.abi3.so`, which all Pythons find.

    Python 3.15 would include the platform in the name, as in `_native.abi3-x86_64-linux-gnu.so`,
    which Pythons before 3.14 do not find.
    """

    def build_extension(self, ext):
        """Compile an extension; of its symbols, only its init function is visible to others.

        So the compiler may inline functions that several files use, and calls need no indirection
        (PLT). Encoding an INFO takes a quarter less time.
        """
        if self.compiler.compiler_type == "unix":  # not MSVC, where that is the default
            ext.extra_compile_args = [*ext.extra_compile_args, "-fvisibility=hidden"]
        super().build_extension(ext)

    def get_ext_filename(self, fullname):
        """Return the path of an extension."""
        return re.sub(r"\.abi3-[\w-]+\.", ".abi3.", super().get_ext_filename(fullname))


def check_setuptools():
    """End with a message if setuptools is too old: its own would be about the licence."""
    version = tuple(map(int, re.findall(r"\d+", setuptools.__version__)[:3]))
    if version < OLDEST_SETUPTOOLS:
        oldest = ".".join(map(str, OLDEST_SETUPTOOLS))
        sys.exit(
            f"building zinfo needs setuptools {oldest} or later, and {setuptools.__version__} is "
            "installed: pip install --upgrade setuptools"
        )


def description():
    """Return README.md with absolute links, because PyPI has none of the files that it links to."""
    return TARGET.sub(_with_absolute_target, (ROOT / "README.md").read_text(encoding="utf-8"))


def _with_absolute_target(link):
    path, heading = link["path"], link["heading"] or ""
    if not (path or heading) or not (ROOT / path).exists():  # such as `names[0](text)` in a program
        return link[0]
    return link["before"] + _url(path or "README.md") + heading


def _url(path):
    """Return the address of a file: pages on the documentation site, others in the repository."""
    file = ROOT / path
    if file.suffix in IMAGES:
        return FILES + path
    if path == "docs/index.md":
        return SITE
    if path.startswith("docs/") and file.suffix == ".md":
        return SITE + path.removeprefix("docs/").removesuffix(".md") + ".html"
    return f"{REPOSITORY}/{'tree' if file.is_dir() else 'blob'}/main/{path}"


check_setuptools()
setup(
    long_description=description(),
    long_description_content_type="text/markdown",
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
