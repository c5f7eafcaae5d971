# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""QEMU's command lines."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from openbsd import qemu
from openbsd.errors import OpenBSDError
from openbsd.qemu import Cable, Machine
from openbsd.settings import Settings


def options(command: list[str], name: str) -> list[str]:
    """The values of an option that may be there several times."""
    return [value for option, value in zip(command, command[1:], strict=False) if option == name]


def test_the_installer_boots_from_the_network_and_ends_at_its_reboot(machine: Machine) -> None:
    command = qemu.installation(machine, Path("/x/disk.qcow2"), Path("/x/tftp"))
    assert options(command, "-netdev") == ["user,id=net0,tftp=/x/tftp,bootfile=auto_install"]
    assert options(command, "-device") == [
        "virtio-blk-pci,addr=6,drive=root,bootindex=2",
        "virtio-net-pci,addr=4,netdev=net0,mac=52:54:00:12:34:56,bootindex=1",
    ]
    assert options(command, "-drive")[0].startswith(
        "if=none,id=root,file=/x/disk.qcow2,format=qcow2"
    )
    assert options(command, "-serial") == ["stdio"]
    assert "-no-reboot" in command
    assert "-nodefaults" in command


def test_a_server_boots_from_its_disk_and_reboots(machine: Machine) -> None:
    command = qemu.server(machine, Path("disk.qcow2"), 2222, 7)
    assert options(command, "-netdev") == [
        "user,id=net0,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22"
    ]
    devices = options(command, "-device")
    assert devices[0] == "virtio-blk-pci,addr=6,drive=root,bootindex=1"
    assert devices[1] == "virtio-net-pci,addr=4,netdev=net0,mac=52:54:00:12:34:07,romfile="
    assert "-no-reboot" not in command
    assert options(command, "-serial") == ["chardev:console"]
    assert "logfile=console.log" in options(command, "-chardev")[0]


def test_a_server_reaches_what_is_served_to_it(machine: Machine) -> None:
    command = qemu.server(machine, Path("disk.qcow2"), 2222, 7, Path("/a b,c"))
    (network,) = options(command, "-netdev")
    assert ",restrict=on," in network
    _, _, answer = network.partition(",guestfwd=tcp:10.0.2.100:80-cmd:")
    program, script, directory = shlex.split(answer.replace(",,", ","))
    assert (program, directory) == (sys.executable, "/a b,c")
    assert Path(script).is_file()


def test_two_servers_have_a_network_between_them(machine: Machine) -> None:
    cable = Cable(4001, 4002)
    first, second = (
        options(qemu.server(machine, Path("d"), 2222, number, None, end), "-netdev")[1]
        for number, end in ((1, cable), (2, cable.turned))
    )
    assert first == "socket,id=net1,localaddr=127.0.0.1:4001,udp=127.0.0.1:4002"
    assert second == "socket,id=net1,localaddr=127.0.0.1:4002,udp=127.0.0.1:4001"


def test_an_emulated_server_has_one_processor(plain: Settings, bin: Path) -> None:
    options = replace(plain, cores=2)
    with pytest.raises(OpenBSDError, match="OPENBSD_CORES is 2, but without KVM, VMs in"):
        qemu.machine(options)
    assert qemu.machine(replace(options, accelerator="kvm"), lambda *_: "").cores == 2


def test_what_settings_say_about_the_machine_is_in_both(machine: Machine) -> None:
    chosen = replace(machine, memory=2048, cores=2, cpu="EPYC", slow=False)
    for command in (
        qemu.installation(chosen, Path("d"), Path("t")),
        qemu.server(chosen, Path("d"), 1, 1),
    ):
        assert options(command, "-m") == ["2048"]
        assert options(command, "-smp") == ["2"]
        assert options(command, "-cpu") == ["EPYC"]
        assert options(command, "-accel") == ["kvm"]
        assert options(command, "-machine") == ["pc,graphics=off"]


def test_a_comma_in_a_path_is_doubled(machine: Machine) -> None:
    command = qemu.installation(machine, Path("/a,b/d"), Path("/a,b/t"))
    assert "file=/a,,b/d," in options(command, "-drive")[0]
    assert "tftp=/a,,b/t," in options(command, "-netdev")[0]


@pytest.mark.parametrize(
    ("accelerator", "complaint", "cpu", "slow"),
    [
        ("auto", "", "host", False),
        ("auto", "/dev/kvm: Permission denied", "max", True),
        ("tcg", "", "max", True),
        ("kvm", "", "host", False),
    ],
)
def test_kvm_is_taken_when_it_can_be_used(
    plain: Settings, bin: Path, accelerator: str, complaint: str, cpu: str, slow: bool
) -> None:
    options = replace(plain, accelerator=accelerator)
    machine = qemu.machine(options, lambda *_: complaint)
    assert machine == Machine(str(bin / "qemu-system-x86_64"), cpu, plain.memory, 1, slow)
    assert qemu.machine(replace(options, cpu="EPYC"), lambda *_: complaint).cpu == "EPYC"


def test_kvm_that_is_asked_for_and_not_there_is_an_error(plain: Settings, bin: Path) -> None:
    with pytest.raises(OpenBSDError, match="OPENBSD_ACCELERATOR is kvm, but.*no such model"):
        qemu.machine(replace(plain, accelerator="kvm"), lambda *_: "no such model")


def test_a_device_that_is_no_kvm_is_not_usable(tmp_path: Path) -> None:
    assert "No such file" in qemu.kvm_complaint("true", "host", str(tmp_path / "nothing"))
    assert "no machine can be made" in qemu.kvm_complaint("true", "host", "/dev/null")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("printf '\\033cSeaBIOS (version 1.16)'; exec sleep 60", ""),
        ("echo 'error: failed to set MSR 0x10a to 0x69' >&2; kill -6 $$", "failed to set MSR"),
        ("exec sleep 60", "the BIOS said nothing"),
    ],
)
def test_kvm_that_cannot_start_a_cpu_is_not_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    monkeypatch.setattr(qemu, "_SPEAKS_WITHIN", 5 if complaint.startswith("the BIOS") else 60)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: os.open("/dev/null", os.O_RDONLY))
    emulator = tmp_path / "qemu"
    emulator.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/called\n{script}\n')
    emulator.chmod(0o755)
    answer = qemu.kvm_complaint(str(emulator), "EPYC", "/dev/null")
    assert complaint in answer if complaint else not answer
    assert "-accel kvm -cpu EPYC" in (tmp_path / "called").read_text()


def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenBSDError, match="qemu-system-x86_64 is missing.*qemu-system-x86"):
        qemu.program(qemu.SYSTEM)
    with pytest.raises(OpenBSDError, match="qemu-img is missing.*qemu-utils"):
        qemu.program(qemu.IMAGE)


def test_disks(bin: Path) -> None:
    img = str(bin / "qemu-img")
    create = [img, "create", "-q", "-f", "qcow2"]
    assert qemu.new_disk(Path("/x/d"), 16) == [*create, "/x/d", "16G"]
    assert qemu.overlay(Path("/x/o"), Path("/x/d")) == [
        *create,
        "-b",
        "/x/d",
        "-F",
        "qcow2",
        "/x/o",
    ]
