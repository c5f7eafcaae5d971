# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Host keys of VMs, and which names get which records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Problems,
    Refused,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.records import desired_records
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.host_keys import (
    HostKeyError,
    HostKeyFiles,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"


@pytest.fixture
def files(tmp_path: Path) -> HostKeyFiles:
    return HostKeyFiles(tmp_path)


def records(fleet: Path, **args: Any) -> dict[str, frozenset[str]]:
    given: dict[str, Any] = {
        "zone": "example.org",
        "names": {},
        "vms": [],
        "vm_domain": None,
        "all_vms": None,
        "fragment": None,
        "ttl": 3600,
    }
    zone, found = desired_records(
        {**given, "fleet": None, **args}, {"vmm_fleet_directory": str(fleet)}
    )
    assert zone == "example.org."
    return found


def test_keys_are_kept_without_what_the_vm_says_of_them(files: HostKeyFiles) -> None:
    assert files.read("web1") is None
    assert files.write("web1", [f"{KEY} root@web1 $INCLUDE", ""])
    assert files.read("web1") == (KEY,)
    assert (files.fleet / "host_keys/web1.pub").read_text() == f"{KEY}\n"
    assert not files.write("web1", [KEY])


def test_what_is_no_key_is_neither_written_nor_read(files: HostKeyFiles) -> None:
    with pytest.raises(Refused, match="is not a type of a public key"):
        files.write("web1", [KEY, "what ssh-keyscan says"])
    assert files.read("web1") is None
    files.write("web1", [KEY])
    files.path("web1").write_text("ssh-ed25519 AAAA\n")
    with pytest.raises(
        HostKeyError, match=r"host_keys/web1\.pub: 'AAAA' is not a valid ssh-ed25519 key"
    ):
        files.read("web1")


@pytest.mark.parametrize("name", ["../vault-password", "a/b", "_web1", ""])
def test_no_name_leads_out_of_the_directory(files: HostKeyFiles, name: str) -> None:
    with pytest.raises(Refused, match="is not a name for a VM"):
        files.read(name)


def test_a_link_is_not_followed(files: HostKeyFiles) -> None:
    (files.fleet / "host_keys").mkdir()
    files.path("web1").symlink_to("/etc/passwd")
    with pytest.raises(HostKeyError, match="is a symbolic link"):
        files.read("web1")


def test_names_and_vms_get_their_records(files: HostKeyFiles) -> None:
    files.write("web1", [KEY])
    files.write("Vm_1.example", [KEY])
    found = records(
        files.fleet,
        names={"server1": [KEY], "gone.example.org": []},
        vms=["web1", "new1", "Vm_1.example"],
        vm_domain="vm.example.org",
    )
    assert found == {
        "server1.example.org.": {RECORD},
        "gone.example.org.": frozenset(),
        "web1.vm.example.org.": {RECORD},
        # RFC 1123, 2.1.
        "vm-1-example.vm.example.org.": {RECORD},
    }


def test_a_vm_cannot_take_the_name_of_a_server(files: HostKeyFiles) -> None:
    files.write("server1", [KEY])
    with pytest.raises(Problems) as found:
        records(files.fleet, names={"server1": [KEY]}, vms=["server1"], vm_domain="example.org")
    assert "server1.example.org. is the name of something else already" in str(found.value)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"zone": "a b"}, "zone: 'a b' is not a host name"),
        ({"ttl": -1}, "ttl: -1 is not a TTL; use seconds from 0 to 2147483647"),
        ({"vms": ["web1"]}, "vm_domain: is missing; give the domain"),
    ],
)
def test_arguments_that_cannot_be_meant(tmp_path: Path, args: dict[str, Any], told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        records(tmp_path, **args)


def test_all_problems_of_names_are_told_at_once(files: HostKeyFiles) -> None:
    (files.fleet / "host_keys").mkdir()
    files.path("web1").write_text("none\n")
    with pytest.raises(Problems) as found:
        records(
            files.fleet,
            names={"server1": KEY, "server2": ["ssh-dss AAAA"], "a.example.com": [KEY]},
            vms=["web1"],
            vm_domain="vm.example.org",
        )
    fields = [(problem.source, problem.field) for problem in found.value.problems]
    assert fields == [
        ("names", "a.example.com"), ("names", "server1"), ("names", "server2"), ("vms", "web1"),
    ]  # fmt: skip


def test_records_of_vms_that_are_gone_go(files: HostKeyFiles) -> None:
    files.write("web1", [KEY])
    fragment = files.fleet / "example.org.sshfp"
    names = ["old.vm", "web1.vm", "kept.vm", "server9", "a.old.vm", "old.xvm"]
    fragment.write_text("".join(f"{name}.example.org. 60 IN SSHFP {RECORD}\n" for name in names))
    given = {"vms": ["web1"], "vm_domain": "VM.example.org", "fragment": str(fragment)}
    found = records(files.fleet, **given, all_vms=["web1", "kept"])
    assert found == {"web1.vm.example.org.": {RECORD}, "old.vm.example.org.": frozenset()}
    # Nobody says which VMs there are, or the domain is not theirs alone.
    assert records(files.fleet, **given) == {"web1.vm.example.org.": {RECORD}}
    given = {"vms": [], "vm_domain": "example.org", "fragment": str(fragment)}
    assert records(files.fleet, **given, all_vms=[]) == {}


def test_a_fragment_that_somebody_else_wrote_is_told(files: HostKeyFiles) -> None:
    fragment = files.fleet / "example.org.sshfp"
    fragment.write_text("server3 IN A 192.0.2.3\n")
    with pytest.raises(OperatorError, match=r"example\.org\.sshfp: line 1 is 'server3 IN A"):
        records(files.fleet, all_vms=[], vm_domain="vm.example.org", fragment=str(fragment))
