# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The one-time path under which a VM finds its response file while it is installed.

autoinstall(8) asks without a password for a file whose name others can guess. The directory before
the name cannot be guessed: dhcpd(8) gives it only to the VM, as part of `filename`.

It is kept only in dhcpd.conf(5) on the server: an interrupted installation continues with it, and a
finished one has none, so that the next gets another. It is in no variable, and shown nowhere.
"""

from __future__ import annotations

import secrets
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import Unreadable
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import parse_dhcpd_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import (
    ONE_TIME_BYTES,
    ONE_TIME_NAME,
    ONE_TIME_PREFIX,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# Stands in files that are written without a server.
_NOBODYS: t.Final = ONE_TIME_PREFIX + "0" * 2 * ONE_TIME_BYTES


@dataclass(frozen=True)
class OneTime:
    """Directories by the VM's name, with a slash; "" for a VM that is not being installed.

    `kept` are the directories, without a slash, of installations of other runs.
    """

    directories: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    kept: tuple[str, ...] = field(default=(), repr=False)


def one_time(
    vms: t.Iterable[Machine],
    installing: t.Collection[str],
    held: t.Collection[str],
    dhcpd_conf: str,
) -> OneTime:
    """Return the directory of each VM: what the server has for it, a new one, or none.

    `installing` are the names of VMs that this run installs, `held` of those that any run does.
    """
    known = directories_in(dhcpd_conf)
    directories: dict[str, str] = {}
    kept: list[str] = []
    for vm in vms:
        name, old = vm.name, known.get(vm.mac)
        if name in installing:
            directories[name] = f"{old or new()}/"
        elif name in held and old:
            # Another run's installation: it is left alone.
            directories[name] = f"{old}/"
            kept.append(old)
        else:
            directories[name] = ""
    return OneTime(directories, tuple(kept))


def for_review(names: t.Iterable[str], installing: t.Collection[str]) -> OneTime:
    """Return directories that are always the same, for files that are for no server."""
    return OneTime(
        {
            name: f"{_NOBODYS[:-4]}{number:04x}/" if name in installing else ""
            for number, name in enumerate(names)
        }
    )


def new() -> str:
    return ONE_TIME_PREFIX + secrets.token_hex(ONE_TIME_BYTES)


def directories_in(dhcpd_conf: str) -> dict[str, str]:
    """Return the directories that dhcpd.conf(5) gives to VMs, by MAC address."""
    try:
        conf = parse_dhcpd_conf(dhcpd_conf)
    except Unreadable:
        return {}
    directories = {}
    for host in conf.all_hosts:
        directory, slash, _name = "".join(host.parameters.get("filename", ())).partition("/")
        if host.mac and slash and ONE_TIME_NAME.fullmatch(directory):
            directories[host.mac] = directory
    return directories
