# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server with all that an installation needs, and a guest at its switch, for tests of models."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import bare
from .model import sets
from .model.guest.installer import Installation

# What the roles write for the example's web1, which is being installed.
GOLDEN = Path(__file__).parents[1] / "golden/example/server1"
SETS, FILES = "/var/www/htdocs/amd64", "/var/www/htdocs/install"
MAC, ONCE = "fe:e1:bb:d1:c6:05", "once-00000000000000000000000000000003"
RESPONSE = f"{FILES}/{ONCE}/{MAC}-install.conf@203.0.113.14"
FAST = 100_000.0
GIGABYTE = 1024**3
PROMPT = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "
FAILED = ["failed; check /tmp/ai/ai.log", PROMPT]


@dataclass
class Disk:
    name: str = "sd0"
    size: int = 50 * GIGABYTE
    written: list[Mapping[str, Any]] = field(default_factory=list)

    def write(self, record: Mapping[str, Any]) -> None:
        self.written.append(record)


class Rig:
    """A server with a guest on tap0, and what the guest's console showed."""

    def __init__(self, root: Path) -> None:
        self.machine = bare.machine(root, speed=FAST)
        for words in ("vport42 inet 203.0.113.1/24", "veb42 create", "veb42 add vport42 up"):
            assert self.machine.run(f"ifconfig {words}").rc == 0
        self.machine.network.get("vport42").inet6.append("2001:db8:6::1/64")
        self.machine.files.mkdir(f"{FILES}/{ONCE}", parents=True)
        self.machine.files.mkdir(SETS)
        for name, content in sets.release_directory("7.8").items():
            self.machine.files.write_bytes(f"{SETS}/{name}", content)
        self.respond()
        self.serve()
        tap = self.machine.network.open_tap()
        self.machine.network.get(tap).up = True
        self.machine.network.add_member("veb42", tap)
        self.disk = Disk()
        self.console: list[str] = []

    def serve(self, httpd: Path = GOLDEN / "etc/httpd.conf") -> None:
        self.machine.files.write_text("/etc/httpd.conf", httpd.read_text())
        self.machine.files.write_text("/etc/dhcpd.conf", (GOLDEN / "etc/dhcpd.conf").read_text())
        enable = ("enable dhcpd httpd", "set dhcpd flags vport42")
        for command in (*enable, "restart dhcpd httpd"):
            assert self.machine.run(f"rcctl {command}").rc == 0

    def respond(self, path: str = RESPONSE, **changes: str) -> None:
        """The response file with other answers to questions, `_` for a blank."""
        text = (GOLDEN / RESPONSE.replace(":", "_")[1:]).read_text()
        for name, answer in changes.items():
            text = re.sub(rf"(?m)^({name.replace('_', ' ')}) = .*", rf"\1 = {answer}", text)
        self.machine.files.write_text(path, text)

    def run(self) -> str:
        self.installation = Installation(self.machine, MAC, "tap0", self.disk, self.console.append)
        return self.installation.run(threading.Event())

    def tail(self, count: int) -> list[str]:
        return self.console[-count:]
