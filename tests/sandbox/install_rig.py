# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server with all that an installation needs, and a guest at its switch, for tests of models."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import bare
from .model import sets
from .model.guest.installer import Installation
from .model.network import network

MAC = "fe:e1:bb:d1:c8:01"
SETS = "/var/www/htdocs/amd64"
FILES = "/var/www/htdocs/install"
RESPONSE = f"{FILES}/x7f3/{MAC}-install.conf"
FAST = 100_000.0
GIGABYTE = 1024**3
PROMPT = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "
FAILED = ["failed; check /tmp/ai/ai.log", PROMPT]
HASH = "$2b$10$abcdefghijklmnopqrstuuM5sNTmpmn1cu1XQ2xLbSzJHl5ESIPRa"
DHCPD = """\
option domain-name "example.org";
option domain-name-servers 203.0.113.1;
subnet 203.0.113.0 netmask 255.255.255.0 {
    option routers 203.0.113.1;
    host web1 {
        hardware ethernet fe:e1:bb:d1:c8:01;
        fixed-address 203.0.113.11;
        filename "x7f3/auto_install";
        option host-name "web1";
    }
}
"""
HTTPD = """\
server "default" {
    listen on * port 80
    root "/htdocs/install"
    location "/pub/OpenBSD/7.8/amd64/*" {
        root "/htdocs/amd64"
        request strip 4
        directory auto index
    }
}
"""
ANSWERS = {
    "System hostname": "web1",
    "Password for root": "*************",
    "Change the default console to com0": "yes",
    "Which speed should com0": "115200",
    "Network interface to configure": "vio0",
    "IPv4 address for vio0": "autoconf",
    "IPv6 address for vio0": "2001:db8:6::7/64",
    "IPv6 default router": "2001:db8:6::1",
    "Setup a user": "puffy",
    "Password for user": HASH,
    "Public ssh key for user": "ssh-ed25519 AAAA puffy@example.org",
    "Allow root ssh login": "no",
    "Which disk is the root disk": "sd0",
    "What timezone are you in": "Europe/Amsterdam",
    "Location of sets": "http",
    "HTTP Server": "203.0.113.1",
    "Set name(s)": "-x* +xb* +xf* +site*",
    "Continue anyway": "yes",
    "Continue without verification": "yes",
}


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
        self.machine = bare.machine(bare.plant(root), speed=FAST)
        network.provision(self.machine, "veb", 42, "203.0.113.1/24")
        self.machine.network.get("vport42").inet6.append("2001:db8:6::1/64")
        self.machine.files.mkdir("/var/www/logs", parents=True)
        self.machine.files.mkdir(f"{FILES}/x7f3", parents=True)
        sets.provide_sets(self.machine, "7.8", SETS)
        self.add_site("site78.tgz")
        self.respond()
        self.serve()
        tap = self.machine.network.open_tap()
        self.machine.network.get(tap).up = True
        self.machine.network.add_member("veb42", tap)
        self.disks = [Disk()]
        self.console: list[str] = []

    def serve(self, dhcpd: str = DHCPD, httpd: str = HTTPD) -> None:
        self.machine.files.write_text("/etc/dhcpd.conf", dhcpd)
        self.machine.files.write_text("/etc/httpd.conf", httpd)
        enable = ("enable dhcpd httpd", "set dhcpd flags vport42")
        for command in (*enable, "restart dhcpd httpd"):
            assert self.machine.run(f"rcctl {command}").rc == 0

    def add_site(self, name: str) -> None:
        content = sets.tarball(name, {"./install.site": b"#!/bin/sh\n"})
        self.machine.files.write_bytes(f"{SETS}/{name}", content)
        index = self.machine.files.read_text(f"{SETS}/index.txt")
        index += sets.index_line(name, len(content))
        self.machine.files.write_text(f"{SETS}/index.txt", index)

    def respond(
        self, changes: Mapping[str, str | None] | None = None, *, path: str = RESPONSE
    ) -> None:
        """The usual response file with changes; None takes a line out."""
        lines = ANSWERS | dict(changes or {})
        usual = "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)
        self.machine.files.write_text(path, usual)

    def run(self) -> str:
        self.installation = Installation(self.machine, MAC, "tap0", self.disks, self.console.append)
        return self.installation.run(threading.Event())

    def tail(self, count: int) -> list[str]:
        return self.console[-count:]

    def fetched(self) -> list[str]:
        """Paths that httpd was asked for, with their status."""
        log = self.machine.files.read_text("/var/www/logs/access.log").splitlines()
        return [" ".join((line.split()[7], line.split()[9])) for line in log]
