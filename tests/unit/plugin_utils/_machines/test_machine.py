# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM of the inventory, typed, and what a server's answer says of it."""

from __future__ import annotations

import base64
import os
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    PENDING_FILE,
    DiskFacts,
    Image,
    Silent,
    UnreadableConf,
    parse,
    pending,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine, State
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import (
    Marker,
    alive,
    begun,
)
from unit.fleets import WEB1, build, ledger, vm
from unit.machines import IMAGE, MAC, RECORD, defined, machine, variables


def test_a_machine_is_what_the_inventory_says() -> None:
    text = ledger(f"{WEB1[:-1]}, installed: {{at: 2026-11-29T03:00:00Z, image: {IMAGE}, "
                  "format: qcow2}}")  # fmt: skip
    fleet = build({"web1.yml": vm("memory: 2G", "state: suspended")}, {"server6.yml": text})
    (described,) = server_variables(fleet, "server6")["vmm_vms"]
    made = Machine.of(described)
    assert (made.name, made.server, made.number, made.mac) == ("web1", "server6", 7, MAC)
    assert (made.memory, made.disk, made.state) == (2 << 30, 50 << 30, State.SUSPENDED)
    assert (made.image, made.image_format, made.record) == (IMAGE, "qcow2", RECORD)
    assert made.macs == {MAC}
    assert made.variables == described


def test_the_paths_that_belong_to_it() -> None:
    made = machine()
    assert made.directory == "/var/vmm"
    assert made.installing == "/var/vmm/web1.installing.qcow2"
    assert made.archived == "/var/vmm/web1.archived.qcow2"
    assert made.replaced("20261129T030000") == "/var/vmm/web1.replaced-20261129T030000.qcow2"
    assert made.other_images == ("/var/vmm/web1.img",)
    notes = (made.load, made.installed, made.console)
    assert notes == (
        "/var/vmm/.web1.install.conf", "/var/vmm/.web1.installed", "/var/vmm/.web1.console",
    )  # fmt: skip


@pytest.mark.parametrize("record", [{"at": "today"}, {"at": "2026-11-29T03:00:00Z"}, "yes"])
def test_a_record_has_a_grammar(record: object) -> None:
    with pytest.raises(Refused):
        Machine.of(variables(installed=record))


def test_a_vm_that_is_not_as_the_inventory_has_it_is_refused() -> None:
    assert Machine.all_of([variables()]) == [machine()]
    with pytest.raises(Refused, match=r"vms: one has no 'image'; .* vmm_vms"):
        Machine.all_of([{"name": "web1"}])


HEAD = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
RUNS = HEAD + "    1 123     1    1.0G   17.0M   ttyp0         root running web1\n"
CONF = """
vm "web1" {{
	disable
	disk "{image}" format qcow2
	interface tap {{
		switch "uplink"
		locked lladdr {mac}
	}}
}}
vm "web9" {{
	disk "/var/vmm/web9.img"
	interface tap {{ lladdr {rival}
	}}
}}
"""


def answer(
    paths: t.Mapping[str, object] = {}, conf: str = "", status: str = HEAD, **more: t.Any
) -> dict[str, t.Any]:
    return {
        "paths": dict(paths),
        "read": {"/etc/vm.conf": base64.b64encode(conf.encode()).decode()},
        "run": {"status": {"stdout": status}, "check": {"rc": 0}},
        **more,
    }


def image(size: int, blocks: int = 0, kind: str = "file") -> dict[str, object]:
    return {"type": kind, "size": size, "blocks": blocks}


SYSTEM = image(3 << 30, 6 << 20)


def test_the_questions_ask_of_every_machine_once() -> None:
    asked = questions([machine(), machine(name="db1", image={**variables()["image"],
                       "path": "/var/vmm/db1.img", "format": "raw"})])  # fmt: skip
    paths = [ask["path"] for ask in asked["paths"]]
    assert len(paths) == len(set(paths))
    assert {IMAGE, "/var/vmm/web1.img", "/var/vmm/db1.img", "/var/vmm", "/etc/vm.conf"} <= {*paths}
    assert asked["list"] == [{"path": "/var/vmm"}]
    assert "verb" not in asked


@pytest.mark.parametrize(
    ("started", "then"),
    [({"mtime": 200}, ["web1"]), ({"mtime": 201}, []), (None, ["web1"])],
)
def test_a_start_of_vmd_ends_what_waits_for_a_restart(started: object, then: list[str]) -> None:
    said = answer({PENDING_FILE: {"mtime": 200}, "/var/run/rc.d/vmd": started})
    said["read"][PENDING_FILE] = base64.b64encode(b"# a comment\nweb1\n").decode()
    assert pending(said) == then


def test_what_the_answer_says() -> None:
    paths = {IMAGE: SYSTEM, "/var/vmm/web1.img": SYSTEM, "/var/vmm": image(512, 8, "directory")}
    conf = CONF.format(image=IMAGE, mac=MAC.upper(), rival=MAC)
    names = [".web1.install.conf", "web1.qcow2", "web10.qcow2", "web1"]
    said = answer(paths, conf, RUNS, list={"/var/vmm": names})
    now = parse(said, [machine()])["web1"]
    assert (now.image, now.archived, now.running) == (Image.DATA, Image.ABSENT, True)
    assert now.others == ("/var/vmm/web1.img",)
    assert now.definition and now.definition.disks == defined().disks
    assert now.rivals == ("web9",)
    assert now.files == ("/var/vmm/.web1.install.conf", "/var/vmm/web1.qcow2")
    assert now.directory


@pytest.mark.parametrize(("facts", "shown"), [
    (None, Image.ABSENT),
    (image(256 << 10, 512), Image.BLANK),
    (image(2 << 20, 4096), Image.DATA),
    # A link leads to what nobody knows.
    (image(20, 0, "link"), Image.DATA),
])  # fmt: skip
def test_what_stands_under_the_name_of_an_image(facts: object, shown: Image) -> None:
    assert parse(answer({IMAGE: facts}), [machine()])["web1"].image is shown


def test_a_raw_image_that_nothing_was_written_to_is_blank() -> None:
    raw = machine(image={"path": "/var/vmm/web1.img", "format": "raw", "size": "50G"})
    now = parse(
        answer({"/var/vmm/web1.img": image(50 << 30, 16), IMAGE: image(50 << 30, 16)}), [raw]
    )
    assert now["web1"].image is Image.BLANK
    assert now["web1"].others == ()


def test_nobody_takes_silence_or_a_riddle_for_an_answer() -> None:
    with pytest.raises(Silent):
        parse(answer(status=""), [machine()])
    with pytest.raises(UnreadableConf, match=r"/etc/vm\.conf .* cannot be understood: line"):
        parse(answer(conf='vm "web1" {\n'), [machine()])


def test_a_note_says_who_wrote_it() -> None:
    note = Marker.parse(begun("mira@desk, process 7", {"/var/log/daemon": 12}, b'vm "web1" {\n'))
    assert (note.by, note.offsets) == ("mira@desk, process 7", {"/var/log/daemon": 12})


def test_a_run_works_as_long_as_its_process_is_there() -> None:
    own = "mira@desk, process 1"
    assert alive(f"mira@desk, process {os.getpid()}", own)
    assert not alive("mira@desk, process 4194999", own)
    assert not alive(f"mira@far, process {os.getpid()}", own)
    assert not alive("", own)


GUEST = machine(
    name="openbsd.vm", install_by="iso", cdrom="/home/iso/a.iso", boot="/bsd.gdb",
    image={"path": "/home/vms/x.y", "format": "raw", "size": "2G"}, detached=["/d/gone.img"],
    disks=[{"path": "/d/two.img", "format": "raw", "size": "9G", "recorded": True}],
)  # fmt: skip


def test_the_files_of_a_guest_whose_image_has_a_name_of_its_own() -> None:
    """A dot in it is no format, and nothing has the name of another VM's files."""
    assert GUEST.archived == "/home/vms/x.y.archived"
    assert (GUEST.load, GUEST.console) == ("/home/vms/.x.y.install.conf", "/home/vms/.x.y.console")
    assert GUEST.other_images == ()
    assert GUEST.disks[0].archived == "/d/two.archived.img"
    assert GUEST.from_cdrom
    assert not machine(install_by="iso", installed=RECORD.as_data()).from_cdrom
    dotted = {"path": "/var/vmm/openbsd.vm.img", "format": "raw", "size": "2G"}
    assert machine(name="openbsd.vm", image=dotted).other_images == ("/var/vmm/openbsd.vm.qcow2",)


def test_what_the_answer_says_of_a_guest() -> None:
    asked = {ask["path"] for ask in questions([GUEST])["paths"]}
    needed = {"/home/iso/a.iso", "/bsd.gdb", "/d/two.img", "/d/two.archived.img", "/d/gone.img"}
    assert needed <= asked
    there = {"/home/vms/x.y": SYSTEM, "/d/two.archived.img": image(9, 16), "/d/gone.img": image(1)}
    there["/home/iso/a.iso"] = image(512, 8, "directory")
    now = parse(answer(there), [GUEST])["openbsd.vm"]
    assert now.disks == (DiskFacts(there=False, archived=True, bytes=8192),)
    assert now.disk_bytes == (3 << 30) + 8192
    assert now.lacking == ("/home/iso/a.iso", "/bsd.gdb")
    assert now.detached == ("/d/gone.img",)
    there |= {"/home/iso/a.iso": image(9, 8), "/bsd.gdb": image(20, 0, "link")}
    assert parse(answer(there), [GUEST])["openbsd.vm"].lacking == ()
