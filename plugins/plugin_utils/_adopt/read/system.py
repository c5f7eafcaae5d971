# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files that hold for a whole server, such as sysctl.conf(5), rc.conf.local(8) and pf.conf(5)."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import server
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Remark

SYSCTL_CONF: t.Final = "/etc/sysctl.conf"
RC_CONF_LOCAL: t.Final = "/etc/rc.conf.local"
RC_LOCAL: t.Final = "/etc/rc.local"
SENSORSD_CONF: t.Final = "/etc/sensorsd.conf"
PF_CONF: t.Final = "/etc/pf.conf"
OWN_PF: t.Final = "/etc/pf.puffy.vmm.conf"


def is_ours(text: str) -> bool:
    """Return whether this collection wrote a file, for a fleet that is lost."""
    return text.startswith("# Written by puffy.vmm")


def own_ipv6(rules: str) -> dict[str, str]:
    """Return the IPv6 address of each VM in rules of the role pf, by the VM's name."""
    blocks = re.findall(r"^# VM (\S+)\n((?:.+\n)*)", rules, re.MULTILINE)
    address = re.compile(r" inet6 from ([0-9a-f:]+) no state$", re.MULTILINE)
    return {name: match[1] for name, block in blocks if (match := address.search(block))}


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def sysctls(text: str) -> tuple[dict[str, str], list[Remark]]:
    """Return the last value of each name in a sysctl.conf(5), and the lines that are refused."""
    values: dict[str, str] = {}
    others = []
    for number, line in code_lines(text):
        name, equals, value = re.split(r"[ \t#]", line, maxsplit=1)[0].partition("=")
        try:
            if not equals:
                raise Refused("sysctl(8) does not set it either")
            values |= server.sysctl({name: value})
        except Refused as refused:
            others.append(Remark(number, line, str(refused)))
    return values, others
