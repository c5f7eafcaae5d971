# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The disks of VMs, what makes their systems, and whose image is whose."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import vm_variables
from unit.fleets import build, ledger, problems, server, sound, vm

GUEST = (
    "install: none",
    "image: /home/vms/web1.img",
    "disks: [{size: 9G}, {size: 8G, image: /data/big.raw}]",
    "boot: /bsd.gdb",
)
RECORD = "installed: {at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.img, format: raw}"
DISKS = "disks: [{image: /var/vmm/old.img, format: raw}, {image: /var/vmm/gone.img, format: raw}]"
KNOWN = {"server6.yml": ledger(f"web1: {{number: 7, {RECORD}, {DISKS}}}")}
ISO = ("install: iso", "cdrom: /home/iso/a.iso")


def test_a_guest() -> None:
    (web1,) = sound(build({"web1.yml": vm(*GUEST)})).vms
    assert (web1.disk.image, web1.disk.format, web1.install) == (
        "/home/vms/web1.img", "raw", "none",
    )  # fmt: skip
    assert [(disk.image, disk.format, str(disk.size)) for disk in web1.disks] == [
        ("/var/vmm/web1.disk2.qcow2", "qcow2", "9G"), ("/data/big.raw", "raw", "8G"),
    ]  # fmt: skip
    assert (web1.cdrom, web1.boot) == (None, "/bsd.gdb")


def test_what_the_ledger_has_stays_as_it_is() -> None:
    fleet = sound(build({"web1.yml": vm("disks: [{size: 9G}]")}, KNOWN))
    (web1,) = fleet.vms
    assert (web1.disk.image, web1.disk.format, web1.disk.recorded) == (
        "/var/vmm/web1.img", "raw", True,
    )  # fmt: skip
    assert [(disk.image, disk.recorded) for disk in web1.disks] == [("/var/vmm/old.img", True)]
    # A disk that is in the file no more is still known, so that purging removes it.
    assert vm_variables(web1)["vmm_detached"] == ["/var/vmm/gone.img"]
    assert fleet.ledgers["server6"].render().count(DISKS) == 1


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("image: /home/web1.img", "image: /home/web1.img is asked for, and allocations/server6"),
        ("disk_format: qcow2", "disk_format: qcow2 is asked for, and allocations/server6.yml has"),
        ("disks: [{size: 9G, format: qcow2}]", "disks: item 1: format: qcow2 is asked for, and"),
        ("disks: [{size: 9G, image: /x/y.img}]", "disks: item 1: image: /x/y.img is asked for"),
    ],
)
def test_no_image_is_moved_or_converted(lines: str, reason: str) -> None:
    (web1,) = sound(build({"web1.yml": vm(lines)}, KNOWN)).vms
    assert web1.refusal is not None
    assert web1.refusal.startswith(f"vms/web1.yml: {reason}")
    assert web1.disk.image == "/var/vmm/web1.img"


def test_the_image_of_a_guest_that_is_being_installed_by_somebody() -> None:
    made = "made: {image: /old/web1.img, format: raw}"
    known = {"server6.yml": ledger(f"web1: {{number: 7, {made}}}")}
    (web1,) = sound(build({"web1.yml": vm(*ISO)}, known)).vms
    assert (web1.disk.image, web1.disk.recorded, web1.installed) == ("/old/web1.img", True, None)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("install: iso",), "cdrom: is missing, for install: iso; give the image of a CD"),
        (("install: linux",), "install: 'linux' is not one of autoinstall, none, iso"),
        (("image: web1.img",), "image: 'web1.img' is not the path of an image; use one such as"),
        (("image: /a/../b.img",), "image: '/a/../b.img' is not the path of an image"),
        (("image: /a/web1.archived.img",), "image: 'web1.archived' ends like the images that"),
        (("image: /a/web1",), "disk_format: is missing, and the name of /a/web1 does not end"),
        (("cdrom: a.iso",), "cdrom: 'a.iso' is not the path of a file; use an absolute path"),
        (("boot: bsd",), "boot: 'bsd' is not the path of a kernel"),
        (("disks: 9G",), "disks: '9G' is not a list; give a list of disks, as in [{size: 100G}]"),
        (
            ("disks: [{format: raw}]",),
            "disks: item 1: size is missing; give it, as in {size: 100G}",
        ),
        (("disks: [{size: 9G, image: /a/b}]",), "disks: item 1: format is missing; the name of"),
        (
            (f"disks: [{', '.join(4 * ['{size: 1G}'])}]",),
            "disks: are 4; vmd(8) gives a VM at most 4",
        ),
    ],
)
def test_what_is_refused(lines: tuple[str, ...], complaint: str) -> None:
    (text,) = problems({"web1.yml": vm(*lines)})
    assert text.startswith(f"vms/web1.yml: {complaint}")


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("image: /var/vmm/web1.img", "/var/vmm/web1"),
        ("image: /var/vmm/web1.qcow2", "/var/vmm/web1"),
        ("disks: [{size: 1G, image: /var/vmm/web1.raw}]", "/var/vmm/web1"),
    ],
)
def test_two_vms_have_no_image_in_common_in_whatever_format(lines: str, value: str) -> None:
    (text,) = problems({"web1.yml": vm(), "web2.yml": vm(lines)})
    assert f"{value} is also the image of web1 on server6 (vms/web1.yml)" in text


def test_a_vm_with_the_name_of_anothers_disk() -> None:
    vms: dict[str, str | None] = {
        "web.yml": vm("disks: [{size: 1G}]"), "web.disk2.yml": vm(hostname="b.example.org"),
    }  # fmt: skip
    (text,) = problems(vms)
    assert "/var/vmm/web.disk2 is also the image of" in text


def test_all_disks_count() -> None:
    vms: dict[str, str | None] = {"web1.yml": vm("disk: 40G", "disks: [{size: 60G}]")}
    sound(build(vms, servers={"server6": server(disk_limit="100G")}))
    (text,) = problems(vms, servers={"server6": server(disk_limit="99G")})
    assert "1 VMs have 100G of disk" in text
    (text,) = problems(vms, servers={"server6": server(vm_disk_limit="99G")})
    assert "100G is more than one VM may have on server6" in text


def test_only_the_installer_of_openbsd_needs_its_room() -> None:
    assert problems({"web1.yml": vm("disk: 1G", "install: none")}) == []
    assert "too small for OpenBSD's installer" in problems({"web1.yml": vm("disk: 1G")})[0]


def test_paths_of_a_server_are_not_the_customers_to_say() -> None:
    operators = {field.name for field in FIELDS if not field.customer}
    assert {"image", "disks", "install", "cdrom", "boot"} <= operators
    order = vm("cdrom: /etc/master.passwd", server=None)
    complaints = problems({"web1.yml": "server: server6\n"}, orders={"web1.yml": order})
    assert complaints == [
        "orders/web1.yml: cdrom: is not for the customer to say; an order has owner, ssh_keys, "
        "hostname, user, memory, disk, timezone, sets, note, all else is in vms/"
    ]
