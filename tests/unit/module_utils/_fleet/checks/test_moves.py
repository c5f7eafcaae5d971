# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs that were installed: settings move and rename nothing of them, and files alone no VM."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    server_variables,
)
from unit.fleets import SERVER6, SERVER7, WEB1, build, ledger, ledger_texts, problems, server, vm

IMAGE = "/home/vm/web1.img"
RECORD = f"installed: {{at: 2026-11-29T03:00:00Z, image: {IMAGE}, format: raw}}"
THERE = {"server6.yml": ledger(f"{WEB1[:-1]}, {RECORD}}}")}


def only(fleet: Fleet) -> Vm:
    (machine,) = fleet.vms
    return machine


@pytest.mark.parametrize(
    "changes", [{}, {"preset": "bridge"}, {"preset": "veb"}, {"image_directory": "/elsewhere"}]
)
def test_an_installed_vm_keeps_its_image(changes: dict[str, object]) -> None:
    fleet = build({"web1.yml": vm()}, THERE, {"server6": server(**changes), "server7": SERVER7})
    machine = only(fleet)
    assert (machine.disk.image, machine.disk.format, machine.refusal) == (IMAGE, "raw", None)
    assert ledger_texts(fleet)["server6.yml"].count(RECORD) == 1
    (described,) = server_variables(fleet, "server6")["vmm_vms"]
    assert described["image"] == {"path": IMAGE, "size": "50G", "format": "raw"}
    assert described["installed"] == {"at": "2026-11-29T03:00:00Z", "image": IMAGE, "format": "raw"}


def test_another_format_is_refused_for_that_vm_alone() -> None:
    vms = {"web1.yml": vm("disk_format: qcow2"), "db1.yml": vm("disk_format: qcow2")}
    machines = {each.name: each for each in build(vms, THERE).vms}
    assert (machines["web1"].disk.image, machines["web1"].disk.format) == (IMAGE, "raw")
    for text in ("vms/web1.yml: disk_format: qcow2", "allocations/server6.yml", IMAGE, "raw since"):
        assert text in (machines["web1"].refusal or "")
    assert machines["db1"].refusal is None
    assert only(build({"web1.yml": vm("disk_format: raw")}, THERE)).refusal is None


def test_a_vm_that_is_installed_elsewhere_stays_there() -> None:
    """With its number and addresses, whatever else its file says of the server it names."""
    file = vm("ipv4: 198.51.100.20", "number: 3", server="server7")
    fleet = build({"web1.yml": file, "db1.yml": vm(server="server7")}, THERE)
    web1, db1 = fleet.vms
    assert (web1.name, web1.server, web1.number, str(web1.ipv4)) == (
        "web1", "server6", 7, "203.0.113.16",
    )  # fmt: skip
    for text in (
        "vms/web1.yml: server: server7 is asked for", "allocations/server6.yml has web1 installed",
        "allocations/server7.yml does not", "-e vm=web1 -e verb=move -e to=server7",
        "server: server6 again",
    ):  # fmt: skip
        assert text in (web1.refusal or "")
    assert (db1.server, db1.refusal) == ("server7", None)
    assert "web1" not in ledger_texts(fleet)["server7.yml"]
    assert [each["name"] for each in server_variables(fleet, "server7")["vmm_vms"]] == ["db1"]


def test_a_line_without_an_installation_is_no_home() -> None:
    ledgers = {"server6.yml": ledger(WEB1)}
    machine = only(build({"web1.yml": vm(server="server7")}, ledgers))
    assert (machine.server, machine.refusal) == ("server7", None)


def test_an_installation_on_a_server_that_is_gone() -> None:
    """Under another name it would get other addresses, and be installed again."""
    (problem,) = problems({"web1.yml": vm(server="new6")}, THERE, {"new6": SERVER6})
    assert problem.startswith("vms/web1.yml: server: new6, but allocations/server6.yml has web1")
    assert "rename allocations/server6.yml to allocations/new6.yml" in problem
