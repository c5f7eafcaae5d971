# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What was installed once is never installed again unasked, and keeps its image and addresses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from integration.conftest import Copy, servers
from integration.harness import Site, messages, provide_sets

from sandbox.server import Server

STATUS = re.compile(r"^ *\d+ +(\S+) .* (\S+) (\S+)$", re.MULTILINE)
ONE = ("--limit", "server1", "-e", "vmm_install=true")
WEB1 = ("-e", "vm=web1")


def status(server: Server) -> dict[str, str]:
    return {name: state for _pid, state, name in STATUS.findall(said(server, "vmctl status"))}


def said(server: Server, command: str) -> str:
    return server.run(command).stdout.decode()


def records(site: Site, server: str = "server1") -> dict[str, dict[str, str]]:
    """What the ledger has of installations, by the VM's name."""
    lines = yaml.safe_load((site.fleet / f"allocations/{server}.yml").read_text())["vms"]
    return {name: line["installed"] for name, line in lines.items() if "installed" in line}


def images(server: Server) -> dict[str, str]:
    """The checksums of all images, by name."""
    names = said(server, "ls /var/vmm").split()
    return {name: sha256(server.read(f"/var/vmm/{name}")).hexdigest() for name in names}


def refuses(result: subprocess.CompletedProcess[str], *texts: str) -> None:
    assert result.returncode != 0, messages(result)
    for text in texts:
        assert text in messages(result), messages(result)


@pytest.fixture
def lived(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    """web1 was installed by the collection; mail1 and shop1 before the ledger recorded that."""
    copy(tmp_path, "installed")
    with servers(tmp_path, shared=common / "shared") as made:
        yield made


def test_installations_are_recorded(lived: Site) -> None:
    entries = records(lived)
    assert entries.keys() == {"mail1", "shop1", "web1"}
    assert (entries["web1"]["image"], entries["web1"]["format"]) == ("/var/vmm/web1.qcow2", "qcow2")
    # db1 is not installed: vm.conf(5) has it not, and nothing starts it when the server boots.
    for file in ("/etc/vm.conf", "/etc/rc.vmm"):
        assert b"web1" in lived.server1.read(file)
        assert b"db1" not in lived.server1.read(file)


def test_settings_that_change_move_nothing(lived: Site) -> None:
    server, before = lived.server1, records(lived)
    definition, there = server.read("/etc/vm.conf"), images(server)
    lived.converged("--limit", "server1", "-e", "vmm_image_directory=/elsewhere")
    assert records(lived) == before
    assert server.read("/etc/vm.conf") == definition
    assert images(server) == there
    assert said(server, "ls /elsewhere") == ""


def test_another_format_is_refused(lived: Site) -> None:
    good = lived.vm_file("web1").read_text()
    lived.vm_file("web1").write_text(f"{good}disk_format: raw\n")
    try:
        for verb in ("apply", "reinstall"):
            refuses(
                lived.play("vm", *WEB1, "-e", f"verb={verb}"),
                "web1: vms/web1.yml: disk_format: raw is asked for",
                "has the image /var/vmm/web1.qcow2 in the format qcow2",
            )
    finally:
        lived.vm_file("web1").write_text(good)
    assert status(lived.server1)["web1"] == "running"


def test_another_server_is_refused(lived: Site) -> None:
    good = lived.vm_file("web1").read_text()
    definition = lived.server1.read("/etc/vm.conf")
    lived.vm_file("web1").write_text(good.replace("server: server1", "server: server2"))
    try:
        refuses(
            lived.play("vm", *WEB1),
            "web1: vms/web1.yml: server: server2 is asked for",
            "allocations/server1.yml has web1 installed there",
            "-e vm=web1 -e verb=move -e to=server2",
        )
        # A run over the whole fleet takes nothing from it either.
        refuses(lived.play("site"), "web1: vms/web1.yml: server: server2 is asked for")
    finally:
        lived.vm_file("web1").write_text(good)
    assert lived.server1.read("/etc/vm.conf") == definition
    assert "web1" not in said(lived.servers["server2"], "cat /etc/vm.conf /etc/dhcpd.conf")
    assert "web1" not in (lived.fleet / "allocations/server2.yml").read_text()


def test_other_addresses_are_refused_before_anything_is_touched(lived: Site) -> None:
    """The line of a VM is gone from the ledger, and its number with it."""
    ledger = lived.fleet / "allocations/server1.yml"
    good = ledger.read_text()
    definition = lived.server1.read("/etc/vm.conf")
    ledger.write_text(good.replace("  web1: ", "  gone: "))
    try:
        refuses(
            lived.play("site", "--limit", "server1"),
            "/etc/vm.conf has it with the MAC fe:e1:bb:d1:c6:0",
            "was the ledger lost, or a line of it",
        )
        assert lived.server1.read("/etc/vm.conf") == definition
    finally:
        ledger.write_text(good)


def test_an_image_volume_that_is_not_mounted(lived: Site) -> None:
    """After a reboot, no run installs anything, and db1 gets its own image back."""
    server, before = lived.server1, records(lived)
    kept = {
        name: (lived.fleet / name).read_bytes()
        for name in ("host_keys/web1.pub", "handover/web1.md")
    }
    server.run("vmctl stop -w web1; mv /var/vmm /root/disk; mkdir /var/vmm")
    gone = (
        f"web1: was installed {before['web1']['at']:%Y-%m-%dT%H:%M:%SZ} (allocations/server1.yml), "
        "and its image /var/vmm/web1.qcow2 is not there: mount the volume"
    )
    refuses(lived.play("vm", *WEB1, "-e", "verb=restart"), gone)
    refuses(lived.play("site", *ONE), gone, "mail1: was installed", "shop1: was installed")
    assert status(server) == {"db1": "running"}
    assert sorted(images(server)) == ["db1.qcow2"]
    assert records(lived).keys() == {*before, "db1"}
    assert records(lived).items() >= before.items()
    assert {name: (lived.fleet / name).read_bytes() for name in kept} == kept

    # Mounted again, with what was installed meanwhile: all is as it was.
    server.run("mv /root/disk/* /root/disk/.w* /var/vmm/")
    lived.converged("--limit", "server1", "-e", "vmm_install=true")
    assert {"web1", "mail1", "shop1", "db1"} == status(server).keys()
    assert lived.play("vm", *WEB1, "-e", "verb=restart").returncode == 0
    assert (lived.fleet / "host_keys/web1.pub").read_bytes() == kept["host_keys/web1.pub"]


def test_a_fleet_without_records_knows_who_was_installed(lived: Site) -> None:
    """By host keys and hand-over sheets, where the ledger is older than its records."""
    server, ledger = lived.server1, lived.fleet / "allocations/server1.yml"
    good = ledger.read_text()
    ledger.write_text(re.sub(r", installed: \{[^}]*\}", "", good))
    server.run("vmctl stop -w web1; mv /var/vmm/web1.qcow2 /root/")
    refuses(
        lived.play("vm", *WEB1),
        "web1: was installed (the fleet has its host keys or its hand-over sheet)",
    )
    server.run("mv /root/web1.qcow2 /var/vmm/")
    assert lived.play("vm", *WEB1, "-e", "verb=restart").returncode == 0
    assert records(lived).keys() == {"web1"}
    ledger.write_text(good)


def test_a_vm_that_was_started_from_a_blank_disk_is_noticed(lived: Site) -> None:
    """As older versions left it: in vm.conf(5) with a blank image, and started at boot."""
    server = lived.servers["server2"]
    provide_sets(server)
    server.run("vmctl create -s 10G /var/vmm/build1.img")
    block = 'vm "build1" {\n\tdisable\n\tmemory 1G\n\tdisk "/var/vmm/build1.img"\n}\n'
    conf = server.read("/etc/vm.conf")
    server.write("/etc/vm.conf", conf + block.encode(), 0o600)
    server.run("rcctl restart vmd; vmctl start build1")
    assert status(server)["build1"] == "running"
    told = lived.play("vm", "-e", "vm=build1")
    refuses(told, "build1: runs from /var/vmm/build1.img, which nothing was ever written to")
    shown = lived.play("vm", "-e", "verb=status").stdout
    assert re.search(r"^build1 +server2 +present +runs without a system ", shown, re.MULTILINE), (
        shown
    )
    # Stopped, it is installed like any other.
    server.run("vmctl stop -f build1")
    result = lived.play("vm", "-e", "vm=build1")
    assert result.returncode == 0, messages(result)
    assert records(lived, "server2").keys() == {"build1"}


def test_a_server_that_reboots_before_its_vms_are_installed(ready: Site) -> None:
    """site.yml without installations, a boot, and then vm.yml."""
    server = ready.server1
    assert said(server, "ls /var/vmm").split() == ["mail1.qcow2"]
    server.run("rcctl restart vmd; /etc/rc.vmm; sleep 3")
    assert status(server) == {"mail1": "running"}
    provide_sets(server)
    result = ready.play("vm", *WEB1)
    assert result.returncode == 0, messages(result)
    assert "web1 has rebooted" in result.stdout
    assert status(server) == {"mail1": "running", "web1": "running"}


def test_a_setting_that_is_tried_and_taken_back(ready: Site) -> None:
    """A run that fails before it installs leaves nothing that a later run goes by."""
    site, server = ready, ready.server1
    before = images(server)
    words = ("--limit", "server1", "-e", "vmm_install=true", "-e", "dhcpd_interfaces=[nowhere0]")
    result = site.play("site", *words, "-e", "vmm_image_directory=/home/vm")
    assert result.returncode != 0
    site.converged("--limit", "server1")
    assert images(server) == before
    assert status(server)["mail1"] == "stopped"

    # As an older version left it: the note of an installation that never began.
    server.write("/var/vmm/.web1.install.conf", "# installs; written by puffy.vmm for me@here\n")
    site.converged("--limit", "server1", "-e", "vmm_install=false")
    assert server.run("test -e /var/vmm/.web1.install.conf").returncode != 0
    assert images(server) == before
