# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What of galaxy-importer's output is a complaint about the collection."""

from __future__ import annotations

import re

_LEVEL = re.compile(r"(WARNING|ERROR|CRITICAL): (.*)")
# ruff formats as black does, of which flake8 complains: https://peps.python.org/pep-0008 has the
# second as it is here. Documentation of filters is YAML, which flake8 reads as Python.
_ACCEPTED = re.compile(
    r"\S+\.py:\d+:\d+: (E203|W503) "
    r"|plugins/filter/\w+\.yml:\d+:\d+: E999 "
    r"|Ignore files skip ansible-test sanity tests, "
)


def complaints(output: str) -> list[str]:
    """Return the lines that somebody has to look at, and one where the import did not finish."""
    lines = output.splitlines()
    kept = [
        line
        for line in lines
        if (match := _LEVEL.fullmatch(line)) and not _ACCEPTED.match(match[2])
    ]
    if "Importer processing completed successfully" not in lines:
        kept.append("the import did not finish")
    return kept
