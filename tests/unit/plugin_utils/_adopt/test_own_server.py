# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server that the collection made, adopted by a fleet that does not know it, is the same one."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
    server_variables,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.fit import fit_server
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from hypothesis import given, settings
from hypothesis import strategies as st
from unit import fleets
from unit.adoption import AT, Host, checker, qcow2

GOLDEN = Path(__file__).parents[3] / "golden/example/server1"
KEPT = (
    "name",
    "number",
    "mac",
    "ipv4",
    "ipv6",
    "group",
    "interfaces",
    "memory",
    "owner",
    "autostart",
)
EXAMPLE: t.Final = {"vmm_domain": "example.org", "vmm_dns_servers": ["192.0.2.53", "192.0.2.54"]}


def test_the_example_server() -> None:
    """Its golden files are what a run writes; what the fleet says of it follows from them."""
    files = {
        f"/{path.relative_to(GOLDEN)}": path.read_text()
        for path in GOLDEN.rglob("*")
        if path.is_file() and "install.conf" not in path.name
    }
    # web1 is being installed there: it has no place in vm.conf(5) yet.
    conf = files["/etc/dhcpd.conf"]
    files["/etc/dhcpd.conf"] = re.sub(r"\thost web1 \{.*?\n\t\}\n", "", conf, flags=re.DOTALL)
    owners = [path.name for path in (GOLDEN / "etc/ssh/owners").iterdir()]
    files["/etc/passwd"] = "".join(f"{owner}:*:1:1::/home/{owner}:/bin/ksh\n" for owner in owners)
    files["/etc/group"] = f"vmdusers:*:900:{','.join(owners)}\n"
    # OpenBSD's own lines before those of the role.
    sshd_config = "AuthorizedKeysFile\t.ssh/authorized_keys\nSubsystem\tsftp\tinternal-sftp\n"
    files["/etc/ssh/sshd_config"] = sshd_config + files["/etc/ssh/sshd_config"]
    host = Host(
        files,
        {
            f"/var/vmm/{name}.qcow2": (qcow2(50 << 30), 1 << 21)
            for name in ("db1", "mail1", "shop1")
        },
        running=["shop1"],
        ifconfig="pair84: flags=8943<UP>\n\tpatch: pair85\n"
        "pair85: flags=8943<UP>\n\tpatch: pair84\n\tinet 203.0.113.1 netmask 0xffffff00\n"
        "\tinet6 2001:db8:6::1 prefixlen 64\n"
        "veb42: flags=9843<UP,LINK1>\n\tpair84 flags=3<LEARNING>\n"
        "veb43: flags=9843<UP>\n",
        services={"vmd": "", "dhcpd": "pair85", "httpd": "", "sensorsd": ""},
        sysctls={"net.inet.ip.arpq.maxlen": "256"},
    )
    check = checker({"server1": EXAMPLE})
    fitted = fit_server(host.seen(), Options("server1", AT, known=EXAMPLE, owner="puffy",
                        keys=(fleets.KEY,)), check)  # fmt: skip
    again = check({"server1": fitted.variables}, fitted.vms, fitted.ledgers)
    original = _example()
    assert again.problems == ()
    ours = server_variables(again, "server1")
    theirs = server_variables(original, "server1")
    for name in (
        "switch",
        "switches",
        "ipv4",
        "ipv6",
        "links",
        "host_interface",
        "sysctl",
        "preset",
    ):
        assert ours["vmm_host"][name] == theirs["vmm_host"][name], name
    expected = {
        vm["name"]: vm for vm in theirs["vmm_vms"] if vm["name"] in ("db1", "mail1", "shop1")
    }
    adopted = {vm["name"]: vm for vm in ours["vmm_vms"]}
    assert adopted.keys() >= expected.keys()
    # Nothing on a server says what number a VM with a MAC of its own has, nor who is suspended.
    assert (adopted["mail1"].pop("number"), expected["mail1"].pop("number")) == (0x99, 2)
    assert (adopted["shop1"].pop("owner"), adopted["shop1"]["state"]) == ("puffy", "suspended")
    del expected["shop1"]["owner"]
    domains = {name: vm["hostname"].partition(".")[2] for name, vm in expected.items()}
    assert domains == {"db1": "example.org", "mail1": "example.net", "shop1": "example.com"}
    assert {name: adopted[name]["hostname"] for name in domains} == {
        name: f"{name}.{domain}" for name, domain in domains.items()
    }
    for name, vm in expected.items():
        same = {key: value for key, value in vm.items() if key in KEPT}
        assert {key: value for key, value in adopted[name].items() if key in KEPT} == same
    # What it has of its own roles stays theirs.
    for name in ("pf_manage", "dhcpd_manage", "httpd_manage", "sensorsd_manage", "dhcpd_extra",
                 "httpd_extra", "vmd_extra", "vmd_locked_lladdr"):  # fmt: skip
        assert name not in fitted.variables, name
    assert fitted.variables["network_manage"] is True


def _example() -> Fleet:
    checkout = GOLDEN.parents[3]
    place = checkout / "inventories/example"
    shared = yaml.safe_load((place / "group_vars/vmd_servers.yml").read_text())
    servers = {
        name: shared | yaml.safe_load((place / f"host_vars/{name}.yml").read_text())
        for name in ("server1", "server2")
    }
    return build_fleet(Inputs(_texts("vms"), _texts("allocations"), servers))


def _texts(folder: str) -> Mapping[str, str | None]:
    place = GOLDEN.parents[3] / "fleets/example" / folder
    return {path.name: path.read_text() for path in place.glob("*.yml")}


NAMES = st.from_regex(r"[a-z][a-zA-Z0-9_]{0,8}(\.[a-z0-9]{1,5})?", fullmatch=True)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(NAMES, st.integers(1, 200), st.integers(0, 2), st.booleans()),
                min_size=1, max_size=6,
                unique_by=(lambda x: host_label(x[0]), lambda x: x[1])))  # fmt: skip
def test_any_fleet_that_is_written_by_hand(
    vms: list[tuple[str, int, int, bool]],
) -> None:
    """vm.conf(5) and dhcpd.conf(5) of a model, adopted, give the same model."""
    blocks, hosts = [], []
    for name, number, more, enabled in vms:
        mac = f"fe:e1:bb:d1:c8:{number:02x}"
        disks = "".join(f'\tdisk "/var/vmm/{name}.d{n}.qcow2"\n' for n in range(more))
        blocks.append(
            f'vm "{name}" {{\n\t{"enable" if enabled else "disable"}\n\towner puffy\n\tmemory 1G\n'
            f'\tdisk "/var/vmm/{name}.qcow2"\n{disks}'
            f'\tinterface tap {{\n\t\tswitch "lan"\n\t\tlocked lladdr {mac}\n\t}}\n}}\n'
        )
        hosts.append(
            f"host {name} {{ hardware ethernet {mac}; fixed-address 203.0.113.{number + 9}; }}\n"
        )
    host = Host(
        {
            "/etc/vm.conf": 'switch "lan" {\n\tinterface veb0\n}\n' + "".join(blocks),
            "/etc/dhcpd.conf": 'option domain-name "example.org";\noption domain-name-servers '
            "203.0.113.1;\nsubnet 203.0.113.0 netmask 255.255.255.0 {\n"
            "\toption routers 203.0.113.1;\n"
            + "".join(hosts) + "}\n",
            "/etc/passwd": "puffy:*:1:1::/home/puffy:/bin/ksh\n",
            "/etc/group": "vmdusers:*:900:puffy\n",
            "/home/puffy/.ssh/authorized_keys": f"{fleets.KEY}\n",
        },
        services={"vmd": "", "dhcpd": "vport0"},
    )  # fmt: skip
    for name, _number, more, _enabled in vms:
        paths = [f"/var/vmm/{name}.qcow2", *(f"/var/vmm/{name}.d{n}.qcow2" for n in range(more))]
        host.images |= {path: (qcow2(10 << 30), 1 << 21) for path in paths}
    check = checker({"server1": {}})
    fitted = fit_server(host.seen(), Options("server1", AT), check)
    assert [str(note) for note in fitted.notes.reported] == []
    fleet = check({"server1": fitted.variables}, fitted.vms, fitted.ledgers)
    assert fleet.problems == ()
    adopted = {
        vm.name: (vm.number, vm.mac, str(vm.ipv4), len(vm.disks), vm.autostart, vm.disk.image)
        for vm in fleet.vms
    }
    assert adopted == {
        name: (number, f"fe:e1:bb:d1:c8:{number:02x}", f"203.0.113.{number + 9}", more, enabled,
               f"/var/vmm/{name}.qcow2")
        for name, number, more, enabled in vms
    }  # fmt: skip
    assert all(vm.installed and vm.install == "none" for vm in fleet.vms)
    assert "vmd_extra" not in fitted.variables
    assert "dhcpd_extra" not in fitted.variables


def test_the_looks_are_few() -> None:
    host = Host({"/etc/vm.conf": 'switch "lan" {\n\tinterface veb0\n}\n'})
    with pytest.raises(Exception, match="shows the IPv4 network"):
        fit_server(host.seen(), Options("server1", AT), checker({"server1": {}}))
    assert host.looks == 2
