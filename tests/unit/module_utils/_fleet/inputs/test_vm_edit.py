# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The file of a VM that gets its system from a backup of another one."""

from __future__ import annotations

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import restored
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load

FIELDS = {
    "server": "server1", "owner": "puffy", "ssh_keys": ["ssh-ed25519 AAAA a: b"],
    "hostname": "web1.example.org", "memory": "2G", "disk": "50G", "number": 7,
    "mac": "fe:e1:bb:d1:c8:07", "ipv4": "203.0.113.16", "ipv6": "2001:db8::7", "group": "web",
    "image": "/var/vmm/old.qcow2", "cdrom": "/iso", "state": "suspended", "note": "of web1",
    "autostart": True, "interfaces": [{"switch": "backup", "mac": "fa:e1:bb:d1:c8:07"}],
    "disks": [{"size": "8G", "image": "/d/old.img"}],
}  # fmt: skip


def test_it_is_like_the_other_one_without_what_is_its_own() -> None:
    text = restored("web2_b", FIELDS, "qcow2")
    document = load(text, "", 1 << 16)
    assert not document.problems
    assert dict(document.fields) == {
        "server": "server1", "owner": "puffy", "ssh_keys": ["ssh-ed25519 AAAA a: b"],
        "hostname": "web2-b.example.org", "memory": "2G", "disk": "50G", "autostart": "false",
        "interfaces": [{"switch": "backup"}], "disks": [{"size": "8G"}],
        "disk_format": "qcow2", "install": "none",
    }  # fmt: skip
    assert text.startswith("# Restored from a backup of another VM")


def test_a_host_name_without_a_domain() -> None:
    fields = load(restored("web2", {"hostname": "web1"}, "raw"), "", 1 << 16).fields
    assert (fields["hostname"], fields["disk_format"]) == ("web2", "raw")
