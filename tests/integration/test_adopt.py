# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server that was set up by hand becomes a fleet's, and notices nothing of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration.conftest import SPEED
from integration.harness import _GROWS, Site, messages, recap

from sandbox.server import Server

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAZu/xq8eJGgj3LyOOtJP7IY802vHfpepL0zdsl0UQrc"
OPERATOR = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
PASSWORD = "kaW9-0ldT-8hhE"
HASH = "$2b$10$o3Pb1Lc1FBCvG6cPXkzyEO5bIwyB5z2Qe6c8mZcJ4RkXqkDZxW1sK"

VM_CONF = """\
# the machines of this server
socket owner :vmdusers

switch "uplink_lan" {
	interface bridge0
}
switch "office" {
	interface bridge1
}

vm "web1" {
	disable
	owner alice
	memory 1G
	disk "/home/vm/web1.img"
	interface tap {
		switch "uplink_lan"
		lladdr fe:e1:bb:aa:00:11
	}
}
# two disks, and one interface more
vm "DB_1.example" {
	owner alice
	memory 2048M
	disk "/home/vm/db.qcow2"
	disk "/home/vm/db-data.qcow2" format qcow2
	interface tap {
		switch "uplink_lan"
		lladdr fe:e1:bb:aa:00:12
	}
	interface tap {
		switch "office"
		lladdr fe:e1:bb:bb:00:12
	}
}
# of the office, and nothing of the fleet's
vm "printsrv" {
	owner alice
	memory 512M
	disk "/home/vm/printsrv.qcow2"
	interface tap {
		switch "office"
		lladdr fe:e1:bb:aa:00:13
	}
}
"""
DHCPD_CONF = """\
option domain-name "example.org";
option domain-name-servers 192.0.2.53;

subnet 10.10.10.0 netmask 255.255.255.0 {
	option routers 10.10.10.1;
	server-name "server1";
	host web1 {
		hardware ethernet fe:e1:bb:aa:00:11;
		fixed-address 10.10.10.17;
		filename "auto_install";
		option host-name "web1";
	}
	host database {
		hardware ethernet fe:e1:bb:aa:00:12;
		fixed-address 10.10.10.18;
	}
	host camera {
		hardware ethernet 00:1e:8f:00:00:07;
		fixed-address 10.10.10.200;
	}
}
# the office
subnet 192.168.1.0 netmask 255.255.255.0 {
	range 192.168.1.100 192.168.1.200;
	host printer {
		hardware ethernet 00:1e:8f:00:00:01;
		fixed-address 192.168.1.9;
	}
}
"""
HTTPD_CONF = """\
server "default" {
	listen on * port 80
	root "/htdocs/install"
	location "/pub/OpenBSD/7.6/amd64/*" {
		root "/htdocs/amd64"
		request strip 4
		directory auto index
	}
}
server "www.example.org" {
	listen on * port 80
	root "/htdocs/www"
}
"""
RESPONSE = f"""\
# web1
System hostname = web1.example.org
Password for root = {PASSWORD}
Network interfaces = vio0
IPv4 address for vio0 = dhcp
Setup a user = al
Password for user = {HASH}
Public ssh key for user = {KEY} alice@example.org {PASSWORD}
Which disk is the root disk = sd0
What timezone are you in = Europe/Amsterdam
Location of sets = http
Server = 10.10.10.1
Set name(s) = -x* +site*
Continue without verification = yes
"""
FILES = {
    "/etc/hostname.vether0": "inet 10.10.10.1 255.255.255.0\n",
    "/etc/hostname.vether1": "inet 192.168.1.1 255.255.255.0\n",
    "/etc/hostname.bridge0": "add vether0\nup\n",
    "/etc/hostname.bridge1": "add vether1\nup\n",
    "/etc/vm.conf": VM_CONF,
    "/etc/dhcpd.conf": DHCPD_CONF,
    "/etc/httpd.conf": HTTPD_CONF,
    "/etc/sensorsd.conf": "hw.sensors.km0.temp0:high=70C\n",
    "/var/www/htdocs/install/fe:e1:bb:aa:00:11-install.conf": RESPONSE,
    "/home/alice/.ssh/authorized_keys": f"{KEY} alice@laptop\n",
}
SET_UP = """
useradd -m -G vmdusers -s /bin/ksh -c alice alice
mkdir -p /home/vm /var/www/htdocs/www /var/www/htdocs/install /var/www/htdocs/amd64 /home/alice/.ssh
"""
START = """
sh /etc/netstart vether0 vether1 bridge0 bridge1
for name in db.qcow2 db-data.qcow2 printsrv.qcow2; do vmctl create -s 5G /home/vm/$name; done
rcctl enable vmd dhcpd httpd sensorsd
rcctl set dhcpd flags vether0 vether1
rcctl start vmd dhcpd httpd sensorsd
"""
QUIET = ("-e", "vmm_credentials=false")
SYSTEM = b"system\n" * (1 << 18)
GROUP_VARS = """\
ansible_ssh_common_args: -F {}/ssh_config
vmm_memory_limit: 64G
"""


def prepared(server: Server) -> None:
    """What an operator has made over the years."""
    assert server.run("getent group vmdusers || groupadd vmdusers").returncode in (0, 1)
    server.run(SET_UP)
    for path, text in FILES.items():
        server.write(path, text, 0o600 if path == "/etc/vm.conf" else 0o640)
    server.write("/home/vm/web1.img", SYSTEM)
    server.run("perl -e 'truncate q{/home/vm/web1.img}, 4 << 30'")
    done = server.run(START)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in ("/home/vm/db.qcow2", "/home/vm/printsrv.qcow2"):
        server.write(path, server.read(path) + SYSTEM)


@pytest.fixture
def by_hand(tmp_path: Path, common: Path) -> Iterator[Site]:
    """A server of an operator who has an inventory and an empty fleet for it, and nothing else."""
    server = Server(tmp_path / "sandbox", "server1", shared=common / "shared")
    for name, text in {
        "inventories/example/hosts.yml": "vmd_servers: {hosts: {server1: }}\n",
        "inventories/example/vmm.yml": "plugin: puffy.vmm.vms\nfleet: ../../fleets/example\n",
        "inventories/example/group_vars/vmd_servers.yml": GROUP_VARS.format(tmp_path / "sandbox"),
        "fleets/example/vms/.keep": "",
        "fleets/example/vault-password": "a secret\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        server.start(speed=SPEED)
        prepared(server)
        with tempfile.TemporaryDirectory(prefix="cp.", dir="/tmp") as sockets:
            yield Site(tmp_path, {"server1": server}, sockets)
    finally:
        server.stop()
    assert not server.unmodelled()


def adopt(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return site.play("adopt", "-e", "server=server1", *words)


def state(server: Server) -> tuple[object, bytes]:
    """Return all of the server except the contents of images; their times show writes."""
    images = server.run("ls -l /home/vm").stdout
    return server.snapshot(without=[*_GROWS, "/home/vm"]), images


def subjects(checked: subprocess.CompletedProcess[str]) -> set[str]:
    """What a check would change: files, directories and services."""
    lines = re.findall(r"^server1  \S.*?  would (.*)$", checked.stdout, re.MULTILINE)
    words = {
        word
        for line in lines
        for word in line.partition(" (")[0].split()
        if word.startswith("/") or word in ("vmd", "dhcpd", "httpd", "sensorsd", "sshd")
    }
    assert lines
    return words


# What holds a service's own state, or follows from a file of it that is explained.
FOLLOWS = {
    "/var/run/rc.d/vmd": "vmd", "dhcpd": "/etc/dhcpd.conf", "httpd": "/etc/httpd.conf",
    "sensorsd": "/etc/sensorsd.conf", "/etc/sensorsd/drive": "/etc/sensorsd.conf",
    "/etc/ssh/owners/alice": "/etc/ssh/owners",
}  # fmt: skip


def explained(shown: subprocess.CompletedProcess[str]) -> set[str]:
    text = messages(shown).partition("and means the same:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^  ([^:\s]+): ", text, re.MULTILINE))


def test_a_server_that_was_set_up_by_hand(by_hand: Site) -> None:
    server, site = by_hand.server1, by_hand
    before, running = state(server), server.run("vmctl status").stdout
    looks = len(site.executions())
    shown = adopt(site)
    assert shown.returncode == 0, messages(shown)
    # Files that name other files: vm.conf its images, listings their response files.
    assert len(site.executions()) - looks <= 3
    assert sorted(path.name for path in (site.fleet / "vms").iterdir()) == [".keep"]
    assert not (site.fleet / "allocations/server1.yml").exists()

    report = site.directory / "report.txt"
    written = adopt(site, "-e", "write=true", "-e", f"report={report}")
    assert written.returncode == 0, messages(written)
    host_vars = site.directory / "inventories/example/host_vars/server1.yml"
    files = [host_vars, *(site.fleet / "vms").glob("*.yml"), site.fleet / "allocations/server1.yml"]
    assert len(files) == 4
    for text in (messages(shown), messages(written), *(path.read_text() for path in files)):
        assert PASSWORD not in text
        assert HASH not in text
    # It changed nothing there, and stopped no VM.
    assert state(server) == before
    assert server.run("vmctl status").stdout == running
    assert "/etc/vm.conf:37: vm printsrv: its first interface is on the switch office" in (
        report.read_text()
    )

    checked = site.play("site", "--check", "--diff", *QUIET)
    assert checked.returncode == 0, messages(checked)
    changes = {FOLLOWS.get(path, path) for path in subjects(checked)}
    assert changes - explained(written) == set()
    assert state(server) == before

    site.converged(*QUIET)
    now = server.run("vmctl status").stdout.decode()
    assert pids(now) == pids(running.decode())
    for path, kept in {
        "/etc/vm.conf": ['vm "printsrv" {', 'switch "office" {', "fe:e1:bb:aa:00:13"],
        "/etc/dhcpd.conf": ["host printer {", "host camera {", "range 192.168.1.100 192.168.1.200"],
        "/etc/httpd.conf": ['server "www.example.org" {'],
        "/etc/sensorsd.conf": ["hw.sensors.km0.temp0:high=70C"],
    }.items():
        text = server.read(path).decode()
        assert [path for path in kept if path not in text] == []
    for path in (*(path for path in FILES if path.startswith("/etc/hostname")), "/etc/pf.conf"):
        assert server.read(path) == FILES.get(path, server.read(path).decode()).encode()
    again = site.play("site", *QUIET)
    assert recap(again, "server1")["changed"] == 0, messages(again)

    # An image that goes away is missed: nothing is installed in its place.
    server.run("mv /home/vm/web1.img /home/vm/elsewhere")
    refused = site.play("vm", "-e", "vm=web1", *QUIET)
    assert refused.returncode != 0
    assert "web1: was installed" in messages(refused)
    assert "web1.img" not in server.run("ls /home/vm").stdout.decode()

    # What is there is not written over.
    once = {path: path.read_bytes() for path in files}
    refused = adopt(site, "-e", "write=true")
    assert refused.returncode != 0
    assert "exists already, and no file is overwritten" in messages(refused)
    assert {path: path.read_bytes() for path in files} == once


def test_a_network_for_each_switch(by_hand: Site) -> None:
    """The office has a router and no range: its VM comes into the fleet as well."""
    server = by_hand.server1
    office = (
        "subnet 192.168.1.0 netmask 255.255.255.0 {\n\toption routers 192.168.1.254;\n"
        "\thost printsrv {\n\t\thardware ethernet fe:e1:bb:aa:00:13;\n"
        "\t\tfixed-address 192.168.1.7;\n\t}\n"
        "\thost printer {\n\t\thardware ethernet 00:1e:8f:00:00:01;\n"
        "\t\tfixed-address 192.168.1.9;\n\t}\n}\n"
    )
    server.write("/etc/dhcpd.conf", DHCPD_CONF.partition("# the office")[0] + office, 0o640)
    assert server.run("rcctl restart dhcpd").returncode == 0
    running = server.run("vmctl status").stdout.decode()
    written = adopt(by_hand, "-e", "write=true")
    assert written.returncode == 0, messages(written)
    assert (by_hand.fleet / "vms/printsrv.yml").is_file()
    checked = by_hand.play("site", "--check", "--diff", *QUIET)
    assert checked.returncode == 0, messages(checked)
    assert {FOLLOWS.get(path, path) for path in subjects(checked)} - explained(written) == set()
    by_hand.converged(*QUIET)
    assert pids(server.run("vmctl status").stdout.decode()) == pids(running)
    conf = server.read("/etc/dhcpd.conf").decode()
    assert "fixed-address 192.168.1.7" in conf
    assert "host printer {" in conf
    again = by_hand.play("site", *QUIET)
    assert recap(again, "server1")["changed"] == 0, messages(again)


def test_vms_without_an_owner(by_hand: Site) -> None:
    """One is named for them, with keys; its account is made by the next run."""
    server = by_hand.server1
    text = VM_CONF.replace('vm "web1" {\n\tdisable\n\towner alice', 'vm "web1" {\n\tdisable')
    server.write("/etc/vm.conf", text, 0o600)
    shown = adopt(by_hand)
    assert "/etc/vm.conf:11: vm web1: vm.conf(5) names no owner for it; name one" in messages(shown)
    (by_hand.directory / "puffy.pub").write_text(f"{OPERATOR} puffy\n")
    words = ("-e", "owner=puffy", "-e", f"ssh_keys={by_hand.directory}/puffy.pub")
    written = adopt(by_hand, *words, "-e", "write=true")
    assert written.returncode == 0, messages(written)
    assert "/etc/passwd: an account puffy is made" in messages(written)
    by_hand.converged(*QUIET)
    assert OPERATOR in server.read("/etc/ssh/owners/puffy").decode()
    assert 'owner "puffy"' in server.read("/etc/vm.conf").decode()


def pids(status: str) -> dict[str, str]:
    return {
        words[-1]: words[1] for words in map(str.split, status.splitlines()[1:]) if words[1] != "-"
    }


MAPPING = """\
fields:
  vm_number: number
  vm_name: name
  fqdn: hostname
  username: owner
  sshkey: ssh_keys
  mem: {field: memory, unit: M}
  ip: ipv4
defaults: {server: server1, install: none}
left_out: [invoice]
"""
TEXT_FILE = f"""\
# from the contact form
vm_number = 7
vm_name: shop1
fqdn: shop1.example.org
username: alice
sshkey: {KEY} alice {PASSWORD}
mem: 2048
ip=10.10.10.77
pass: {PASSWORD}
invoice: 2026-17
colour: blue
"""


def test_text_files_without_a_server(by_hand: Site) -> None:
    """Nothing is connected to; the settings of the servers are in the inventory."""
    site = by_hand
    for name, text in {"old/shop1.txt": TEXT_FILE, "mapping.yml": MAPPING}.items():
        (site.directory / name).parent.mkdir(exist_ok=True)
        (site.directory / name).write_text(text)
    host_vars = site.directory / "inventories/example/host_vars/server1.yml"
    host_vars.parent.mkdir()
    host_vars.write_text(
        "vmm_mac_prefix: fe:e1:bb:d1:c8\nvmm_mac_number_base: decimal\n"
        "vmm_ipv4_network: 10.10.10.0/24\nvmm_ipv4_gateway: 10.10.10.1\n"
        "vmm_domain: example.org\nvmm_dns_servers: [192.0.2.53]\n"
    )
    before = site.executions()
    words = ("-e", f"files={site.directory}/old", "-e", f"mapping={site.directory}/mapping.yml")
    done = site.play("adopt", *words, "-e", "write=true")
    assert done.returncode == 0, messages(done)
    assert site.executions() == before
    said = yaml.safe_load((site.fleet / "vms/shop1.yml").read_text())
    assert said == {
        "server": "server1", "owner": "alice", "ssh_keys": [KEY], "hostname": "shop1.example.org",
        "memory": "2048M", "install": "none",
    }  # fmt: skip
    entry = yaml.safe_load((site.fleet / "allocations/server1.yml").read_text())["vms"]["shop1"]
    assert (entry["number"], entry["mac"], entry["ipv4"]) == (7, "fe:e1:bb:d1:c8:07", "10.10.10.77")
    assert entry["installed"]["image"] == "/var/vmm/shop1.qcow2"
    told = messages(done)
    assert "shop1.txt:11: colour: blue: the mapping does not name this key" in told
    assert "shop1.txt:9: pass = ***: no password is copied" in told
    assert PASSWORD not in told + (site.fleet / "vms/shop1.yml").read_text()
    allocated = site.play("allocate")
    assert allocated.returncode == 0, messages(allocated)
