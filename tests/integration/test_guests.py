# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Guests that autoinstall(8) does not install, further disks, and names as vmd(8) takes them."""

from __future__ import annotations

import re
import subprocess

import yaml
from integration.harness import Site, messages, provide_sets, recap
from integration.test_vm import status

from sandbox.server import Server

LINUX = "Vm_1.example"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAZu/xq8eJGgj3LyOOtJP7IY802vHfpepL0zdsl0UQrc"


def add(site: Site, name: str, *lines: str, owner: str = "alice.b") -> None:
    """A VM file of server1; one with the VM's own host name."""
    text = f"server: server1\nowner: {owner}\nhostname: {name.replace('_', '-').lower()}.example\n"
    site.vm_file(name).write_text("\n".join([f"{text}ssh_keys: [{KEY}]", *lines, ""]))


def image(server: Server, path: str, *, size: str = "1G") -> None:
    """An image with another system in it, as somebody brings it along."""
    assert server.run(f"vmctl create -s {size} {path}").returncode == 0
    server.write(path, server.read(path) + b"GRUB \n" * (1 << 18))


def line(site: Site, name: str) -> dict[str, object]:
    """The line of a VM in the ledger."""
    text = (site.fleet / "allocations/server1.yml").read_text()
    entry: dict[str, object] = yaml.safe_load(text)["vms"][name]
    return entry


def block(site: Site, name: str) -> str:
    """The block of a VM in vm.conf(5), "" where it has none."""
    text = site.server1.read("/etc/vm.conf").decode()
    match = re.search(rf'^vm "{re.escape(name)}" {{\n(.*?)^}}', text, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def unchanged(site: Site) -> None:
    """site.yml finds server1 as it should be."""
    result = site.play("site", "--limit", "server1")
    assert result.returncode == 0, messages(result)
    assert recap(result, "server1")["changed"] == 0, messages(result)


def converges(site: Site) -> None:
    """site.yml succeeds, and once more it changes nothing."""
    site.converged("--limit", "server1")
    unchanged(site)


def asked(site: Site, name: str, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a verb does; the account of an owner without another VM is locked, and opened again."""
    return site.play("vm", "-e", f"vm={name}", "-e", f"verb={verb}", *words)


def test_an_image_that_was_brought_along(ready: Site) -> None:
    server = ready.server1
    add(ready, LINUX, "install: none", "image: /var/vmm/linux.qcow2", "disks: [{size: 2G}]")
    refused = ready.play("site", "--limit", "server1")
    assert refused.returncode != 0
    assert "the image that is to be brought along, /var/vmm/linux.qcow2, is not" in messages(
        refused
    )
    assert block(ready, LINUX) == ""
    assert b"linux" not in server.run("ls -a /var/vmm").stdout

    image(server, "/var/vmm/linux.qcow2")
    converges(ready)
    assert status(ready)[LINUX][1] == "running"
    assert 'disk "/var/vmm/linux.qcow2" format qcow2' in block(ready, LINUX)
    assert f'disk "/var/vmm/{LINUX}.disk2.qcow2" format qcow2' in block(ready, LINUX)
    assert 'owner "alice.b"' in block(ready, LINUX)
    entry = line(ready, LINUX)
    assert str(entry["installed"]).count("/var/vmm/linux.qcow2") == 1
    assert entry["disks"] == [{"image": f"/var/vmm/{LINUX}.disk2.qcow2", "format": "qcow2"}]
    # It is never handed to autoinstall(8), in whatever way.
    dhcpd_conf = server.read("/etc/dhcpd.conf").decode()
    host = dhcpd_conf.partition(f"host {LINUX} {{")[2].partition("}")[0]
    assert "fixed-address" in host
    assert 'option host-name "vm-1-example"' in host
    assert "filename" not in host
    assert server.run("ls -a /var/www/htdocs/install").stdout.split() == [b".", b".."]
    assert not (ready.fleet / f"credentials/{LINUX}.yml").exists()
    assert f"# VM {LINUX}\n" in server.read("/etc/pf.puffy.vmm.conf").decode()
    assert KEY in server.read("/etc/ssh/owners/alice.b").decode()

    for verb in ("reinstall", "rescue", "installed"):
        refused = asked(ready, LINUX, verb)
        assert refused.returncode != 0
        assert "has install: none" in messages(refused)
    for verb, state in (
        ("suspend", "stopped"), ("resume", "running"), ("restart", "running"), ("archive", ""),
        ("restore", "running"),
    ):  # fmt: skip
        done = asked(ready, LINUX, verb)
        assert done.returncode == 0, messages(done)
        assert status(ready).get(LINUX, ("", ""))[1] == state
    # What was there once is looked for, and made by nobody.
    assert server.run(f"vmctl stop -w {LINUX}").returncode == 0
    assert server.run(f"rm /var/vmm/{LINUX}.disk2.qcow2").returncode == 0
    refused = ready.play("site", "--limit", "server1")
    assert "had the disk" in messages(refused)
    assert "disk2" not in server.run("ls /var/vmm").stdout.decode()
    assert block(ready, LINUX) == ""
    image(server, f"/var/vmm/{LINUX}.disk2.qcow2")
    ready.converged("--limit", "server1")
    assert asked(ready, LINUX, "archive").returncode == 0
    gone = asked(ready, LINUX, "purge", "-e", f"confirm={LINUX}")
    assert gone.returncode == 0, messages(gone)
    left = server.run("ls -a /var/vmm").stdout.decode()
    assert "linux" not in left
    assert LINUX not in left


def test_a_guest_that_somebody_installs_from_a_cd(ready: Site) -> None:
    server = ready.server1
    add(ready, "openbsd.vm", "install: iso", "cdrom: /home/iso/a.iso", "disk: 2G", owner="_service")
    refused = ready.play("vm", "-e", "vm=openbsd.vm")
    assert "has cdrom: /home/iso/a.iso, and the server has no such file" in messages(refused)
    assert server.run("mkdir -p /home/iso && touch /home/iso/a.iso").returncode == 0
    done = ready.play("vm", "-e", "vm=openbsd.vm")
    assert done.returncode == 0, messages(done)
    ready.converged("--limit", "server1")
    assert status(ready)["openbsd.vm"][1] == "running"
    assert "boot device cdrom" in block(ready, "openbsd.vm")
    path = "/var/vmm/openbsd.vm.qcow2"
    assert line(ready, "openbsd.vm")["made"] == {"image": path, "format": "qcow2"}
    refused = asked(ready, "openbsd.vm", "installed")
    assert "has nothing in its image" in messages(refused)
    # Somebody installs it, at the console.
    server.write(path, server.read(path) + b"system\n" * (1 << 18))
    assert server.run("vmctl stop -w openbsd.vm").returncode == 0
    unchanged(ready)
    assert status(ready)["openbsd.vm"][1] == "stopped"
    done = asked(ready, "openbsd.vm", "installed")
    assert done.returncode == 0, messages(done)
    assert status(ready)["openbsd.vm"][1] == "running"
    assert "boot device" not in block(ready, "openbsd.vm")
    assert 'cdrom "/home/iso/a.iso"' in block(ready, "openbsd.vm")
    assert "made" not in line(ready, "openbsd.vm")
    unchanged(ready)


def test_names_as_vmd_takes_them(ready: Site) -> None:
    """They are installed, watched, archived and restored like any other."""
    server = ready.server1
    provide_sets(server)
    add(ready, "openbsd.vm")
    add(ready, LINUX, "disks: [{size: 1G, format: raw}]", owner="Alice_2")
    done = ready.play("vm", "-e", f"vm=openbsd.vm,{LINUX}")
    assert done.returncode == 0, messages(done)
    for name in ("openbsd.vm", LINUX):
        assert status(ready)[name][1] == "running"
        assert (ready.fleet / f"host_keys/{name}.pub").exists()
        assert (ready.fleet / f"handover/{name}.md").exists()
    assert f'disk "/var/vmm/{LINUX}.disk2.img" format raw' in block(ready, LINUX)
    converges(ready)
    for verb in ("archive", "restore"):
        done = asked(ready, LINUX, verb)
        assert done.returncode == 0, messages(done)
    assert status(ready)[LINUX][1] == "running"
    add(ready, "openbsd-VM")
    refused = ready.play("site", "--limit", "server1")
    assert "openbsd-vm is also the host name of openbsd.vm (vms/openbsd.vm.yml)" in messages(
        refused
    )


def test_a_directory_of_images_that_is_a_link(ready: Site) -> None:
    server = ready.server1
    assert server.run("mv /var/vmm /home/vmm && ln -s /home/vmm /var/vmm").returncode == 0
    unchanged(ready)
    assert server.run("[ -L /var/vmm ]").returncode == 0
    assert server.run("chmod 0777 /home/vmm").returncode == 0
    refused = ready.play("site", "--limit", "server1")
    assert "is a link, and the directory has the mode 0777" in messages(refused)
