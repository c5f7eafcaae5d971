# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Images and servers, with scripts in QEMU's place and without a guest that answers on ssh."""

from __future__ import annotations

import fcntl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbsd import firmware, installer, sets, ssh
from openbsd import image as module
from openbsd import servers as servers_module
from openbsd.errors import OpenBSDError
from openbsd.guest import Guest
from openbsd.image import Image, Teller, image
from openbsd.qemu import Machine
from openbsd.recipe import FINISH, recipe
from openbsd.servers import Servers
from openbsd.settings import Settings


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, bin: Path, plain: Settings) -> list[str]:
    """What was run in the guest; all the rest is done as always."""
    ran: list[str] = []

    def run(config: Path, name: str, script: str, seconds: float) -> str:
        ran.append(script)
        if "shutdown" in script:
            Guest(config.parent / name).stop()
        return ""

    def fetch(settings: Settings, progress: object, say: object) -> sets.Sets:
        directory = settings.cache / "mirrors"
        directory.mkdir(parents=True, exist_ok=True)
        for name in (sets.LOADER, *sets.set_names(settings)):
            (directory / name).write_text(name)
        return sets.Sets(directory, "7.8", sets.set_names(settings), signed=False)

    monkeypatch.setattr(ssh, "run", run)
    monkeypatch.setattr(sets, "fetch", fetch)
    monkeypatch.setattr(firmware, "fetch", lambda settings, progress: settings.cache / "served")
    monkeypatch.setattr(installer, "TYPING", 0.001)
    monkeypatch.setattr(module, "_ROOM", 1)
    return ran


def calls(bin: Path) -> list[str]:
    log = bin / "calls"
    return log.read_text().splitlines() if log.exists() else []


def installations(bin: Path) -> int:
    return sum("-no-reboot" in call for call in calls(bin))


def leftovers(settings: Settings) -> list[str]:
    return [path.name for path in (settings.cache / "images").iterdir() if path.is_dir()]


def test_an_image_is_installed_once(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path
) -> None:
    made = image(plain, teller)
    assert made == image(plain, teller)
    assert made.directory == plain.cache / "images" / recipe(plain).name
    assert sorted(path.name for path in made.directory.iterdir()) == [
        "disk.qcow2",
        "key",
        "key.pub",
    ]
    assert made.disk.stat().st_mode & 0o222 == 0
    assert made.access.key.stat().st_mode & 0o077 == 0
    assert leftovers(plain) == [recipe(plain).name]
    assert installations(bin) == 1
    assert scripts == ["true\n", FINISH, "sync; shutdown -p now\n"]
    logs = plain.cache / "logs" / recipe(plain).name
    assert "Performing non-interactive" in (logs / "install.log").read_text()
    assert b"Server directory = pub/OpenBSD/7.8/amd64\n" in (logs / "install.conf").read_bytes()


def test_an_image_is_installed_again_on_request(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path
) -> None:
    image(plain, teller)
    image(plain, teller, again=True)
    assert installations(bin) == 2


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("panic", "the guest says: panic: uvm_fault"),
        ("dies", "QEMU ended by signal 9"),
        ("unanswered", "no answer in response file"),
    ],
)
def test_a_failed_installation_leaves_its_log_and_no_image(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path, way: str, reason: str
) -> None:
    (bin / "way").write_text(way)
    with pytest.raises(OpenBSDError) as caught:
        image(plain, teller)
    log = plain.cache / "logs" / recipe(plain).name / "install.log"
    assert reason in str(caught.value)
    assert f"The console's last lines (all: {log}):\n" in str(caught.value)
    assert "| >> OpenBSD/amd64 PXEBOOT 3.65" in str(caught.value)
    assert "PXEBOOT" in log.read_text()
    assert leftovers(plain) == []
    (bin / "way").unlink()
    image(plain, teller)
    assert leftovers(plain) == [recipe(plain).name]


def test_a_full_disk_is_told_before_anything_is_downloaded(
    plain: Settings, teller: Teller, scripts: list[str], monkeypatch: pytest.MonkeyPatch, bin: Path
) -> None:
    monkeypatch.setattr(module, "_ROOM", 1 << 40)
    with pytest.raises(OpenBSDError, match="MiB are free, and an image takes up to"):
        image(plain, teller)
    assert calls(bin) == []


def test_two_that_want_the_same_image_make_it_once(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path, said: list[str]
) -> None:
    images = plain.cache / "images"
    images.mkdir(parents=True)
    with (images / f"{recipe(plain).name}.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        made: list[Image] = []
        thread = threading.Thread(target=lambda: made.append(image(plain, teller)))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        assert said == ["waiting for another process that makes the same image"]
        # The other one has finished it.
        finished = images / recipe(plain).name
        finished.mkdir()
        (finished / "disk.qcow2").touch()
    thread.join(10)
    assert made == [Image(finished)]
    assert installations(bin) == 0


@pytest.fixture
def guest(tmp_path: Path, bin: Path) -> Iterator[Guest]:
    server = Guest(tmp_path / "run/server1")
    yield server
    server.stop()


@pytest.fixture
def fake(bin: Path, machine: Machine) -> Machine:
    return Machine(str(bin / "qemu-system-x86_64"), "max", 1024, 1, slow=True)


def test_a_guest_runs_until_it_is_stopped(guest: Guest, fake: Machine) -> None:
    assert guest.pid is None
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    pid = guest.pid
    assert pid is not None
    guest.check()
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    assert guest.pid == pid
    guest.stop()
    assert guest.pid is None
    with pytest.raises(OpenBSDError, match="server1: QEMU has ended"):
        guest.check()
    guest.stop()


def test_a_number_of_a_process_that_is_another_by_now_is_left_alone(guest: Guest) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        guest.directory.mkdir(parents=True)
        (guest.directory / "pid").write_text(f"{other.pid}\n")
        assert guest.pid is None
        guest.stop()
        assert other.poll() is None
        other.terminate()


def test_what_qemu_complains_of_is_told(guest: Guest, fake: Machine, bin: Path) -> None:
    (bin / "way").write_text("complains")
    with pytest.raises(OpenBSDError, match="server1: QEMU does not start: qemu: -cpu none"):
        guest.start(fake, Path("/x/disk.qcow2"), 1)


def test_a_port_that_somebody_took_is_no_failure(guest: Guest, fake: Machine, bin: Path) -> None:
    (bin / "way").write_text("taken")
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    assert guest.pid is not None
    first, second = calls(bin)
    assert first != second


def test_a_guest_that_dies_is_noticed(guest: Guest, fake: Machine, bin: Path) -> None:
    (bin / "way").write_text("good")
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    pid = guest.pid
    assert pid is not None
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert guest.wait_for_end(10)
    with pytest.raises(OpenBSDError, match="server1: QEMU has ended"):
        guest.wait_for_ssh(Path("/nowhere"), 10)


def test_servers_start_on_disks_of_their_own_and_leave_the_image_alone(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path, tmp_path: Path
) -> None:
    servers = Servers(tmp_path / "run")
    servers.up(["server1", "server2"], plain, teller)
    try:
        base = image(plain, teller)
        overlays = [call for call in calls(bin) if " -b " in call]
        assert overlays == [
            f"qemu-img create -q -f qcow2 -b {base.disk} -F qcow2 {tmp_path}/run/{name}/disk.qcow2"
            for name in ("server1", "server2")
        ]
        started = [call for call in calls(bin) if "hostfwd" in call and "server" in call]
        assert all(f"inetd.py {plain.cache}/served " in call for call in started[-2:])
        config = servers.config.read_text()
        for guest in servers.all():
            assert f"Host {guest.name}\n  HostName 127.0.0.1\n  Port {guest.port}\n" in config
        assert "hostname server2.example.org" in scripts[-1]
        assert "echo inet 10.0.77.2/24 >/etc/hostname.vio1" in scripts[-1]
        first, second = (guest.cable for guest in servers.all())
        assert first and second and first == second.turned
        pids = [guest.pid for guest in servers.all()]
        servers.up(["server1", "server2"], plain, teller)
        assert [guest.pid for guest in servers.all()] == pids
    finally:
        servers.down()
    assert [guest.pid for guest in servers.all()] == [None, None]
    assert not list((tmp_path / "run").glob("*/disk.qcow2"))
    assert all(guest.log.exists() for guest in servers.all())
    assert not servers.config.exists()
    servers.down()


def test_servers_that_do_not_come_up_are_taken_down_and_their_consoles_shown(
    plain: Settings, teller: Teller, scripts: list[str], bin: Path, tmp_path: Path
) -> None:
    image(plain, teller)
    (bin / "way").write_text("complains")
    servers = Servers(tmp_path / "run")
    with pytest.raises(OpenBSDError, match="server1: QEMU does not start") as caught:
        servers.up(["server1"], plain, teller)
    assert "The console of server1 shows last" in str(caught.value)
    assert not list((tmp_path / "run").glob("*/disk.qcow2"))


@pytest.fixture
def rebooting(monkeypatch: pytest.MonkeyPatch, scripts: list[str]) -> list[str]:
    """Servers that tell when they booted: each shutdown makes it later, after a while."""
    boots = ["1", "1", "1", "2"]

    def run(config: Path, name: str, script: str, seconds: float) -> str:
        scripts.append(script)
        if "shutdown" in script:
            raise OpenBSDError("connection closed")
        return boots.pop(0) if "boottime" in script else ""

    monkeypatch.setattr(ssh, "run", run)
    monkeypatch.setattr(servers_module, "_BETWEEN_LOOKS", 0.01)
    return boots


def test_a_reboot_is_over_when_the_server_says_so(
    plain: Settings,
    rebooting: list[str],
    scripts: list[str],
    bin: Path,
    guest: Guest,
    fake: Machine,
) -> None:
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    Servers(guest.directory.parent).reboot(["server1"], plain)
    assert rebooting == []
    assert scripts.count("shutdown -r now\n") == 1


def test_a_server_that_does_not_come_back_is_told_of(
    plain: Settings, rebooting: list[str], guest: Guest, fake: Machine
) -> None:
    guest.start(fake, Path("/x/disk.qcow2"), 1)
    pid = guest.pid
    assert pid is not None
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert guest.wait_for_end(10)
    with pytest.raises(OpenBSDError, match="server1: QEMU has ended.*") as caught:
        Servers(guest.directory.parent).reboot(["server1"], plain)
    assert "The console of server1 shows last" in str(caught.value)
