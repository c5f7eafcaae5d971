# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The daemon: what a reload does, what kills it, what it forgets."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.model import vmd
from sandbox.vm_server import SWITCH, VmServer, block


@pytest.fixture
def server(tmp_path: Path) -> VmServer:
    return VmServer.make(tmp_path, "web1", "web2", "web3")


def test_a_start_registers_and_starts_what_is_enabled(server: VmServer) -> None:
    server.boot(block("web1", "enable"), block("web2"))
    assert server.states() == {"web1": "running", "web2": "stopped"}
    assert server.machine.network.members("veb42") == ["vport42", "tap0"]
    assert server.machine.network.get("tap0").description == "vm1-if0-web1"
    assert server.machine.network.get("veb42").description == "switch1-uplink"
    users = server("ps -axo user").stdout.split()
    assert users.count("_vmd") == 6


def test_no_configuration_is_an_empty_one(server: VmServer) -> None:
    server.ok("rcctl -f start vmd")
    assert server("rcctl check vmd").rc == 0
    assert server("vmctl status").rc == 1


def test_a_bad_configuration_is_not_started(server: VmServer) -> None:
    server.conf("nonsense\n")
    assert server("rcctl -f start vmd").stdout == "vmd(failed)\n"
    assert server("rcctl check vmd").rc == 1


def test_what_only_registering_finds_ends_a_start(server: VmServer) -> None:
    server.conf(block("we b1"))
    server.machine.files.rename("/var/vmm/web1.img", "/var/vmm/we b1.img")
    assert server("rcctl -f start vmd").stdout == "vmd(ok)\n"
    assert server("rcctl check vmd").rc == 1
    assert 'vm "we b1" failed: Invalid argument' in server.log()[2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('vm "web1" {\n\tdisable\n}\n', "Unknown error: 1002"),
        ('vm "web1" {\n\tinterface tap\n}\n', "Invalid argument"),
        ('vm "web1" {\n\tboot "/bsd"\n}\n', "Invalid argument"),
        ('vm "no" instance "web1" {\n\tdisk "/var/vmm/web1.img"\n}\n', "Unknown error: 1007"),
    ],
)
def test_what_a_reload_refuses_and_a_check_does_not(
    server: VmServer, text: str, reason: str
) -> None:
    server.boot()
    server.conf(text)
    assert server("vmd -n").rc == 0
    result = server("vmctl reload")
    assert (result.rc, result.stderr) == (1, "vmctl: command failed\n")
    assert server.log()[-1].endswith(f'vm "web1" failed: {reason}')
    assert server("rcctl check vmd").rc == 0


def test_reload_leaves_a_running_machine_as_it_was(server: VmServer) -> None:
    server.boot(block("web1", "enable", "memory 64M"))
    pid = server.vm("web1").pid
    server.conf(block("web1", "enable", "memory 1G", 'boot "/bsd"'))
    server.ok("vmctl reload")
    assert server.vm("web1").pid == pid
    assert server.vm("web1").config.memory == 64 * 1024**2
    assert server.vm("web1").boot == "/bsd"


def test_reload_starts_what_an_operator_stopped(server: VmServer) -> None:
    server.boot(block("web1", "enable"), block("web2"))
    server.ok("vmctl stop -fw web1")
    assert server.states()["web1"] == "stopped"
    server.ok("vmctl reload")
    assert server.states() == {"web1": "running", "web2": "stopped"}


def test_reload_forgets_what_is_stopped_and_gone_from_the_file(server: VmServer) -> None:
    server.boot(block("web1", "enable"), block("web2"))
    server.conf(block("web3"))
    server.ok("vmctl reload")
    assert server.states() == {"web1": "running", "web3": "stopped"}
    server.ok("vmctl stop -fw web1")
    assert server.states()["web1"] == "stopped"
    server.ok("vmctl reload")
    assert server.states() == {"web3": "stopped"}


def test_a_parse_error_starts_nothing_and_forgets_the_stopped(server: VmServer) -> None:
    server.boot(block("web1", "enable"), block("web2"), block("web3"))
    server.conf(block("web2", "enable"), "nonsense\n", block("web3"))
    assert server("vmctl reload").stderr == "vmctl: command failed\n"
    # What stands before the error is known; enabled, it waits for a start that does not come.
    assert server.states()["web1"] == "running"
    assert server.states()["web2"] == "waiting"


def test_a_missing_file_is_an_empty_one(server: VmServer) -> None:
    server.boot(block("web1", "enable"), block("web2"))
    server.machine.files.remove("/etc/vm.conf")
    server.ok("vmctl reload")
    assert server.states() == {"web1": "running"}


@pytest.mark.parametrize(("hangs", "rc"), [(True, 1), (False, 0)])
def test_a_missing_switch_interface_kills_all(server: VmServer, hangs: bool, rc: int) -> None:
    server.boot(block("web1", "enable"))
    if hangs:
        server.machine.faults.set("vmctl_hangs")
    server.conf(block("web1", "enable"), switch=SWITCH + 'switch "b" {\n\tinterface veb9\n}\n')
    result = server("vmctl reload")
    assert (result.rc, result.stderr) == (rc, "vmctl: pipe closed\n" if hangs else "")
    server.until(lambda: not server.machine.vmd.alive)
    assert server("rcctl check vmd").rc == 1
    refused = "vmctl: connect: /var/run/vmd.sock: Connection refused\n"
    assert server("vmctl status").stderr == refused
    assert server.machine.network.members("veb42") == ["vport42"]
    assert server("pgrep -u _vmd").rc == 1
    died = 'priv: priv_dispatch_parent: bridge "veb9" does not exist'
    last = [line.partition(",")[0] for line in server.log()]
    lost = "vcpu_run_loop: vm 1 / vcpu 0 run ioctl failed: No such file or directory"
    assert last[-5:] == [died, lost, "control exiting", "vmm exiting", "agentx exiting"]


def test_switches_are_never_replaced(server: VmServer) -> None:
    server.boot(block("web1"))
    server("ifconfig veb43 create")
    server.conf(block("web1"), switch=SWITCH.replace("veb42", "veb43"))
    server.ok("vmctl reload")
    server.ok("vmctl start web1")
    assert server.machine.network.switch_of("tap0") == "veb42"
    assert server.machine.network.get("veb43").description == "switch2-uplink"
    server.ok("vmctl stop -fw web1")
    server.ok("vmctl reset switches")
    server.ok("vmctl reload")
    server.ok("vmctl start web1")
    assert server.machine.network.switch_of("tap0") == "veb43"


def test_a_switch_below_its_machine_leaves_it_unattached_only_if_it_is_unknown(
    server: VmServer,
) -> None:
    server.boot(block("web1"), switch="")
    server.ok("vmctl start web1")
    assert server.machine.network.switch_of("tap0") == ""
    assert 'switch "uplink" not found' in server.log()


def test_load_adds_and_starts_and_changes_nothing_that_is_known(server: VmServer) -> None:
    server.boot(block("web1", "disable", "memory 64M"))
    more = block("web1", "enable", "memory 1G") + block("web2", "enable")
    server.machine.files.write_text("/tmp/more.conf", more)
    server.ok("vmctl load tmp/more.conf")
    assert server.states() == {"web1": "stopped", "web2": "running"}
    assert server.vm("web1").config.memory == 64 * 1024**2


def test_load_of_a_missing_file_succeeds(server: VmServer) -> None:
    server.boot(block("web1"))
    server.ok("vmctl load /tmp/nosuch")
    assert server.log()[-1] == "failed to open /tmp/nosuch: No such file or directory"


def test_a_second_block_of_a_name_is_dropped_but_for_its_boot_path(server: VmServer) -> None:
    server.boot(block("web1", "disable", 'boot "/bsd"'), block("web1", "memory 1G"))
    assert server.vm("web1").boot == ""
    assert server.vm("web1").config.memory != 1024**3


def test_starts_are_staggered(server: VmServer) -> None:
    names = ("web1", "web2", "web3")
    server.boot(*(block(name, "enable") for name in names))
    assert server.states() == {"web1": "running", "web2": "waiting", "web3": "waiting"}
    server.until(lambda: set(server.states().values()) == {"running"})


def test_staggering_as_it_is_configured(server: VmServer) -> None:
    names = ("web1", "web2", "web3")
    blocks = [block(name, "enable") for name in names]
    server.boot(*blocks, switch="staggered start parallel 2 delay 3000\n" + SWITCH)
    assert list(server.states().values()) == ["running", "running", "waiting"]
    server.ok("vmctl start web3")
    assert server.states()["web3"] == "waiting"
    assert server.vm("web3").pid


def test_what_a_file_leaves_out_stays_set(server: VmServer) -> None:
    stagger = "staggered start parallel 2 delay 7\n"
    server.boot(switch=f"socket owner :vmdusers\n{stagger}{SWITCH}")
    server.conf()
    server.ok("vmctl reload")
    assert server.machine.vmd.session.settings.delay == 7
    assert server.machine.vmd.session.settings.socket_owner.gid == 60003


def test_the_socket(server: VmServer) -> None:
    server.boot()
    found = server.machine.files.stat(vmd.SOCKET)
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o660


def test_ids_stay_with_a_name_until_all_is_forgotten(server: VmServer) -> None:
    server.boot(block("web1"), block("web2"))
    server.conf(block("web3"), block("web2"))
    server.ok("vmctl reload")
    assert (server.vm("web2").vmid, server.vm("web3").vmid) == (2, 3)
    server.ok("vmctl reset vms")
    assert server("vmctl status").rc == 1
    server.ok("vmctl reload")
    assert server.vm("web3").vmid == 1


def test_reset_without_a_word_kills_every_machine(server: VmServer) -> None:
    server.boot(block("web1", "enable"))
    server.ok("vmctl reset")
    assert server.states() == {}
    assert server.machine.network.members("veb42") == ["vport42"]
    assert (
        "vcpu_run_loop: vm 1 / vcpu 0 run ioctl failed: No such file or directory" in server.log()
    )


def test_a_made_up_lladdr_is_new_with_each_registration(server: VmServer) -> None:
    text = 'vm "web1" {\n\tdisable\n\tdisk "/var/vmm/web1.img"\n\tinterface\n\tinterface\n}\n'
    server.boot(text)
    first = [nic.lladdr for nic in server.vm("web1").config.nics]
    assert [lladdr[:11] for lladdr in first] == ["fe:e1:bb:d1", "fe:e1:bb:d2"]
    seen = set()
    for _ in range(4):
        server.ok("vmctl reload")
        seen.add(server.vm("web1").config.nics[0].lladdr)
    assert len(seen) > 1


def test_an_instance_inherits_but_for_disks(server: VmServer) -> None:
    text = 'vm "web1" instance "web2" {\n\tdisable\n\tdisk "/var/vmm/web2.img"\n}\n'
    server.boot(block("web1", "disable", "memory 64M", "owner puffy"), text)
    vm = server.vm("web2").config
    assert (vm.memory, vm.owner.uid) == (64 * 1024**2, bare.PUFFY)
    assert [disk.path for disk in vm.disks] == ["/var/vmm/web2.img"]
    assert vm.nics[0].switch == "uplink"
    assert vm.nics[0].lladdr != "fe:e1:bb:d1:c8:01"


def test_rcctl_reload_says_ok_whatever_comes_of_it(server: VmServer) -> None:
    server.boot(block("web1"))
    server.conf(block("we b1", disk="/var/vmm/web1.img"))
    assert server("rcctl reload vmd").stdout == "vmd(ok)\n"
    assert "vmd_sighdlr: reload requested with SIGHUP" in server.log()
    assert server.states() == {}


def test_stopping_the_daemon_shuts_guests_down_one_after_the_other(server: VmServer) -> None:
    for name in ("web1", "web2"):
        server.install(name)
    blocks = [block(name, "enable") for name in ("web1", "web2")]
    server.conf(*blocks, switch="staggered start parallel 2 delay 1\n" + SWITCH)
    for command in ("enable vmd", "set vmd timeout 600", "start vmd"):
        server.ok(f"rcctl {command}")
    for name in ("web1", "web2"):
        server.until_up(name)
    assert server("rcctl stop vmd").stdout == "vmd(ok)\n"
    assert not [line for line in server.log() if "run ioctl failed" in line]
    assert server.log()[-1] == "terminating"


def test_guests_that_take_longer_than_the_daemon_may_lose_their_power(server: VmServer) -> None:
    names = ("web1", "web2", "web3")
    for name in names:
        server.install(name)
    blocks = [block(name, "enable") for name in names]
    server.boot(*blocks, switch="staggered start parallel 3 delay 1\n" + SWITCH)
    for name in names:
        server.until_up(name)
    assert server("rcctl stop vmd").stdout == "vmd(failed)\n"
    assert [line for line in server.log() if "run ioctl failed" in line]
    assert not server.machine.vmd.alive


def test_signals(server: VmServer) -> None:
    server.boot(block("web1", "enable"))
    server.conf(block("web1", "enable"), block("web2"))
    server.ok("pkill -HUP -xf /usr/sbin/vmd")
    assert server.states() == {"web1": "running", "web2": "stopped"}
    server.ok("pkill -f 'vmd: web1 .vmd.'")
    assert server.states() == {"web1": "stopped", "web2": "stopped"}
    server.ok("pkill -xf /usr/sbin/vmd")
    assert server.log()[-1] == "terminating"
    assert server("pgrep -f vmd").rc == 1


def test_everything_survives_a_restart_of_the_model(server: VmServer, tmp_path: Path) -> None:
    server.install("web1")
    server.boot(
        block("web1", "enable"),
        block("web2", "enable"),
        block("web3"),
        switch="staggered start parallel 1 delay 100\nsocket owner :vmdusers\n" + SWITCH,
    )
    server.until_up("web1")
    before = server("vmctl status").stdout
    server.machine.stop()
    state = json.loads(json.dumps(server.machine.state))
    again = VmServer(bare.machine(tmp_path, state))
    assert again("vmctl status").stdout == before
    assert again.machine.guests.answers("203.0.113.10")
    again.until_state("web2", "running")
    again.ok("vmctl stop -w web1")
    again.ok("vmctl reload")
    assert again.vm("web3").vmid == 3
