# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A machine with a switch and images, and short ways to talk to its vmd(8), for tests of models."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bare
from .call import Result
from .machine import Machine
from .model import network
from .model.images import Image
from .model.vm_state import Known

SWITCH = 'switch "uplink" {\n\tinterface veb42\n}\n'
ADDRESS = "203.0.113.1/24"
INSTALLED = {
    "hostname": "web1.example.org",
    "interfaces": {"vio0": {"ipv4": "203.0.113.10/24", "ipv6": "2001:db8::10/64"}},
}


def block(name: str, *lines: str, number: int = 1, disk: str = "") -> str:
    """A vm block with a disk of the machine's name and one interface, disabled unless told."""
    body = list(lines) or ["disable"]
    body.append(f'disk "{disk or f"/var/vmm/{name}.img"}"')
    body.append(f'interface {{ switch "uplink" lladdr fe:e1:bb:d1:c8:{number:02x} }}')
    return f'vm "{name}" {{\n' + "".join(f"\t{line}\n" for line in body) + "}\n"


@dataclass
class VmServer:
    machine: Machine

    @classmethod
    def make(cls, root: Path, *names: str, taps: int = 4) -> VmServer:
        """With a raw image for each name."""
        server = cls(bare.machine(bare.plant(root, taps)))
        network.provision(server.machine, "veb", 42, ADDRESS)
        for name in names:
            server("vmctl create -s 64M /var/vmm/%s.img" % name)  # noqa: UP031 (no braces to read)
        return server

    def __call__(self, command: str, **caller: Any) -> Result:
        return bare.Shell(self.machine, **caller)(command)

    def ok(self, command: str) -> Result:
        result = self(command)
        assert result.rc == 0, (command, result)
        return result

    def conf(self, *blocks: str, switch: str = SWITCH) -> None:
        self.machine.files.write_text("/etc/vm.conf", switch + "".join(blocks))

    def boot(self, *blocks: str, switch: str = SWITCH) -> None:
        """vm.conf, and a vmd that has read it."""
        self.conf(*blocks, switch=switch)
        self.ok("rcctl -f start vmd")

    def install(self, name: str) -> None:
        """As if an installer had been on the image."""
        Image(self.machine.files, f"/var/vmm/{name}.img", "raw").write(INSTALLED)

    def states(self) -> dict[str, str]:
        """State by name, as vmctl status shows it."""
        lines = self("vmctl status").stdout.splitlines()[1:]
        return {line.split()[-1]: line.split()[-2] for line in lines}

    def vm(self, name: str) -> Known:
        found = self.machine.vmd.registry.by_name(name)
        assert found is not None
        return found

    def log(self) -> list[str]:
        """What vmd has logged, without time and process."""
        lines = self.machine.files.read_text("/var/log/daemon").splitlines()
        return [line.partition("]: ")[2] for line in lines if " vmd[" in line]

    def until(self, done: Callable[[], bool], seconds: float = 5) -> None:
        """Wait, for real seconds, until something is so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.machine.lock:
                if done():
                    return
            time.sleep(0.01)
        raise AssertionError(f"not within {seconds} seconds: {self.states()}, {self.log()[-5:]}")

    def until_state(self, name: str, state: str) -> None:
        self.until(lambda: self.states().get(name) == state)

    def until_up(self, name: str) -> None:
        def up() -> bool:
            guest = self.machine.guests.get(name)
            return guest is not None and guest.up

        self.until(up)
