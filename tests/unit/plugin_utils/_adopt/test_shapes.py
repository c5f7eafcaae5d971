# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The shapes of servers that people have: what becomes of each, and what is said of the rest."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from unit import fleets
from unit.adoption import (
    ALICE,
    KEYS,
    LAN,
    Host,
    adopt,
    checker,
    host,
    qcow2,
    vm,
)

DHCP = """\
option domain-name "example.org";
option domain-name-servers 192.0.2.53;
subnet 10.10.10.0 netmask 255.255.255.0 {
	option routers 10.10.10.1;
	host web1 { hardware ethernet fe:e1:bb:aa:00:11; fixed-address 10.10.10.27; }
}
"""
RAW = (b"\0" * 512, 5 << 30)


def with_images(made: Host, *names: str) -> Host:
    made.images |= {f"/var/vmm/{name}": RAW for name in names}
    return made


def fields(fitted: t.Any, name: str = "web1") -> dict[str, t.Any]:
    loaded: dict[str, t.Any] = yaml.safe_load(fitted.vms[f"{name}.yml"])
    return loaded


def line(fitted: t.Any, name: str = "web1") -> dict[str, t.Any]:
    loaded: dict[str, t.Any] = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"][name]
    return loaded


def reported(fitted: t.Any) -> str:
    return "\n".join(map(str, fitted.notes.reported))


# vm.conf(5) in the ways that people write it; each has one VM, web1, on 10.10.10.27.
SAME = {
    "plain": LAN + vm("web1"),
    "macros": f'sw = "lan"\nmem = "512M"\nwho = alice\n{LAN}'
    + 'vm web1 {\n\towner $who\n\tmemory $mem\n\tdisk "/var/vmm/web1.img"\n'
    + "\tinterface tap {\n\t\tswitch $sw\n\t\tlladdr fe:e1:bb:aa:00:11\n\t}\n}\n",
    "one line each": LAN
    + 'vm "web1" {\n owner alice; memory 512M\n'.replace("; ", "\n ")
    + ' disk "/var/vmm/web1.img"\n interface { switch "lan", lladdr fe:e1:bb:aa:00:11 }\n}\n',
    "continued lines": LAN
    + 'vm "web1" \\\n{\n\towner alice\n\tdisk \\\n\t"/var/vmm/web1.img" \\\n\tformat raw\n'
    + "\tinterface tap { switch lan lladdr FE:E1:BB:AA:00:11 }\n}\n",
    "comments everywhere": f"# mine\n{LAN}"
    + vm("web1", "memory 512M # enough").replace("{\n", "{ # }\n", 1),
}  # fmt: skip


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_ways_to_write_the_same(text: str) -> None:
    fitted = adopt(with_images(host(text, DHCP), "web1.img"))
    assert fields(fitted) == {
        "server": "server1", "owner": "alice", "ssh_keys": [f"{ALICE} alice@laptop"],
        "hostname": "web1.example.org", "memory": "512M", "disk": "5G", "install": "none",
    }  # fmt: skip
    entry = line(fitted)
    assert entry["number"] == 0x11
    assert (entry["mac"], entry["ipv4"]) == ("fe:e1:bb:aa:00:11", "10.10.10.27")
    assert (entry["installed"]["image"], entry["installed"]["format"]) == (
        "/var/vmm/web1.img",
        "raw",
    )
    assert "vmd_extra" not in fitted.variables
    assert fitted.variables["vmm_preset"] == "bridge"
    assert fitted.variables["vmm_mac_prefix"] == "fe:e1:bb:aa:00"
    # Number 1 would have the first address of a range that makes 17 that of web1.
    assert fitted.variables["vmm_ipv4_range"] == ["10.10.10.11", "10.10.10.254"]


def test_included_files() -> None:
    """Each is read; one of which all or something is the fleet's is written out where that is."""
    text = LAN + 'include "/etc/vm/web1.conf"\ninclude "/etc/vm/theirs.conf"\ninclude "/gone"\n'
    made = with_images(host(text, DHCP), "web1.img")
    made.files |= {
        "/etc/vm/web1.conf": vm("web1") + vm("odd", "rdomain 2"),
        "/etc/vm/theirs.conf": 'include "/etc/vm/deep.conf"\n',
        "/etc/vm/deep.conf": vm("theirs", interface="local interface tap"),
    }
    fitted = adopt(made)
    assert fitted.vms.keys() == {"web1.yml"}
    assert fitted.variables["vmd_adopted"] == ["include /etc/vm/web1.conf"]
    extra = fitted.variables["vmd_extra"]
    assert 'include "/etc/vm/theirs.conf"' in extra
    assert 'vm "odd" {' in extra
    assert 'vm "web1"' not in extra
    said = reported(fitted)
    assert "/etc/vm/web1.conf:12: rdomain 2: no field of a VM file is for it" in said
    assert "/etc/vm/deep.conf:4: local interface tap: " in said
    assert "/etc/vm.conf:6: include /gone: there is no such file" in said
    # In vm.conf's own words, the files that were not there counted: three looks were enough.
    assert made.looks <= 4


def test_macros_are_where_they_are_used() -> None:
    """What is left of a file that vm.conf(5) includes stands in the place of the line."""
    text = (
        'sw = "lan"\nodd = 1\n' + LAN.replace('"lan"', "$sw")
        + 'include "/etc/vm/web1.conf"\ninclude "/etc/vm/theirs.conf"\n'
        + vm("last", "memory $mem", interface='interface tap { switch "lan" rdomain 3 }')
    )  # fmt: skip
    made = with_images(host(text, DHCP), "web1.img")
    made.files |= {
        "/etc/vm/web1.conf": 'mem = "1G"\n' + vm("web1", "memory $mem"),
        "/etc/vm/theirs.conf": vm("theirs", interface="interface tap { switch lan rdomain $odd }"),
    }
    fitted = adopt(made)
    assert fitted.vms.keys() == {"web1.yml"}
    extra = fitted.variables["vmd_extra"]
    # sw is used by nothing that is left, odd by a file that is still included.
    assert [row for row in extra.splitlines() if row[:1] not in ("\t", "}")] == [
        "odd = 1", "", 'mem = "1G"', "", 'include "/etc/vm/theirs.conf"', 'vm "last" {',
    ]  # fmt: skip


@pytest.mark.parametrize("words", ['"/etc/" "web1.conf"', "$file", '"web1.conf"'])
def test_an_include_that_cannot_be_followed(words: str) -> None:
    made = host(f'file = "/etc/vm/web1.conf"\n{LAN}include {words}\n', DHCP)
    with pytest.raises(OperatorError, match=r"/etc/vm\.conf: line 5: include .*absolute path"):
        adopt(made)


KEPT = {
    "an instance": (vm("web1", "allow instance { boot }".replace("; ", "\n")), "allow instance"),
    "a part for an interface": (
        vm("web1", interface='interface tap {\n\t\tswitch "lan"\n\t\trdomain 1\n\t}'), "rdomain 1",
    ),
    "no switch": (
        vm("web1", interface="interface tap { lladdr fe:e1:bb:aa:00:11 }"), "interface tap",
    ),
    "no disk": (vm("web1", disk=""), "it has no disk"),
    "no interface": (vm("web1", interface=""), "it has no network interface"),
    "a group as owner": (vm("web1", owner="owner :staff"), "is not a single account"),
    "no owner": (vm("web1", owner=""), "names no owner"),
    "an owner who may become root": (vm("web1", owner="owner root"), "in the group wheel"),
    "an image with odd letters": (vm("web1", disk='disk "/vm images/a.img"'), "is not the path of"),
    "a name that no file can have": (vm("../etc/x").replace("/var/vmm/../etc/x", "/var/vmm/x"),
                                     "is not a name for a VM"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), KEPT.values(), ids=KEPT)
def test_what_a_fleet_cannot_say_stays_in_vm_conf(text: str, why: str) -> None:
    other = vm("db1", interface='interface tap { switch "lan" lladdr fe:e1:bb:aa:00:12 }')
    made = host(LAN + text + other, DHCP.replace("00:11", "00:12"))
    made.files["/etc/group"] = made.files["/etc/group"].replace(
        "wheel:*:0:root", "wheel:*:0:root,alice2"
    )
    fitted = adopt(with_images(made, "web1.img", "db1.img", "x.img"))
    assert fitted.vms.keys() == {"db1.yml"}
    assert text.strip() in fitted.variables["vmd_extra"]
    assert why in reported(fitted)
    assert "stays in vmd_extra as it is" in reported(fitted)


def test_instances_and_their_parent() -> None:
    text = (
        LAN
        + vm("web1")
        + 'vm "two" instance "web1" {\n\tmemory 1G\n}\n'
        + vm("db1", interface='interface tap { switch "lan" lladdr fe:e1:bb:aa:00:12 }')
    )
    fitted = adopt(with_images(host(text, DHCP), "web1.img", "db1.img"))
    assert fitted.vms.keys() == {"db1.yml"}
    assert "other VMs of vm.conf(5) are instances of it" in reported(fitted)
    assert 'vm "two" instance "web1"' in fitted.variables["vmd_extra"]


def test_several_disks_a_cd_and_a_kernel() -> None:
    text = LAN + vm(
        "Web_1.example", 'disk "/data/more.qcow2"', 'cdrom "/iso/a.iso"', 'boot "/bsd.gdb"',
        'boot device cdrom', "memory 1536M", "disable",
    )  # fmt: skip
    made = with_images(host(text, DHCP), "Web_1.example.img")
    made.images |= {"/data/more.qcow2": (qcow2(20 << 30, based=True), 1 << 21)}
    made.running = ["Web_1.example"]
    fitted = adopt(made)
    said = fields(fitted, "Web_1.example")
    assert said["disks"] == [{"size": "20G", "format": "qcow2", "image": "/data/more.qcow2"}]
    assert (said["cdrom"], said["boot"], said["memory"]) == ("/iso/a.iso", "/bsd.gdb", "1536M")
    assert said["autostart"] is False
    assert said["hostname"] == "web-1-example.example.org"
    assert line(fitted, "Web_1.example")["disks"] == [
        {"image": "/data/more.qcow2", "format": "qcow2"}
    ]
    assert "it has a base image" in reported(fitted)
    assert "boot device cdrom" in reported(fitted)
    assert "Web_1.example runs, and vmd(8) does not start it" in reported(fitted)


def test_an_image_that_is_not_there_is_never_made_anew() -> None:
    fitted = adopt(host(LAN + vm("web1"), DHCP))
    assert line(fitted)["installed"]["image"] == "/var/vmm/web1.img"
    assert "disk" not in fields(fitted)
    assert "it is not there, so its size is not known" in reported(fitted)


def test_an_image_that_nobody_wrote_to() -> None:
    """As before an installation: no run would take it for a system."""
    made = host(LAN + vm("web1", disk='disk "/var/vmm/web1.qcow2"'), DHCP)
    made.images["/var/vmm/web1.qcow2"] = (qcow2(20 << 30), 262_144)
    fitted = adopt(made)
    assert fitted.vms == {}
    assert "disk /var/vmm/web1.qcow2: nothing was ever written to its image" in reported(fitted)


def test_a_vm_without_a_mac_or_an_address() -> None:
    text = LAN + vm("web1", interface='interface tap { switch "lan" }')
    fitted = adopt(with_images(host(text), "web1.img"))
    assert line(fitted)["mac"].startswith("fe:e1:bb:")
    assert fitted.variables["vmm_ipv4_network"] == "10.10.10.0/24"
    assert fitted.variables["dhcpd_manage"] is False


def test_a_server_without_owners() -> None:
    """As most have it at home: one is named, and its account is made by the next run."""
    text = LAN + vm("web1", owner="")
    made = with_images(host(text, DHCP), "web1.img")
    assert adopt(made).vms == {}
    fitted = adopt(made, owner="puffy", keys=(ALICE,))
    assert (fields(fitted)["owner"], fields(fitted)["ssh_keys"]) == ("puffy", [ALICE])
    assert "an account puffy is made" in "\n".join(map(str, fitted.notes.expected))
    for name, why in (("root", "who was named, is in the group wheel"), ("bob", "usermod -G")):
        made.files["/etc/passwd"] += f"{name}:*:7:7::/home/{name}:/bin/ksh\n"
        assert why in reported(adopt(made, owner=name, keys=(ALICE,)))
    # Nobody but root and wheel reaches vmd's socket there, and that stays so.
    assert fitted.variables["vmd_group"] == ""


def test_keys_that_give_less_than_the_role_would() -> None:
    made = with_images(host(LAN + vm("web1"), DHCP), "web1.img")
    made.files[KEYS] = f'command="/bin/backup" {ALICE}\nno-pty {ALICE}\nssh-dss AAAA\n'
    fitted = adopt(made)
    assert fitted.vms == {}
    assert f"{KEYS}:1: command ...: a key with options of its own is not copied" in reported(fitted)
    assert f"{KEYS}:2: no-pty ...: " in reported(fitted)
    assert "its owner alice has no public key" in reported(fitted)
    made.files[KEYS] = f"restrict,pty {ALICE}\n"
    assert fields(adopt(made))["ssh_keys"] == [ALICE]


def test_a_clash_with_another_server_keeps_the_vm_out() -> None:
    settings = {"server1": {"vmm_domain": "example.org", "vmm_dns_servers": ["192.0.2.53"]},
                "server6": fleets.SERVER6}  # fmt: skip
    other = {"old.yml": fleets.vm(mac="fe:e1:bb:aa:00:11")}
    fitted = adopt(with_images(host(LAN + vm("web1"), DHCP), "web1.img"), checker(settings, other))
    assert fitted.vms == {}
    assert "fe:e1:bb:aa:00:11" in reported(fitted)
    assert 'vm "web1"' in fitted.variables["vmd_extra"]


UNREADABLE = {
    "an open brace": LAN + 'vm "web1" {\n',
    "an open quote": LAN + 'vm "web1\n',
    "an unknown macro": LAN + "vm $name { disk a }\n",
    "no switch": vm("web1", interface="interface tap"),
    "a switch that is something else": 'switch "lan" {\n\tinterface trunk0\n}\n' + vm("web1"),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_nothing_is_said_of_what_cannot_be_read(text: str) -> None:
    with pytest.raises(OperatorError, match=r"/etc/vm\.conf"):
        adopt(host(text, DHCP))


def test_settings_that_are_missing_are_asked_for() -> None:
    with pytest.raises(OperatorError, match="vmm_domain: is missing; give the domain of its VMs"):
        adopt(host(LAN + vm("web1")), checker({"server1": {}}), known={})


def test_two_vms_of_one_name() -> None:
    """vmd(8) takes the first and says nothing; the fleet has neither."""
    fitted = adopt(with_images(host(LAN + vm("web1") + vm("web1"), DHCP), "web1.img"))
    assert fitted.vms == {}
    assert "vm.conf(5) has two VMs of this name" in reported(fitted)


def test_a_vmd_that_reads_something_else() -> None:
    made = with_images(host(LAN + vm("web1"), DHCP), "web1.img")
    made.services["vmd"] = "-i 8"
    assert adopt(made).vms
    for flags in ("-f /etc/vm/main.conf", "-Dsw=lan"):
        made.services["vmd"] = flags
        with pytest.raises(OperatorError, match=f"vmd_flags={flags}: .*is not all that vmd"):
            adopt(made)


def test_a_vmd_that_does_not_answer() -> None:
    """Nobody knows then what runs, so nothing is said of the server."""
    made = host(LAN + vm("web1"), DHCP)
    made.silent = True
    with pytest.raises(OperatorError, match="vmctl status did not answer"):
        adopt(made)


def test_what_the_model_refuses_in_the_end_is_not_written() -> None:
    """The texts themselves are checked once more, as a run reads them."""
    real = checker()

    def check(settings: t.Any, vms: t.Any, ledgers: t.Any) -> t.Any:
        return real(
            settings, vms, {name: f"{text}  web1: {{}}\n" for name, text in ledgers.items()}
        )

    with pytest.raises(OperatorError, match=r"allocations/server1\.yml"):
        adopt(with_images(host(LAN + vm("web1"), DHCP), "web1.img"), check)
