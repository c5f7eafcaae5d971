# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Text files of an operator's own: one per VM, keys and values, and a mapping."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.fit import Fitted, fit_records
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import flat_files
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes
from unit import fleets
from unit.adoption import ALICE, AT, LAN, adopt, checker, host, vm

MAPPING = """\
fields:
  VM_Number: number
  name: name
  fqdn: hostname
  login: owner
  sshkey: ssh_keys
  mem: {field: memory, unit: M}
  size: disk
  v4: ipv4
  v6: ipv6
  tz: timezone
defaults: {server: server6, disk_format: raw}
left_out: [invoice]
"""
# What deploy.pl and its kin read, in the ways that people write it.
EQUALS = f"""\
; form 4711
vm_number = 7
name = shop1
fqdn="shop1.example.org"
login= bob
sshkey = {ALICE} bob@home
mem = 2048
size = 80G
v4 = 203.0.113.77
v6 = 2001:db8:6::77
invoice = 9 EUR
"""
COLONS = EQUALS.replace(" = ", ": ").replace('="', ": '").replace('"\n', "'\n").replace("= ", ":")


def fitted(*texts: tuple[str, str], mapping: str = MAPPING) -> Fitted:
    notes = Notes()
    mapped = flat_files.read_mapping("mapping.yml", mapping)
    records = [flat_files.read(f"{name}.txt", name, text, mapped, notes) for name, text in texts]
    check = checker({"server6": fleets.SERVER6})
    return fit_records(records, mapped, Options("", AT), notes, check)


def reported(made: Fitted) -> str:
    return "\n".join(map(str, made.notes.reported))


@pytest.mark.parametrize("text", [EQUALS, COLONS], ids=["equals", "colons"])
def test_a_file(text: str) -> None:
    made = fitted(("4711", text))
    assert yaml.safe_load(made.vms["shop1.yml"]) == {
        "server": "server6", "owner": "bob", "ssh_keys": [ALICE], "hostname": "shop1.example.org",
        "memory": "2048M", "disk": "80G", "disk_format": "raw",
    }  # fmt: skip
    line = yaml.safe_load(made.ledgers["server6.yml"])["vms"]["shop1"]
    assert line["installed"].pop("at")
    assert line == {
        "number": 7, "mac": "fe:e1:bb:d1:c8:07", "ipv4": "203.0.113.77", "ipv6": "2001:db8:6::77",
        "installed": {"image": "/var/vmm/shop1.img", "format": "raw"},
    }  # fmt: skip


def test_what_stays_behind_is_said() -> None:
    text = EQUALS + (
        "password = s3cret\nPASS: s3cret\ncolour = blue\nnot a key and a value\nlogin = eve\n"
        "tz = Mars/Olympus\n"
    )
    made = fitted(("4711", text.replace("bob@home", "bob@home s3cret")))
    said = reported(made)
    assert made.vms == {}
    assert "4711.txt:12: password = ***: no password is copied" in said
    assert "4711.txt:13: PASS = ***: no password is copied" in said
    assert "4711.txt:14: colour = blue: the mapping does not name this key" in said
    assert "4711.txt:15: not a key and a value: it is not a key and a value" in said
    assert "4711.txt:16: owner: eve: line 5 has it already" in said
    assert "'Mars/Olympus' is not a time zone" in said
    assert "so no file is written for it" in said
    assert "what follows the key is not copied" in said
    assert "s3cret" not in said


def test_files_that_clash() -> None:
    other = EQUALS.replace("shop1", "shop2").replace("= 7\n", "= 8\n").replace("::77", "::78")
    made = fitted(("a", EQUALS), ("b", other), ("c", EQUALS.replace("shop1", "..")))
    assert made.vms == {}
    assert "203.0.113.77" in reported(made)
    assert "'..' is not a name for a VM" in reported(made)


def test_vms_that_are_not_installed() -> None:
    made = fitted(("4711", EQUALS), mapping=f"{MAPPING}installed: false\n")
    assert "installed" not in made.ledgers["server6.yml"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fields: {a: b}", "'b' is not a field that a text file can have"),
        ("fields: {a: disks}", "'disks' is not a field that a text file can have"),
        ("defaults: {server: x}", "fields is missing"),
        ("fields: {a: {unit: M}}", "'' is not a field"),
        ("other: 1\nfields: {}", "'other' is unknown"),
        ("fields: [a]", "is a list, not a mapping"),
        ("fields: {a: owner}\nleft_out: x", "is not a list"),
        ("fields: {a: owner}\ninstalled: maybe", "neither true nor false"),
    ],
)
def test_a_mapping_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(Problems, match=why):
        flat_files.read_mapping("mapping.yml", text)


def test_beside_a_server_the_server_is_right() -> None:
    notes = Notes()
    mapped = flat_files.read_mapping("m", MAPPING.replace("server6", "server1"))
    text = EQUALS.replace("shop1", "web1").replace("203.0.113.77", "10.10.10.9")
    gone = EQUALS.replace("shop1", "gone1")
    records = {
        record.name: record
        for record in (
            flat_files.read("web1.txt", "web1", text, mapped, notes),
            flat_files.read("gone1.txt", "gone1", gone, mapped, notes),
        )
    }
    conf = (
        'option domain-name "example.org";\nsubnet 10.10.10.0 netmask 255.255.255.0 {\n'
        "\thost web1 { hardware ethernet fe:e1:bb:aa:00:11; fixed-address 10.10.10.27; }\n}\n"
    )
    made = host(LAN + vm("web1"), conf)
    made.images["/var/vmm/web1.img"] = (b"\0" * 512, 5 << 30)
    fitted = adopt(made, records=records)
    fields = yaml.safe_load(fitted.vms["web1.yml"])
    assert fields["hostname"] == "web1.example.org"
    assert (fields["owner"], fields["memory"], fields["disk"]) == ("alice", "512M", "5G")
    said = reported(fitted)
    assert "web1.txt:9: ipv4: 10.10.10.9: the server has 10.10.10.27" in said
    assert "web1.txt:8: disk: 80G: the server has 5G" in said
    assert "gone1.txt: gone1: vm.conf(5) of this server has no such VM" in said


def test_the_same_address_in_other_words() -> None:
    mapping = "fields: {mac: mac, ip: ipv4, ip6: ipv6}\n"
    mapped = flat_files.read_mapping("m", mapping)
    text = "mac: fe:e1:BB:aa:0:11\nip: 10.10.10.27\nip6: 2001:DB8:0::9\n"
    notes = Notes()
    record = flat_files.read("web1.txt", "web1", text, mapped, notes)
    conf = (
        'option domain-name "example.org";\nsubnet 10.10.10.0 netmask 255.255.255.0 {\n'
        "\thost web1 { hardware ethernet fe:e1:bb:aa:00:11; fixed-address 10.10.10.27; }\n}\n"
    )
    made = host(LAN + vm("web1"), conf)
    made.images["/var/vmm/web1.img"] = (b"\0" * 512, 5 << 30)
    assert "web1.txt" not in reported(adopt(made, records={"web1": record}))
