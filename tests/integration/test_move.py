# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM moves from one server to another; wherever that is cut off, exactly one VM is valid."""

from __future__ import annotations

import signal
import time
import typing as t
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from integration.conftest import Copy, servers
from integration.harness import Site, messages

from sandbox.server import Server

MOVE = ("-e", "vm=web1", "-e", "verb=move")
TO2, TO1 = (*MOVE, "-e", "to=server2"), (*MOVE, "-e", "to=server1")
IMAGE = "/var/vmm/web1.qcow2"


def reach_each_other(site: Site) -> None:
    """The servers reach each other by ssh, as this machine reaches them."""
    for name, server in site.servers.items():
        key = (server.home / "host_key.pub").read_text()
        server.write("/etc/ssh/ssh_host_ed25519_key.pub", key)
        path = site.directory / f"inventories/example/host_vars/{name}.yml"
        variables = yaml.safe_load(path.read_text())
        variables |= {"vmm_transfer_address": "127.0.0.1", "ansible_port": server.port}
        path.write_text(yaml.safe_dump(variables))


@pytest.fixture
def site(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    copy(tmp_path, "installed")
    with servers(tmp_path, shared=common / "shared") as made:
        reach_each_other(made)
        yield made


def said(server: Server, command: str) -> str:
    return server.run(command).stdout.decode()


def runs(server: Server, name: str = "web1") -> bool:
    lines = [line.split() for line in said(server, "vmctl status").splitlines()]
    return any(words[-1] == name and words[1].isdigit() for words in lines if len(words) > 8)


def defined(server: Server, name: str = "web1") -> bool:
    return f'vm "{name}"' in server.read("/etc/vm.conf").decode()


def images(server: Server) -> dict[str, str]:
    """The checksums of web1's images, by name."""
    names = said(server, "ls /var/vmm").split()
    return {
        name: sha256(server.read(f"/var/vmm/{name}")).hexdigest()
        for name in names
        if name.startswith("web1")
    }


def lines(site: Site, server: str) -> dict[str, t.Any]:
    """The lines of a ledger."""
    text = (site.fleet / f"allocations/{server}.yml").read_text()
    return t.cast("dict[str, t.Any]", yaml.safe_load(text)["vms"])


def server_of(site: Site) -> str:
    """Which server has the valid VM, as docs/move.md has it, with the image to start it from."""
    named = yaml.safe_load(site.vm_file("web1").read_text())["server"]
    homes = [name for name in site.servers if "installed" in lines(site, name).get("web1", {})]
    home: str = named if named in homes else homes[0]
    assert "web1.qcow2" in images(site.servers[home])
    assert not all(runs(server) for server in site.servers.values())
    return home


def no_key(site: Site) -> None:
    """Nothing of a transfer is left that lets anybody in."""
    for server in site.servers.values():
        assert "puffy.vmm-move" not in server.read("/root/.ssh/authorized_keys").decode()
        assert "key" not in said(server, "ls /var/backups/puffy.vmm/move-web1")


def until(fine: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not fine():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_running_vm_moves_and_its_old_image_stays_until_it_is_purged(site: Site) -> None:
    first, two = site.server1, site.servers["server2"]
    sheet = (site.fleet / "handover/web1.md").read_text()
    before = (site.vm_file("web1").read_text(), lines(site, "server1")["web1"])
    keys = (site.fleet / "host_keys/web1.pub").read_text()
    assert runs(first)
    check = site.play("vm", *TO2, "--check")
    assert check.returncode == 0, messages(check)
    assert "web1: server1 -> server2  1G of memory" in messages(check)
    assert runs(first)
    assert server_of(site) == "server1"

    result = site.play("vm", *TO2)
    assert result.returncode == 0, messages(result)
    assert "its IPv4 address is 198.51.100.3 now, no longer 203.0.113.14" in messages(result)
    assert "web1 answers on port 22" in messages(result)
    assert (runs(first), runs(two), defined(first), defined(two)) == (False, True, False, True)
    (kept,) = images(first)
    assert kept.startswith("web1.moved-2")
    # What ran since has written to it.
    assert list(images(two)) == ["web1.qcow2"]
    no_key(site)
    line = lines(site, "server2")["web1"]
    assert line["mac"] == before[1]["mac"]
    assert line["installed"] == before[1]["installed"]
    assert "web1" not in lines(site, "server1")
    assert site.vm_file("web1").read_text() == before[0].replace("server1", "server2")
    assert (site.fleet / "host_keys/web1.pub").read_text() == keys
    new = (site.fleet / "handover/web1.md").read_text()
    assert "203.0.113.14" in sheet
    assert "198.51.100.3" in new
    assert "203.0.113.14" not in new
    for file in ("/etc/dhcpd.conf", "/etc/pf.puffy.vmm.conf", "/etc/rc.vmm"):
        assert b"web1" not in first.read(file)
        assert b"fe:e1:bb:d1:c6:05" not in first.read(file)
    again = site.play("site", "--check")
    assert again.returncode == 0, messages(again)
    assert "vm.conf" not in messages(again)

    refused = site.play("vm", *MOVE, "-e", "to=server2")
    assert "web1: is on server2 already" in messages(refused)
    words = ("-e", "vm=web1", "-e", "verb=purge", "-e", "left=server1")
    refused = site.play("vm", *words)
    assert f"purge removes images for good: /var/vmm/{kept} on server1" in messages(refused)
    assert list(images(first)) == [kept]
    result = site.play("vm", *words, "-e", "confirm=web1")
    assert result.returncode == 0, messages(result)
    assert images(first) == {}
    assert runs(two)
    assert not (site.fleet / "moves/web1.yml").exists()


# The task that a run is killed in, and what is valid then: server1's VM, or server2's.
CUTS = {
    "Generate a transfer key": "server1",
    "Allow the key to read the images": "server1",
    "Record that the move begins": "server1",
    "Stop the VM, and remove it from vm.conf": "server1",
    "Copy the images, and read them back": "server1",
    "Put the images into place": "server1",
    "Assign it to the other server": "",
    "Rename the old images, once the VM is gone from there": "server2",
    "Configure the other server with the VM": "server2",
    "Start VMs, and wait until they answer": "server2",
    "Record that the move is finished": "server2",
}


def under_way(site: Site) -> bool:
    """Whether a move of web1 is noted as not finished."""
    note = site.fleet / "moves/web1.yml"
    return note.exists() and "under_way" in yaml.safe_load(note.read_text())


def killed_in(site: Site, task: str, *words: str) -> None:
    log = site.directory / "under_way.log"
    log.unlink(missing_ok=True)
    with site.under_way("vm", *words) as run:
        until(lambda: f"TASK [{task}]" in log.read_text() or run.poll() is not None, 300)
        assert run.poll() is None, log.read_text()
        run.send_signal(signal.SIGKILL)


def test_killed_anywhere_one_vm_is_valid_and_the_same_command_continues(site: Site) -> None:
    first, two = site.server1, site.servers["server2"]
    for task, valid in CUTS.items():
        killed_in(site, task, *TO2)
        home = server_of(site)
        assert home == valid or (not valid and home in ("server1", "server2")), task
        assert not runs(two if home == "server1" else first), task
        # Other runs do not touch it from the note on. A killed run's last task may still finish.
        if task in ("Copy the images, and read them back", list(CUTS)[-1]) and under_way(site):
            other = messages(site.play("vm", "-e", "vm=web1", "-e", "verb=restart"))
            refused = "is being moved from server1 to server2" in other
            assert refused or (task == list(CUTS)[-1] and not under_way(site)), other
    if under_way(site):
        result = site.play("vm", *TO2)
        assert result.returncode == 0, messages(result)
    assert server_of(site) == "server2"
    assert runs(two)
    no_key(site)
    assert list(images(two)) == ["web1.qcow2"]
    assert len(images(first)) == 1
    assert "move-web1" not in said(two, "ls /var/backups/puffy.vmm").split()


def fails(site: Site, *words: str) -> str:
    """What a run says that must fail and leave web1 running, or stopped, as it was."""
    before = runs(site.server1)
    result = site.play("vm", *words)
    assert result.returncode != 0, messages(result)
    assert runs(site.server1) == before, messages(result)
    return messages(result)


def write_variables(site: Site, server: str, **changes: object) -> None:
    path = site.directory / f"inventories/example/host_vars/{server}.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def files(site: Site) -> dict[Path, bytes]:
    """The fleet directory, without the copy of the inventory, which these tests change."""
    paths = (path for path in site.fleet.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if path.name != "inventory.json"}


def write_base(server: Server, length: int) -> None:
    """Write into web1's qcow2 header how long the name of its base is, 0 for no base."""
    script = f"open F, q(+<), q({IMAGE}); seek F, 8, 0; print F pack q(Q>N), 104, {length}"
    assert server.run(f"perl -e '{script}'").returncode == 0


def test_what_cannot_be_had_is_said_before_anything_is_touched(site: Site) -> None:
    first, two = site.server1, site.servers["server2"]
    fleet = files(site)
    good = site.directory / "inventories/example/host_vars/server2.yml"
    settings = good.read_text()

    assert "to=server9 is not a server of the inventory" in fails(site, *MOVE, "-e", "to=server9")
    assert "web1: is on server1 already" in fails(site, *TO1)
    assert "verb=move and -e to=SERVER go together" in fails(site, *MOVE)
    words = ("-e", "vm=db1", "-e", "verb=move", "-e", "to=server2")
    assert "write server: server2 into vms/db1.yml" in fails(site, *words)

    write_variables(site, "server2", vmm_memory_limit="1G")
    assert "server2: vmm_memory_limit: 1G is exceeded" in fails(site, *TO2)
    good.write_text(settings)

    two.write(IMAGE, b"somebody's")
    assert "web1: /var/vmm/web1.qcow2 exists on server2 already" in fails(site, *TO2)
    two.remove(IMAGE)

    based = "has a base image, which is not moved"
    write_base(first, 9)
    assert f"web1: {IMAGE} of server1 {based}" in fails(site, *TO2, "--check")
    assert f"web1: {IMAGE} of server1 {based}" in fails(site, "-e", "drain=server1", "--check")
    write_base(first, 0)

    # Somebody else answers there, or this server does not have the address that it is to have.
    key = first.read("/etc/ssh/ssh_host_ed25519_key.pub")
    first.write("/etc/ssh/ssh_host_ed25519_key.pub", two.read("/etc/ssh/ssh_host_ed25519_key.pub"))
    assert "has other host keys than server1" in fails(site, *TO2)
    first.write("/etc/ssh/ssh_host_ed25519_key.pub", key)
    write_variables(site, "server2", vmm_transfer_address="192.0.2.77")
    assert "this server does not have the address 192.0.2.77" in fails(site, *TO2)
    good.write_text(settings)

    assert runs(first)
    assert server_of(site) == "server1"
    no_key(site)
    assert images(two) == {}
    assert files(site) == fleet


def test_a_move_that_is_given_up_leaves_the_vm_where_it_was(site: Site) -> None:
    first, two = site.server1, site.servers["server2"]
    before = (images(first).keys(), site.vm_file("web1").read_text(), lines(site, "server1"))
    # Not in the task that assigns it to the other server: a killed run's task may still finish.
    killed_in(site, "Put the images into place", *TO2)
    assert server_of(site) == "server1"
    result = site.play("vm", *TO1)
    assert result.returncode == 0, messages(result)
    assert (runs(first), defined(first), images(two)) == (True, True, {})
    assert (
        images(first).keys(), site.vm_file("web1").read_text(), lines(site, "server1"),
    ) == before  # fmt: skip
    assert not (site.fleet / "moves/web1.yml").exists()
    no_key(site)


def test_a_transfer_that_a_server_cuts_off_is_continued(site: Site) -> None:
    first, two = site.server1, site.servers["server2"]
    assert first.run("vmctl stop -f web1").returncode == 0
    size = 96 << 20
    words = "map { rand 2**32 } 1..16384"
    script = f"open F, q(>>), q({IMAGE}); print F pack q(L*), {words} for 1..{size >> 16}; close F"
    assert first.run(f"perl -e '{script}'").returncode == 0
    arriving = "/var/vmm/web1.moving.qcow2"
    with site.under_way("vm", *TO2) as run:
        come = f"test -e {arriving} && stat -f %z {arriving}"
        until(lambda: int(said(two, come) or 0) > 1 << 24, 300)
        two.stop()
        assert run.wait(300) != 0
    log = (site.directory / "under_way.log").read_text()
    assert "continue" in log or "server2" in log
    two.start(speed=50)
    assert server_of(site) == "server1"
    assert "puffy.vmm-move" not in first.read("/root/.ssh/authorized_keys").decode()
    result = site.play("vm", *TO2)
    assert result.returncode == 0, messages(result)
    assert server_of(site) == "server2"
    (kept,) = images(first).values()
    assert images(two) == {"web1.qcow2": kept}
    assert not runs(two)
    no_key(site)


def test_a_disk_that_is_full_gets_its_room_back_and_the_move_continues_later(site: Site) -> None:
    two = site.servers["server2"]
    assert two.run("mkdir -p /var/vmm").returncode == 0
    two.fault("disk_full", "/var/vmm", "1M")
    result = site.play("vm", *TO2)
    assert result.returncode != 0
    assert "the disk is full; what had arrived was removed" in messages(result)
    assert "web1 stays stopped" in messages(result)
    two.clear("disk_full")
    assert images(two) == {}
    assert server_of(site) == "server1"
    no_key(site)
    result = site.play("vm", *TO2)
    assert result.returncode == 0, messages(result)
    assert server_of(site) == "server2"
    assert runs(two)


def test_all_of_a_server_is_moved_or_nothing(site: Site) -> None:
    drain = ("-e", "drain=server1")
    # Its file gives it addresses that no other server has, which the ledger keeps until it moves.
    assert "vms/mail1.yml: ipv4: 203.0.113.225 is not a usable address" in fails(site, *drain)
    path = site.vm_file("mail1")
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in text if not x.startswith(("number:", "mac:", "ipv"))))
    write_variables(site, "server2", vmm_memory_limit="2G")
    said_so = fails(site, *drain)
    assert "server1 cannot be drained:" in said_so
    assert "vmm_memory_limit: 2G is exceeded" in said_so
    assert not list(site.fleet.glob("moves/*"))
    write_variables(site, "server2", vmm_memory_limit="64G")
    check = site.play("vm", *drain, "--check")
    assert check.returncode == 0, messages(check)
    for name in ("mail1", "shop1", "web1"):
        assert f"  {name}: server1 -> server2  " in messages(check)
    assert "  db1: stays, since no ledger has it installed" in messages(check)
    result = site.play("vm", *drain)
    assert result.returncode == 0, messages(result)
    two = site.servers["server2"]
    for name in ("mail1", "shop1", "web1"):
        assert "installed" in lines(site, "server2")[name]
        assert name not in lines(site, "server1")
        assert defined(two, name)
        assert not defined(site.server1, name)
    assert runs(two)
    assert not runs(two, "shop1")
