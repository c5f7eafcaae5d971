# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The paths of all OpenBSD programs that this collection calls by name, and of their records."""

from __future__ import annotations

import typing as t

# Where OpenBSD's base keeps the programs that documents name without a path.
_DIRECTORIES = {
    "/usr/sbin": (
        "dhcpd",
        "fw_update",
        "httpd",
        "nsd-checkzone",
        "rad",
        "rcctl",
        "sensorsd",
        "sshd",
        "syspatch",
        "sysupgrade",
        "tcpdump",
        "vmctl",
        "vmd",
    ),
    "/sbin": ("ifconfig", "pfctl", "ping", "route", "sysctl"),
    "/usr/bin": ("doas", "ftp", "signify", "ssh", "ssh-keygen", "ssh-keyscan", "tail"),
    "/bin": ("df", "ps", "sh", "stty"),
}
TOOLS: t.Final[t.Mapping[str, str]] = {
    name: f"{directory}/{name}" for directory, names in _DIRECTORIES.items() for name in names
}


def fetch_firmware(driver: str) -> str:
    """Return what to do on a server where a file of firmware is missing, for people.

    fw_update(8) keeps what it has on record, whether its files are there or not.
    """
    return f"run 'fw_update -d {driver}' and 'fw_update {driver}' there"


def runfile(service: str) -> str:
    """Return where rc.subr(8) keeps how a service was started, until it is stopped."""
    return f"/var/run/rc.d/{service}"


def rcctl(*words: str) -> list[str]:
    """Return the command line of a call of rcctl(8)."""
    return [TOOLS["rcctl"], *words]
