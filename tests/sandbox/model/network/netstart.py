# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""netstart(8): hostname.if(5) files turned into ifconfig(8) commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.target.call import Call, Handler, Result
from sandbox.target.options import getopt

from . import ifconfig
from .interfaces import CLONERS, type_of

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_ADDRESS = re.compile(r"(inet6?)((?: alias)?) (\S+)(?: (\S+))?")


def run(machine: Machine, call: Call) -> Result:
    """Interfaces to create come first, so the order of the files does not matter."""
    if call.uid != 0:
        return Result(1, stderr="netstart: need root privileges\n")
    names = getopt(call.argv[1:], "").operands
    texts = {name: machine.files.read_text(f"/etc/hostname.{name}") for name in names}
    for kind in CLONERS:
        for name in texts:
            if type_of(name) == kind and not machine.network.exists(name):
                machine.network.create(name)
    stderr = ""
    for name, text in texts.items():
        for words in _commands(text):
            stderr += ifconfig.run(machine, Call(("ifconfig", name, *words.split()))).stderr
    return Result(0, stderr=stderr)


def _commands(text: str) -> Iterator[str]:
    """Arguments of ifconfig for each line, with the prefix or mask of an address named."""
    for line in text.splitlines():
        words = " ".join(line.split())
        if match := _ADDRESS.fullmatch(words):
            family, alias, address, length = match.groups()
            named = {"inet": "netmask", "inet6": "prefixlen"}[family] if length else ""
            words = f"{family}{alias} {address} {named} {length or ''}".rstrip()
        if words and not words.startswith("#"):
            yield words


COMMANDS: dict[str, Handler] = {"/etc/netstart": run}
