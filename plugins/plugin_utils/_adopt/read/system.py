# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files that hold for a whole server, such as sysctl.conf(5), rc.conf.local(8) and pf.conf(5)."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import server
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused

SYSCTL_CONF: t.Final = "/etc/sysctl.conf"
RC_CONF_LOCAL: t.Final = "/etc/rc.conf.local"
RC_LOCAL: t.Final = "/etc/rc.local"
SENSORSD_CONF: t.Final = "/etc/sensorsd.conf"
PF_CONF: t.Final = "/etc/pf.conf"
OWN_PF: t.Final = "/etc/pf.puffy.vmm.conf"
SSHD_CONFIG: t.Final = "/etc/ssh/sshd_config"


def is_ours(text: str) -> bool:
    """Whether this collection wrote a file, of a fleet that is not there any more."""
    return text.startswith("# Written by puffy.vmm")


def own_ipv6(rules: str) -> dict[str, str]:
    """The IPv6 address of each VM in rules of the role pf, by the VM's name."""
    found = re.findall(r"^# VM (\S+)\n((?:.+\n)*)", rules, re.MULTILINE)
    given = (
        (name, re.search(r" inet6 from ([0-9a-f:]+) no state$", block, re.MULTILINE))
        for name, block in found
    )
    return {name: match[1] for name, match in given if match}


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def sysctls(text: str) -> tuple[dict[str, str], list[tuple[int, str, str]]]:
    """The settings of a sysctl.conf(5), the last of each name, and lines that are not taken."""
    found: dict[str, str] = {}
    others = []
    for number, line in code_lines(text):
        words = re.split(r"[ \t#]", line, maxsplit=1)[0]
        name, equals, value = words.partition("=")
        try:
            found |= server.sysctl({name: value}) if equals else {}
        except Refused as refused:
            others.append((number, line, str(refused)))
        else:
            if not equals:
                others.append((number, line, "sysctl(8) does not set it either"))
    return found, others


def key_paths(sshd_config: str) -> tuple[str, ...]:
    """Where sshd(8) looks for keys, before any Match; with its % words."""
    for _number, line in code_lines(sshd_config):
        words = line.split()
        if words[0].lower() == "match":
            break
        if words[0].lower() == "authorizedkeysfile":
            return tuple(word for word in words[1:] if word != "none")
    return (".ssh/authorized_keys",)


def key_files(patterns: tuple[str, ...], account: str, home: str) -> list[str]:
    """The files of an account; sshd_config(5), TOKENS."""
    found = []
    for pattern in patterns:
        path = pattern.replace("%u", account).replace("%h", home).replace("%%", "%")
        found.append(path if path.startswith("/") else f"{home}/{path}")
    return found
