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
from sandbox.bare import Shell
from sandbox.install_rig import FAILED, FILES, GIGABYTE, MAC, RESPONSE, SETS, Disk, Rig
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
    return bare.machine(bare.plant(tmp_path))


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


def test_a_switch_without_its_interface_is_the_end_of_vmd(machine: Machine) -> None:
    machine.files.write_text("/etc/vm.conf", 'switch "s" {\n\tinterface veb9\n}\n')
    ok(machine, "rcctl enable vmd", "rcctl start vmd")
    time.sleep(0.1)
    assert machine.run("rcctl check vmd").rc == 1
    assert 'bridge "veb9" does not exist' in machine.files.read_text("/var/log/daemon")


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
    assert machine.vmd.guests.console("a") == ["Booting from DVD/CD..."]
    machine.vmd.guests.reboot("a")
    assert ok(machine, "vmctl status").split()[-2:] == ["stopped", "a"]


def test_sysctl_exits_0_whatever_it_says(machine: Machine) -> None:
    for word in ("no.such", "net.inet.ip.ttl=nonsense", "hw.physmem=1"):
        result = machine.run(f"sysctl {word}")
        assert (result.rc, bool(result.stderr)) == (0, True)


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
    ok(
        machine,
        *(
            f"ifconfig {one} create"
            for one in dict.fromkeys(("veb42", port, host, "pair8", "pair9"))
        ),
    )
    if port != host:
        ok(machine, f"ifconfig {host} patch {port}", f"ifconfig {port} up")
    ok(machine, f"ifconfig {host} inet {SERVER}/24", "ifconfig pair9 patch pair8 up")
    ok(machine, "ifconfig pair8 up", f"ifconfig veb42 add {port} add pair8 up")


def hears(machine: Machine) -> Result:
    """What tcpdump says while the server pings."""
    said: list[Result] = []
    shell = Shell(machine, patience=2)
    thread = threading.Thread(target=lambda: said.append(shell(TCPDUMP)))
    thread.start()
    while not machine.wire.heard and thread.is_alive():
        time.sleep(0.01)
    assert Shell(machine)(PING).rc == 1
    thread.join()
    return said[0]


def test_ends_of_a_pair(machine: Machine) -> None:
    ok(
        machine,
        *(f"ifconfig pair{number} create" for number in range(3)),
        "ifconfig pair1 patch pair0",
    )
    for name, end in (("pair0", "pair1"), ("pair1", "pair0")):
        assert f"\tpatch: {end}\n" in ok(machine, f"ifconfig {name}")
    for command, error in (
        ("pair2 patch pair0", "SIOCSIFPAIR: Device busy"),
        ("pair2 patch pair2", "SIOCSIFPAIR: Invalid argument"),
        ("vio0 patch pair0", "SIOCSIFPAIR: Inappropriate ioctl for device"),
    ):
        result = machine.run(f"ifconfig {command}")
        assert (result.rc, result.stderr) == (0, f"ifconfig: {error}\n"), command
    result = machine.run("ifconfig pair2 patch pair7")
    assert (result.rc, result.stderr) == (1, "ifconfig: patch pair7: No such file or directory\n")
    ok(machine, "ifconfig pair0 destroy")
    assert "\tpatch:" not in ok(machine, "ifconfig pair1")


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


@pytest.mark.parametrize("place", ["out on pair85", "in on pair84", "out on veb42"])
def test_rules_of_pf(machine: Machine, place: str) -> None:
    switch(machine, "pair85")
    ok(machine, "ifconfig veb42 link1")
    for first, rc in (("", 124), (f"set skip on {place.rsplit(maxsplit=1)[-1]}\n", 0)):
        machine.files.write_text("/etc/pf.conf", f"{first}pass\nblock {place}\n")
        ok(machine, "pfctl -f /etc/pf.conf")
        assert hears(machine).rc == rc


# installations


def test_an_installation(rig: Rig) -> None:
    assert rig.run() == "reboot"
    record = rig.disks[0].written[-1]
    assert (record["hostname"], record["timezone"]) == ("web1.example.org", "Europe/Amsterdam")
    assert rig.fetched()[0] == f"/x7f3/{MAC}-install.conf?path=7.8/amd64 200"


def test_answers_are_consumed(rig: Rig) -> None:
    """The question comes again, and its answer is gone: the default is taken."""
    rig.respond({"Setup a user": "root"})
    assert rig.run() == "reboot"
    assert "root is not a usable loginname." in rig.console
    assert rig.disks[0].written[-1]["user"] is None


def test_a_small_disk(rig: Rig) -> None:
    rig.disks = [Disk(size=GIGABYTE // 2)]
    rig.respond({"Continue without verification": "no"})
    assert rig.run() == "stuck"
    assert "Cannot determine prefetch area. Continue without verification?" in rig.console[-3]
    assert rig.console[-2:] == FAILED


def test_a_response_file_that_is_not_there(rig: Rig) -> None:
    rig.machine.files.remove(RESPONSE)
    rig.respond(path=f"{FILES}/x7f3/install.conf")
    assert rig.run() == "reboot"
    assert [line.split("?")[0] for line in rig.fetched()[:3]] == [
        f"/x7f3/{name}.conf" for name in (f"{MAC}-install", "web1-install", "install")
    ]
    assert SETS not in "".join(rig.fetched())


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
        rig.machine, MAC, "tap0", rig.disks, rig.console.append, lambda: "".join(rig.console)
    )
    assert typed.run(threading.Event()) == "stuck"
    assert "Could not determine auto mode." not in rig.console
