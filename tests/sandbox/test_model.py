# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What bites on OpenBSD bites here, too; test_transcripts.py compares what was recorded."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.install_rig import FAILED, FILES, GIGABYTE, MAC, ONCE, RESPONSE, Disk, Rig
from sandbox.model import Machine
from sandbox.model.guest.installer import Installation
from sandbox.model.guest.ttys import STDIN
from sandbox.model.pf.packets import Packet, filtered
from sandbox.target.call import Call, Result

SERVER = "203.0.113.1"
PING = f"/sbin/ping -n -q -c 1 -w 1 -t 1 -I {SERVER} 224.0.0.1"
TCPDUMP = f"/usr/sbin/tcpdump -l -n -c 1 -i pair9 icmp and src host {SERVER} and dst host 224.0.0.1"
VM = 'vm "{}" {{\n\tdisable\n\tmemory 512M\n\tdisk "/var/vmm/{}.img"\n}}\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = bare.machine(tmp_path)
    made.files.mkdir("/var/vmm")
    return made


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def ok(machine: Machine, *commands: str) -> str:
    """What the last one says."""
    for command in commands:
        result = machine.run(command)
        assert result.rc == 0, f"{command}: {result.stderr}"
    return result.stdout


def until(machine: Machine, text: str, command: str) -> None:
    end = time.monotonic() + 20
    while text not in machine.run(command).stdout:
        assert time.monotonic() < end, machine.run(command)
        time.sleep(0.02)


def test_reload_starts_what_is_not_disabled(machine: Machine) -> None:
    ok(machine, *(f"vmctl create -s 64M /var/vmm/{name}.img" for name in ("a", "b")))
    machine.files.write_text("/etc/vm.conf", VM.format("a", "a"))
    ok(machine, "rcctl enable vmd", "rcctl start vmd")
    more = VM.format("a", "a") + VM.format("b", "b").replace("\tdisable\n", "")
    machine.files.write_text("/etc/vm.conf", more)
    ok(machine, "vmctl reload")
    shown = [line.split()[-2:] for line in ok(machine, "vmctl status").splitlines()[1:]]
    assert shown == [["running", "b"], ["stopped", "a"]]


def test_load_ignores_names_that_are_known(machine: Machine) -> None:
    ok(machine, *(f"vmctl create -s 64M /var/vmm/{name}.img" for name in ("a", "b")))
    machine.files.write_text("/etc/vm.conf", VM.format("a", "a"))
    ok(machine, "rcctl enable vmd", "rcctl start vmd")
    more = VM.format("a", "a").replace("512M", "1G") + VM.format("b", "b")
    machine.files.write_text("/etc/more", more)
    ok(machine, "vmctl load etc/more")
    shown = ok(machine, "vmctl status")
    assert [line.split()[3] for line in shown.splitlines()[1:]] == ["512M", "512M"]


def test_a_vm_that_boots_from_its_cd_stops_when_it_reboots(machine: Machine) -> None:
    """config_setvm() of vmd/config.c looks at the CD, and TERMINATE_VM_EVENT of vmd/vmd.c stops."""
    ok(machine, "vmctl create -s 64M /var/vmm/a.img")
    cd = VM.format("a", "a").replace("}", '\tboot device cdrom\n\tcdrom "/iso"\n}')
    machine.files.write_text("/etc/vm.conf", cd)
    ok(machine, "vmd -n", "rcctl enable vmd", "rcctl start vmd")
    assert machine.run("vmctl start a").stderr == "vmctl: could not find specified iso image\n"
    machine.files.write_text("/iso", "")
    ok(machine, "vmctl start a")
    assert ok(machine, "vmctl status").split()[-2:] == ["running", "a"]
    ok(machine, "vmctl stop -f a")
    machine.faults.set("processor_dies", "Booting from DVD/CD...")
    ok(machine, "vmctl start a")
    # The guest boots while vmctl(8) has returned already.
    until(machine, "stopped", "vmctl status")
    assert ok(machine, "vmctl status").split()[-2:] == ["stopped", "a"]


def test_rdr_to_counts_as_the_last_match_only(machine: Machine) -> None:
    rule = "pass in on vio0 inet proto tcp to port 80 rdr-to 127.0.0.1 port 8080\n"
    asks = Packet("203.0.113.9", SERVER, "tcp", 40000, 80)
    for rules, port in (
        (rule, 8080),
        (f"{rule}pass\n", 80),
        (rule.replace("in", "in quick", 1) + "pass\n", 8080),
    ):
        machine.files.write_text("/etc/pf.conf", rules)
        ok(machine, "pfctl -f /etc/pf.conf")
        taken = filtered(machine, "vio0", "in", asks)
        assert taken is not None
        assert taken.target_port == port


# pair(4), and packets through a switch


def switch(machine: Machine, host: str) -> None:
    """veb42 with the server's own interface, and a pair for somebody who listens."""
    port = "pair84" if host == "pair85" else host
    interfaces = dict.fromkeys(("veb42", port, host, "pair8", "pair9"))
    ok(machine, *(f"ifconfig {interface} create" for interface in interfaces))
    if port != host:
        ok(machine, f"ifconfig {host} patch {port}", f"ifconfig {port} up")
    ok(machine, f"ifconfig {host} inet {SERVER}/24", "ifconfig pair9 patch pair8 up")
    ok(machine, "ifconfig pair8 up", f"ifconfig veb42 add {port} add pair8 up")


def hears(machine: Machine) -> Result:
    """What tcpdump says while the server pings."""
    said: list[Result] = []
    thread = threading.Thread(target=lambda: said.append(machine.run(TCPDUMP, patience=2)))
    thread.start()
    while not machine.wire.heard and thread.is_alive():
        time.sleep(0.01)
    assert machine.run(PING).rc == 1
    thread.join()
    return said[0]


@pytest.mark.parametrize(
    ("host", "link1", "rc"),
    [("pair85", False, 0), ("pair85", True, 0), ("vport42", False, 0), ("vport42", True, 124)],
)
def test_the_servers_own_packets(machine: Machine, host: str, link1: bool, rc: int) -> None:
    switch(machine, host)
    if link1:
        ok(machine, "ifconfig veb42 link1")
    heard = hears(machine)
    assert heard.rc == rc
    assert (f"{SERVER} > 224.0.0.1: icmp: echo request" in heard.stdout) == (rc == 0)


# installations


def test_answers_are_consumed(rig: Rig) -> None:
    """The question comes again, and its answer is gone: the default is taken."""
    rig.respond(Setup_a_user="root")
    assert rig.run() == "reboot"
    assert "root is not a usable loginname." in rig.console
    record = rig.disk.written[-1]
    assert (record["user"], record["timezone"]) == (None, "Europe/Amsterdam")


def test_a_small_disk(rig: Rig) -> None:
    rig.disk = Disk(size=GIGABYTE // 2)
    assert rig.run() == "stuck"
    assert "Cannot determine prefetch area. Continue without verification?" in rig.console[-3]
    assert rig.console[-2:] == FAILED


def test_a_response_file_that_is_not_there(rig: Rig) -> None:
    rig.machine.files.remove(RESPONSE)
    rig.respond(f"{FILES}/{ONCE}/install.conf@203.0.113.14")
    assert rig.run() == "reboot"
    asked = [line.partition("?")[0] for line in rig.console if line.startswith("Fetching ")]
    names = (f"{MAC}-install", "web1-install", "install")
    assert asked == [f"Fetching http://203.0.113.1/{ONCE}/{name}.conf" for name in names]


# terminals


def stty(machine: Machine, stdin: str = "/dev/ttyp0") -> int:
    reply = machine.handle(Call(("stty", "raw", "-echo"), environment={STDIN: stdin}))
    assert isinstance(reply, Result)
    return reply.rc


def test_echo_comes_back_until_raw_mode_is_set(machine: Machine) -> None:
    ttys, path = machine.ttys, "/dev/ttyp0"
    ttys.open(path)
    assert stty(machine, "/dev/null") == 1
    assert ttys.write(path, "nobody reads") == ""
    place = machine.files.resolve(path, follow=False)
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    assert ttys.write(path, "echo") == "echo"
    assert stty(machine) == 0
    assert ttys.write(path, "raw") == ""
    assert os.read(reader, 100) == b"echoraw"
    # The last close forgets raw mode, and the end of the VM is seen.
    os.close(reader)
    assert ttys.write(path, "nobody") == ""
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    assert ttys.write(path, "again") == "again"
    ttys.close(path)
    assert os.read(reader, 100) == b"again"
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_an_echo_stops_the_installer(rig: Rig) -> None:
    typed = Installation(
        rig.machine, MAC, "tap0", rig.disk, rig.console.append, lambda: "".join(rig.console)
    )
    assert typed.run(threading.Event()) == "stuck"
    assert "Could not determine auto mode." not in rig.console
