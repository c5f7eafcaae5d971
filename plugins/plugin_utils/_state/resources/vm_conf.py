# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs that run with an older definition than vm.conf's.

vmd(8) registers a VM anew when it reads its file while the VM rests, and keeps the old definition
of one that runs, also after it has stopped, until the next reload. The names of such VMs are kept
in a file on the server, since vmd does not tell.
"""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import PENDING_FILE
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import REST, VM_CONF, changed
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document, File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current


def is_wanted(document: Document) -> bool:
    """Whether a document configures vmd(8) by vm.conf."""
    return any(item.path == VM_CONF for item in document.files)


def pending(document: Document, current: Current) -> tuple[str, ...]:
    """VMs that will run with an older definition once this document is carried out."""
    known = current.read.get(PENDING_FILE, b"").decode("ascii", "replace").split()
    if not is_wanted(document):
        return ()
    (wanted,) = (item for item in document.files if item.path == VM_CONF)
    old = current.read.get(VM_CONF, b"")
    names = set(known)
    if old != wanted.content or _rests(known, current):
        # The reload that comes now registers those anew that rest.
        differ = [name for name in changed(VM_CONF, old, wanted.content) if name != REST]
        names = {name for name in (*known, *differ) if name in current.running}
    return tuple(sorted(names))


def files(document: Document, current: Current) -> t.Iterator[File]:
    """The file of names, where it is to change."""
    if not is_wanted(document):
        return
    text = "".join(f"{name}\n" for name in pending(document, current))
    if text.encode() != current.read.get(PENDING_FILE, b""):
        yield File(PENDING_FILE, text.encode(), "0644")


def _rests(names: t.Iterable[str], current: Current) -> bool:
    return any(name not in current.running for name in names)
