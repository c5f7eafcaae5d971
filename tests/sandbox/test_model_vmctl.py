# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl's words and exit statuses, and who may do what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import bare
from sandbox.model import vmd
from sandbox.vm_server import VmServer, block

HEADER = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"


@pytest.fixture
def server(tmp_path: Path) -> VmServer:
    return VmServer.make(tmp_path, "web1", "web2", "web3", "web4", "web5")


# words


@pytest.mark.parametrize(
    ("words", "stderr"),
    [
        ("", "usage:\tvmctl [-v] command [arg ...]\n"),
        ("nonsense", "unknown argument: nonsense\nusage:\tvmctl [-v] command [arg ...]\n"),
        ("sta", "ambiguous argument: sta\nusage:\tvmctl [-v] command [arg ...]\n"),
        ("-x", "vmctl: unknown option -- x\nusage:\tvmctl [-v] command [arg ...]\n"),
        ("stop", "usage:\tvmctl [-v] stop [-fw] [id | -a]\n"),
        ("reload now", "usage:\tvmctl [-v] reload \n"),
        ("reset nonsense", "usage:\tvmctl [-v] reset [all | switches | vms]\n"),
        ("log loud", "usage:\tvmctl [-v] log [brief | verbose]\n"),
        ("start -B tape web1", "vmctl: unknown boot device tape\n"),
        ("start -m 1 web1", "vmctl: memory size must be at least 1MB\n"),
        ("start -m 129G web1", "vmctl: memory size too large (limit is 128G)\n"),
        ("start -b /nosuch web1", "vmctl: invalid boot image path: No such file or directory\n"),
        ("start -b /bsd -b /bsd x", "vmctl: boot image specified multiple times\n"),
        (f"status {'a' * 64}", f"vmctl: name too long\nvmctl: invalid id: {'a' * 64}\n"),
        ("status", "vmctl: connect: /var/run/vmd.sock: No such file or directory\n"),
    ],
)
def test_words(server: VmServer, words: str, stderr: str) -> None:
    result = server(f"vmctl {words}")
    assert (result.rc, result.stderr) == (1, stderr)


def test_commands_may_be_shortened(server: VmServer) -> None:
    server.boot(block("web1"))
    for word in ("status", "stat", "sh", "-v stat"):
        assert server.ok(f"vmctl {word}").stdout.startswith(HEADER)


# status


def test_status(server: VmServer) -> None:
    blocks = [
        block("web1", "disable", "owner puffy:vmdusers", "memory 1G"),
        block("web2", "disable", "owner 4711"),
        block("web3"),
    ]
    server.boot(*blocks)
    for name in ("web1", "web3"):
        server.ok(f"vmctl start {name}")
    lines = server("vmctl status").stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["web3", "web1", "web2"]
    pid = server.vm("web1").pid
    # OWNER is cut at 15 characters, and columns move for it.
    assert lines[2] == f"    1 {pid:5}     1    1.0G   16.2M   ttyp0 puffy:vmdusers  running web1"
    assert lines[3] == "    2     -     1    512M       -       -         4711  stopped web2"


def test_the_exit_status_tells_whether_there_is_any_machine(server: VmServer) -> None:
    server.boot(block("web1"))
    assert server("vmctl status nosuch") == server("vmctl status 9")
    assert (server("vmctl status nosuch").rc, server("vmctl status nosuch").stdout) == (0, HEADER)
    assert server("vmctl status -r").rc == 1
    assert server("vmctl status 1").stdout.endswith("stopped web1\n")


def test_a_name_of_digits_is_taken_for_a_number(server: VmServer) -> None:
    server.boot(block("123", disk="/var/vmm/web1.img"))
    assert server("vmctl start 123").rc == 1
    assert server("vmctl start 1").rc == 0


# start


def test_start_and_start_again(server: VmServer) -> None:
    server.boot(block("web1"))
    started = "vmctl: started vm 1 successfully, tty /dev/ttyp0\n"
    assert server.ok("vmctl start web1").stderr == started
    again = server("vmctl start web1")
    busy = "vmctl: start vm command failed: Operation already in progress\n"
    assert (again.rc, again.stderr) == (1, busy)
    assert server("vmctl start -b /bsd -m 1G web1").stderr == busy


def test_options_of_a_known_machine_are_refused_or_forgotten(server: VmServer) -> None:
    server.boot(block("web1"), block("web2"))
    busy = "vmctl: start vm command failed: Operation already in progress\n"
    assert server("vmctl start -m 1G -b /bsd web1").stderr == busy
    assert server.states()["web1"] == "stopped"
    server.ok("vmctl start -B net web1")
    assert server.vm("web1").config.boot_device == ""


def test_start_of_an_unknown_machine(server: VmServer) -> None:
    server.boot()
    result = server("vmctl start nosuch")
    assert (result.rc, result.stderr) == (1, "vmctl: could not open disk image(s)\n")


def test_a_machine_of_the_command_line_is_forgotten_when_it_ends(server: VmServer) -> None:
    server.boot()
    server.ok("vmctl start -B net -b /bsd -m 64M -n uplink -L -i 3 -d /var/vmm/web1.img new")
    vm = server.vm("new")
    assert [nic.switch for nic in vm.config.nics] == ["uplink", "", ""]
    assert vm.taps == ["tap0", "tap1", "tap2"]
    assert server.machine.network.members("veb42") == ["vport42", "tap0"]
    assert server.machine.network.get("tap1").inet == ["100.64.1.4/31"]
    server.ok("vmctl stop -f new")
    assert server("vmctl status").stdout == HEADER


def test_without_a_kernel_or_a_network(server: VmServer) -> None:
    server.boot()
    warning = "vmctl: starting without network interfaces\n"
    result = server("vmctl start -d /var/vmm/web1.img new")
    assert result.stderr == warning + "vmctl: started vm 1 successfully, tty /dev/ttyp0\n"
    assert server("vmctl start -m 1G b").stderr == (
        "vmctl: starting without disks\nvmctl: no kernel or disk/cdrom specified\n"
    )


def test_what_can_be_missing(server: VmServer) -> None:
    server.boot(
        block("web1", "disable"),
        block("web2", "disable", 'boot "/bsd.rd"'),
        block("web3", "disable", 'cdrom "/nosuch.iso"'),
        block("web4", "disable", disk="/var/vmm/web1.img"),
    )
    server.machine.files.remove("/bsd.rd")
    missing = "No such file or directory"
    failed = f"vmctl: start vm command failed: {missing}\n"
    assert server("vmctl start web2").stderr == failed
    assert server.log()[-2].endswith(f"can't open kernel or BIOS boot image /bsd.rd: {missing}")
    assert server("vmctl start web3").stderr == "vmctl: could not find specified iso image\n"
    server.ok("vmctl start web1")
    no_disk = "vmctl: could not open disk image(s)\n"
    assert server("vmctl start web4").stderr == no_disk
    locked = "can't open disk /var/vmm/web1.img: Resource temporarily unavailable"
    assert server.log()[-2:] == [locked, "failed to start vm web4"]
    server.ok("vmctl stop -f web1")
    server.machine.files.remove("/var/vmm/web1.img")
    assert server("vmctl start web1").stderr == no_disk
    server.machine.files.remove("/etc/firmware/vmm-bios")
    assert server("vmctl start web1").stderr == "vmctl: vmm bios firmware file not found.\n"
    assert server.states()["web1"] == "stopped"


def test_an_image_that_is_no_file_or_of_the_wrong_format(server: VmServer) -> None:
    server.boot(
        block("web1", disk="/var/vmm"), block("web2", disk='/var/vmm/web2.img" format "qcow2')
    )
    for name in ("web1", "web2"):
        unknown = "vmctl: start vm command failed: Unknown error: -1\n"
        assert server(f"vmctl start {name}").stderr == unknown
    assert server.machine.network.group("tap") == []


def test_taps_run_out(server: VmServer) -> None:
    names = [f"web{number}" for number in range(1, 6)]
    server.boot(*(block(name, number=place) for place, name in enumerate(names)))
    for name in names[:4]:
        server.ok(f"vmctl start {name}")
    failed = "vmctl: start vm command failed: No such file or directory\n"
    assert server("vmctl start web5").stderr == failed
    assert server.log()[-2:] == ["config_setvm: can't open /dev/tap4", "failed to start vm web5"]
    server.machine.files.mknod("/dev/tap4", 0o600, 93, 4)
    server.ok("vmctl start web5")


def test_a_fixed_tap_in_use(server: VmServer) -> None:
    disk = 'disk "/var/vmm/web2.img"'
    server.boot(block("web1"), f'vm "web2" {{\n\tdisable\n\t{disk}\n\tinterface tap0\n}}\n')
    server.ok("vmctl start web1")
    busy = "vmctl: start vm command failed: Device busy\n"
    assert server("vmctl start web2").stderr == busy


def test_memory(server: VmServer) -> None:
    server.boot(block("web1", "disable", "memory 32G"), block("web2", "disable", "memory 16G"))
    failed = "vmctl: start vm command failed: Cannot allocate memory\n"
    assert server("vmctl start web1").stderr == failed
    assert server.log()[-1] == "web1: failed to start vm"
    server.ok("vmctl start web2")


def test_a_third_quick_start_is_refused(server: VmServer) -> None:
    server.boot(block("web1"))
    for _ in range(3):
        server.ok("vmctl start web1")
        server.ok("vmctl stop -f web1")
    refused = "vmctl: start vm command failed: Operation not permitted\n"
    assert server("vmctl start web1").stderr == refused
    assert server.log()[-1] == "config_setvm: vm 1 restarted too quickly"


# stop, wait, pause


def test_stop(server: VmServer) -> None:
    server.boot(block("web1"), block("web2"))
    assert server("vmctl stop nosuch").stderr == "stopping vm nosuch: vm not found\n"
    stopped = server("vmctl stop web1")
    assert (stopped.rc, stopped.stderr) == (1, "stopping vm web1: failed: Invalid argument\n")
    server.ok("vmctl start web1")
    requested = "stopping vm web1: requested to shutdown vm 1\n"
    assert server.ok("vmctl stop -f web1").stderr == requested
    assert server.states()["web1"] == "stopped"
    server.ok("vmctl start web1")
    assert server.ok("vmctl stop -fw 1").stderr == "stopping vm: terminated vm 1\n"
    assert server.ok("vmctl stop -a").stderr == ""


def test_a_guest_that_shuts_down_is_stopping(server: VmServer) -> None:
    server.install("web1")
    server.boot(block("web1"))
    server.ok("vmctl start web1")
    server.until_up("web1")
    server.ok("vmctl stop web1")
    assert server.states() == {"web1": "stopping"}
    again = server("vmctl stop web1")
    busy = "failed: Operation already in progress\n"
    assert (again.rc, again.stderr) == (1, f"stopping vm web1: {busy}")
    assert server("vmctl wait web1").stderr == f"waiting for vm web1: {busy}"
    server.until_state("web1", "stopped")


def test_stop_and_wait(server: VmServer) -> None:
    server.install("web1")
    server.boot(block("web1"))
    server.ok("vmctl start web1")
    server.until_up("web1")
    assert server.ok("vmctl stop -w web1").stderr == "stopping vm web1: terminated vm 1\n"
    assert server.states() == {"web1": "stopped"}


def test_wait_ends_with_a_reboot_too(server: VmServer) -> None:
    server.install("web1")
    server.boot(block("web1"))
    assert server("vmctl wait web1").rc == 1
    server.ok("vmctl start web1")
    server.until_up("web1")
    server.machine.later(10, lambda: server.machine.guests.reboot("web1"))
    assert server.ok("vmctl wait web1").stderr == "waiting for vm web1: terminated vm 1\n"
    assert server.states() == {"web1": "running"}


def test_stop_all_hides_failures(server: VmServer) -> None:
    server.boot(block("web1"), block("web2"))
    for name in ("web1", "web2"):
        server.ok(f"vmctl start {name}")
    server.vm("web2").shutdown = True
    result = server.ok("vmctl stop -a")
    assert result.stderr == (
        "stopping vm web2: failed: Operation already in progress\n"
        "stopping vm web1: requested to shutdown vm 1\n"
    )


def test_pause(server: VmServer) -> None:
    server.install("web1")
    server.boot(block("web1"), block("web2"))
    server.ok("vmctl start web1")
    server.until_up("web1")
    assert server.machine.guests.answers("203.0.113.10")
    assert server.ok("vmctl pause web1").stderr == "vmctl: paused vm 1 successfully\n"
    assert server.states()["web1"] == "paused"
    assert not server.machine.guests.answers("203.0.113.10")
    server.ok("vmctl unpause web1")
    assert server.machine.guests.answers("203.0.113.10")
    failed = "vmctl: pause vm command failed: No such file or directory\n"
    for name in ("web2", "nosuch", "2"):
        assert server(f"vmctl pause {name}").stderr == failed


@pytest.mark.parametrize("command", ["reload", "load /tmp/x", "pause web1", "unpause web1"])
def test_the_build_that_never_answers(server: VmServer, command: str) -> None:
    server.boot(block("web1", "enable"))
    server.machine.faults.set("vmctl_hangs")
    server.conf(block("web2"))
    result = server(f"vmctl {command}", patience=0.2)
    assert (result.rc, result.stderr) == (124, "")
    assert ("web2" in server.states()) == (command == "reload")
    assert server.states()["web1"] == "running"


# who may do what


@pytest.fixture
def shared(server: VmServer) -> VmServer:
    """A server whose socket and root directory are open to all, as owners are not seen here."""
    server.boot(
        block("web1", "disable", "owner puffy"),
        block("web2", "disable", "owner :vmdusers"),
        block("web3"),
        block("web4", "disable", "owner other"),
    )
    server.machine.root.chmod(0o755)
    server.machine.files.chmod(vmd.SOCKET, 0o666)
    return server


def test_owners_start_and_stop_their_machines(shared: VmServer) -> None:
    for name, mine in {"web1": True, "web2": True, "web3": False, "web4": False}.items():
        result = shared(f"vmctl start {name}", uid=bare.PUFFY, user="puffy")
        assert (result.rc == 0) == mine
        if not mine:
            refused = "vmctl: start vm command failed: Operation not permitted\n"
            assert result.stderr == refused
            shared.ok(f"vmctl start {name}")
        result = shared(f"vmctl stop -f {name}", uid=bare.PUFFY, user="puffy")
        assert (result.rc == 0) == mine
        if not mine:
            assert result.stderr == f"stopping vm {name}: failed: Operation not permitted\n"


def test_everybody_on_the_socket_sees_all(shared: VmServer) -> None:
    seen = shared("vmctl status", uid=bare.PUFFY, user="puffy").stdout
    assert seen == shared("vmctl status").stdout
    assert seen.count("web") == 4


@pytest.mark.parametrize(
    ("command", "number"),
    [("reload", 24), ("load /etc/vm.conf", 21), ("reset", 3), ("log verbose", 2)],
)
def test_only_root_configures(shared: VmServer, command: str, number: int) -> None:
    result = shared(f"vmctl {command}", uid=bare.PUFFY, user="puffy")
    assert result.stderr == "vmctl: command failed: Operation not permitted\n"
    assert shared.log()[-1] == f"denied request {number} from uid {bare.PUFFY}"


def test_only_root_makes_machines(shared: VmServer) -> None:
    command = "vmctl start -b /bsd.rd new"
    result = shared(command, uid=bare.PUFFY, user="puffy")
    assert result.stderr == "vmctl: start vm command failed: Operation not permitted\n"
    assert shared.log()[-1] == "permission denied"


def test_without_access_to_the_socket(shared: VmServer) -> None:
    shared.machine.files.chmod(vmd.SOCKET, 0o660)
    result = shared("vmctl status", uid=4711, user="nobody")
    assert result.stderr == "vmctl: connect: /var/run/vmd.sock: Permission denied\n"


def test_what_a_user_cannot_read_or_write(shared: VmServer) -> None:
    shared.machine.files.chmod("/bsd", 0o700)
    result = shared("vmctl start -b /bsd web1", uid=bare.PUFFY, user="puffy")
    assert result.stderr == "vmctl: cannot open kernel '/bsd': Permission denied\n"
    result = shared("vmctl create -s 1M /var/vmm/a.img", uid=bare.PUFFY, user="puffy")
    denied = "vmctl: create imagefile operation failed: Permission denied\n"
    assert result.stderr == denied


def test_the_console(shared: VmServer) -> None:
    assert shared("vmctl console web1").stderr == "vmctl: console not found\n"
    shared.ok("vmctl start web1")
    seen = shared.ok("vmctl console web1").stdout
    assert seen.startswith("Connected to /dev/ttyp0 (speed 115200)\r\n")
    assert "No active partition\r\n" in seen
    assert seen.endswith("\r\n[EOT]\n")
    denied = shared("vmctl console web1", uid=bare.PUFFY, user="puffy")
    assert denied.stderr == 'cu: open("/dev/ttyp0"): Permission denied\n'
