# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev docs: a site without warnings and broken links."""

from __future__ import annotations

import re
import subprocess
import sys

from integration.harness import CHECKOUT

HTML = CHECKOUT / ".dev/docs/html"


def test_the_site() -> None:
    tool = [sys.executable, "tools/docs_site.py"]
    done = subprocess.run(tool, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (HTML / "collection/configure_module.html").is_file()
    assert (HTML / "docs/fleet.html").is_file()
    lost = [
        f"{page.relative_to(HTML)}: {link}"
        for page in HTML.rglob("*.html")
        for link in re.findall(r'href="([^"#?:]+)["#?]', page.read_text())
        if not (page.parent / link).exists()
    ]
    assert lost == []
