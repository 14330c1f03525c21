"""The metadata of the wheel: licence, links, and a description that PyPI can show."""

from __future__ import annotations

import shutil
import string
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.packaging.built.distributions import ROOT, Distributions

SITE = "https://zinfo.readthedocs.io/en/latest/"
REPOSITORY = "https://github.com/zinfo/zinfo"
FILES = "https://raw.githubusercontent.com/zinfo/zinfo/main/"

WELL_KNOWN = {
    *("homepage", "source", "download", "changelog", "releasenotes", "documentation"),
    *("issues", "funding"),
}
"""Without aliases: https://packaging.python.org/en/latest/specifications/well-known-project-urls/"""

README = """\
[a page](docs/reference/top.md#keys), [the first page](docs/index.md),
[a file](LICENSE),
[a directory](deploy/man/), [another site](https://redis.io/docs/), [below](#below),
[![an image](docs/images/top-table.svg)](docs/reference/top.md "The live view"),
[by name][versions]

<a href="CHANGELOG.md"><img src="docs/images/web-table.png" alt="an image" width="600"></a>

```python
names[0](text)
```

[versions]: docs/reference/versioning.md
"""

ABSOLUTE = f"""\
[a page]({SITE}reference/top.html#keys), [the first page]({SITE}),
[a file]({REPOSITORY}/blob/main/LICENSE),
[a directory]({REPOSITORY}/tree/main/deploy/man/), [another site](https://redis.io/docs/), \
[below]({REPOSITORY}/blob/main/README.md#below),
[![an image]({FILES}docs/images/top-table.svg)]({SITE}reference/top.html "The live view"),
[by name][versions]

<a href="{REPOSITORY}/blob/main/CHANGELOG.md"><img src="{FILES}docs/images/web-table.png" \
alt="an image" width="600"></a>

```python
names[0](text)
```

[versions]: {SITE}reference/versioning.html
"""


class _Targets(HTMLParser):
    """Collects the targets of links and images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "srcset"}]


def test_the_licence_is_an_spdx_expression_and_its_text_is_in_the_wheel(
    built: Distributions,
) -> None:
    metadata = built.metadata()
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License"] is None
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert not [one for one in metadata.get_all("Classifier", []) if one.startswith("License")]
    assert f"zinfo-{metadata['Version']}.dist-info/licenses/LICENSE" in built.wheel_names()


def test_the_labels_of_project_urls_are_well_known(built: Distributions) -> None:
    urls = dict(url.split(", ") for url in built.metadata().get_all("Project-URL", []))
    assert {"Documentation", "Source", "Issues", "Changelog"} == set(urls)
    removed = str.maketrans("", "", string.punctuation + string.whitespace)
    assert {label.translate(removed).lower() for label in urls} <= WELL_KNOWN
    assert SITE.startswith(urls["Documentation"])
    assert urls["Source"] == REPOSITORY


def test_links_of_the_description_are_absolute_and_lead_to_what_exists(
    built: Distributions,
) -> None:
    markdown = pytest.importorskip("markdown_it", reason="the docs group brings markdown-it-py")
    metadata = built.metadata()
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = metadata.get_payload()
    targets = _Targets(markdown.MarkdownIt("commonmark").enable("table").render(text)).found
    assert len(targets) > 10
    assert [target for target in targets if not target.startswith("https://")] == []
    inside = [target for target in targets if _file(target) is not None]
    assert len(inside) > 10
    missing = [target for target in inside if not (built.source / (_file(target) or "")).exists()]
    assert missing == []


def _file(target: str) -> str | None:
    """Return the path of the file to which an address of the project leads."""
    address = target.partition("#")[0]
    for start in (FILES, f"{REPOSITORY}/blob/main/", f"{REPOSITORY}/tree/main/"):
        if address.startswith(start):
            return address.removeprefix(start)
    if address.startswith(SITE):
        page = address.removeprefix(SITE) or "index.html"
        return f"docs/{page.removesuffix('.html')}.md"
    return None


def test_every_form_of_a_link_becomes_absolute(built: Distributions, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("docs", "deploy", "zinfo", "LICENSE", "CHANGELOG.md", "pyproject.toml"):
        (copy / name).symlink_to(built.source / name)
    shutil.copy(built.source / "setup.py", copy)
    (copy / "README.md").write_text(README, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "--long-description"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.rstrip("\n")) == (0, ABSOLUTE.rstrip("\n"))


def test_twine_accepts_both(built: Distributions) -> None:
    pytest.importorskip("twine", reason="the processes group brings it")
    command = [sys.executable, "-m", "twine", "check", "--strict"]
    done = subprocess.run(
        [*command, str(built.sdist), str(built.wheel)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_check_wheel_contents_accepts_the_wheel(built: Distributions) -> None:
    pytest.importorskip("check_wheel_contents", reason="the processes group brings it")
    command = [sys.executable, "-m", "check_wheel_contents", f"--config={ROOT / 'pyproject.toml'}"]
    done = subprocess.run(
        [*command, str(built.wheel)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{built.wheel}: OK\n"), done.stderr
