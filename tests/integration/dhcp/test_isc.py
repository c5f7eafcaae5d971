# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ISC's dhcpd, of which OpenBSD's is an older relative, takes what is written for OpenBSD's.

And a real client gets what a VM needs.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import parse_dhcpd_conf
from integration.harness import CHECKOUT

GOLDEN = CHECKOUT / "tests/golden"
CONFS = {
    "veb": GOLDEN / "example/server1/etc/dhcpd.conf",
    "bridge": GOLDEN / "example/server2/etc/dhcpd.conf",
    "seed": GOLDEN / "seed/servers/server1.openbsd.amsterdam/etc/dhcpd.conf",
}
NETWORKS = {
    name: GOLDEN / f"networks/servers/{name}1/etc/dhcpd.conf"
    for name in ("edge", "single", "block")
}
STRANGER = "fe:e1:ba:d0:00:01"
# A user can only have a separate network inside a user namespace.
OWN_NETWORK = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
if os.geteuid():
    OWN_NETWORK[1:1] = ["--user", "--map-root-user"]


def program(directory: Path) -> Path:
    """A copy: AppArmor's profile for /usr/sbin/dhcpd knows nothing of a test's directory."""
    path = shutil.which("dhcpd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path, "dhcpd is not installed; ./dev installs it"
    return Path(shutil.copy(path, directory / "dhcpd"))


def of_isc(conf: Path) -> str:
    """Return the text with a unique name for each host, which OpenBSD's dhcpd does not require."""
    numbers = itertools.count()
    return re.sub(
        r"(?m)^(\t+)host .+ {$", lambda m: f"{m[1]}host h{next(numbers)} {{", conf.read_text()
    )


@pytest.mark.parametrize("name", [*CONFS, *NETWORKS])
def test_the_parser_takes_it(name: str, tmp_path: Path) -> None:
    conf = tmp_path / "dhcpd.conf"
    conf.write_text(of_isc({**CONFS, **NETWORKS}[name]))
    words = [str(program(tmp_path)), "-t", "-cf"]
    done = subprocess.run([*words, conf], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "expecting" not in done.stderr
    broken = tmp_path / "broken.conf"
    broken.write_text(conf.read_text().replace("fixed-address", "fixed-adress"))
    assert subprocess.run([*words, broken], capture_output=True, check=False).returncode == 1


def told(conf: Path, server: str, tmp_path: Path) -> dict[str, dict[str, str] | None]:
    """Return the answers to a client with each MAC of the file, and to one with another MAC."""
    able = subprocess.run([*OWN_NETWORK, "true"], capture_output=True, text=True, check=False)
    if able.returncode != 0:
        pytest.skip(f"no network namespace on this machine: {able.stderr.strip()}")
    program(tmp_path)
    (tmp_path / "dhcpd.conf").write_text(of_isc(conf))
    macs = [host.mac for host in parse_dhcpd_conf(conf.read_text()).all_hosts if host.mac]
    question = {"directory": str(tmp_path), "address": f"{server}/24", "macs": [*macs, STRANGER]}
    done = subprocess.run(
        [*OWN_NETWORK, sys.executable, str(Path(__file__).with_name("segment.py"))],
        input=json.dumps(question), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    answers: dict[str, dict[str, str] | None] = json.loads(done.stdout)
    return answers


def test_single_addresses_have_their_router_outside(tmp_path: Path) -> None:
    """A shared-network, with a subnet for the server's own address."""
    leases = told(NETWORKS["single"], "10.255.0.1", tmp_path)
    assert leases.pop(STRANGER) is None
    assert [
        (lease["ip"], lease["mask"], lease["router"]) for lease in leases.values() if lease
    ] == [
        ("198.51.100.241", "32", "10.255.0.1"),
        ("198.51.100.243", "32", "10.255.0.1"),
    ]


def test_two_networks_on_one_switch(tmp_path: Path) -> None:
    leases = told(NETWORKS["edge"], "203.0.113.2", tmp_path)
    # A VM of the dmz that asks on this switch gets no answer.
    assert {mac: (lease["ip"], lease["mask"]) for mac, lease in leases.items() if lease} == {
        "fe:e1:bb:d1:c8:01": ("203.0.113.3", "28"),
        "fe:e1:bb:d1:c8:02": ("203.0.113.4", "28"),
        "fe:e1:bb:d1:c8:03": ("203.0.113.67", "29"),
    }


@pytest.mark.parametrize("name", CONFS)
def test_a_vm_is_told_what_it_needs_and_nobody_else_anything(name: str, tmp_path: Path) -> None:
    conf = parse_dhcpd_conf(CONFS[name].read_text())
    (subnet,) = conf.subnets
    (server,) = subnet.parameters["next-server"]
    leases = told(CONFS[name], server, tmp_path)
    stranger = leases.pop(STRANGER)
    assert leases == {
        host.mac: {
            "ip": host.addresses[0],
            "mask": "24",
            "siaddr": server,
            "boot_file": host.parameters["filename"][0],
            "hostname": host.parameters["option host-name"][0],
            "domain": {**conf.parameters, **host.parameters}["option domain-name"][0],
            "router": subnet.parameters["option routers"][0],
            "dns": " ".join(conf.parameters["option domain-name-servers"]),
        }
        for host in subnet.hosts
    }
    assert len(leases) > 1 or name == "bridge"
    # The seed has addresses for others, too, but no file to install from.
    if subnet.ranges:
        assert stranger is not None
        assert stranger["ip"] not in {host.addresses[0] for host in subnet.hosts}
        assert "boot_file" not in stranger
    else:
        assert stranger is None
