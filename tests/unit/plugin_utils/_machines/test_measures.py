# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server says that it has, and what is on it that the fleet does not know."""

from __future__ import annotations

import base64
import struct
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.measures import (
    Drive,
    FileSystem,
    Measures,
    file_system,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.survey import questions, survey
from unit.machines import MAC, machine

DF = "Filesystem  1K-blocks      Used     Avail Capacity  Mounted on\n"
SENSORS = """\
hw.sensors.cpu0.temp0=46.00 degC
hw.sensors.softraid0.drive0=online (sd2), OK
hw.sensors.softraid0.drive1=degraded (sd3), WARNING
hw.sensors.mpi0.drive3=failed, CRITICAL
hw.sensors.nvme0.drive0=unknown
"""
STATUS = """\
   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME
    1 12345     1    1.0G    256M   ttyp0        puffy  running web1
    2     -     1    1.0G       -       -         root  stopped old
"""
CONF = 'vm "web1" {\n disable\n}\nvm "older" {\n disable\n}\n'
DHCPD = f"""\
subnet 203.0.113.0 netmask 255.255.255.0 {{
    host web1 {{ hardware ethernet {MAC.upper()}; fixed-address 203.0.113.16; }}
    host printer {{ hardware ethernet 00:00:5e:00:53:01;
        fixed-address 203.0.113.40, 203.0.113.41; }}
}}
host guest {{ }}
"""


def said(**texts: str) -> dict[str, t.Any]:
    runs = {name: {"rc": 0, "stdout": text, "stderr": ""} for name, text in texts.items()}
    read = {"/etc/vm.conf": texts.get("conf", ""), "/etc/dhcpd.conf": texts.get("dhcpd", "")}
    return {
        "run": runs,
        "read": {path: base64.b64encode(text.encode()).decode() for path, text in read.items()},
    }


def measured(**texts: str) -> dict[str, t.Any]:
    plain = {"memory": "", "processors": "", "load": "", "kernel": "", "sensors": ""}
    return said(**{**plain, **texts})


def test_everything_that_is_asked_is_read() -> None:
    disks = [{"path": "/data/two.qcow2", "format": "qcow2", "size": "9G", "recorded": True}]
    vm = machine(disks=disks, detached=["/data/old.img"])
    asked = questions([vm], ["/var/vmm"])
    names = {question["name"] for question in asked["run"]}
    assert names == {"memory", "processors", "load", "kernel", "sensors", "df /var/vmm"}
    assert {question["path"] for question in asked["paths"]} == {
        "/var/vmm/web1.qcow2", "/var/vmm/web1.archived.qcow2", "/data/two.qcow2",
        "/data/two.archived.qcow2", "/data/old.img",
    }  # fmt: skip
    assert all(question["head"] == 32 for question in asked["paths"])


HEADS = {
    "a base": (b"QFI\xfb", 104, 9),
    "none": (b"QFI\xfb", 0, 0),
    "a place without a length, which vmd(8) takes for none": (b"QFI\xfb", 104, 0),
    "a raw image": (b"\0\0\0\0", 104, 9),
}


@pytest.mark.parametrize("name", HEADS)
def test_which_images_have_a_base(name: str) -> None:
    magic, place, length = HEADS[name]
    head = struct.pack(">4sIQIIQ", magic, 3, place, length, 16, 50 << 30)
    texts = {"/a": head, "/b": head[:31], "/c": b""}
    read = {path: base64.b64encode(text).decode() for path, text in texts.items()}
    surveyed = survey({**measured(), "read": read}, said(status=STATUS), [], [])
    assert surveyed["based"] == (["/a"] if name == "a base" else [])


def test_a_server_that_says_everything() -> None:
    df = f"{DF}/dev/sd0e     1000       600       350    63%    /var\n"
    answer = measured(
        memory="4278034432\n", processors="8\n", load="0.12 0.10 0.08\n", kernel="GENERIC.MP#1\n",
        sensors=SENSORS, **{"df /var/vmm": df},
    )  # fmt: skip
    assert Measures.of(answer, ["/var/vmm"]) == Measures(
        4278034432, 8, 0.12, "GENERIC.MP#1",
        (FileSystem("/var/vmm", 1000 << 10, 600 << 10, 350 << 10, "/var"),),
        (
            Drive("softraid0.drive0", "online (sd2)", "OK"),
            Drive("softraid0.drive1", "degraded (sd3)", "WARNING"),
            Drive("mpi0.drive3", "failed", "CRITICAL"),
            Drive("nvme0.drive0", "unknown", "UNKNOWN"),
        ),
    )  # fmt: skip


def test_a_server_that_says_nothing() -> None:
    answer = measured(**{"df /var/vmm": ""})
    assert Measures.of(answer, ["/var/vmm"]) == Measures(None, None, None, "", (), ())


def test_a_full_file_system_has_less_than_nothing_left() -> None:
    df = f"{DF}/dev/sd0e     1000       980       -30   103%    /var\n"
    system = file_system(said(**{"df /var": df}), "/var")
    assert system == FileSystem("/var", 1000 << 10, 980 << 10, -30 << 10, "/var")


def test_what_the_fleet_does_not_know() -> None:
    vms = said(status=STATUS, conf=CONF, dhcpd=DHCPD)
    surveyed = survey(measured(), vms, [machine()], [])
    assert surveyed["strangers"] == ["old", "older"]
    assert surveyed["hosts"] == [
        {"name": "guest", "mac": None, "addresses": []},
        {
            "name": "printer",
            "mac": "00:00:5e:00:53:01",
            "addresses": ["203.0.113.40", "203.0.113.41"],
        },
    ]


def test_files_that_cannot_be_understood_hide_nothing_else() -> None:
    surveyed = survey(measured(processors="2"), said(status=STATUS, conf="vm {", dhcpd="{"), [], [])
    assert surveyed["strangers"] == ["old", "web1"]
    assert surveyed["hosts"] == []
    assert surveyed["processors"] == 2
