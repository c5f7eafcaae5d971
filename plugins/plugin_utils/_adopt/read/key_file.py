# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The public keys of an account's authorized_keys(5), except those that would gain rights."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes

# The role gives every key restrict and pty: these options forbid nothing that it would allow.
_HARMLESS: t.Final = frozenset(
    "restrict pty no-agent-forwarding no-port-forwarding no-x11-forwarding no-user-rc".split()
)
_KEY: t.Final = re.compile("|".join(map(re.escape, ssh_keys.TYPES)))


def read(file: str, text: str, notes: Notes) -> list[str]:
    """Return keys, each once; what is left out is reported, without the key itself."""
    keys: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        begin = _KEY.search(bare)
        options = bare[: begin.start()].strip() if begin else ""
        words = {word.strip().lower() for word in options.split(",") if word.strip()}
        if begin is None:
            notes.report(file, number, bare[:16], "it is not a public key of an accepted type")
        elif words - _HARMLESS:
            why = (
                "a key with options of its own is not copied, since the role would give it a "
                "terminal: it no longer works after the next run"
            )
            notes.report(file, number, f"{sorted(words - _HARMLESS)[0].partition('=')[0]} ...", why)
        else:
            try:
                key = str(ssh_keys.parse_ssh_key(bare[begin.start() :]))
            except Refused as refused:
                notes.report(file, number, begin[0], str(refused))
            else:
                keys += [] if key in keys else [key]
    return keys
