# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Hand-over sheets: what the owner of a new VM is told, in a file a VM in the fleet."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import HAND_OVER
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file


def fingerprint(key: str) -> str:
    """A public key's fingerprint as ssh-keygen(1) -l shows it. Raises Refused."""
    parsed = parse_ssh_key(key)
    digest = base64.b64encode(hashlib.sha256(parsed.blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({parsed.type})"


def write(fleet: Path, vm: str, text: str) -> bool:
    """Write the sheet of a VM; return whether it is another one than before. Raises OSError."""
    path = fleet / HAND_OVER / f"{vm}.md"
    content = text.encode()
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return False
    path.parent.mkdir(mode=0o755, exist_ok=True)
    write_file(path, content, 0o644)
    return True
