# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A fake server for adoption: files, images and what programs say, asked as the agent is."""

from __future__ import annotations

import base64
import struct
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.fit import Fitted, fit_server
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen, questions
from unit.fleets import KEY

AT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
SERVER = "server1"
HEADER = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
ALICE = " ".join(KEY.split()[:2])
PASSWD = "alice:*:1001:1001:alice:/home/alice:/bin/ksh\n"
GROUP = "wheel:*:0:root\noperator:*:5:root\nvmdusers:*:900:alice\nalice:*:1001:\n"
KEYS = "/home/alice/.ssh/authorized_keys"


def qcow2(size: int, *, based: bool = False) -> bytes:
    """The header of an image for so many bytes."""
    base = (104, 9) if based else (0, 0)
    return struct.pack(">4sIQIIQ", b"QFI\xfb", 3, *base, 16, size).ljust(512, b"\0")


@dataclass
class Host:
    """A server: texts by path, images with their first bytes and size, names of running VMs."""

    files: dict[str, str] = field(default_factory=dict)
    images: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    running: t.Collection[str] = ()
    stopped: t.Collection[str] = ()
    ifconfig: str = ""
    services: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    looks: int = 0
    asked: list[str] = field(default_factory=list)

    def seen(self) -> Seen:
        """What a look at it finds; it is asked as often as something was named."""
        seen = Seen()
        while (asked := questions(seen)) is not None:
            self.looks += 1
            seen = seen.with_answer(asked, self._answer(asked))
        return seen

    def _answer(self, asked: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        paths: dict[str, t.Any] = {}
        read: dict[str, str] = {}
        for question in asked["paths"]:
            path = question["path"]
            self.asked.append(path)
            data, size = self.images.get(path, (self.files.get(path, "").encode(), -1))
            if path not in self.files and path not in self.images:
                paths[path] = None
                continue
            paths[path] = {"type": "file", "size": len(data) if size < 0 else size, "blocks": 8192}
            if question.get("read") or question.get("head"):
                read[path] = base64.b64encode(data[: question.get("head")]).decode()
        return {
            "paths": paths,
            "read": read,
            "list": {question["path"]: self._names(question["path"]) for question in asked["list"]},
            "run": {question["name"]: self._run(question) for question in asked["run"]},
            "release": "7.8",
        }

    def _names(self, directory: str) -> list[str]:
        if directory == "/dev":
            return [f"tap{number}" for number in range(4)]
        below = (path for path in self.files if path.startswith(f"{directory}/"))
        return sorted({path[len(directory) + 1 :].partition("/")[0] for path in below})

    def _run(self, question: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        name, rc, text = question["name"], 0, ""
        if name.startswith("get "):
            service = name[4:]
            rc, text = (
                int(service not in self.services),
                f"{service}_flags={self.services.get(service, 'NO')}\n",
            )
        elif name == "ifconfig":
            text = self.ifconfig
        elif name == "status" and not self.silent:
            rows = [(vm, "100", "running") for vm in self.running]
            rows += [(vm, "-", "stopped") for vm in self.stopped]
            text = HEADER + "".join(
                f"1 {pid} 1 1.0G - - root {state} {vm}\n" for vm, pid, state in rows
            )
        elif name == "sysctl":
            text = "".join(f"{key}={value}\n" for key, value in self.sysctls.items())
        return {"rc": rc, "stdout": text, "stderr": ""}


def host(vm_conf: str, dhcpd_conf: str = "", **files: str) -> Host:
    """A server with an owner, alice, and the interfaces of an old set-up."""
    made = Host(
        {
            "/etc/vm.conf": vm_conf,
            "/etc/passwd": PASSWD,
            "/etc/group": GROUP,
            KEYS: f"{ALICE} alice@laptop\n",
            "/etc/hostname.bridge0": "add vether0\nup\n",
        },
        ifconfig=(
            "vether0: flags=8843<UP> mtu 1500\n\tinet 10.10.10.1 netmask 0xffffff00\n"
            "bridge0: flags=41<UP>\n\tvether0 flags=3<LEARNING,DISCOVER>\n"
        ),
        services={"vmd": ""},
        sysctls={"net.inet.ip.arpq.maxlen": "50"},
    )
    made.files |= files
    if dhcpd_conf:
        made.files["/etc/dhcpd.conf"] = dhcpd_conf
        made.services["dhcpd"] = "vether0"
    return made


NAMES: t.Final = {"vmm_domain": "example.org", "vmm_dns_servers": ["192.0.2.53"]}


def checker(
    settings: t.Mapping[str, t.Mapping[str, object]] | None = None,
    vms: t.Mapping[str, str] | None = None,
) -> t.Any:
    """Builds a fleet beside these settings and VM files."""
    known = settings if settings is not None else {SERVER: NAMES}

    def check(
        more: t.Mapping[str, t.Mapping[str, object]],
        files: t.Mapping[str, str],
        ledgers: t.Mapping[str, str],
    ) -> Fleet:
        settings = {name: {**known.get(name, {}), **more.get(name, {})} for name in {*known, *more}}
        return build_fleet(Inputs({**(vms or {}), **files}, ledgers, settings))

    return check


def adopt(made: Host, check: t.Any = None, **options: t.Any) -> Fitted:
    """What would be written of a server, whose inventory knows domain and resolvers."""
    options = {"known": NAMES, **options}
    return fit_server(made.seen(), Options(SERVER, AT, **options), check or checker())


def vm(name: str, *lines: str, **more: str) -> str:
    """A block of vm.conf(5) with an owner, a disk and an interface, unless lines say otherwise."""
    parts = {
        "owner": "owner alice",
        "disk": f'disk "/var/vmm/{name}.img"',
        "interface": 'interface tap { switch "lan"; lladdr fe:e1:bb:aa:00:11 }'.replace("; ", "\n"),
        **more,
    }
    body = [*(text for text in parts.values() if text), *lines]
    return f'vm "{name}" {{\n' + "".join(f"\t{line}\n" for line in body) + "}\n"


LAN = 'switch "lan" {\n\tinterface bridge0\n}\n'
