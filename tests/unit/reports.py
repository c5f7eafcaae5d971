# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Fleets of any size, and what their servers show, for tests of the report."""

from __future__ import annotations

import typing as t
from datetime import UTC, date, datetime

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.data import report
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import Report
from unit.fleets import build, ledger, server, vm

AT = datetime(2026, 11, 29, 7, 16, tzinfo=UTC)
TODAY = date(2026, 11, 29)
VERSION = "0.1.0"
GIB = 1 << 30
# As many as vmd(8) can run.
_ON_ONE = 100
_OWNERS = ("mira", "jonas", "puffy", "ada", "grace", "linus", "edsger", "barbara")
_LOST = "Failed to connect to the host via ssh: connect to host server3 port 22: No route to host"


# What somebody may write into a file, or a server may print.
HOSTILE = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "</style><img src=x onerror=window.hacked=1>",
    '" onmouseover="window.hacked=1" x=\'',
    "' autofocus onfocus='window.hacked=1",
    "<!-- --!> ]]> &amp; &#60;b&#62;",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} javascript:window.hacked=1",
    "\u202etxt.exe\u2066 \u200f \u200b \ufeff",
    "\x00 \x1b[31m \x07 \x7f \x85 \u2028 \r",
)


def servers(count: int) -> dict[str, dict[str, object]]:
    """Servers by name, each with a network of its own."""
    return {
        f"server{place}": server(
            mac_prefix=f"fe:e1:bb:d1:{place:02x}",
            ipv4_network=f"10.0.{place}.0/24",
            ipv4_gateway=f"10.0.{place}.1",
            ipv4_range=[f"10.0.{place}.10", f"10.0.{place}.250"],
            server_ipv4=f"10.0.{place}.2",
            ipv6_network=f"2001:db8:{place:x}::/64",
            ipv6_gateway=f"2001:db8:{place:x}::1",
            reserved=[f"10.0.{place}.224/28", f"10.0.{place}.212", 13],
            preset="veb" if place % 3 else "bridge",
            memory_limit=None if place % 2 else "768G",
        )
        for place in range(1, count + 1)
    }


def fleet(count: int) -> Fleet:
    """A fleet of `count` VMs; a few are suspended, archived, new, purged, or gone."""
    names = list(servers(-(-count // _ON_ONE)))
    lines: dict[str, list[str]] = {name: [] for name in names}
    vms = {}
    for place in range(count):
        on, number = names[place // _ON_ONE], place % _ON_ONE + 20
        name, owner = f"vm{place + 1:04}", _OWNERS[place * 7 % len(_OWNERS)]
        state = {3: "suspended", 5: "archived"}.get(place % 37, "present")
        vms[f"{name}.yml"] = vm(
            server=on, owner=owner, hostname=f"{name}.{owner}.example.org", state=state,
            memory=f"{1 << place % 4}G", disk=f"{20 * (1 + place % 5)}G",
        )  # fmt: skip
        image = f"installed: {{at: 2026-0{place % 9 + 1}-1{place % 10}T03:00:00Z, "
        image += f"image: /var/vmm/{name}.qcow2, format: qcow2}}"
        if place % 41 != 7:
            lines[on].append(f"{name}: {{number: {number}, {image}}}")
    texts = {}
    for place, name in enumerate(names, 1):
        gone = f"gone1: {{number: 8, ipv4: 10.0.{place}.17}}"
        purged = f"  6: {{vm: left1, since: 2026-11-20, ipv4: 10.0.{place}.15}}\n"
        texts[f"{name}.yml"] = ledger(*lines[name], gone) + f"quarantine:\n{purged}"
    return build(vms, texts, servers(len(names)), today=TODAY)


def look(place: int, has_system: bool, state: str) -> dict[str, t.Any]:
    """What puffy.vmm.configure shows of a VM."""
    runs = state == "present" and has_system and place % 29 != 4
    image = "data" if has_system and place % 97 != 11 else "absent"
    return {
        "image": image,
        "archived": state == "archived",
        "installing": False,
        "from_cdrom": False,
        "installed": False,
        "state": "running" if runs and image == "data" else "stopped",
        "running": runs and image == "data",
        "pending": runs and place % 53 == 9,
        "pid": 12345 if runs else None,
        "disk_bytes": (2 + place % 7) * GIB if image == "data" else 0,
    }


def survey(place: int, **changes: t.Any) -> dict[str, t.Any]:
    """What a server has."""
    size = 4096 * GIB
    return {
        "memory": 1024 * GIB,
        "processors": 48,
        "load": 3.25,
        "release": "7.8",
        "kernel": "GENERIC.MP#1",
        "file_systems": [
            {"directory": "/var/vmm", "size": size, "used": size // 3, "free": size // 2}
        ],
        "drives": [
            {"name": "softraid0.drive0", "value": "online (sd2)", "status": "OK"},
            {"name": "nvme0.drive0", "value": "online", "status": "OK"},
        ],
        "strangers": [],
        "hosts": [{"name": "camera", "mac": None, "addresses": [f"10.0.{place}.218"]}],
        "based": [],
        **changes,
    }


def results(of: Fleet) -> dict[str, dict[str, t.Any]]:
    """What the servers of a fleet answered; server3 did not, and server2 is not quite well."""
    by_server: dict[str, dict[str, t.Any]] = {}
    for place, name in enumerate(of.servers, 1):
        by_server[name] = {
            "details": [],
            "last_applied": "2026-11-28T20:15:00Z",
            "survey": survey(place),
            "vms": {
                vm.name: look(number, vm.installed is not None, vm.state)
                for number, vm in enumerate(of.vms_of(name))
            },
        }
    if "server2" in by_server:
        drive = {"name": "softraid0.drive1", "value": "degraded (sd3)", "status": "WARNING"}
        by_server["server2"]["survey"] = survey(2, drives=[drive], strangers=["by-hand"])
        by_server["server2"]["details"] = [
            {"document": "dhcpd", "change": "change /etc/dhcpd.conf", "consequence": False},
            {"document": "sensorsd", "change": "start sensorsd", "consequence": False},
        ]
    if "server3" in by_server:
        by_server["server3"] = {"unreachable": True, "msg": _LOST}
    return by_server


def sample(count: int, *, live: bool = True) -> Report:
    """The report of a fleet of `count` VMs."""
    of = fleet(count)
    assert of.problems == ()
    return report(of, of.servers, results(of) if live else {}, at=AT, version=VERSION)
