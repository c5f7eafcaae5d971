# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.schema import order_schema
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    ACCOUNT_PATTERN,
    LABEL_PATTERN,
    VM_NAME_PATTERN,
    host_label,
)
from hypothesis import given
from unit.fleets import build, ledger, ledger_texts, problems, sound, vm
from unit.names import VM_NAMES


@given(VM_NAMES)
def test_names_of_the_tests_are_names(name: str) -> None:
    assert re.fullmatch(VM_NAME_PATTERN, name)


NAME_ADVICE = (
    "use letters, digits, _ and hyphens, in parts with a dot between them, a letter or digit first "
    "in each, at most 63 characters, not only digits"
)
ROLES = "ends like the images that are kept of a VM; choose another name"


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("_web1.yml", f"vms/_web1.yml: name: '_web1' is not a name for a VM; {NAME_ADVICE}"),
        ("-web1.yml", f"vms/-web1.yml: name: '-web1' is not a name for a VM; {NAME_ADVICE}"),
        ("2026.yml", f"vms/2026.yml: name: '2026' is not a name for a VM; {NAME_ADVICE}"),
        ("web..1.yml", f"vms/web..1.yml: name: 'web..1' is not a name for a VM; {NAME_ADVICE}"),
        ("web._1.yml", f"vms/web._1.yml: name: 'web._1' is not a name for a VM; {NAME_ADVICE}"),
        ("web1..yml", f"vms/web1..yml: name: 'web1.' is not a name for a VM; {NAME_ADVICE}"),
        ("web.archived.yml", f"vms/web.archived.yml: name: 'web.archived' {ROLES}"),
        (
            "a.replaced-20261129T030000.yml",
            f"vms/a.replaced-20261129T030000.yml: name: 'a.replaced-20261129T030000' {ROLES}",
        ),
        ("a\nb.yml", rf"vms/a\nb.yml: name: 'a\nb' is not a name for a VM; {NAME_ADVICE}"),
        ('a".yml', f"""vms/a".yml: name: 'a"' is not a name for a VM; {NAME_ADVICE}"""),
        (
            "{{ 7*7 }}.yml",
            "vms/{{ 7*7 }}.yml: name: '{{ 7*7 }}' is not a name for a VM; " + NAME_ADVICE,
        ),
        ("../a.yml", f"vms/../a.yml: name: '../a' is not a name for a VM; {NAME_ADVICE}"),
        (
            "w\u0435b.yml",
            rf"vms/w\u0435b.yml: name: 'w\u0435b' is not a name for a VM; {NAME_ADVICE}",
        ),
        ("a\0.yml", rf"vms/a\x00.yml: name: 'a\x00' is not a name for a VM; {NAME_ADVICE}"),
        (".yml", f"vms/.yml: name: '' is not a name for a VM; {NAME_ADVICE}"),
        (
            f"{64 * 'a'}.yml",
            f"vms/{64 * 'a'}.yml: name: '{57 * 'a'}...' is not a name for a VM; {NAME_ADVICE}",
        ),
        (
            "localhost.yml",
            "vms/localhost.yml: name: 'localhost' is a name that Ansible uses itself; choose "
            "another",
        ),
        (
            "server7.yml",
            "vms/server7.yml: name: 'server7' is the name of a server in the inventory; rename the "
            "file",
        ),
        (
            "Server7.yml",
            "vms/Server7.yml: name: 'Server7' is the name of a server in the inventory; rename the "
            "file",
        ),
        (
            "mail.yml",
            "vms/mail.yml: name: 'mail' is the name of a group in the inventory; rename the file",
        ),
    ],
)
def test_names_of_files(file: str, complaint: str) -> None:
    assert problems({file: vm()}, groups=("mail",)) == [complaint]


# OpenBSD's etc/examples/vm.conf, and vm.conf files that people have published.
VMD_NAMES = ("openbsd.vm", "vm1.example.com", "OpenBSD_Ports", "vm_01", "1e3", "2026-01-02", "web-")


def test_names_that_vmd_takes() -> None:
    fleet = sound(build({f"{name}.yml": vm() for name in VMD_NAMES}))
    assert {machine.name for machine in fleet.vms} == set(VMD_NAMES)
    images = {machine.name: machine.disk.image for machine in fleet.vms}
    assert images["openbsd.vm"] == "/var/vmm/openbsd.vm.qcow2"
    # All of it is read again as it was written.
    again = sound(build({f"{name}.yml": vm() for name in VMD_NAMES}, ledger_texts(fleet)))
    assert again.vms == fleet.vms
    assert set(yaml.safe_load(ledger_texts(fleet)["server6.yml"])["vms"]) == set(VMD_NAMES)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("web1", "web1"),
        ("openbsd.vm", "openbsd-vm"),
        ("OpenBSD_Ports", "openbsd-ports"),
        ("Vm_1.example", "vm-1-example"),
        ("a_.b-", "a-b"),
    ],
)
def test_the_name_of_a_host(name: str, label: str) -> None:
    """RFC 1123, 2.1."""
    assert host_label(name) == label
    assert re.fullmatch(LABEL_PATTERN, label)


@pytest.mark.parametrize(("name", "other"), [("Web1", "web1"), ("a.b", "a-b"), ("x_y", "X.y")])
def test_names_that_a_host_cannot_tell_apart_are_refused(name: str, other: str) -> None:
    vms = {f"{name}.yml": vm(), f"{other}.yml": vm(server="server7")}
    first, second = sorted((name, other))
    label = host_label(name)
    assert problems(vms) == [
        f"vms/{second}.yml: name: {label} is also the host name of {first} (vms/{first}.yml); "
        f"every VM needs its own"
    ]
    # Who was there first keeps it, and is left as it is.
    known = ledger_texts(build({f"{second}.yml": vm()}))
    fleet = build(vms | {f"{second}.yml": vm()}, known)
    assert [machine.name for machine in fleet.vms] == [second]
    assert [problem.source for problem in fleet.problems] == [f"vms/{first}.yml"]


@pytest.mark.parametrize("owner", ["alice.b", "Alice", "_service", "A-1_b.c"])
def test_owners_that_useradd_takes(owner: str) -> None:
    (web1,) = sound(build({"web1.yml": vm(owner=owner)})).vms
    assert web1.owner == owner
    assert re.fullmatch(ACCOUNT_PATTERN, web1.user)


def test_an_order_names_no_account_of_a_daemon() -> None:
    order = vm(server=None, owner="_postgresql")
    assert problems({"web1.yml": "server: server6\n"}, orders={"web1.yml": order}) == [
        "orders/web1.yml: owner: '_postgresql' begins like the accounts of daemons, which an order "
        "cannot name; begin with a letter"
    ]
    schema = order_schema()["properties"]["owner"]
    assert not re.search(schema["pattern"], "_postgresql")
    assert re.search(schema["pattern"], "alice.b")


def test_the_user_of_an_owner_whose_name_the_installer_takes_not() -> None:
    (web1,) = sound(build({"web1.yml": vm(owner="_Alice.b")})).vms
    assert web1.user == "alice_b"
    wrong = "is missing, and OpenBSD's installer takes no user _7; name another one"
    assert problems({"web1.yml": vm(owner="_7")}) == [f"vms/web1.yml: user: {wrong}"]
    assert problems({"web1.yml": vm("install: none", owner="_7")}) == []


def test_owners_that_no_group_can_tell_apart() -> None:
    vms: dict[str, str | None] = {"a.yml": vm(owner="al.b"), "b.yml": vm(owner="al_b")}
    assert problems(vms) == [
        "vms/b.yml: owner: al_b differs from al.b, the owner in vms/a.yml, only in what the name "
        "of a group of the inventory cannot have; name another owner"
    ]
    known = {"server6.yml": ledger("a: {number: 1}", "b: {number: 2}")}
    assert problems(vms, known) == []
