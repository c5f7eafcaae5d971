# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Build the documentation as a site in .dev/docs/html.

It has the pages of the checkout, in the same directories so that their links work, and a page for
each plugin and role. Any warning is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from checkout import listed

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".dev/docs"
SOURCE = WORK / "source"

CONF = """\
project = "puffy.vmm"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "68rem", "sidebar_width": "15rem"}
html_show_sphinx = False
# As GitHub does it: docs/fleet.md#when-something-is-wrong.
myst_heading_anchors = 4
# YAML that is shortened with "..." is not highlighted. Ansible's own pages are not looked up, so
# that the site can be built without a network; antsibull-docs lint checks references to plugins.
suppress_warnings = ["misc.highlighting_failure", "ref.ref"]
"""
CONTENTS = """

```{toctree}
:hidden:
:caption: Guides

%s
```

```{toctree}
:hidden:
:caption: Reference

collection/index
```
"""
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#\s]+)(#[^)]*)?\)")


def pages() -> list[Path]:
    """Return the pages that git knows, by their paths in the checkout."""
    return [Path(name) for name in listed(ROOT, "*.md")]


def prepared(page: Path) -> str:
    """Return the page's text for the site, and copy the files that it links to.

    A site cannot show a directory, so links to one become text.
    """

    def linked(match: re.Match[str]) -> str:
        target = (ROOT / page.parent / match[2]).resolve()
        if ":" in match[2] or target.suffix == ".md":
            return (
                match[0].replace("README.md", "index.md")
                if target == ROOT / "README.md"
                else match[0]
            )
        if target.is_dir():
            return match[1].strip("[]")
        place = SOURCE / target.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target, place)
        return match[0]

    return _LINK.sub(linked, (ROOT / page).read_text())


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    collection = SOURCE / "collection"
    collection.mkdir(parents=True)
    collection.chmod(0o755)
    (SOURCE / "conf.py").write_text(CONF)
    every = pages()
    for page in every:
        place = SOURCE / ("index.md" if page == Path("README.md") else page)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(prepared(page))
    guides = sorted(every, key=lambda page: (page.parts[0] != "docs", page))
    names = [str(page.with_suffix("")) for page in guides if page != Path("README.md")]
    with (SOURCE / "index.md").open("a") as index:
        index.write(CONTENTS % "\n".join(names))
    what = ["--use-current", "--squash-hierarchy", "--fail-on-error"]
    # antsibull-docs fails if it may not read a directory in PATH.
    path = [place for place in os.get_exec_path() if os.access(place, os.X_OK)]
    environment = {**os.environ, "TZ": "UTC", "PATH": os.pathsep.join(path)}
    for command in (
        ["antsibull-docs", "collection", *what, "--dest-dir", str(collection), "puffy.vmm"],
        ["sphinx-build", "-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(WORK / "html")],
    ):
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
    print(f"The site is in {WORK / 'html/index.html'}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed")
