# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The one-time path under which a VM finds its response file while it is installed.

autoinstall(8) asks without a password for a file whose name others can guess. What stands before
the name cannot be guessed: dhcpd(8) tells it to the VM alone, in the directory of `filename`.

dhcpd.conf(5) on the server is the only place where it is kept: an installation that was cut off
goes on with it, and one that is over has none, so that the next gets another. It is in no
variable, and shown nowhere.
"""

from __future__ import annotations

import re
import secrets
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import (
    Unreadable,
    parse_dhcpd_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import (
    ONE_TIME_BYTES,
    ONE_TIME_NAME,
    ONE_TIME_PREFIX,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Names
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import DHCPD_CONF
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Directory,
    Document,
    File,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current

_BELOW = re.compile(ONE_TIME_NAME.pattern.encode() + b"/?")
# What a file shows that is written without a server.
_NOBODYS: t.Final = ONE_TIME_PREFIX + "0" * 2 * ONE_TIME_BYTES

Vm = t.Mapping[str, t.Any]


def is_one_time(name: str) -> bool:
    """Whether the name of a directory is one of ours."""
    return ONE_TIME_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class OneTime:
    """The VMs of a server, those that are being installed, and a new directory for each VM.

    Documents are made with the new directories; resolve() puts the right ones in their place.
    """

    vms: tuple[Vm, ...] = ()
    installing: frozenset[str] = frozenset()
    new: t.Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, args: t.Mapping[str, t.Any] | None, *, rendered: bool) -> OneTime:
        """From the task's argument; `rendered` documents are for no server, and always the same."""
        if args is None:
            return cls()
        vms = tuple(args["vms"])
        new = {
            vm["name"]: f"{_NOBODYS[:-4]}{number:04x}"
            if rendered
            else ONE_TIME_PREFIX + secrets.token_hex(ONE_TIME_BYTES)
            for number, vm in enumerate(vms)
        }
        return cls(vms, frozenset(args["installing"]), new)

    @property
    def directories(self) -> dict[str, str]:
        """What templates have as `one_time`: a VM's directory, with a slash, by its name."""
        return {name: f"{new}/" for name, new in self.new.items()}

    def questions(self) -> list[dict[str, t.Any]]:
        """Paths for the probe: dhcpd.conf(5), and what is there while an installation runs."""
        if not self.vms:
            return []
        marks = [{"path": Names.of(vm).load, "hash": 0} for vm in self.vms]
        return [{"path": DHCPD_CONF, "read": 1}, *marks]

    def resolve(
        self, documents: t.Sequence[Document], current: Current, *, check_mode: bool = False
    ) -> tuple[Document, ...]:
        """The documents with the directory that each VM has: the one it had, a new one, or none.

        Raises PlanError where a new one would not reach dhcpd.conf(5).
        """
        if not self.vms:
            return tuple(documents)
        told = _told(current)
        written = any(item.path == DHCPD_CONF for doc in documents for item in doc.files)
        now: dict[str, str] = {}
        keep: set[str] = set()
        for vm in self.vms:
            name, mac = vm["name"], vm["mac"]
            if name in self.installing:
                if mac not in told and not written and not check_mode:
                    raise PlanError(
                        f"{name}: {DHCPD_CONF} has no one-time path for it; run the role dhcpd "
                        f"first, which hands it out"
                    )
                now[self.new[name]] = told.get(mac, self.new[name])
            elif mac in told and current.paths.get(Names.of(vm).load):
                # Another run's installation: it is left alone.
                now[self.new[name]] = told[mac]
                keep.add(told[mac])
            else:
                now[self.new[name]] = ""
        return tuple(_resolved(document, now, keep) for document in documents)


def _told(current: Current) -> dict[str, str]:
    """The directories that dhcpd.conf(5) tells to VMs, by MAC address."""
    try:
        conf = parse_dhcpd_conf(current.read.get(DHCPD_CONF, b"").decode("utf-8", "replace"))
    except Unreadable:
        return {}
    found = {}
    for host in (*conf.hosts, *(host for subnet in conf.subnets for host in subnet.hosts)):
        directory, slash, _name = "".join(host.parameters.get("filename", ())).partition("/")
        if host.mac and slash and is_one_time(directory):
            found[host.mac.lower()] = directory
    return found


def _resolved(document: Document, now: t.Mapping[str, str], keep: t.Iterable[str]) -> Document:
    def put(match: re.Match[bytes]) -> bytes:
        name = match[0].rstrip(b"/").decode()
        if name not in now:
            return match[0]
        slash = match[0][len(name) :] if now[name] else b""
        return now[name].encode() + slash

    def text(value: str) -> str:
        return _BELOW.sub(put, value.encode()).decode()

    files: list[File] = [
        replace(item, path=text(item.path), content=_BELOW.sub(put, item.content))
        for item in document.files
    ]
    directories: list[Directory] = []
    for item in document.directories:
        path = text(item.path)
        # A VM that is not being installed has none.
        if path == item.path or not path.endswith("/"):
            kept = frozenset(keep) if item.purge_directories else item.keep
            directories.append(replace(item, path=path, keep=kept))
    return replace(document, files=tuple(files), directories=tuple(directories))
