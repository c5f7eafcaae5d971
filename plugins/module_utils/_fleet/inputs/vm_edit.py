# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Changes one value in a VM file's text; all else, comments too, stays as a person wrote it."""

from __future__ import annotations

import re

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load

_LONGEST = 64 * 1024


def with_field(text: str, field: str, value: str) -> str:
    """Return the text of a VM file with this value of a field.

    Raises ValueError where the file is written so that it cannot be changed line by line.
    """
    line = f"{field}: {value}"
    new, found = re.subn(rf"^{field}[ \t]*:.*$", line, text, count=1, flags=re.MULTILINE)
    if not found:
        new = f"{text.rstrip()}\n{line}\n"
    before, after = (load(one, "", _LONGEST) for one in (text, new))
    if after.problems or {**before.fields, field: value} != dict(after.fields):
        raise ValueError(f"write '{line}' into it by hand, at the left margin")
    return new
