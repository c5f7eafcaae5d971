# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Where backups are: a directory of the VM's own server, of another one, or of the controller."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

CONTROLLER: t.Final = "controller"
# Next to the images: what is on its way to another machine, or comes from one.
SPOOL: t.Final = ".backups"


@dataclass(frozen=True)
class Place:
    """A directory of a host: a server's name in the inventory, CONTROLLER, or "".

    The last stands for the server that a VM is on.
    """

    host: str
    path: str

    @classmethod
    def of(cls, text: str, servers: t.Collection[str]) -> Place:
        """Read /home/backups, server2:/home/backups or controller:/srv/backups. Raises Refused."""
        host, colon, path = text.rpartition(":")
        if not text:
            raise Refused(
                "say where backups are: backup_to=/home/backups for a directory of each VM's own "
                "server, server2:/home/backups for one of another server, controller:/srv/backups "
                "for one of this machine"
            )
        if colon and host != CONTROLLER and host not in servers:
            raise Refused(
                f"{shown(text)}: {shown(host)} is not a server of the inventory; name one of "
                f"{', '.join(sorted(servers))}, or {CONTROLLER}"
            )
        return cls(host, images.directory(path))

    def __str__(self) -> str:
        return f"{self.host}:{self.path}" if self.host else self.path
