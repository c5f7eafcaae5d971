# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""backup.yml and what brings copies back, also where a run is cut off."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from integration.harness import Site, messages

from sandbox.server import Server

PLACE = "/home/backups"
IMAGE = "/var/vmm/web1.qcow2"
WEB1 = ("-e", "vm=web1")
FROM = ("-e", "verb=restore-from", "-e", "backup=latest", "-e")

Result = subprocess.CompletedProcess[str]


def state(site: Site, vm: str = "web1", server: str = "server1") -> str:
    shown = site.servers[server].run("vmctl status").stdout.decode()
    row = re.search(rf"^ *\d+ +\S+ .* (\S+) {vm}$", shown, re.MULTILINE)
    return row[1] if row else ""


def back_up(site: Site, *words: str, to: str = PLACE) -> Result:
    return site.play("backup", *WEB1, "-e", f"backup_to={to}", *words)


def done(result: Result) -> str:
    assert result.returncode == 0, messages(result)
    return messages(result)


def refused(result: Result, text: str) -> None:
    assert result.returncode == 2
    assert text in messages(result), messages(result)


def index(site: Site, server: str = "server1", place: str = PLACE) -> list[dict[str, t.Any]]:
    content = json.loads(site.servers[server].read(f"{place}/index.json"))
    backups: list[dict[str, t.Any]] = content["backups"]
    return backups


def until(condition: t.Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def test_modes_and_what_stays(installed: Site) -> None:
    server, image = installed.server1, installed.server1.read(IMAGE)
    before = server.run("ls -la /var/vmm /var/backups/puffy.vmm").stdout
    looked = done(back_up(installed, "--check"))
    assert "would pause web1 while 3 MiB are copied, 300 s at most" in looked
    assert server.run("ls -la /var/vmm /var/backups/puffy.vmm").stdout == before
    assert server.run(f"ls {PLACE}").returncode != 0

    said = done(back_up(installed))
    assert "web1 is paused and is copied" in said
    (backup,) = index(installed)
    size = size_text(sum(disk["packed"] for disk in backup["disks"]))
    assert f"web1 was copied (paused) as {backup['id']}, {size}, and was down for" in said
    assert (backup["mode"], backup["owner"], backup["server"]) == ("paused", "puffy", "server1")
    packed = server.read(f"{PLACE}/web1/{backup['id']}/{backup['disks'][0]['name']}")
    assert gzip.decompress(packed) == image
    assert state(installed) == "running"
    modes = server.run(f"find {PLACE} -type f ! -perm 600 -o -type d ! -perm 700").stdout
    assert modes == b""
    shown = done(back_up(installed, "-e", "list=true"))
    assert re.search(rf"^web1  {backup['id']}  \S+  paused  {size}  \d+ s +-$", shown, re.MULTILINE)

    done(back_up(installed, "-e", "backup_mode=stopped", "-e", "backup_keep=1"))
    (newer,) = index(installed)
    assert (newer["mode"], newer["id"] != backup["id"]) == ("stopped", True)
    assert server.run(f"ls {PLACE}/web1").stdout.split() == [newer["id"].encode()]
    assert state(installed) == "running"
    note = json.loads(server.read("/var/db/puffy.vmm.backups"))
    assert note["web1"]["id"] == newer["id"]

    # What an upgrade asks before it begins.
    server.fault("errata", "009_late")
    asked = installed.play("upgrade", "--limit", "server1", "-e", "upgrade_backup_hours=1")
    refused(asked, "mail1 has no backup")
    assert "web1 has" not in messages(asked)
    server.clear("errata")

    done(back_up(installed, "-e", "backup_keep=1", "-e", "backup_keep_days=1"))
    assert len(index(installed)) == 2
    refused(back_up(installed, "-e", "backup_mode=crash-consistent"), "is a qcow2 image, whose")
    # mail1's BIOS has nothing to boot: its processor never idles.
    result = installed.play("backup", "-e", "vm=mail1,web1", "-e", f"backup_to={PLACE}")
    refused(result, "mail1: its processor did not idle once in 15 s")
    assert (state(installed, "mail1"), len(index(installed))) == ("running", 3)
    refused(installed.play("backup", *WEB1), "say where backups are")
    refused(back_up(installed, "-e", "vm=wbe1"), "vm=wbe1: the fleet has no VM of this name")
    assert "web1 was copied" in done(back_up(installed, "--limit", "server1"))


def test_what_a_backup_left_of_one_vm_keeps_no_other_from_its_own(installed: Site) -> None:
    server = installed.server1
    hold = {"how": "stop", "owner": "puffy", "stop_seconds": 1, "awake_seconds": 1, "since": 0}
    for name, program in (("gone1", "/usr/sbin/vmctl"), ("gone2", "/usr/bin/nothing")):
        note = json.dumps({**hold, "vm": name, "vmctl": program})
        server.write(f"/var/backups/puffy.vmm/backup-{name}.hold", note.encode())
    result = back_up(installed)
    refused(result, "gone2: vmctl status printed nothing")
    said = " ".join((result.stdout + result.stderr).split())
    assert "gone1: it was stopped for a backup and stays stopped: vm.conf(5) does not" in said
    assert [backup["vm"] for backup in index(installed)] == ["web1"]
    left = server.run("ls /var/backups/puffy.vmm | grep hold").stdout.split()
    assert left == [b"backup-gone2.hold"]


def test_a_paused_vm_shuts_down_before_it_starts_again(installed: Site) -> None:
    """Else vmd(8) ends it, and shows the next one as paused, too."""
    assert installed.server1.run("vmctl pause web1").returncode == 0
    assert state(installed) == "paused"
    done(installed.play("vm", *WEB1, "-e", "verb=restart"))
    assert state(installed) == "running"


def test_another_server_and_the_controller(installed: Site) -> None:
    server, image = installed.server1, installed.server1.read(IMAGE)
    here = installed.directory / "copies"
    for place in (f"controller:{here}", f"server2:{PLACE}"):
        done(back_up(installed, to=place))
        assert json.loads(server.read("/var/db/puffy.vmm.backups"))["web1"]["place"] == place
        assert server.run("ls -A /var/vmm/.backups/web1").stdout == b""
        assert "paused" in done(back_up(installed, "-e", "list=true", to=place))
    (backup,) = json.loads((here / "index.json").read_text())["backups"]
    file = here / f"web1/{backup['id']}/{backup['disks'][0]['name']}"
    assert gzip.decompress(file.read_bytes()) == image
    (there,) = index(installed, "server2")
    packed = installed.servers["server2"].read(f"{PLACE}/web1/{there['id']}/disk0.qcow2.gz")
    assert gzip.decompress(packed) == image
    assert not list(Path(installed.directory / "ansible/tmp").glob("*/backups"))

    # From both it comes back, and what is damaged is found before anything is touched.
    done(installed.play("vm", *WEB1, "-e", "verb=suspend"))
    for place in (f"controller:{here}", f"server2:{PLACE}"):
        server.write(IMAGE, image + b"spoilt")
        words = (*WEB1, *FROM, f"backup_to={place}", "-e", "overwrite=web1")
        done(installed.play("vm", *words))
        assert server.read(IMAGE) == image
    for place in (f"controller:{here}", f"server2:{PLACE}"):
        assert "was restored for a test" in done(
            installed.play("restore_test", "-e", f"backup_to={place}", "--limit", "server1")
        )
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    refused(installed.play("vm", *WEB1, *FROM, f"backup_to=controller:{here}", "-e",
                           "overwrite=web1"), "is damaged")  # fmt: skip
    assert server.read(IMAGE) == image
    assert server.run("ls /var/vmm/web1.restoring.qcow2").returncode != 0
    assert "DAMAGED" in done(back_up(installed, "-e", "list=true", to=f"controller:{here}"))


def test_raw_images_while_they_run(installed: Site) -> None:
    """The other server has them, and its VM file has another size than the image."""
    server, path = installed.servers["server2"], "/var/vmm/build1.img"
    vm = installed.vm_file("build1")
    settings = vm.read_text().partition("install_options")[0]
    assert "80G" in settings
    vm.write_text(f"{settings}install: none\n")
    server.write(path, b"a boot loader" * (1 << 17))
    grow(server, 64 << 20, path)
    installed.converged("--limit", "server2")
    assert state(installed, "build1", "server2") == "running"
    words = ("-e", "vm=build1", "-e", f"backup_to={PLACE}", "-e")
    looked = done(installed.play("backup", *words, "backup_mode=stopped", "--check"))
    assert "build1: vmd(8) cuts off a guest without vmmci(4) at once" in " ".join(looked.split())
    done(installed.play("backup", *words, "backup_mode=crash-consistent"))
    (backup,) = index(installed, "server2")
    assert (backup["mode"], backup["disks"][0]["disk"]) == ("crash-consistent", 64 << 20)
    done(installed.play("vm", "-e", "vm=build1", "-e", "verb=suspend"))
    way = (*FROM, f"backup_to={PLACE}", "-e", "overwrite=build1")
    done(installed.play("vm", "-e", "vm=build1", *way))
    assert len(server.read(path)) == 64 << 20


def test_back_in_place_and_as_a_new_vm(installed: Site) -> None:
    server, image = installed.server1, installed.server1.read(IMAGE)
    done(back_up(installed))
    (backup,) = index(installed)
    words = ("vm", *WEB1, *FROM, f"backup_to={PLACE}")
    refused(installed.play(*words, "-e", "overwrite=web1"), "suspend it first")
    assert "state: suspended" not in installed.vm_file("web1").read_text()
    done(installed.play("vm", *WEB1, "-e", "verb=suspend"))
    server.write(IMAGE, image + b"spoilt")
    refused(installed.play(*words), "overwrite=web1")
    looked = done(installed.play(*words, "-e", "overwrite=web1", "--check"))
    assert f"would put {IMAGE} into place" in looked
    assert server.read(IMAGE) == image + b"spoilt"
    done(installed.play(*words, "-e", "overwrite=web1"))
    assert server.read(IMAGE) == image
    (old,) = server.run("ls /var/vmm | grep replaced").stdout.decode().split()
    assert server.read(f"/var/vmm/{old}") == image + b"spoilt"
    done(installed.play("vm", *WEB1, "-e", "verb=resume"))
    assert state(installed) == "running"

    looked = done(installed.play(*words, "-e", "as=web2", "--check"))
    assert "vms/web2.yml is written like that of web1" in looked
    assert not installed.vm_file("web2").exists()
    said = done(installed.play(*words, "-e", "as=web2"))
    assert "web2 has the images of web1 of" in said
    assert (server.read("/var/vmm/web2.qcow2"), state(installed, "web2")) == (image, "stopped")
    assert state(installed) == "running"
    ledger = (installed.fleet / "allocations/server1.yml").read_text()
    own = re.findall(r"^  web[12]: \{number: (\d+), mac: (\S+), ipv4: (\S+),", ledger, re.MULTILINE)
    assert all(len(set(values)) == 2 for values in zip(*own, strict=True))
    assert "image: /var/vmm/web2.qcow2" in ledger
    done(installed.play("vm", "-e", "vm=web2", "-e", "verb=restart"))
    assert state(installed, "web2") == "running"
    refused(installed.play(*words, "-e", "as=mail1"), "nobody gets somebody else's data")
    tested = done(installed.play("restore_test", "-e", f"backup_to={PLACE}", "--limit", "server1"))
    assert f"web1: the backup {backup['id']} (paused) was restored for a test" in tested
    assert "tested" in index(installed)[0]


def test_whatever_is_cut_off_the_vm_runs_and_nothing_half_stays(installed: Site) -> None:
    server = installed.server1
    image = server.read(IMAGE)
    # Holes take time to be looked at, and no room.
    large = ("-e", f"backup_to={PLACE}", "-e", "vm=web1")
    grow(server, 1 << 28)
    with installed.under_way("backup", *large) as run:
        until(lambda: state(installed) == "paused")
        server.fault("slow", "vmctl", "3")
        run.kill()
    # The server continues without the run; another run waits for that.
    said = done(back_up(installed))
    server.clear("slow")
    assert "is being backed up by another run" in said
    (backup,) = index(installed)
    assert state(installed) == "running"

    # Power is lost in the midst.
    with installed.under_way("backup", *large):
        until(lambda: state(installed) == "paused")
        server.stop()
    server.start(speed=50)
    assert state(installed) == "running"
    assert [entry["id"] for entry in index(installed)] == [backup["id"]]
    assert b".partial" in server.run(f"ls {PLACE}/web1").stdout
    grow(server, len(image))
    done(back_up(installed))
    assert len(index(installed)) == 2
    assert b".partial" not in server.run(f"ls {PLACE}/web1").stdout

    # A restore is cut off while it unpacks, and after its names began to change.
    done(installed.play("vm", *WEB1, "-e", "verb=suspend"))
    words = ("vm", *WEB1, *FROM, f"backup_to={PLACE}", "-e", "overwrite=web1")
    spoilt = image + b"spoilt"
    server.write(IMAGE, spoilt)
    with installed.under_way(*words):
        until(lambda: server.run("ls /var/vmm/web1.restoring.qcow2").returncode == 0)
        server.stop()
    server.start(speed=50)
    assert server.read(IMAGE) == spoilt
    done(installed.play(*words))
    assert server.read(IMAGE) == image
    server.write(IMAGE, spoilt)
    server.fault("slow", "vmctl", "5")
    with installed.under_way(*words):
        until(lambda: len(server.run("ls /var/vmm | grep web1.replaced").stdout.split()) == 2)
        server.stop()
    server.start(speed=50)
    server.clear("slow")
    assert server.read(IMAGE) in (spoilt, image)
    done(installed.play(*words))
    assert server.read(IMAGE) == image


def grow(server: Server, size: int, path: str = IMAGE) -> None:
    """Gives an image another size, on the machine that stands for its server."""
    with (server.root / path.lstrip("/")).open("r+b") as file:
        file.truncate(size)
