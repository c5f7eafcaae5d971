# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a VM's life that must not reach another VM, and what is shown of VMs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import steps as vm_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts, VmStatus
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.table import vm_table
from unit.machines import NOTHING, machine, variables

VM = machine()


def test_a_run_that_another_one_overtook_touches_nothing() -> None:
    """Each way to change the note of an installation is for the note that was seen."""
    seen = VmFacts("absent", "data", "absent", Marker(sha256="0" * 64), False, None)
    for steps in (
        vm_steps.boot_installer(VM, seen, b'vm "web1" {\n}\n', {}, "me"),
        vm_steps.conclude_install(VM, seen, "20261124T231000"),
    ):
        guarded = [step for step in steps if step.fields.get("path", "").endswith(".install.conf")]
        assert guarded
        assert all(step.fields["before"] == ["0" * 64] for step in guarded)


def test_vmd_forgets_a_vm_before_it_loads_it_anew() -> None:
    known = VmFacts(
        "absent", "data", "absent", Marker(sha256="0" * 64), False,
        VmStatus(None, "stopped"),
    )  # fmt: skip
    for facts, expected in ((known, ["reload", "create", "load"]), (NOTHING, ["create", "load"])):
        steps = vm_steps.boot_installer(VM, facts, b"", {}, "me")
        runs = [step.fields["argv"] for step in steps if step.do == "run"]
        assert [argv[1] for argv in runs if argv[0].endswith("vmctl")] == expected


def test_a_console_is_recorded_before_the_vm_prints_anything() -> None:
    steps = [*vm_steps.boot_installer(VM, NOTHING, b"", {}, "me")]
    words = [step.fields["argv"][1] if step.do == "run" else step.do for step in steps]
    assert words.index("create") < words.index("record") < words.index("load")
    steps = [*vm_steps.start(VM, record=True)]
    assert [step.do for step in steps] == ["run", "record", "run", "wait"]
    assert "record" not in [step.do for step in vm_steps.start(VM)]


def test_only_a_vm_that_has_the_installers_disk_is_ended_when_it_is_undone(tmp_path: Path) -> None:
    (load,) = (
        step
        for step in vm_steps.boot_installer(VM, NOTHING, b"", {}, "me")
        if step.do == "run" and "load" in step.fields["argv"]
    )
    (back,) = load.fields["undo"]
    assert back["argv"][1:] == ["stop", "-f", "web1"]
    program, path = back["unless"]["argv"]
    assert path == VM.installing
    place = tmp_path / "web1.qcow2"
    for there in (False, True):
        if there:
            place.touch()
        done = subprocess.run([program, place], capture_output=True, text=True, check=False)
        assert bool(re.search(back["unless"]["match"], done.stdout)) is not there


def test_the_end_of_a_vm_is_believed_when_it_has_lasted() -> None:
    """After a stop by force, a VM is in no list for a moment, as if vmd(8) had never known it."""
    step = vm_steps.end_of_forced_stop("web1")
    assert (step.do, step.fields["settle"]) == ("wait", 3)
    assert step.fields["seconds"] > 3


STATUS = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
TERMINALS = {
    "    1 123     1    1.0G   17.0M   ttyp0         root running web1\n": "ttyp0",
    "    1 123     1    1.0G   17.0M   ttypZ    a:b:c:d:e running web1\n": "ttypZ",
    "    1   -     1    1.0G       -       -         root stopped web1\n": "",
    "    1 123     1    1.0G   17.0M   ttyp0        ttyp3 running web1\n": "ttyp0",
    "    1 123     1    1.0G   17.0M       -        ttyp3 running web1\n": "",
    "    1 123     1    1.0G   17.0M   ttyp0         root running web11\n": "",
    "    1 123     1    1.0G   17.0M   ttyp0         root running xweb1\n": "",
}


@pytest.mark.parametrize("line", TERMINALS)
def test_the_terminal_is_the_vms_own(line: str) -> None:
    (step,) = (step for step in vm_steps.record_console(VM) if step.do == "record")
    script = "print $1 if do { local $/; <STDIN> } =~ /$ARGV[0]/xms"
    others = "    9 999     1    1.0G   17.0M   ttyp9         root running db1\n"
    done = subprocess.run(
        ["perl", "-e", script, step.fields["device"]],
        input=STATUS + others + line + others, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == TERMINALS[line]


# What `vmctl status` shows of the VM; whether it has to be unpaused before it is stopped.
ROWS = {
    "    1 123     1    1.0G   17.0M   ttyp0         root   paused web1\n": True,
    "    1 123     1    1.0G   17.0M   ttyp0         root  running web1\n": False,
    "    1 123     1    1.0G   17.0M   ttyp0         root stopping web1\n": False,
    "    1   -     1    1.0G       -       -         root   paused web1\n": False,
    "    1 123     1    1.0G   17.0M   ttyp0         root   paused web11\n": False,
    "": False,
}


@pytest.mark.parametrize("row", ROWS)
def test_a_vm_that_is_paused_runs_before_it_is_asked_to_stop(row: str) -> None:
    """It could not answer, and vmd(8) would end it 3 s later."""
    wait, stop, *_ = vm_steps.stop("web1")
    assert (wait.do, wait.fields["ask"]) == ("wait", ["/usr/sbin/vmctl", "unpause", "web1"])
    assert stop.fields["argv"] == ["/usr/sbin/vmctl", "stop", "web1"]
    script = "exit(do { local $/; <STDIN> } !~ /$ARGV[0]/xms)"
    others = "    9 999     1    1.0G   17.0M   ttyp9         root   paused db1\n"
    done = subprocess.run(
        ["perl", "-e", script, *wait.fields["match"]],
        input=STATUS + others + row + others, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 1) == ROWS[row]
    assert subprocess.run(
        ["perl", "-e", script, *wait.fields["match"]], input="", text=True, check=False
    ).returncode == 1  # fmt: skip


def test_a_vm_that_is_ended_has_nothing_to_answer() -> None:
    assert [step.do for step in vm_steps.stop("web1", force=True)] == ["run", "wait"]


def test_the_proof_goes_when_all_else_is_done() -> None:
    steps = [*vm_steps.conclude_install(VM, NOTHING, "20261124T231000")]
    assert steps[-1].fields["argv"] == ["/bin/rm", "-f", "/var/vmm/.web1.console"]
    assert steps[-2].do == "rename"


def looked(**values: object) -> dict[str, object]:
    return {
        "image": "data", "archived": False, "installing": False, "from_cdrom": False,
        "running": False, "pending": False, "state": "stopped", "disk_bytes": 3 << 20, **values,
    }  # fmt: skip


@pytest.mark.parametrize(("look", "shown"), [
    (looked(), "stopped -"),
    (looked(running=True, state="running", pending=True), "running restart"),
    (looked(image="blank"), "not installed -"),
    (looked(image="blank", running=True, state="running"), "runs without a system -"),
    (looked(image="absent", running=True, state="running"), "runs without a system -"),
    (looked(running=True, state="running", from_cdrom=True), "running from its CD -"),
    (looked(image="absent", state="unknown"), "not installed -"),
    (looked(image="absent", archived=True, state="unknown"), "archived -"),
    (looked(image="absent", installing=True, running=True), "installing -"),
    (looked(image="absent", installing=True), "installation stopped -"),
    (None, "not reached -"),
])  # fmt: skip
def test_the_table(look: dict[str, object] | None, shown: str) -> None:
    vm = {
        "name": "web1", "server": "server1", "state": "present", "ipv4": "203.0.113.14",
        "ipv6": None, "owner": "puffy", "memory": "1G", "disk": "50G",
        "installed": None, "seen": False,
    }  # fmt: skip
    head, line = vm_table([vm], {"web1": look} if look else {})
    assert head.split() == (
        "NAME SERVER WANTED IS PENDING IPV4 IPV6 OWNER MEMORY DISK USED".split()
    )
    used = "3M" if look else "?"
    expected = f"web1 server1 present {shown} 203.0.113.14 - puffy 1G 50G {used}"
    assert " ".join(line.split()) == expected


def test_the_table_shows_that_an_image_is_missing() -> None:
    vm = variables()
    cases: list[dict[str, object]] = [{}, {"seen": True}, {"installed": {"at": "then"}}]
    for known in cases:
        (_head, line) = vm_table([{**vm, **known}], {"web1": looked(image="absent")})
        assert ("image missing" in line) == any(known.values())
