# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Definitions that wait for a restart, and runs that are for some VMs alone."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import PENDING_FILE
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import (
    AUTOSTART,
    DHCPD_CONF,
    VM_CONF,
    changed,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Account,
    Document,
    File,
    Service,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    Current,
    PathFacts,
    ServiceFacts,
    UserFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.vm_conf import pending


def vm_conf(**memory: str) -> bytes:
    blocks = [
        f'vm "{name}" {{\n\tdisable\n\tmemory {size}\n\tdisk "/var/vmm/{name}.img"\n}}\n'
        for name, size in memory.items()
    ]
    return ('switch "uplink" {\n\tinterface "veb0"\n}\n' + "".join(blocks)).encode()


def dhcpd_conf(**addresses: str) -> bytes:
    hosts = [
        f"host {name} {{ hardware ethernet fe:e1:bb:00:00:01; fixed-address {address}; }}\n"
        for name, address in addresses.items()
    ]
    subnet = "subnet 192.0.2.0 netmask 255.255.255.0 {\n"
    return (subnet + "".join(hosts) + "}\n").encode()


def test_changed_names_blocks_and_the_rest() -> None:
    old, new = vm_conf(a="1G", b="1G", c="1G"), vm_conf(a="1G", b="2G", d="1G")
    assert changed(VM_CONF, old, new) == ["b", "c", "d"]
    assert changed(VM_CONF, old, old.replace(b"veb0", b"veb1")) == [""]
    assert changed(VM_CONF, b"vm {{{", new) == [""]
    assert changed(VM_CONF, b"", vm_conf(a="1G")) == ["", "a"]
    old, new = dhcpd_conf(a="192.0.2.1", b="192.0.2.2"), dhcpd_conf(a="192.0.2.1", b="192.0.2.3")
    assert changed(DHCPD_CONF, old, new) == ["b"]
    assert changed(DHCPD_CONF, old, old.replace(b"255.0 ", b"254.0 ")) == [""]
    old = b"start() {\n\tx\n}\n\tstart a\n\tstart b\n"
    assert changed(AUTOSTART, old, old.replace(b"start a", b"start c")) == ["a", "c"]
    assert changed(AUTOSTART, old, old.replace(b"\tx", b"\ty")) == [""]


def now(old: bytes, marked: str, running: str) -> Current:
    directory = PathFacts("directory", "0755", "root", "wheel", 512)
    facts = PathFacts("file", "0644", "root", "wheel", len(old), digest(old))
    marks = marked.encode()
    mark_facts = PathFacts("file", "0644", "root", "wheel", len(marks), digest(marks))
    return Current(
        paths={"/etc": directory, "/var/db": directory, VM_CONF: facts, PENDING_FILE: mark_facts},
        read={VM_CONF: old, PENDING_FILE: marks},
        running=frozenset(running.split()),
        services={"vmd": ServiceFacts(enabled=True, running=True)},
    )


def wants(new: bytes) -> Document:
    return Document(
        "vmd", files=(File(VM_CONF, new),), services=(Service("vmd", on_change="reload"),)
    )


SAME = vm_conf(a="1G", b="1G")
OTHER = vm_conf(a="2G", b="1G")


@pytest.mark.parametrize(
    ("old", "new", "marked", "running", "then"),
    [
        (SAME, OTHER, "", "", []),
        (SAME, OTHER, "", "a b", ["a"]),
        (SAME, OTHER, "b\n", "a b", ["a", "b"]),
        (SAME, OTHER, "b\n", "a", ["a"]),
        (SAME, SAME, "a\n", "a b", ["a"]),
        (SAME, SAME, "a\n", "b", []),
        (SAME, vm_conf(a="1G"), "", "a b", ["b"]),
    ],
)
def test_pending(old: bytes, new: bytes, marked: str, running: str, then: list[str]) -> None:
    assert list(pending(wants(new), now(old, marked, running))) == then


def test_a_vm_that_stopped_gets_its_new_definition_by_a_reload() -> None:
    made = plan([wants(SAME)], now(SAME, "a\n", "b"))
    assert made.changes == (f"change {PENDING_FILE}", "reload vmd")


def test_nothing_is_reloaded_while_the_vm_still_runs() -> None:
    assert plan([wants(SAME)], now(SAME, "a\n", "a b")).steps == ()


WEB1 = {
    "name": "a",
    "owner": "puffy",
    "hostname": "a.example.org",
    "mac": "fe:e1:bb:00:00:01",
    "image": {"path": "/var/vmm/a.img"},
}


def test_a_run_for_one_vm_names_the_others_it_would_touch() -> None:
    current = now(SAME, "", "")
    one, two = vm_conf(a="2G", b="1G"), vm_conf(a="2G", b="2G", c="1G")
    assert others(plan([wants(one)], current), current, Only.of([WEB1])) == []
    found = others(plan([wants(two)], current), current, Only.of([WEB1]))
    assert found == ["b in /etc/vm.conf", "c in /etc/vm.conf"]
    assert others(plan([wants(two)], current), current, Only.of([{**WEB1, "name": "b"}])) == [
        "a in /etc/vm.conf", "c in /etc/vm.conf",
    ]  # fmt: skip


def test_a_run_for_one_vm_touches_no_other_file_or_owner() -> None:
    etc = {"/etc": PathFacts("directory", "0755", "root", "wheel", 512)}
    etc["/etc/ssh"] = etc["/etc"]
    user = UserFacts("/home/mira", "/bin/ksh", "mira", ("vmdusers",))
    current = Current(paths=etc, users={"mira": user})
    document = Document(
        "r",
        files=(File("/etc/httpd.conf", b"x"), File(f"/etc/{WEB1['mac']}-install.conf", b"")),
        accounts=(Account("puffy"), Account("mira", ("vmdusers",), ("key",))),
    )
    found = others(plan([document], current), current, Only.of([WEB1]))
    assert found == [
        "create /etc/httpd.conf",
        "create /etc/ssh/owners/mira",
    ]
