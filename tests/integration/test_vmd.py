# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8) needs of a machine, and what it does when the machine boots."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import time

import pytest
from integration.harness import (
    CHECKOUT,
    Site,
    messages,
    provide_system,
    recap,
    state,
)

from sandbox.model.sets import tarball
from sandbox.model.system.signify import sign
from sandbox.server import Server

SYSTEMS = ("db1", "mail1", "shop1", "web1")
BIOS = "/etc/firmware/vmm-bios"
RUNFILE = "/var/run/rc.d/vmd"
WORLD = "http://firmware.openbsd.org/firmware/7.8"
SOME = ("--limit", "server1")


def provide_firmware(server: Server, directory: str) -> None:
    """A package of one file, and the list of packages, as a mirror has them."""
    name = "vmm-firmware-1.0.tgz"
    archive = tarball(name, {"+CONTENTS": b"@name\n", "firmware/vmm-bios": b"new bios\n"})
    listed = f"SHA256 ({name}) = {hashlib.sha256(archive).hexdigest()}\n".encode()
    server.write(f"{directory}/{name}", archive)
    server.write(f"{directory}/SHA256.sig", sign(listed, "78"))


def running(server: Server) -> list[str]:
    status = server.run("vmctl status -r").stdout.decode()
    return sorted(line.split()[-1] for line in status.splitlines()[1:])


def test_a_server_without_what_vms_need_is_left_as_it_is(site: Site) -> None:
    """First vmm(4) is missing, then the firmware, until each is there."""
    server = site.server1
    server.fault("no_vmm")
    server.fault("no_firmware")
    before = state(server)
    told = site.play("site", *SOME)
    assert "/dev/vmm: No such device or address: this server has no usable vmm(4)" in messages(told)
    assert "vmd_without_vmm: true" in messages(told)
    assert state(server) == before
    assert len(site.executions()) == 1

    server.clear("no_vmm")
    before = state(server)
    told = site.play("site", *SOME)
    said = messages(told)
    assert "/etc/firmware/vmm-bios: is missing, and fw_update(8) did not fetch it" in said
    assert f"Cannot fetch {WORLD}/SHA256.sig" in said
    assert "vmd_firmware_url" in said
    assert "The server is as it was before." in said
    assert state(server) == before

    told = site.play("site", *SOME, "-e", "vmd_firmware_missing=fail")
    assert "/etc/firmware/vmm-bios: is missing on this server" in messages(told)
    assert state(server) == before

    told = site.play("site", *SOME, "-e", "vmd_firmware_url=$(reboot)")
    assert "'$(reboot)' is not a source for fw_update(8)" in messages(told)
    assert state(server) == before

    server.run("mkdir /home/fw")
    provide_firmware(server, "/home/fw")
    # It was there before, and fw_update(8) has it on record still.
    server.run("mkdir -p /var/db/pkg/vmm-firmware-1.0")
    check = site.play("site", *SOME, "--check", "-e", "vmd_firmware_url=/home/fw")
    assert "would fetch firmware vmm" in check.stdout
    assert server.run(f"test -e {BIOS}").returncode != 0
    site.converged(*SOME, "-e", "vmd_firmware_url=/home/fw")
    assert server.read(BIOS) == b"new bios\n"
    assert server.run("rcctl check vmd").returncode == 0


def test_a_server_without_vmm_can_be_configured_all_the_same(site: Site) -> None:
    server = site.server1
    server.fault("no_vmm")
    server.fault("no_firmware")
    for name in SYSTEMS:
        provide_system(server, name)
    allowed = (*SOME, "-e", "vmd_without_vmm=true", "-e", "vmd_firmware_missing=ignore")
    first = site.play("site", *allowed)
    said = messages(first)
    assert first.returncode == 0, said
    assert "vmd is configured, but not started" in said
    assert "/etc/firmware/vmm-bios: is missing: VMs can be installed, but cannot start" in said
    assert server.run("rcctl check vmd").returncode == 1
    assert server.run("rcctl get vmd status").returncode == 0
    assert b'vm "web1"' in server.read("/etc/vm.conf")
    before = state(server)
    again = site.play("site", *allowed)
    assert recap(again, "server1")["changed"] == 0, messages(again)
    assert state(server) == before

    # Switched on in the meantime: the same run starts vmd.
    server.clear("no_vmm")
    again = site.play("site", *allowed)
    assert recap(again, "server1")["changed"] == 1, messages(again)
    assert server.run("rcctl check vmd").returncode == 0
    # VMs that start from their disks need the firmware.
    more = ("-e", "vmd_firmware_missing=ignore")
    told = site.play("vm", "-e", "vm=db1", "-e", "verb=restart", *more)
    assert "cannot start from its disk" in messages(told)
    assert running(server) == []


def test_vms_start_when_the_system_boots(booted: Site) -> None:
    """A restart of vmd and rc.local(8) stand for a boot, in which nobody waits for VMs."""
    server = booted.server1
    server.write("/etc/rc.local", "echo foreign >/tmp/foreign\nexit 0\n", 0o600)
    booted.converged(*SOME)
    assert server.read("/etc/rc.local").decode() == (
        "echo foreign >/tmp/foreign\n[ ! -x /etc/rc.vmm ] || /etc/rc.vmm\nexit 0\n"
    )
    assert server.run("stat -f %Lp /etc/rc.local").stdout == b"600\n"
    server.run("rcctl restart vmd")
    assert running(server) == []
    begin = time.monotonic()
    done = server.ssh("sh /etc/rc.local")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    deadline = begin + 60
    log = ""
    while "finished starting" not in log and time.monotonic() < deadline:
        time.sleep(0.5)
        log = server.read("/var/log/daemon").decode()
    # shop1 is suspended; vmm_installing and archived VMs are not in vm.conf at all.
    assert running(server) == ["db1", "mail1", "web1"]
    told = re.findall(r"rc\.vmm: (.*)", log)
    assert told == [
        "started db1",
        "started mail1",
        "started web1",
        "finished starting the VMs with autostart",
    ]
    # Each has an interface in its own group, and db1 one more on the other switch; owners own them.
    for group in ("vm1nic", "mail-in", "vm5nic"):
        assert b"tap" in server.run(f"ifconfig {group}").stdout
    assert re.findall(r"^\t(tap\d+) ", server.run("ifconfig veb43").stdout.decode(), re.MULTILINE)
    assert server.run("vmctl stop -f web1", user="puffy").returncode == 0
    assert server.run("vmctl start web1", user="puffy").returncode == 0
    # Run once more it finds nothing to do, and disturbs nobody.
    pids = server.run("vmctl status -r").stdout
    server.run("/etc/rc.vmm")
    time.sleep(3)
    assert server.run("vmctl status -r").stdout == pids


def test_a_boot_without_vmd_is_told_of(booted: Site) -> None:
    server = booted.servers["server2"]
    server.run("rcctl stop vmd")
    text = server.read("/etc/rc.vmm").decode().replace("sleep 2", "sleep 0.01")
    server.write("/tmp/rc.vmm", text, 0o755)
    server.run("/tmp/rc.vmm")
    log = ""
    for _ in range(100):
        time.sleep(0.3)
        log = server.read("/var/log/daemon").decode()
        if "rc.vmm" in log:
            break
    assert "rc.vmm: vmd does not answer: no VM was started" in log
    server.run("rcctl start vmd")


def test_drift_of_what_vmd_boots_with_is_repaired(booted: Site) -> None:
    server = booted.server1
    before = state(server)
    server.run("echo : >>/etc/login.conf.d/vmd; chmod 644 /etc/rc.vmm; rm /etc/rc.local")
    server.run(f"sed -i s/timeout=600/timeout=30/ {RUNFILE}")
    drifted = state(server)
    check = booted.play("site", *SOME, "--check")
    for line in (
        "change /etc/login.conf.d/vmd (vmd uses it when it starts the next time)",
        "change mode or owner of /etc/rc.vmm",
        "create /etc/rc.local",
        f"change {RUNFILE} (vmd runs with another time limit)",
    ):
        assert f"would {line}" in check.stdout
    # None of it has vmd read its file again.
    assert "reload vmd" not in check.stdout
    assert state(server) == drifted
    booted.converged(*SOME)
    after = state(server)
    changed = {path for path in {*after, *before} if after.get(path) != before.get(path)}
    assert changed <= {"/etc/rc.local"}
    assert server.run("stat -f '%Lp %Su' /etc/rc.local").stdout == b"644 root\n"
    assert b"daemon_timeout=600" in server.read(RUNFILE)


def test_a_run_for_one_vm_takes_others_out_of_no_file(booted: Site) -> None:
    """The script of VMs that start is compared VM by VM, as vm.conf is."""
    web1 = booted.vm_file("web1")
    good = web1.read_text()
    mail1 = booted.vm_file("mail1")
    other = mail1.read_text()
    web1.write_text(f"{good}autostart: false\n")
    mail1.write_text(other.replace("autostart: true", "autostart: false"))
    try:
        told = booted.play("vm", "-e", "vm=web1", "-e", "verb=restart")
        assert "mail1 in /etc/rc.vmm" in messages(told)
        assert "web1 in /etc/rc.vmm" not in messages(told)
    finally:
        web1.write_text(good)
        mail1.write_text(other)


@pytest.mark.parametrize("shell", ["mksh", "dash", "bash"])
def test_the_script_is_plain_sh(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = CHECKOUT / "tests/golden/example/server1/etc/rc.vmm"
    subprocess.run([shell, "-n", str(script)], check=True)


def test_shellcheck_finds_nothing_in_the_script() -> None:
    script = CHECKOUT / "tests/golden/example/server1/etc/rc.vmm"
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(script)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
