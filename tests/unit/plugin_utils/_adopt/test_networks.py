# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Servers with several networks: a second block, a dmz of its own, single addresses."""

from __future__ import annotations

import typing as t

import yaml
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.fit import Fitted
from unit.adoption import Host, adopt, checker, host, vm

RAW = (b"\0" * 512, 5 << 30)
HEAD = 'option domain-name "example.org";\noption domain-name-servers 192.0.2.53;\n'
SWITCHES = (
    'switch "lan" {\n\tinterface bridge0\n}\nswitch "DMZ_1" {\n\tinterface bridge1\n}\n'
    'switch "backup" {\n\tinterface bridge2\n}\n'
)
IFCONFIG = (
    "bridge1: flags=41<UP>\n\tvether1 flags=3<LEARNING,DISCOVER>\n"
    "vether1: flags=8843<UP> mtu 1500\n\tinet 198.51.100.2 netmask 0xffffff00\n"
)


def made(dhcpd_conf: str, *vms: tuple[str, str, str]) -> Host:
    """VMs with a name, a switch and the last octet of the MAC."""
    text = SWITCHES + "".join(
        vm(name, interface=f'interface tap {{ switch "{switch}" lladdr fe:e1:bb:aa:00:{octet} }}')
        for name, switch, octet in vms
    )
    server = host(text, HEAD + dhcpd_conf)
    server.ifconfig += IFCONFIG
    server.services["dhcpd"] = "vether0 vether1"
    server.images |= {f"/var/vmm/{name}.img": RAW for name, _switch, _octet in vms}
    return server


def subnet(
    network: str, router: str, *hosts: tuple[str, str, str], mask: int = 24, more: str = ""
) -> str:
    masks = {24: "255.255.255.0", 29: "255.255.255.248", 32: "255.255.255.255"}
    inner = "".join(
        f"\thost {name} {{ hardware ethernet fe:e1:bb:aa:00:{octet}; fixed-address {address}; }}\n"
        for name, octet, address in hosts
    )
    routers = f"\toption routers {router};\n" if router else ""
    return f"subnet {network} netmask {masks[mask]} {{\n{routers}{more}{inner}}}\n"


LAN = subnet(
    "10.10.10.0", "10.10.10.1", ("web1", "11", "10.10.10.17"), ("db1", "12", "10.10.10.18")
)
TWO = (("web1", "lan", "11"), ("db1", "lan", "12"))


def entries(fitted: Fitted) -> dict[str, t.Any]:
    loaded: dict[str, t.Any] = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"]
    return loaded


def test_a_second_block_and_a_dmz() -> None:
    more = subnet("172.16.0.0", "172.16.0.1", ("far1", "13", "172.16.0.3"), mask=29)
    dmz = subnet("198.51.100.0", "198.51.100.1", ("mx1", "14", "198.51.100.20"))
    server = made(LAN + more + dmz, *TWO, ("far1", "lan", "13"), ("mx1", "DMZ_1", "14"))
    fitted = adopt(server)
    assert fitted.vms.keys() == {"web1.yml", "db1.yml", "far1.yml", "mx1.yml"}
    assert fitted.variables["vmm_networks"] == [
        {"name": "lan", "ipv4_network": "10.10.10.0/24", "ipv4_gateway": "10.10.10.1",
         "server_ipv4": "10.10.10.1"},
        {"name": "lan-2", "ipv4_network": "172.16.0.0/29", "ipv4_gateway": "172.16.0.1"},
        {"name": "dmz-1", "ipv4_network": "198.51.100.0/24", "ipv4_gateway": "198.51.100.1",
         "server_ipv4": "198.51.100.2", "switch": "DMZ_1"},
    ]  # fmt: skip
    assert fitted.variables["vmm_switches"] == [
        {"name": "DMZ_1", "interface": "bridge1", "host_interface": "vether1"}
    ]
    assert not [name for name in fitted.variables if name.startswith("vmm_ipv4")]
    networks = {name: yaml.safe_load(text).get("network") for name, text in fitted.vms.items()}
    assert networks == {"web1.yml": None, "db1.yml": None, "far1.yml": "lan-2", "mx1.yml": "dmz-1"}
    assert {name: line["ipv4"] for name, line in entries(fitted).items()} == {
        "web1": "10.10.10.17", "db1": "10.10.10.18", "far1": "172.16.0.3", "mx1": "198.51.100.20",
    }  # fmt: skip
    assert "dhcpd_extra" not in fitted.variables
    assert "dhcpd_manage" not in fitted.variables
    assert fitted.variables["dhcpd_interfaces"] == ["vether0", "vether1"]
    fleet = checker()({"server1": fitted.variables}, fitted.vms, fitted.ledgers)
    assert fleet.problems == ()
    places = {vm.name: (vm.network, vm.interfaces[0].switch) for vm in fleet.vms}
    assert places["mx1"] == ("dmz-1", "DMZ_1")
    assert places["far1"] == ("lan-2", "lan")


def test_two_subnets_on_one_wire() -> None:
    more = subnet("172.16.0.0", "172.16.0.1", ("far1", "13", "172.16.0.3"), mask=29)
    fitted = adopt(made(f"shared-network wire {{\n{LAN}{more}}}\n", *TWO, ("far1", "lan", "13")))
    assert len(fitted.variables["vmm_networks"]) == 2
    assert fitted.variables["dhcpd_adopted"] == ["shared-network wire"]
    assert "dhcpd_extra" not in fitted.variables


def test_a_second_interface_with_an_address() -> None:
    dmz = subnet("198.51.100.0", "198.51.100.1", ("mx1", "14", "198.51.100.20"),
                 ("web1-dmz", "21", "198.51.100.21"))  # fmt: skip
    server = made(LAN + dmz, *TWO, ("mx1", "DMZ_1", "14"))
    server.files["/etc/vm.conf"] = server.files["/etc/vm.conf"].replace(
        "fe:e1:bb:aa:00:11 }", 'fe:e1:bb:aa:00:11 }\n\tinterface tap { switch "DMZ_1" lladdr '
        "fe:e1:bb:aa:00:21 }",
    )  # fmt: skip
    fitted = adopt(server)
    assert yaml.safe_load(fitted.vms["web1.yml"])["interfaces"] == [
        {"switch": "DMZ_1", "mac": "fe:e1:bb:aa:00:21", "network": "dmz-1", "ipv4": "198.51.100.21"}
    ]
    assert "dhcpd_extra" not in fitted.variables
    assert fitted.variables["dhcpd_adopted"] == ["host web1-dmz"]
    assert "vmm_reserved" not in fitted.variables


def test_networks_that_the_role_could_not_write() -> None:
    """A range for others, no router, no subnet at all: such a VM stays in vm.conf as it is."""
    ranged = subnet("198.51.100.0", "198.51.100.1", ("mx1", "14", "198.51.100.20"),
                    more="\trange 198.51.100.100 198.51.100.120;\n")  # fmt: skip
    routerless = subnet("172.16.0.0", "", ("far1", "13", "172.16.0.3"), mask=29)
    fitted = adopt(made(LAN + ranged + routerless, *TWO, ("far1", "lan", "13"),
                        ("mx1", "DMZ_1", "14"), ("lone1", "backup", "15")))  # fmt: skip
    assert fitted.vms.keys() == {"web1.yml", "db1.yml"}
    assert "vmm_networks" not in fitted.variables
    said = "\n".join(map(str, fitted.notes.reported))
    assert "vm mx1: its first interface is on the switch DMZ_1, which has no network" in said
    assert "vm far1: its address 172.16.0.3 is not in 10.10.10.0/24" in said
    assert "vm lone1: its first interface is on the switch backup" in said
    assert "range 198.51.100.100 198.51.100.120" in fitted.variables["dhcpd_extra"]
    assert "fixed-address 172.16.0.3" in fitted.variables["dhcpd_extra"]


def test_single_addresses_with_a_router_elsewhere() -> None:
    first = subnet("198.51.100.41", "192.0.2.254", ("web1", "11", "198.51.100.41"), mask=32)
    second = subnet("198.51.101.77", "192.0.2.254", ("db1", "12", "198.51.101.77"), mask=32)
    fitted = adopt(made(first + second, *TWO))
    networks = fitted.variables["vmm_networks"]
    assert [network["ipv4_network"] for network in networks] == [
        "198.51.100.41/32",
        "198.51.101.77/32",
    ]
    assert {network["ipv4_gateway"] for network in networks} == {"192.0.2.254"}
    assert fitted.vms.keys() == {"web1.yml", "db1.yml"}
