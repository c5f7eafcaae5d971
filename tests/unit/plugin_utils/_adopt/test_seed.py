# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server as OpenBSD Amsterdam described theirs: everything of it comes into the fleet."""

from __future__ import annotations

import yaml
from unit.adoption import ALICE, Host, adopt

PASSWORD = "v>7Lq,e'wAt0z}/(uXc1"
SWITCH = 'switch "uplink_vlan42" {\n\tinterface bridge42\n}\n'
SUBNET = """\
option domain-name "hosting.example";
option domain-name-servers 192.0.2.53;

subnet 203.0.113.0 netmask 255.255.255.0 {
	option routers 203.0.113.1;
	server-name "server1.hosting.example";
	range 203.0.113.240 203.0.113.250;
"""
HTTPD = """\
server "default" {
	listen on * port 80
	root "/htdocs/install"
	location "/pub/OpenBSD/7.8/amd64/*" {
		root "/htdocs/amd64"
		request strip 4
		directory { auto index }
	}
}
"""


def amsterdam(count: int = 12) -> Host:
    """VMs 1 to count, whose MACs end with the number in decimal, each with its customer."""
    vms, hosts, files, images = "", "", {}, {}
    passwd, members = "", []
    for number in range(1, count + 1):
        name, owner, mac = f"vm{number:02d}", f"cust{number}", f"fe:e1:bb:d1:c8:{number:02d}"
        members.append(owner)
        passwd += f"{owner}:*:{2000 + number}:{2000 + number}::/home/{owner}:/bin/ksh\n"
        files[f"/home/{owner}/.ssh/authorized_keys"] = f"{ALICE} {owner}\n"
        images[f"/var/vmm/{name}.img"] = (b"\0" * 512, 50 << 30)
        vms += (
            f'vm "{name}" {{\n\tdisable\n\towner {owner}\n\tdisk "/var/vmm/{name}.img"\n'
            f'\tinterface tap {{\n\t\tswitch "uplink_vlan42"\n\t\tlladdr {mac}\n\t}}\n}}\n'
        )
        hosts += (
            f"\thost {name} {{\n\t\thardware ethernet {mac};\n"
            f'\t\tfixed-address 203.0.113.{20 + number};\n\t\tfilename "auto_install";\n'
            f'\t\toption host-name "{name}";\n\t}}\n'
        )
        files[f"/var/www/htdocs/install/{mac}-install.conf"] = (
            f"# {owner} install.conf\nSystem hostname = {name}\nPassword for root = {PASSWORD}\n"
            "Which speed should com0 = 115200\nNetwork interfaces = vio0\n"
            f"IPv4 address for vio0 = dhcp\nIPv6 address for vio0 = 2001:db8:6::{number + 15:x}\n"
            "IPv6 default router = 2001:db8:6::1\n"
            f"Setup a user = {owner}\nPassword for user = {PASSWORD}\n"
            f"Public ssh key for user = {ALICE} {owner}@laptop {PASSWORD}\n"
            "Which disk is the root disk = sd0\nWhat timezone are you in = Europe/Amsterdam\n"
            "Location of sets = http\nServer = server.hosting.example\n"
            "Set name(s) = -x* +xb* +xf* +site*\nContinue anyway = yes\n"
            "Continue without verification = yes\n"
        )
    files |= {
        "/etc/vm.conf": f"socket owner :vmdusers\n\n{SWITCH}{vms}",
        "/etc/dhcpd.conf": f"{SUBNET}{hosts}}}\n",
        "/etc/httpd.conf": HTTPD,
        "/etc/sysctl.conf": "net.inet.ip.arpq.maxlen=1024\n",
        "/etc/sensorsd.conf": "drive:command=/etc/sensorsd/drive %t %n %2 %s\n",
        "/etc/sensorsd/drive": "mail -r noreply@hosting.example admin@hosting.example\n",
        "/etc/passwd": passwd,
        "/etc/group": f"vmdusers:*:900:{','.join(members)}\n",
    }
    return Host(
        files, images, running=[f"vm{number:02d}" for number in range(1, count + 1)],
        ifconfig="em0: flags=8943<UP>\n"
        "vlan42: flags=8943<UP>\n\tencap: vnetid 42 parent em0 txprio packet\n"
        "\tinet 203.0.113.6 netmask 0xffffff00\n"
        "bridge42: flags=41<UP>\n\tvlan42 flags=3<LEARNING>\n",
        services={"vmd": "", "dhcpd": "vlan42", "httpd": "", "sensorsd": ""},
        sysctls={"net.inet.ip.arpq.maxlen": "1024"},
    )  # fmt: skip


def test_a_server_of_that_kind() -> None:
    fitted = adopt(amsterdam(), known={})
    assert sorted(fitted.vms) == [f"vm{number:02d}.yml" for number in range(1, 13)]
    variables = fitted.variables
    settings = {
        "vmm_preset": "bridge",
        "vmm_switch": {"name": "uplink_vlan42", "interface": "bridge42"},
        "vmm_uplink": {"vlan": 42, "parent": "em0"},
        "vmm_server_ipv4": "203.0.113.6",
        "vmm_ipv4_gateway": "203.0.113.1",
        "vmm_mac_prefix": "fe:e1:bb:d1:c8",
        "vmm_mac_number_base": "decimal",
        "vmm_ipv4_range": ["203.0.113.21", "203.0.113.254"],
        "vmm_reserved": ["203.0.113.240-203.0.113.250"],
        "vmm_ipv6_network": "2001:db8:6::/64",
        "vmm_ipv6_gateway": "2001:db8:6::1",
        "vmm_sysctl": {"net.inet.ip.arpq.maxlen": "1024"},
        "dhcpd_range": ["203.0.113.240", "203.0.113.250"],
        "dhcpd_server_name": "server1.hosting.example",
        "httpd_listen": "*",
        "sensorsd_manage": False,
    }
    assert {name: variables.get(name) for name in settings} == settings
    assert not {"vmd_extra", "dhcpd_extra", "httpd_extra", "dhcpd_manage"} & variables.keys()
    assert yaml.safe_load(fitted.vms["vm10.yml"]) == {
        "server": "server1", "owner": "cust10", "ssh_keys": [f"{ALICE} cust10"], "user": "cust10",
        "hostname": "vm10.hosting.example", "memory": "512M", "disk": "50G", "autostart": False,
        "timezone": "Europe/Amsterdam", "sets": ["-x*", "+xb*", "+xf*", "+site*"],
    }  # fmt: skip
    line = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"]["vm10"]
    assert (line["number"], line["mac"], line["ipv4"], line["ipv6"]) == (
        10, "fe:e1:bb:d1:c8:10", "203.0.113.30", "2001:db8:6::19",
    )  # fmt: skip
    everything = fitted.host_vars + str(fitted.vms) + str(fitted.ledgers) + str(fitted.notes)
    assert PASSWORD not in everything


def test_what_is_said_of_it() -> None:
    """Passwords, and what each VM has alike, are said; nothing else of it is lost."""
    notes = adopt(amsterdam(2), known={}).notes
    said = [str(note).partition(": ")[2] for note in notes.reported]
    expected = [
        "Password for root = ***: no password and no hash is copied",
        "Password for user = ***: no password and no hash is copied",
        "Public ssh key for user = ssh-ed25519 ...: what follows the key is not copied",
        "Server = server.hosting.example: the collection answers this itself",
        "disable: vm01 runs, and vmd(8) does not start it",
    ]
    for text in expected:
        assert any(line.startswith(text) for line in said), text
    rest = [line for line in said if not any(line.startswith(text) for text in expected)]
    assert [
        line for line in rest if "vm02" not in line and "it stays where it is" not in line
    ] == []


def test_a_prefix_for_each_vm() -> None:
    """As customers have it by now: such an address is said, and the VM adopted all the same."""
    made = amsterdam(2)
    for path, text in made.files.items():
        made.files[path] = text.replace("2001:db8:6::10\n", "2001:db8:7:1::10\n").replace(
            "2001:db8:6::11\n", "2001:db8:7:2::10\n"
        )
    fitted = adopt(made, known={})
    assert fitted.vms.keys() == {"vm01.yml", "vm02.yml"}
    assert "vmm_ipv6_network" not in fitted.variables
    said = "\n".join(map(str, fitted.notes.reported))
    assert "vm vm01: 2001:db8:7:1::10: its IPv6 address is in no network" in said
    assert "vm vm02: 2001:db8:7:2::10: its IPv6 address is in no network" in said
