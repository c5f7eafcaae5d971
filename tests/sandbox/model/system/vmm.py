# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmm(4)'s node and the firmware of virtual machines, with the faults that take them away.

The node is 0600 root:wheel. Every program of a server has the same rights on this host, so that
the accounts that may not become root get another file in its place, which nobody can open.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sandbox.model.accounts.commands import may_become_root

from . import tree

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

NODE, _MAJOR = "/dev/vmm", 10


class Vmm:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.faults.watch(self._switched)

    def put_node(self, *, usable: bool) -> None:
        """Linux answers ENXIO for the socket that stands for it otherwise, OpenBSD ENODEV."""
        files = self.machine.files
        if files.exists(NODE):
            files.remove(NODE)
        if usable:
            files.mknod(NODE, 0o600, _MAJOR, 0)
            return
        # A socket that nobody listens on; its path may be longer than one of a socket can be.
        directory = os.open(files.resolve("/dev"), os.O_PATH)
        with socket.socket(socket.AF_UNIX) as node:
            node.bind(f"/proc/self/fd/{directory}/vmm")
        os.close(directory)

    def closed_to(self, account: str) -> list[str]:
        """The files that no program of this account's sessions can open."""
        user = self.machine.accounts.user(account)
        if user is None or user.uid == 0 or may_become_root(self.machine, user):
            return []
        return [NODE]

    def _switched(self, name: str, arguments: tuple[str, ...], on: bool) -> None:
        if name == "no_firmware":
            tree.put_firmware(self.machine.files, there=not on)
        elif name == "no_vmm":
            self.put_node(usable=not on)
