# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Changes one value in a VM file's text; all else, comments too, stays as a person wrote it."""

from __future__ import annotations

import re

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load

_STATE = re.compile(r"^state[ \t]*:.*$", re.MULTILINE)
_LONGEST = 64 * 1024


def with_state(text: str, state: str) -> str:
    """Return the text of a VM file with this state.

    Raises ValueError where the file is written so that its state cannot be changed line by line.
    """
    line = f"state: {state}"
    new, found = _STATE.subn(line, text, count=1)
    if not found:
        new = f"{text.rstrip()}\n{line}\n"
    before, after = (load(one, "", _LONGEST) for one in (text, new))
    if after.problems or {**before.fields, "state": state} != dict(after.fields):
        raise ValueError(f"write 'state: {state}' into it by hand, at the left margin")
    return new
