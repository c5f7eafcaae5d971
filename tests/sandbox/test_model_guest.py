# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Guests: what they boot, what their reboot leads to, and what is on their disks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.model import sets
from sandbox.model.guest import FOREIGN, INSTALLING, NO_ROOT, RAMDISK
from sandbox.model.images import GuestDisk, Image
from sandbox.vm_server import INSTALLED, VmServer, block

NET = ("enable", 'boot "/bsd.rd"', "boot device net")
BLANK = "No active partition"
PROMPT = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "


class FakeInstallation:
    """Writes a record and reboots once `go` is set; or is stuck, if there is no disk."""

    go = threading.Event()

    def __init__(
        self,
        machine: Any,
        mac: str,
        tap: str,
        disks: Sequence[GuestDisk],
        console: Callable[[str], None],
        _typed: Callable[[], str],
    ) -> None:
        console(f"{mac} {tap} {[disk.name for disk in disks]}")
        self.machine = machine
        self.disks = disks

    def run(self, cancelled: threading.Event) -> str:
        while not (self.go.wait(0.01) or cancelled.is_set()):
            continue
        if cancelled.is_set() or not self.disks:
            return "stuck"
        with self.machine.lock:
            self.disks[0].write(INSTALLED)
        return "reboot"


@pytest.fixture
def server(tmp_path: Path) -> VmServer:
    server = VmServer.make(tmp_path, "web1", "web2")
    server.machine.guests.installation = FakeInstallation  # type: ignore[assignment]
    FakeInstallation.go.clear()
    return server


def image(server: VmServer, name: str = "web1.img", kind: str = "raw") -> Image:
    return Image(server.machine.files, f"/var/vmm/{name}", kind)


def kind(server: VmServer, name: str = "web1") -> str:
    guest = server.machine.guests.get(name)
    return guest.kind if guest else ""


def test_a_blank_disk_boots_nothing_for_ever(server: VmServer) -> None:
    server.boot(block("web1", "enable"))
    assert server.machine.guests.console("web1")[-1] == BLANK
    assert server.states() == {"web1": "running"}
    server.ok("vmctl stop web1")
    assert server.states() == {"web1": "stopped"}


def test_an_installed_disk_boots_a_system_that_answers(server: VmServer) -> None:
    server.install("web1")
    server.boot(block("web1", "enable"))
    assert not server.machine.guests.answers("203.0.113.10")
    server.until_up("web1")
    assert server.machine.guests.answers("203.0.113.10")
    assert server.machine.guests.answers("2001:db8::10")
    assert not server.machine.guests.answers("203.0.113.11")
    assert server.machine.guests.console("web1")[-1] == "login: "
    server("ifconfig veb42 down")
    assert not server.machine.guests.answers("203.0.113.10")


def test_a_guest_without_sshd_does_not_answer(server: VmServer) -> None:
    image(server).write({**INSTALLED, "sshd": False})
    server.boot(block("web1", "enable"))
    server.until_up("web1")
    assert not server.machine.guests.answers("203.0.113.10")


def test_another_system_has_no_vmmci(server: VmServer) -> None:
    server.machine.files.write_bytes("/var/vmm/web1.img", bytes(510) + b"\x55\xaa" + bytes(2**20))
    server.boot(block("web1", "enable"))
    assert kind(server) == FOREIGN
    server.ok("vmctl stop web1")
    assert server.states() == {"web1": "stopped"}


def test_a_kernel_without_a_root_disk_heeds_nobody(server: VmServer) -> None:
    server.boot(block("web1"))
    server.ok("vmctl start -b /bsd web1")
    assert kind(server) == NO_ROOT
    server.ok("vmctl stop web1")
    assert server.states() == {"web1": "stopping"}
    server.until_state("web1", "stopped")


def test_a_cdrom_boots_if_it_is_told_to(server: VmServer) -> None:
    server.install("web1")
    server.machine.files.write_text("/tmp/cd.iso", "")
    cdrom = 'cdrom "/tmp/cd.iso"'
    server.boot(block("web1", "enable", cdrom))
    server.until_up("web1")
    server.ok("vmctl stop -fw web1")
    server.conf(block("web1", "enable", cdrom, "boot device cdrom"))
    server.ok("vmctl reload")
    # An installed record is on the disk, and yet the BIOS does not look there first.
    assert server.machine.guests.console("web1")[-1] == "Booting from DVD/CD..."


@pytest.mark.parametrize(
    "options", [("enable", 'boot "/bsd.rd"'), ("enable", 'boot "/bsd.rd"', "boot device disk")]
)
def test_the_installer_without_boot_device_net_asks(
    server: VmServer, options: tuple[str, ...]
) -> None:
    server.boot(block("web1", *options))
    assert kind(server) == RAMDISK
    assert server.machine.guests.console("web1")[-1] == PROMPT


def test_a_copy_of_the_installer_is_one(server: VmServer) -> None:
    files = server.machine.files
    files.write_bytes("/var/vmm/kernel", files.read_bytes("/bsd.rd"))
    assert server.machine.guests.is_ramdisk("/var/vmm/kernel")
    assert server.machine.guests.is_ramdisk("/var/vmm/bsd.rd-7.8")
    assert not server.machine.guests.is_ramdisk("/bsd")


def test_recipe_a_stops_at_the_reboot_of_the_installer(server: VmServer) -> None:
    server.boot(block("web1", *NET))
    assert kind(server) == INSTALLING
    assert server.machine.guests.console("web1") == ["fe:e1:bb:d1:c8:01 tap0 ['sd0']"]
    FakeInstallation.go.set()
    server.until_state("web1", "stopped")
    server.conf(block("web1"))
    server.ok("vmctl reload")
    server.ok("vmctl start web1")
    server.until_up("web1")
    assert server.machine.guests.answers("203.0.113.10")


def test_a_boot_path_without_a_device_installs_again_and_again(server: VmServer) -> None:
    server.boot(block("web1", "enable", 'boot "/bsd.rd"'))
    pid, tty = server.vm("web1").pid, server.vm("web1").tty
    server.machine.guests.reboot("web1")
    assert server.vm("web1").pid != pid
    assert server.vm("web1").tty == tty
    assert kind(server) == RAMDISK


def test_a_kernel_of_the_command_line_is_for_one_boot(server: VmServer) -> None:
    server.boot(block("web1"))
    server.ok("vmctl start -b /bsd.rd web1")
    assert kind(server) == RAMDISK
    server.machine.guests.reboot("web1")
    assert server.machine.guests.console("web1")[-1] == BLANK


def test_recipe_c_is_gone_at_the_end(server: VmServer) -> None:
    server.boot()
    disk = "-d /var/vmm/web1.img"
    server.ok(f"vmctl start -B net -b /bsd.rd -m 512M -n uplink {disk} web1")
    assert kind(server) == INSTALLING
    FakeInstallation.go.set()
    server.until(lambda: server.states() == {})
    record = image(server).record()
    assert record is not None
    assert record["hostname"] == INSTALLED["hostname"]


def test_an_installation_that_is_stuck_runs_on(server: VmServer) -> None:
    text = 'vm "web1" {\n\tboot "/bsd.rd"\n\tboot device net\n\tcdrom "/bsd"\n\tinterface\n}\n'
    server.boot(text)
    FakeInstallation.go.set()
    server.until(lambda: kind(server) == RAMDISK)
    assert server.states() == {"web1": "running"}


def test_an_installation_that_is_cut_off_writes_nothing(server: VmServer) -> None:
    server.boot(block("web1", *NET))
    server.ok("vmctl stop -fw web1")
    FakeInstallation.go.set()
    assert image(server).is_blank()


def test_a_shutdown_stops_an_installation(server: VmServer) -> None:
    server.boot(block("web1", *NET))
    server.ok("vmctl stop -w web1")
    FakeInstallation.go.set()
    assert image(server).is_blank()
    assert server.states() == {"web1": "stopped"}


def test_a_guest_that_reboots_too_often_is_stopped(server: VmServer) -> None:
    server.boot(block("web1", "enable"))
    for _ in range(3):
        assert server.states() == {"web1": "running"}
        server.machine.guests.reboot("web1")
    assert server.states() == {"web1": "stopped"}
    assert server.log()[-1] == "config_setvm: vm 1 restarted too quickly"


def test_power_off(server: VmServer) -> None:
    server.boot(block("web1", "enable"))
    server.machine.guests.power_off("web1")
    assert server.states() == {"web1": "stopped"}
    assert server.machine.network.members("veb42") == ["vport42"]


# images


def test_an_installed_image_is_not_blank(server: VmServer) -> None:
    server.ok("vmctl create -s 1G /var/vmm/a.qcow2")
    for name, form in (("web1.img", "raw"), ("a.qcow2", "qcow2")):
        one = image(server, name, form)
        before = server.machine.files.stat(one.path)
        assert one.is_blank()
        one.write(INSTALLED)
        after = server.machine.files.stat(one.path)
        assert not one.is_blank()
        assert one.record() == INSTALLED
        assert after.st_blocks > before.st_blocks + 4096
        assert (after.st_size > before.st_size) == (form == "qcow2")
    assert server.machine.files.read_bytes("/var/vmm/web1.img")[510:512] == b"\x55\xaa"


def test_a_guest_boots_from_the_base_of_its_image(server: VmServer) -> None:
    server.ok("vmctl create -s 1G /var/vmm/base.qcow2")
    image(server, "base.qcow2", "qcow2").write(INSTALLED)
    server.ok("vmctl create -b /var/vmm/base.qcow2 /var/vmm/top.qcow2")
    server.boot(block("web1", "enable", disk="/var/vmm/top.qcow2"))
    server.until_up("web1")
    assert server.machine.guests.answers("203.0.113.10")


def test_a_disk_that_is_too_small(server: VmServer) -> None:
    server.ok("vmctl create -s 1M /var/vmm/small.img")
    with pytest.raises(OSError, match="No space left on device"):
        image(server, "small.img").write(INSTALLED)


# all of it, with dhcpd, httpd and the installer


def test_an_installation_from_load_to_login(tmp_path: Path) -> None:
    server = VmServer.make(tmp_path)
    server.ok("vmctl create -s 8G /var/vmm/web1.img")
    files = server.machine.files
    files.write_text(
        "/etc/dhcpd.conf",
        "subnet 203.0.113.0 netmask 255.255.255.0 {\n\toption routers 203.0.113.1;\n"
        "\toption domain-name-servers 203.0.113.1;\n\thost web1 {\n"
        "\t\thardware ethernet fe:e1:bb:d1:c8:01;\n\t\tfixed-address 203.0.113.10;\n"
        '\t\tfilename "auto_install";\n\t\tnext-server 203.0.113.1;\n'
        '\t\toption host-name "web1";\n\t}\n}\n',
    )
    files.write_text(
        "/etc/httpd.conf",
        'server "default" {\n\tlisten on * port 80\n\troot "/htdocs/install"\n'
        '\tlocation "/pub/OpenBSD/7.8/amd64/*" {\n\t\troot "/htdocs/amd64"\n'
        "\t\trequest strip 4\n\t}\n}\n",
    )
    sets.provide_sets(server.machine, "7.8", "/var/www/htdocs/amd64")
    for name in ("htdocs/install", "logs"):
        files.mkdir(f"/var/www/{name}")
    files.write_text(
        "/var/www/htdocs/install/fe:e1:bb:d1:c8:01-install.conf",
        "System hostname = web1\nPassword for root = *************\n"
        "Setup a user = puffy\nPassword for user = *************\n"
        "Public ssh key for user = ssh-ed25519 AAAA puffy\n"
        "Which disk is the root disk = sd0\nWhat timezone are you in = UTC\n"
        "Location of sets = http\nHTTP Server = 203.0.113.1\n"
        "Server directory = pub/OpenBSD/7.8/amd64\nSet name(s) = -x* -game*\n",
    )
    for daemon in ("dhcpd", "httpd"):
        server.ok(f"rcctl enable {daemon}")
        server.ok(f"rcctl start {daemon}")
    server.boot()
    files.write_text("/tmp/web1.conf", block("web1", *NET))
    server.ok("vmctl load /tmp/web1.conf")
    server.until(lambda: server.states() == {"web1": "stopped"}, seconds=20)
    console = server.machine.guests.console("web1")
    assert "CONGRATULATIONS! Your OpenBSD install has been successfully completed!" in console
    server.conf(block("web1"))
    server.ok("vmctl reload")
    server.ok("vmctl start web1")
    server.until_up("web1")
    assert server.machine.guests.answers("203.0.113.10")
