# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Public host keys: the server's own, and those of VMs as they answer on its switch."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import (
    SshKey,
    parse_ssh_key,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# What ssh-keygen(1) -A makes, which OpenBSD runs at each boot.
_FILES: t.Final = tuple(f"/etc/ssh/ssh_host_{kind}_key.pub" for kind in ("ecdsa", "ed25519", "rsa"))


@dataclass(frozen=True)
class ServerKeys:
    """The keys of a server's sshd(8); `warnings` say which files have none that can be used."""

    keys: tuple[SshKey, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Each key's type and base64 text."""
        return [" ".join(str(key).split(" ")[:2]) for key in self.keys]


def server_questions() -> list[dict[str, t.Any]]:
    """Return the paths of a probe that of_server() reads."""
    return [*map(read, _FILES)]


def of_server(answer: t.Mapping[str, t.Any]) -> ServerKeys:
    """Return the server's keys, as they come over a connection that is trusted already."""
    keys: list[SshKey] = []
    warnings: list[str] = []
    for path in _FILES:
        if path not in answer["read"]:
            continue
        try:
            key = parse_ssh_key(facts.text(answer, path).strip())
            key.sshfp()
        except Refused as refused:
            warnings.append(f"{path} is left out: {refused}")
        else:
            keys.append(key)
    return ServerKeys(tuple(keys), tuple(warnings))


def vm_questions(vms: t.Iterable[Machine]) -> list[dict[str, t.Any]]:
    """Return the commands for of_vms(): ssh-keyscan(1) over the server's own switch."""
    argv = [TOOLS["ssh-keyscan"], "-T", "10"]
    return [{"name": vm.name, "argv": [*argv, vm.ipv4], "timeout": 60} for vm in vms]


def of_vms(answer: t.Mapping[str, t.Any], vms: t.Iterable[Machine]) -> dict[str, list[str]]:
    """Return type and base64 text of each key that a VM has, by the VM's name."""
    keys = {}
    for vm in vms:
        lines = answer["run"][vm.name]["stdout"].splitlines()
        words = (line.split() for line in lines if not line.startswith("#"))
        keys[vm.name] = [f"{line[1]} {line[2]}" for line in words if len(line) == 3]
    return keys
