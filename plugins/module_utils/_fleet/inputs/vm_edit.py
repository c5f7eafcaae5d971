# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Changes one value in a VM file's text; all else, comments too, stays as a person wrote it.

Or writes the file of a VM that is to be like another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import yaml

_LONGEST = 64 * 1024
# What no two VMs have in common, and what holds for the moment only.
_OWN = ("number", "mac", "ipv4", "ipv6", "group", "image", "cdrom", "state", "note")
_OF_PARTS = {"interfaces": "mac", "disks": "image"}


def with_field(text: str, field: str, value: str) -> str:
    """Return the text of a VM file with this value of a field.

    Raises ValueError where the file is written so that it cannot be changed line by line.
    """
    line = f"{field}: {value}"
    new, replaced = re.subn(rf"^{field}[ \t]*:.*$", line, text, count=1, flags=re.MULTILINE)
    if not replaced:
        new = f"{text.rstrip()}\n{line}\n"
    before, after = (load(version, "", _LONGEST) for version in (text, new))
    if after.problems or {**before.fields, field: value} != dict(after.fields):
        raise ValueError(f"write '{line}' into it by hand, at the left margin")
    return new


def restored(name: str, fields: Mapping[str, Any], image_format: str) -> str:
    """Return the text of the file of a VM that gets its system from a backup of another VM.

    fields are those of the other VM's files. No run installs the new VM, nor starts it unasked.
    """
    new = {field: value for field, value in fields.items() if field not in _OWN}
    for field, own in _OF_PARTS.items():
        if field in new:
            new[field] = [
                {key: value for key, value in part.items() if key != own} for part in new[field]
            ]
    _host, dot, domain = str(fields.get("hostname", "")).partition(".")
    new |= {"hostname": f"{host_label(name)}{dot}{domain}", "disk_format": image_format}
    new |= {"install": "none", "autostart": False}
    text = yaml.safe_dump(new, sort_keys=False, default_flow_style=False, width=1000)
    return (
        "# Restored from a backup of another VM, which is where its system comes from: without\n"
        f"# install: none the next run would install a system until it is there.\n---\n{text}"
    )
