# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is kept of dhcpd, httpd, sensorsd, sysctl, pf and accounts, and what is reported of them."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import elements
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from unit.adoption import ALICE, LAN, Host, adopt, host, vm

RAW = (b"\0" * 512, 5 << 30)
HEAD = 'option domain-name "example.org";\noption domain-name-servers 192.0.2.53, 192.0.2.54;\n'
WEB1 = "host web1 { hardware ethernet fe:e1:bb:aa:00:11; fixed-address 10.10.10.27; }"
SUBNET = "subnet 10.10.10.0 netmask 255.255.255.0 {{\n\toption routers 10.10.10.1;\n{}}}\n"
SEED_HTTPD = """\
server "default" {
	listen on * port 80
	root "/htdocs/install"
	location "/pub/OpenBSD/6.5/amd64/*" {
		root "/htdocs/amd64"
		request strip 4
		directory { auto index }
	}
}
"""
RESPONSE = "/var/www/htdocs/install/fe:e1:bb:aa:00:11-install.conf"


def made(dhcpd_conf: str = HEAD + SUBNET.format(WEB1), **files: str) -> Host:
    server = host(LAN + vm("web1"), dhcpd_conf, **files)
    server.images["/var/vmm/web1.img"] = RAW
    return server


def said(fitted: t.Any) -> str:
    notes = fitted.notes
    return "\n".join(map(str, (*notes.reported, *notes.kept, *notes.expected)))


KEPT = {
    "another subnet": "subnet 192.168.1.0 netmask 255.255.255.0 {\n"
    "\trange 192.168.1.9 192.168.1.20;\n}",
    "a shared network": 'shared-network office {\n\tsubnet 192.168.1.0 netmask 255.255.255.0 { }\n'
    "\tsubnet 192.168.2.0 netmask 255.255.255.0 { }\n}",
    "a host of another machine": "host tv {\n\thardware ethernet 00:11:22:33:44:55;\n"
    "\tfixed-address 10.10.10.9;\n}",
    "a group of hosts": 'group {\n\tfilename "pxeboot";\n'
    "\thost thin { hardware ethernet 00:11:22:33:44:56; fixed-address 192.168.1.3; }\n}",
}  # fmt: skip


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_others_have_in_dhcpd_conf(text: str) -> None:
    """All elements stay, by the very check that a run makes before it takes anything away."""
    whole = f"{HEAD}{SUBNET.format(WEB1)}# others\n{text}\n"
    fitted = adopt(made(whole))
    extra = fitted.variables["dhcpd_extra"]
    assert text in extra
    assert "# others" in extra
    # The role's own first lines hold for what comes behind them.
    assert extra.startswith("allow unknown-clients;\nauthoritative;\n")
    ours = {"subnet 10.10.10.0", "host web1"}
    assert set(elements("dhcpd.conf", whole)) - ours <= set(elements("dhcpd.conf", extra))


def test_what_others_have_in_the_subnet_of_the_vms() -> None:
    tv = (
        "\thost tv {\n\t\thardware ethernet 00:11:22:33:44:55;\n"
        "\t\tfixed-address 10.10.10.9;\n\t}\n"
    )
    inner = f"\trange 10.10.10.100 10.10.10.120;\n\t{WEB1}\n{tv}"
    fitted = adopt(made(HEAD + SUBNET.format(inner)))
    assert fitted.variables["dhcpd_range"] == ["10.10.10.100", "10.10.10.120"]
    assert fitted.variables["vmm_reserved"] == ["10.10.10.9", "10.10.10.100-10.10.10.120"]
    assert "host tv {\n\thardware ethernet" in fitted.variables["dhcpd_extra"]
    assert "web1" not in fitted.variables["dhcpd_extra"]
    assert fitted.variables["vmm_dns_servers"] == ["192.0.2.53", "192.0.2.54"]


LEFT = {
    "a lease time for all": ("default-lease-time 600;\n" + HEAD + SUBNET.format(WEB1), 1),
    "an option of the subnet": (
        HEAD + SUBNET.format(f"\toption ntp-servers 10.10.10.1;\n\t{WEB1}"), 5,
    ),
    "an option of a host": (
        HEAD + SUBNET.format(WEB1.replace("; }", '; option root-path "/x"; }')), 5,
    ),
    "another host name": (
        HEAD + SUBNET.format(WEB1.replace("; }", '; option host-name "www"; }')), 5,
    ),
    "another file": (HEAD + SUBNET.format(WEB1.replace("; }", '; filename "pxeboot"; }')), 5),
    "a host for a MAC that nobody knows": (
        HEAD + SUBNET.format(WEB1 + "\nhost x { hardware ethernet x; }"), 6,
    ),
    "two hosts for a MAC": (
        HEAD + SUBNET.format(WEB1) + WEB1.replace("web1", "w2").replace("10.10.10.", "192.0.2."), 6,
    ),
    "a range for bootp": (
        HEAD + SUBNET.format(f"range dynamic-bootp 10.10.10.060 10.10.10.61;\n{WEB1}"), 5,
    ),
    "two ranges": (
        HEAD + SUBNET.format("range 10.10.10.60 10.10.10.61;\n"
                             f"range 10.10.10.70 10.10.10.71;\n{WEB1}"), 3,
    ),
    "no address": (HEAD + SUBNET.format(WEB1.replace(" fixed-address 10.10.10.27;", "")), 5),
    "a host in a group": (HEAD + SUBNET.format("") + "group {\n" + WEB1 + "\n}\n", 7),
    "a subnet that shares a network": (
        f"{HEAD}shared-network x {{\n{SUBNET.format(WEB1)}"
        "subnet 192.168.1.0 netmask 255.255.255.0 { }\n}\n", 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line"), LEFT.values(), ids=LEFT)
def test_dhcpd_is_left_alone_where_the_role_would_say_less(text: str, line: int) -> None:
    fitted = adopt(made(text))
    assert fitted.variables["dhcpd_manage"] is False
    assert "dhcpd_extra" not in fitted.variables
    assert f"/etc/dhcpd.conf:{line}: " in said(fitted)
    assert fitted.vms.keys() == {"web1.yml"}


SPELLED = {
    "octets of one digit": ("fe:e1:bb:aa:0:11", "10.10.10.27", "fe:e1:bb:aa:00:11"),
    "so in vm.conf": ("FE:E1:bb:aa:00:11", "10.10.10.27", "fe:e1:BB:aa:0:11"),
    "in neither": ("fe:e1:bb:aa:0:11", "10.10.10.027", "FE:E1:BB:AA:0:11"),
    "names of hosts": ("web1", "web1.example.org", "fe:e1:bb:aa:0:11"),
}


@pytest.mark.parametrize(("hardware", "address", "lladdr"), SPELLED.values(), ids=SPELLED)
def test_a_vm_keeps_its_address_however_it_is_written(
    hardware: str, address: str, lladdr: str
) -> None:
    text = WEB1.replace("fe:e1:bb:aa:00:11", hardware).replace("10.10.10.27", address)
    server = made(HEAD + SUBNET.format(text), **{
        "/etc/ethers": "fe:e1:bb:aa:0:11 web1\nfe:e1:bb:aa:0:12 web1 # never looked at\n",
        "/etc/hosts": "::1 localhost web1.example.org\n10.10.10.27 www Web1.example.org # x\n",
    })  # fmt: skip
    server.files["/etc/vm.conf"] = LAN + vm("web1").replace("fe:e1:bb:aa:00:11", lladdr)
    fitted = adopt(server)
    entry = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"]["web1"]
    assert (entry["mac"], entry["ipv4"]) == ("fe:e1:bb:aa:00:11", "10.10.10.27")
    for name in ("dhcpd_manage", "dhcpd_extra", "vmm_reserved"):
        assert name not in fitted.variables


def test_what_is_not_a_mac_keeps_its_vm_out() -> None:
    server = made()
    odd = vm("odd").replace("fe:e1:bb:aa:00:11", "fe:e1:bb:aa:0:110")
    server.files["/etc/vm.conf"] += odd
    fitted = adopt(server)
    assert fitted.vms.keys() == {"web1.yml"}
    assert "lladdr fe:e1:bb:aa:0:110: this is not a MAC address" in said(fitted)


def test_hosts_with_names_and_where_dhcpd_listens() -> None:
    office = "subnet 192.168.1.0 netmask 255.255.255.0 { }\n"
    named = "host nas { hardware ethernet 00:11:22:33:44:57; fixed-address nas.example.org; }\n"
    server = made(HEAD + SUBNET.format(WEB1) + office + named)
    server.services["dhcpd"] = ""
    server.ifconfig += "em1: flags=8843<UP> mtu 1500\n\tinet 192.168.1.1 netmask 0xffffff00\n"
    variables = adopt(server).variables
    # Without flags it listens wherever it has a subnet for, and so it does afterwards.
    assert variables["dhcpd_interfaces"] == ["vether0", "em1"]
    assert "fixed-address nas.example.org" in variables["dhcpd_extra"]
    server.services["dhcpd"] = "-l /var/db/leases vether0"
    assert adopt(server).variables["dhcpd_manage"] is False


@pytest.mark.parametrize(
    "text", ["subnet 10.10.10.7 netmask 255.255.255.0 { }", "subnet 10.10.10.0 {", "host { }"]
)
def test_a_dhcpd_conf_that_cannot_be_read(text: str) -> None:
    with pytest.raises(OperatorError, match=r"/etc/dhcpd\.conf: "):
        adopt(made(text))


def test_a_lease_of_a_range() -> None:
    server = made(HEAD + SUBNET.format("range 10.10.10.100 10.10.10.120;"))
    server.files["/var/db/dhcpd.leases"] = (
        "lease 10.10.10.104 {\n\tstarts 6 2026/11/28 10:00:00 UTC;\n"
        "\thardware ethernet fe:e1:bb:aa:00:11;\n\tuid 01:fe:e1;\n}\n"
    )
    fitted = adopt(server)
    ledger = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"]
    assert ledger["web1"]["ipv4"] == "10.10.10.104"
    assert fitted.variables["dhcpd_manage"] is False
    assert "a lease of a range" in said(fitted)


def test_the_servers_for_installers() -> None:
    site = 'server "www.example.org" {\n\tlisten on * tls port 443\n\troot "/htdocs/www"\n}\n'
    server = made(
        **{"/etc/httpd.conf": f"{SEED_HTTPD}# mine\n{site}", RESPONSE: "System hostname = w\n"}
    )
    server.services["httpd"] = ""
    server.files["/var/www/htdocs/install/site.txt"] = "x"
    variables = adopt(server).variables
    assert variables["httpd_listen"] == "*"
    assert variables["httpd_strict"] is False
    assert variables["httpd_release"] == "*"
    assert variables["httpd_extra"] == f"# mine\n{site}".strip()
    assert variables["httpd_adopted"] == [
        "listen on * port 80 of server default",
        "location /pub/OpenBSD/6.5/amd64/* of server default",
    ]
    # Response files that are there stay there: nothing takes them away.
    assert variables["autoinstall_directory"] == "/var/www/htdocs/responses"
    assert variables["autoinstall_site_sets"] is False
    told = said(adopt(server))
    assert f"{RESPONSE}: it stays where it is" in told
    assert "/var/www/htdocs/install/site.txt: httpd(8) served it to everybody" in told


OTHERS = {
    "a web site": 'server "www" {\n\tlisten on * port 80\n\troot "/htdocs/www"\n}\n',
    "one with TLS": SEED_HTTPD.replace("port 80", "tls port 443"),
    "another location": SEED_HTTPD.replace("\tlocation", '\tlocation "/x" { block }\n\tlocation'),
    "not the first": 'server "www" {\n\tlisten on * port 80\n}\n' + SEED_HTTPD,
    "what nobody can read": 'server "www" {\n',
    "a macro": 'ext = "192.0.2.1"\n' + SEED_HTTPD.replace("on *", "on $ext"),
    "a macro for a directory": SEED_HTTPD.replace('"/htdocs/amd64"', "$sets"),
    "another chroot": 'chroot "/srv"\n' + SEED_HTTPD,
    "an include before it": 'include "/etc/httpd/www.conf"\n' + SEED_HTTPD,
}  # fmt: skip


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_httpd_is_left_alone_where_it_is_something_else(text: str) -> None:
    server = made(**{"/etc/httpd.conf": text})
    server.services["httpd"] = ""
    fitted = adopt(server)
    assert fitted.variables["httpd_manage"] is False
    assert "/etc/httpd.conf" in said(fitted)


def test_what_in_httpd_conf_the_role_cannot_write_is_said() -> None:
    text = f"""ext = "192.0.2.1"
chroot "/var/www"
types {{ include "/usr/share/misc/mime.types" }}
{SEED_HTTPD.replace("on *", "on $ext")}"""
    server = made(**{"/etc/httpd.conf": text})
    server.services["httpd"] = ""
    assert "/etc/httpd.conf:5: $ext: the role writes no macros" in said(adopt(server))
    server.services["httpd"] = "-v -D ext=192.0.2.1"
    assert "/etc/httpd.conf: httpd_flags=-v -D ext=192.0.2.1: it is not all" in said(adopt(server))
    server.services["httpd"] = "-v"
    server.files["/etc/httpd.conf"] = text.replace("$ext", "192.0.2.1")
    variables = adopt(server).variables
    assert variables["httpd_listen"] == "192.0.2.1"
    assert "httpd_manage" not in variables
    server.files["/etc/httpd.conf"] = text.replace("/var/www", "/srv")
    server.files["/srv/htdocs/install/fe:e1:bb:aa:00:11-install.conf"] = "System hostname = www\n"
    fitted = adopt(server)
    assert "/etc/httpd.conf:2: chroot /srv: the role's directories are below /var/www" in said(
        fitted
    )
    assert yaml.safe_load(fitted.vms["web1.yml"])["hostname"] == "www.example.org"


def test_a_text_that_would_be_a_template_is_none() -> None:
    text = "subnet 192.168.1.0 netmask 255.255.255.0 { }\n# {{ lookup('pipe', 'id') }} {% x %}\n"
    fitted = adopt(made(HEAD + SUBNET.format(WEB1) + text))
    assert "dhcpd_extra: !unsafe |-\n" in fitted.host_vars
    assert "{{ lookup" in fitted.variables["dhcpd_extra"]


SECRETS = ("p4ss-W0rd!x", "$2b$10$o3Pb1Lc1FBCvG6cPXkzyEO5bIwyB5z2Qe6c8mZcJ4RkXqkDZxW1sK")


def test_no_password_and_no_hash_is_copied() -> None:
    password, crypted = SECRETS
    answers = (
        f"System hostname = web1\nPassword for root account = {password}\n"
        f"Password for user bob? = {crypted}\nSetup a user = bob\n"
        f"Public ssh key for user = {ALICE} bob@home {password}\n"
        f"What is your passphrase = {password}\nFull name for user bob = {crypted}\n"
        "Encrypt the root disk = no\nI like = penguins = yes\nAllow root ssh login = yes\n"
        "Which disk is the root disk = sd0\nHTTP Server = mirror.example.org\n"
    )
    text = f"# password: {password}\n{LAN}{vm('web1', f'# {crypted}')}"
    server = made(**{
        RESPONSE: answers, "/etc/rc.local": f"vmctl start web1 # pw {password}\n",
        "/etc/hostname.wg0": f"wgkey {password}\n", "/etc/vm.conf": text,
        "/etc/pf.conf": f"# pass {password}\n", "/etc/sysctl.conf": "kern.x = 1\n",
    })  # fmt: skip
    fitted = adopt(server)
    everything = said(fitted) + fitted.host_vars + str(fitted.vms) + str(fitted.ledgers)
    assert password not in everything
    assert crypted not in everything
    assert "no password and no hash is copied" in everything
    fields = yaml.safe_load(fitted.vms["web1.yml"])
    assert fields["user"] == "bob"
    assert fields["ssh_keys"] == [f"{ALICE} alice@laptop"]
    assert fields["install_options"] == {"Encrypt the root disk": "no", "I like": "penguins = yes"}
    assert "install" not in fields
    # What the collection answers in another way is said; what it answers in the same is not.
    assert f"{RESPONSE}:10: Allow root ssh login = yes: the collection answers this" in everything
    assert f"{RESPONSE}:12: HTTP Server = mirror.example.org: " in everything
    assert "sd0" not in everything


def test_sysctls_sensors_and_members_of_the_group() -> None:
    server = made(**{
        "/etc/sysctl.conf": "net.inet.ip.forwarding=1\nkern.bufcachepercent=30\nodd name=1\n",
        "/etc/sensorsd.conf": "hw.sensors.km0.temp0:high=70C\n",
        "/etc/group": "wheel:*:0:root,boss\nvmdusers:*:900:alice,boss,bob\nalice:*:1001:\n",
    })  # fmt: skip
    server.sysctls |= {"net.inet.ip.forwarding": "1", "kern.bufcachepercent": "20"}
    server.services["sensorsd"] = ""
    server.files["/etc/vm.conf"] = f"socket owner :vmdusers\nagentx\n{server.files['/etc/vm.conf']}"
    fitted = adopt(server)
    variables = fitted.variables
    assert variables["vmm_sysctl"] == {
        "net.inet.ip.forwarding": "1",
        "net.inet.ip.arpq.maxlen": "50",
    }
    assert "kern.bufcachepercent=30: the kernel has 20" in said(fitted)
    assert "/etc/sysctl.conf:3: odd name=1" in said(fitted)
    assert variables["sensorsd_extra"] == "hw.sensors.km0.temp0:high=70C"
    assert variables["accounts_others"] == ["bob"]
    assert variables["vmd_agentx"] is True
    assert "vmd_group" not in variables
    # A script of that name is the operator's own.
    server.files["/etc/sensorsd/drive"] = "#!/bin/sh\n"
    assert adopt(server).variables["sensorsd_manage"] is False


def test_an_uplink_is_written_and_the_network_left_alone() -> None:
    server = made()
    server.ifconfig = (
        "em0: flags=8943<UP> mtu 1500\n"
        "vlan42: flags=8943<UP> mtu 1500\n\tencap: vnetid 42 parent em0 txprio packet\n"
        "\tinet 10.10.10.2 netmask 0xffffff00\n"
        "bridge0: flags=41<UP>\n\tvlan42 flags=3<LEARNING,DISCOVER>\n\ttap0 flags=3<LEARNING>\n"
    )
    variables = adopt(server).variables
    assert variables["vmm_uplink"] == {"vlan": 42, "parent": "em0"}
    assert variables["vmm_server_ipv4"] == "10.10.10.2"
    assert variables["network_manage"] is False
    assert variables["pf_manage"] is False
    assert "vmm_host_interface" not in variables


def test_numbers_that_a_script_wrote_in_decimal() -> None:
    hosts, blocks = "", ""
    for number in (9, 10, 12):
        mac = f"fe:e1:bb:d1:c8:{number:02d}"
        own = f"hardware ethernet {mac}; fixed-address 10.10.10.{100 + number};"
        hosts += f"host vm{number:02d} {{ {own} }}\n"
        blocks += vm(f"vm{number:02d}", interface=f'interface tap {{ switch "lan" lladdr {mac} }}')
    server = host(LAN + blocks, HEAD + SUBNET.format(hosts))
    fitted = adopt(server)
    assert fitted.variables["vmm_mac_number_base"] == "decimal"
    assert fitted.variables["vmm_ipv4_range"][0] == "10.10.10.101"
    ledger = yaml.safe_load(fitted.ledgers["server1.yml"])["vms"]
    assert {name: line["number"] for name, line in ledger.items()} == {
        "vm09": 9, "vm10": 10, "vm12": 12,
    }  # fmt: skip
