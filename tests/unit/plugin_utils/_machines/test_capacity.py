# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server must have for new VMs."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.capacity import (
    at_once,
    judge,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Disk, Machine
from unit.machines import machine

NEEDS = ("/bsd.rd", "/var/www/htdocs/amd64/bsd")
GIB = 1 << 30


def vm(name: str, memory: str = "1G", disk: str = "50G", state: str = "present") -> Machine:
    image = {"path": f"/var/vmm/{name}.img", "format": "raw", "size": disk}
    return machine(name=name, memory=memory, state=state, image=image)


def answer(
    memory: int = 8 * GIB, free: int = 500 * GIB, there: tuple[str, ...] = NEEDS,
    mounted: str = "/var/vmm", **used: int,
) -> dict[str, t.Any]:  # fmt: skip
    """`used` are bytes of the images that there are, by the VM's name."""

    def df(device: str, kib: int, on: str) -> dict[str, str]:
        head = "Filesystem  1K-blocks      Used     Avail Capacity  Mounted on\n"
        return {"stdout": f"{head}{device}   999999999     10000 {kib}     1%    {on}\n"}

    paths: dict[str, t.Any] = {path: {"size": 1, "blocks": 4} for path in there}
    for name, size in used.items():
        paths[f"/var/vmm/{name}.img"] = {"size": 50 * GIB, "blocks": size // 512}
    return {
        "paths": paths,
        "read": {},
        "run": {
            "status": {
                "stdout": "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
            },
            "check": {"rc": 0},
            "memory": {"stdout": f"{memory}\n"},
            "df /var/vmm": df("/dev/sd1a", free // 1024, mounted),
            "df /var/log": df("/dev/sd0e", 1000, "/var"),
            "df /var/www/logs": df("/dev/sd0f", 1000, "/var/www"),
        },
    }


FINE: dict[str, t.Any] = {}
CASES: dict[str, tuple[list[Machine], dict[str, t.Any], list[str], list[str]]] = {
    "all is there": ([vm("web1")], FINE, [], []),
    "no sets": (
        [vm("web1")], {"there": ("/bsd.rd",)},
        ["/var/www/htdocs/amd64/bsd is missing: the sets of the release"], [],
    ),
    "memory to the last byte": (
        [vm("web1"), vm("db1", "2G")], {"memory": 3 * GIB + (256 << 20)}, [], [],
    ),
    "memory for others as well": (
        [vm("web1"), vm("db1", "2G")], {"memory": 3 * GIB},
        ["2 VMs have 3072M of memory, 256M more than the server has for them (3072M less 256M"], [],
    ),
    "memory of those that rest for good": (
        [vm("web1"), vm("a", "9G", state="suspended"), vm("b", "9G", state="archived")],
        FINE, [], [],
    ),
    "no room for a system": (
        [vm("web1")], {"free": GIB - 1}, ["/var/vmm has 1023M free, and 1 new VMs need 1024M"], [],
    ),
    "a small disk needs less": ([vm("web1", disk="512M")], {"free": GIB - 1}, [], []),
    "images that may grow": (
        [vm("web1"), vm("db1")], {"free": 60 * GIB, "db1": 20 * GIB}, [],
        ["/var/vmm has 61440M free, and the disks of 2 VMs may grow by 81920M"],
    ),
    "images beside logs": (
        [vm("web1")], {"mounted": "/var"}, [],
        ["/var/vmm is on the same file system as /var/log (/var): images that grow"],
    ),
    "an archived image does not grow by itself, but may be restored": (
        [vm("web1"), vm("db1", state="archived")], {"free": 60 * GIB}, [], ["may grow by 102400M"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_stands_in_the_way(name: str) -> None:
    vms, changes, obstacles, warnings = CASES[name]
    verdict = judge(answer(**changes), vms, {"web1"}, NEEDS, limited=False)
    for texts, expected in ((verdict.obstacles, obstacles), (verdict.warnings, warnings)):
        assert len(texts) == len(expected), texts
        assert all(text in shown for text, shown in zip(expected, texts, strict=True)), texts


def test_a_limit_of_the_fleet_stands_in_for_the_memory_of_the_server() -> None:
    vms = [vm("web1", "64G")]
    assert judge(answer(), vms, {"web1"}, NEEDS, limited=True).obstacles == ()


def test_a_directory_that_is_not_there_yet_has_no_size() -> None:
    measured = answer()
    measured["run"]["df /var/vmm"]["stdout"] = ""
    assert judge(measured, [vm("web1")], {"web1"}, NEEDS, limited=False).obstacles == ()
    asked = {run["name"]: run["argv"] for run in questions([vm("web1")], NEEDS)["run"]}
    assert asked["df /var/vmm"] == ["/bin/df", "-k", "/var/vmm"]


RUNNING = "    1   123     1    1.0G   17.0M   ttyp0         root running old1\n"
AT_ONCE: dict[str, tuple[str, str, int, bool, int]] = {
    "a processor each": ("4", "0.30 0.20 0.10", 64 * GIB, False, 4),
    "processors that are busy": ("4", "2.90 1.00 1.00", 64 * GIB, False, 2),
    "one at least": ("2", "9.00 1.00 1.00", 64 * GIB, False, 1),
    "memory for three": ("8", "0.00 0.00 0.00", 3 * GIB + (256 << 20), False, 3),
    "memory for three, one of them runs": ("8", "0.00", 3 * GIB + (256 << 20), True, 2),
    "no memory for one": ("8", "0.00", GIB, False, 1),
    "no answer": ("", "", 64 * GIB, False, 1),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_how_many_are_installed_at_once(name: str) -> None:
    processors, load, memory, running, count = AT_ONCE[name]
    look = answer(memory)
    look["run"] |= {"processors": {"stdout": processors}, "load": {"stdout": load}}
    if running:
        look["run"]["status"]["stdout"] += RUNNING
    new = [vm(f"new{number}") for number in range(6)]
    assert at_once(look, [vm("old1"), *new], new) == count


def test_further_disks_count_where_they_are() -> None:
    disk = Disk("/data/web1.disk2.img", "raw", "90G", recorded=True)
    web1 = replace(vm("web1", disk="1G"), disks=(disk,))
    said = answer(web1=GIB)
    said["run"]["df /data"] = said["run"]["df /var/vmm"] | {
        "stdout": "Filesystem 1K-blocks Used Avail Capacity Mounted on\n"
        "/dev/sd2a 9 9 1048576 1% /data\n"
    }
    assert "df /data" in {run["name"] for run in questions([web1], ())["run"]}
    (warning,) = judge(said, [web1], (), NEEDS, limited=False).warnings
    assert "/data has 1024M free, and the disks of 1 VMs may grow by 92160M" in warning
