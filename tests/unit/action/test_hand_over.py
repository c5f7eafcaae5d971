# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The sheet that an owner gets, as it is written into the fleet directory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from unit.sites import KEY, SERVERS, Site

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
SERVER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyeDe5dxgpdmYh+2nDqxnMCsiO4IUbXQMNAcEtQ1lWi"
LEDGER = """
vms:
  web1: {number: 1, mac: fe:e1:bb:d1:c6:01, ipv4: 203.0.113.10, ipv6: 2001:db8:6::10}
"""
# Comments may have all of this.
COMMENT = "<script>alert(1)</script>&{{ 7*6 }}"
# What the operator has to know, and nobody else.
NOT_FOR_CUSTOMERS = ("ansible", "vault", "credentials", "fleet", "localhost", "{{", "{%", "None")


@dataclass
class Handed:
    """A run of the tasks that write the sheet of web1."""

    site: Site
    fields: dict[str, Any]
    server: dict[str, Any]
    tasks: dict[str, Any]

    def play(self, *args: str) -> subprocess.CompletedProcess[str]:
        self.site.vm("web1", **self.fields)
        self.site.set("host_vars/server1", **SERVERS["server1"] | self.server)
        variables = {
            "vmd_new": "{{ vmm_vms | selectattr('name', 'eq', 'web1') }}",
            "vmd_host_keys": {"web1": [HOST_KEY]},
            "vmd_server_keys": [SERVER_KEY],
            "vmd_hand_over_passwords": True,
        }
        role = {"name": "puffy.vmm.vmd", "tasks_from": "hand_over"}
        self.site.ledger().parent.mkdir(exist_ok=True)
        self.site.ledger().write_text(LEDGER)
        return self.site.play(
            {"ansible.builtin.include_role": role, "vars": variables | self.tasks},
            args=("--limit", "server1", *args),
        )

    def sheet(self, *args: str) -> str:
        done = self.play(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        text = (self.site.fleet / "handover/web1.md").read_text()
        for word in NOT_FOR_CUSTOMERS:
            assert word not in text.replace(COMMENT, ""), (word, text)
        assert max(len(line) for line in text.splitlines() if "SSHFP" not in line) <= 110
        assert "\n\n\n" not in text
        return text

    @property
    def page(self) -> str:
        return (self.site.fleet / "handover/web1.html").read_text()


@pytest.fixture
def handed(site: Site) -> Handed:
    return Handed(site, {}, {}, {})


def give_password(site: Site) -> None:
    (site.fleet / "credentials").mkdir()
    (site.fleet / "credentials/web1.yml").write_text("x\n")


def test_all_that_an_owner_needs(handed: Handed) -> None:
    give_password(handed.site)
    handed.fields = {"owner": "mira", "user": "admin", "ssh_keys": [f"{KEY} {COMMENT}"]}
    handed.server = {
        "ansible_host": "10.1.2.3",
        "ansible_port": 31415,
        "vmd_hand_over_server": "vmm6.example.net",
        "vmd_hand_over_operator": "Example Hosting",
        "vmd_hand_over_contact": "support@example.net",
        "vmm_ipv6_network": "2001:db8:6::/64",
        "vmm_ipv6_gateway": "2001:db8:6::1",
    }
    text = handed.sheet()
    for expected in (
        "- Size: 1 GB of memory, 50 GB of disk\n",
        "- IPv4 address: `203.0.113.10/24`, gateway `203.0.113.1`, assigned by DHCP",
        "- IPv6 address: `2001:db8:6::10/64`, gateway `2001:db8:6::1`",
        "    ssh admin@203.0.113.10\n    ssh admin@2001:db8:6::10\n",
        f" {COMMENT} (ED25519)\n",
        "    256 SHA256:qH8baHrA5X0qCBovKCZyM02Q7TFtK4GMqVgOo4TZJAE web1.example.org (ED25519)",
        " vmm6.example.net (ED25519)",
        "    ssh -t -p 31415 mira@vmm6.example.net vmctl console web1\n",
        "    ssh -p 31415 mira@vmm6.example.net vmctl stop web1\n",
        "type `~~.`",
        "    passwd\n    doas passwd root\n",
        "asks for your own password",
        "Write to support@example.net and\n",
        "Otherwise stop, and write to Example Hosting.",
        "    web1.example.org. IN AAAA 2001:db8:6::10\n",
        "    web1.example.org. IN SSHFP 4 2 a87f1b687ac0e57d2a081a2f2826",
    ):
        assert expected in text, (expected, text)
    assert "10.1.2.3" not in text
    page = handed.page
    assert "<title>Your virtual machine web1</title>" in page
    assert '<a href="mailto:support@example.net">' in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;{{ 7*6 }} (ED25519)" in page
    assert "default-src 'none'" in page
    assert "src=" not in page
    for suffix in ("md", "html"):
        path = handed.site.fleet / f"handover/web1.{suffix}"
        assert path.stat().st_mode & 0o777 == 0o644


def test_the_operator_learns_where_the_password_is(handed: Handed) -> None:
    give_password(handed.site)
    said = handed.play("-v").stdout
    path = handed.site.fleet / "credentials/web1.yml"
    assert "  web1: handover/web1.md and .html are for its owner; its first password" in said
    assert f"ansible-vault view {path}" in said
    assert '"first_passwords": {"web1": "credentials/web1.yml"}' in said
    assert '"handover/web1.html", "handover/web1.md"]' in said


ONE_ADDRESS = {"vmm_preset": "nat", "vmd_hand_over_server": "vmm6.example.net"}
IPV6 = {"vmm_ipv6_network": "2001:db8:6::/64", "vmm_ipv6_gateway": "2001:db8:6::1"}
WITHOUT: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], list[str]]] = {
    "no password": (
        {}, {},
        ["There is no password yet", "    doas passwd puffy\n    doas passwd root\n",
         "as root without asking for a password"],
        ["Your user and root have the same", "IPv6", "AAAA", " -p "],
    ),
    "doas never asks": (
        {"autoinstall_doas": "nopass"}, {}, ["as root without asking for a password"], [],
    ),
    "no doas, no password": (
        {"autoinstall_doas": "none"}, {},
        ["New to OpenBSD?"], ["doas", "syspatch", "su -", "no password yet"],
    ),
    "where Ansible connects to": (
        {"ansible_host": "vmm7.example.net", "ansible_port": 2222}, {},
        ["    ssh -t -p 2222 puffy@vmm7.example.net vmctl console web1\n",
         " vmm7.example.net (ED25519)"],
        [],
    ),
    "where Ansible connects to by name": (
        {}, {}, ["    ssh -t puffy@server1 vmctl console web1\n"], [],
    ),
    "no site sets": (
        {"autoinstall_site_sets": False}, {}, [], ["doas", "Passwords are for the console"],
    ),
    "no host keys": (
        {}, {"vmd_host_keys": {}},
        ["We could not\nread its fingerprints",
         "    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"],
        ["SSHFP", "For your DNS"],
    ),
    "no keys of the server": ({}, {"vmd_server_keys": []}, [], ["those of our server"]),
    "nobody to turn to": ({}, {}, ["Write to those who sent you this sheet and"], []),
    "a name alone": (
        {"vmd_hand_over_operator": "Example Hosting"}, {}, ["Write to Example Hosting and"], [],
    ),
    "it does not start by itself": (
        {"vm": {"autostart": False}}, {}, ["It does not\nstart by itself afterwards"], [],
    ),
    "a server with one public address": (
        {
            **ONE_ADDRESS,
            "vm": {"forward": [{"port": 2201, "to": 22}, {"port": 51820, "protocol": "udp"},
                               {"port": "8000-8010"}]},
        }, {},
        ["- IPv4 address: `203.0.113.10/24`, gateway `203.0.113.1`, assigned by DHCP\n"
         "- From outside: `vmm6.example.net` port 2201 for port 22, port 51820 (UDP), "
         "ports 8000 to 8010\n- MAC address: ",
         "## Log in\n\n    ssh -p 2201 puffy@vmm6.example.net\n\nThis works",
         "belong into it, and an A record with the address of\n`vmm6.example.net`, whose ports "
         "lead to your machine:\n\n    web1.example.org. IN SSHFP "],
        ["puffy@203.0.113.10", " IN A ", "is a private one"],
    ),
    "a private address alone": (
        ONE_ADDRESS, {},
        ["- From outside: nothing\n- MAC address: ", "is a private one", "@203.0.113.10\n"],
        [" -p ", " IN A "],
    ),
    "a private address and IPv6": (
        ONE_ADDRESS | IPV6, {},
        ["## Log in\n\n    ssh puffy@2001:db8:6::10\n", "IN AAAA 2001:db8:6::10\n"],
        ["puffy@203.0.113.10", "is a private one", "By IPv4"],
    ),
    "a port and IPv6": (
        ONE_ADDRESS | IPV6 | {"vm": {"forward": [{"port": 2201, "to": 22}]}}, {},
        ["By IPv4, or by IPv6:\n\n    ssh -p 2201 puffy@vmm6.example.net\n    ssh puffy@2001:"], [],
    ),
    "it is suspended": (
        {"vm": {"state": "suspended"}}, {},
        ["at the moment it is suspended", "This is not possible while your machine is suspended"],
        ["vmctl start", "running"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_not_there_is_not_spoken_of(name: str, handed: Handed) -> None:
    settings, tasks, there, not_there = WITHOUT[name]
    handed.fields = settings.get("vm", {})
    handed.server = {key: value for key, value in settings.items() if key != "vm"}
    handed.tasks = tasks
    text = handed.sheet()
    for expected in there:
        assert expected in text, (expected, text)
    for absent in not_there:
        assert absent not in text, (absent, text)


def test_a_password_that_this_run_did_not_set_is_none(handed: Handed) -> None:
    """Credentials of an earlier installation are no password of one without any."""
    give_password(handed.site)
    handed.tasks = {"vmd_hand_over_passwords": False}
    assert "There is no password yet" in handed.sheet()


def test_a_sheet_is_written_again_if_it_changes(handed: Handed) -> None:
    handed.sheet()
    text, page = (handed.site.fleet / f"handover/web1.{suffix}" for suffix in ("md", "html"))
    before = (text.stat().st_mtime_ns, page.stat().st_mtime_ns)
    assert "changed=0" in handed.play().stdout
    assert (text.stat().st_mtime_ns, page.stat().st_mtime_ns) == before
    # One from before there were pages.
    page.unlink()
    assert "changed=1" in handed.play().stdout
    handed.server = {"vmd_hand_over_contact": "support@example.net"}
    assert "support@example.net" in handed.sheet()
    assert "support@example.net" in handed.page


def test_nothing_is_written_in_check_mode(handed: Handed) -> None:
    assert handed.play("--check").returncode == 0
    assert not (handed.site.fleet / "handover").exists()
