# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Hand-over sheets: what the owner of a VM gets, as text and as a page in the fleet directory."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    HAND_OVER,
    HAND_OVER_PAGE,
    HAND_OVER_TEXT,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file

_MODE = 0o644


def write(fleet: Path, vm: str, text: str, page: str) -> list[str]:
    """Write the sheet of a VM; return the paths in the fleet of files that changed.

    The text comes last: where it exists, the page does. Raises Refused for a name that is not a
    VM's, and OSError.
    """
    contents = {HAND_OVER_PAGE: page, HAND_OVER_TEXT: text}
    return [
        str(path.relative_to(fleet))
        for suffix, content in contents.items()
        if _write(path := fleet / HAND_OVER / f"{vm_name(vm)}{suffix}", content.encode())
    ]


def _write(path: Path, content: bytes) -> bool:
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return False
    path.parent.mkdir(mode=0o755, exist_ok=True)
    write_file(path, content, _MODE)
    return True
