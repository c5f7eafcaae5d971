# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Public host keys of VMs, as they were when the VM first answered: one file per VM in the fleet.

They are kept, and not asked for again, since another VM may answer at an address later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import HOST_KEYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    read_file,
    write_file,
)

_LIMIT = 64 * 1024


class HostKeyError(OperatorError):
    """A file of host keys that cannot be used; the message names it."""


@dataclass(frozen=True)
class HostKeyFiles:
    """The directory host_keys/ of a fleet directory."""

    fleet: Path

    def path(self, vm: str) -> Path:
        """Return the path of a VM's file. Raises Refused for what is not the name of a VM."""
        return self.fleet / HOST_KEYS / f"{vm_name(vm)}.pub"

    def read(self, vm: str) -> tuple[str, ...] | None:
        """Return the VM's keys, a line each; None where none are known yet. Raises HostKeyError."""
        path = self.path(vm)
        if not path.exists() and not path.is_symlink():
            return None
        try:
            return _checked(read_file(path, _LIMIT).decode("ascii", "replace").splitlines())
        except (Unreadable, Refused) as error:
            raise HostKeyError(f"{path}: {error}") from error

    def write(self, vm: str, keys: Iterable[str]) -> bool:
        """Keep these keys as the VM's; return whether they differ from those before.

        Raises Refused for what is not a key, HostKeyError and OSError.
        """
        new = _checked(keys)
        if self.read(vm) == new:
            return False
        path = self.path(vm)
        path.parent.mkdir(mode=0o755, exist_ok=True)
        write_file(path, "".join(f"{key}\n" for key in new).encode("ascii"), 0o644)
        return True


def _checked(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the keys in order, without comments, which a VM's root chooses."""
    keys = (parse_ssh_key(line.strip()) for line in lines if line.strip())
    return tuple(sorted(" ".join(str(key).split(" ")[:2]) for key in keys))
