# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How the agent copies images and puts them back, with a script in the place of vmctl(8)."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import struct
import time
import typing as t
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import MODES, read
from unit.agent_host import Host, WatchedHost, until
from unit.plugin_utils._agent import confinement

ID: t.Final = "20261129T030000Z"
PLACE: t.Final = "/srv/place"
MIB: t.Final = 1 << 20
# What the script keeps in /srv/vm: the VM's state, and what it was asked for.
VMCTL: t.Final = """#!/bin/sh
cd /srv/vm
[ "$1" = status ] || echo "$*" >>calls
case $1 in
status)
    pid=4711; state=$(cat state)
    [ $state = stopped ] && pid=-
    echo '   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME'
    [ -e gone ] || echo "    1 $pid     1    1.0G     16M   ttyp0    $(cat owner) $state web1";;
pause) [ -e busy -o -e deaf ] || echo paused >state; [ ! -e hangs ] || sleep 60;;
unpause) echo running >state;;
stop) [ ! -e slow ] || sleep 2; [ -e busy ] || echo stopped >state;;
start) [ -e broken ] || echo running >state;;
esac
[ -z "$(cat ${1}ed-writes 2>/dev/null)" ] || echo x >>/srv/image
"""
# Whether the VM's process sleeps. A deaf one had something to do just when it was asked to pause.
PS: t.Final = """#!/bin/sh
cd /srv/vm
[ "$*" = '-o state= -p 4711' ] || exit 1
[ ! -e busy ] && ! { [ -e deaf ] && grep -q pause calls; } && echo Ssp || echo R/1sp
"""


class Server:
    """A host with a VM whose image is /srv/image."""

    def __init__(self, host: Host, image: bytes) -> None:
        self.host, self.vm = host, host.srv / "vm"
        self.vm.mkdir()
        self.image = host.srv / "image"
        self.image.write_bytes(image)
        self.free(1 << 40)
        self.script("vmctl", VMCTL)
        self.script("ps", PS)
        self.is_in("running")
        self.is_of("puffy")

    def script(self, name: str, text: str) -> None:
        path = self.host.srv / name
        path.write_text(text)
        path.chmod(0o755)

    def free(self, size: int) -> None:
        line = f"/dev/sd0a 1 1 {size >> 10} 1% /"
        self.script("df", f"#!/bin/sh\necho 'Filesystem ...'\necho '{line}'\n")

    def is_in(self, state: str) -> None:
        (self.vm / "state").write_text(f"{state}\n")

    def is_of(self, owner: str) -> None:
        (self.vm / "owner").write_text(f"{owner}\n")

    @property
    def state(self) -> str:
        return (self.vm / "state").read_text().strip()

    @property
    def calls(self) -> list[str]:
        path = self.vm / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def kept(self) -> Path:
        return self.host.srv / "place/web1" / ID

    def request(self, do: str, **more: t.Any) -> bytes:
        tools = {name: f"/srv/{name}" for name in ("vmctl", "df", "ps")}
        files = [{"path": "/srv", "argv": [tool]} for tool in tools.values()]
        return payload(
            {"verb": "backup", "do": do, "by": "a test", "place": PLACE, "vm": "web1",
             "files": files, **tools, **more}
        )  # fmt: skip

    def ask(self, do: str, **more: t.Any) -> dict[str, t.Any]:
        return self.host.send(self.request(do, **more))

    def begin(self, mode: str = "paused", **more: t.Any) -> dict[str, t.Any]:
        disk = {"path": "/srv/image", "name": "disk0.img", "format": "raw"}
        about = {"owner": "puffy", "server": "server1"}
        fields: dict[str, t.Any] = {"id": ID, "mode": mode, "disks": [disk], "about": about}
        fields |= {"rest_seconds": 2, "hold_seconds": 60, "stop_seconds": 3, "awake_seconds": 2}
        fields |= {"grace_seconds": 60, **more}
        return self.ask("take", **fields)

    def end(self) -> dict[str, t.Any]:
        """How the work became."""
        now: dict[str, t.Any] = {"state": "works", "step": ""}
        while now["state"] == "works":
            now = self.ask("watch", seen=now["step"], seconds=10)
        return now

    def take(self, mode: str = "paused", **more: t.Any) -> dict[str, t.Any]:
        assert "failed" not in self.begin(mode, **more)
        return self.end()

    def processes(self) -> dict[int, int]:
        """The processes of the work under way, each with its parent."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.host.srv) in (process / "mountinfo").read_text():
                    line = (process / "stat").read_text().rpartition(")")[2].split()
                    found[int(process.name)] = int(line[1])
        return found

    def at_work(self) -> tuple[int, int]:
        """Keeper and worker."""
        found = self.processes()
        pairs = [(parent, pid) for pid, parent in found.items() if parent in found]
        return pairs[0]

    def until_copying(self) -> None:
        until(lambda: any(self.kept.with_name(f"{ID}.partial").glob("disk0.img")))


def image(size: int = 3 * MIB) -> bytes:
    """Data, a hole, and a piece at the end that is no whole block."""
    return os.urandom(size // 3) + bytes(2 * MIB) + os.urandom(4097)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(Host(tmp_path), image())


@pytest.fixture
def slow(tmp_path: Path) -> Server:
    """Its image takes seconds to copy, and no room."""
    made = Server(Host(tmp_path), b"data")
    os.truncate(made.image, 40 << 30)
    return made


def test_a_paused_vm_is_copied_and_runs_again(server: Server) -> None:
    became = server.take()
    assert became["state"] == "done", became
    assert (server.calls, server.state) == (["pause web1", "unpause web1"], "running")
    (disk,) = became["backup"]["disks"]
    packed = (server.kept / disk["name"]).read_bytes()
    content = server.image.read_bytes()
    assert gzip.decompress(packed) == content
    assert disk["sha256"] == hashlib.sha256(content).hexdigest()
    assert disk["packed_sha256"] == hashlib.sha256(packed).hexdigest()
    assert (disk["size"], disk["packed"]) == (len(content), len(packed))
    assert (became["backup"]["mode"], became["backup"]["by"]) == ("paused", "a test")
    assert read(became["backup"]) is not None
    assert sorted(path.name for path in server.kept.iterdir()) == ["backup.json", "disk0.img.gz"]
    index = json.loads((server.host.srv / "place/index.json").read_text())
    assert index == {"backups": [became["backup"]]}
    everything = [server.host.srv / "place", *(server.host.srv / "place").rglob("*")]
    for path in everything:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert not list(server.host.state.glob("*.hold"))


# The state before, the mode, a file that has the script do otherwise; what vmctl is asked, and the
# mode of what comes of it, or what is said.
WAYS: dict[str, tuple[str, str, str, list[str], str]] = {
    "stopped": ("running", "stopped", "", ["stop web1", "start web1"], "stopped"),
    "stopped already": ("stopped", "paused", "", [], "stopped"),
    "paused already": ("paused", "paused", "", [], "paused"),
    "while it runs": ("running", "crash-consistent", "", [], "crash-consistent"),
    "vmctl does not return": (
        "running", "paused", "hangs", ["pause web1", "unpause web1"], "paused",
    ),
    "never idles": (
        "running", "paused", "busy", [], "its processor did not idle once in 2 s",
    ),
    "does not stop": (
        "running", "stopped", "busy", ["stop web1"], "is still running 3 s after it was asked to",
    ),
    "does not start again": (
        "running", "stopped", "broken", ["stop web1", "start web1", "start web1"],
        "it is stopped and should be running: as root on the server, vmctl start web1",
    ),
    "is stopping": ("stopping", "paused", "", [], "is stopping; run again"),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_a_way(server: Server, name: str) -> None:
    before, mode, file, calls, result = WAYS[name]
    server.is_in(before)
    if file:
        (server.vm / file).touch()
    became = server.take(mode)
    if result in MODES:
        assert became["state"] == "done", became
        assert became["backup"]["mode"] == result
        assert became["backup"]["stood_still"] < 8
        assert gzip.decompress((server.kept / "disk0.img.gz").read_bytes())
    else:
        assert result in became["text"]
        assert not list((server.host.srv / "place/web1").iterdir())
    assert server.calls[: len(calls)] == calls
    if name != "does not start again":
        assert server.calls == calls
        assert server.state == before


def test_a_vm_that_waits_for_its_pause_is_held(server: Server) -> None:
    """It is shown as running, and hears nothing, not even that it shall continue."""
    (server.vm / "deaf").touch()
    text = "it was asked to pause, and may get no interrupts until its processor idles"
    became = server.take()
    assert f"is still running 2 s after it was asked to pause; {text}" in became["text"]
    assert server.calls[-1] == "unpause web1"
    until(lambda: not server.processes())
    assert text in server.ask("free")["held"]["web1"]
    (server.vm / "deaf").unlink()
    assert server.ask("free") == {"freed": ["web1"], "stopped": {}, "held": {}}
    assert not list(server.host.state.glob("*.hold"))


def test_what_is_written_meanwhile_is_no_copy(server: Server) -> None:
    """Its owner may have it run again: vmctl shows it, or its image does."""
    os.truncate(server.image, 1 << 29)
    assert "failed" not in server.begin()
    server.until_copying()
    with server.image.open("r+b") as file:
        file.write(b"x")
    became = server.end()
    assert "it ran and wrote to its disk while it was copied" in became["text"]
    assert (server.calls, server.state) == (["pause web1", "unpause web1"], "running")
    assert not list((server.host.srv / "place/web1").iterdir())


@pytest.mark.parametrize("grace", [1, 60])
def test_a_guest_that_does_not_shut_down_in_time_loses_its_power(
    server: Server, grace: int
) -> None:
    (server.vm / "slow").touch()
    became = server.take("stopped", grace_seconds=grace)
    assert became["state"] == "done", became
    text = "it did not shut down within 1 s and was ended by vmd(8)"
    assert (became["ended"] or "").startswith(text if grace == 1 else "")
    assert bool(became["ended"]) == (grace == 1)


def test_a_pause_has_an_end(slow: Server) -> None:
    became = slow.take(hold_seconds=1)
    assert "the VM must not be paused for longer" in became["text"]
    assert (slow.calls, slow.state) == (["pause web1", "unpause web1"], "running")


def test_without_room_nothing_is_paused(server: Server) -> None:
    server.free(65 * MIB)
    became = server.take()
    assert "has 65 MiB free, and this needs" in became["text"]
    assert server.calls == []


@pytest.mark.parametrize("mode", ["paused", "stopped"])
@pytest.mark.parametrize("killed", ["worker", "keeper", "both"])
def test_whoever_is_killed_the_vm_runs_again(slow: Server, killed: str, mode: str) -> None:
    assert "failed" not in slow.begin(mode)
    slow.until_copying()
    assert slow.state == mode
    keeper, worker = slow.at_work()
    if killed != "worker":
        os.kill(keeper, signal.SIGKILL)
    if killed != "keeper":
        os.kill(worker, signal.SIGKILL)
    if killed == "both":
        until(lambda: not slow.processes())
        assert slow.state == mode
        assert slow.ask("free") == {"freed": ["web1"], "stopped": {}, "held": {}}
    # Who copies comes to the end of the image now.
    os.truncate(slow.image, MIB)
    until(lambda: slow.state == "running")
    until(lambda: not slow.processes(), 60)
    # What was left is cleared, and all goes well.
    assert slow.take(mode)["state"] == "done"
    assert [path.name for path in (slow.host.srv / "place/web1").iterdir()] == [ID]


# What was done with a VM while it was stopped for a backup, and what is said of it.
MEANWHILE: dict[str, tuple[t.Callable[[Server], object], str]] = {
    "suspended": (lambda server: server.is_of("root"), "its owner was puffy and is root now"),
    "archived": (lambda server: (server.vm / "gone").touch(), "does not have it any more"),
}


@pytest.mark.parametrize("cut_off", [False, True])
@pytest.mark.parametrize("name", MEANWHILE)
def test_what_must_not_run_any_more_stays_stopped(slow: Server, name: str, cut_off: bool) -> None:
    change, text = MEANWHILE[name]
    assert "failed" not in slow.begin("stopped")
    slow.until_copying()
    processes = slow.at_work()
    if cut_off:
        for process in processes:
            os.kill(process, signal.SIGKILL)
        until(lambda: not slow.processes())
    change(slow)
    if cut_off:
        answer = slow.ask("free")
        assert text in answer["stopped"].pop("web1")
        assert answer == {"freed": [], "stopped": {}, "held": {}}
    else:
        os.truncate(slow.image, MIB)
        slow.image.touch()
        assert text in slow.end()["text"]
    assert (slow.calls, slow.state) == (["stop web1"], "stopped")
    assert not list(slow.host.state.glob("*.hold"))


def test_a_vm_that_does_not_run_again_is_no_matter_of_the_others(server: Server) -> None:
    """Its failure is reported, and what is noted of others is cared for."""
    server.is_in("stopped")
    (server.vm / "broken").touch()
    server.host.state.mkdir(mode=0o700)
    for name in ("web1", "web2"):
        hold = {"vm": name, "vmctl": "/srv/vmctl", "how": "stop", "owner": "puffy", "since": 0}
        hold |= {"stop_seconds": 1, "awake_seconds": 1}
        (server.host.state / f"backup-{name}.hold").write_text(json.dumps(hold))
    answer = server.ask("free")
    assert answer["freed"] == []
    assert "vmctl start web1" in answer["held"].pop("web1")
    assert "stays stopped: vm.conf(5) does not have it" in answer["stopped"].pop("web2")
    assert answer["held"] == answer["stopped"] == {}
    assert [path.name for path in server.host.state.glob("*.hold")] == ["backup-web1.hold"]


def test_a_signal_ends_it_at_once(slow: Server) -> None:
    assert "failed" not in slow.begin()
    slow.until_copying()
    os.kill(slow.at_work()[1], signal.SIGTERM)
    assert slow.end()["text"] == "interrupted by SIGTERM"
    assert slow.state == "running"


def test_two_do_not_meet(slow: Server) -> None:
    assert "failed" not in slow.begin()
    slow.until_copying()
    busy = slow.begin()["busy"]
    assert (busy["do"], busy["by"], busy["state"]) == ("take", "a test", "works")
    assert slow.ask("free") == {"freed": [], "stopped": {}, "held": {}}
    assert slow.state == "paused"
    os.kill(slow.at_work()[1], signal.SIGTERM)
    until(lambda: not slow.processes())


def test_a_place_is_nobody_elses(server: Server) -> None:
    place = server.host.srv / "place"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    assert "nobody else can write" in server.begin()["failed"]["text"]


# The way back.


def restored(server: Server, **more: t.Any) -> dict[str, t.Any]:
    fields = {"from": ID, "of": "web1", "to": ["/srv/restored"], "discard": 0, "id": "", **more}
    assert "failed" not in server.ask("restore", **fields)
    return server.end()


def test_what_was_copied_comes_back_with_its_holes(server: Server) -> None:
    os.truncate(server.image, 64 * MIB)
    assert server.take()["state"] == "done"
    became = restored(server)
    assert became["state"] == "done", became
    path = server.host.srv / "restored"
    assert path.read_bytes() == server.image.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 < 4 * MIB
    (server.host.srv / "restored").unlink()
    assert restored(server, discard=1)["state"] == "done"
    assert not path.exists()


def test_a_restore_needs_room_for_data_and_not_for_holes(server: Server) -> None:
    data = server.image.stat().st_size
    os.truncate(server.image, 200 * MIB)
    became = server.take()
    (disk,) = became["backup"]["disks"]
    assert disk["size"] == 200 * MIB
    assert data - 3 * MIB < disk["data"] < data
    server.free(70 * MIB)
    assert restored(server)["state"] == "done"
    server.free(65 * MIB)
    assert "has 65 MiB free, and this needs 65 MiB" in restored(server)["text"]


def damage_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def with_another(name: str) -> t.Callable[[Path], object]:
    """Puts another checksum into the record."""

    def harm(path: Path) -> None:
        record = path.with_name("backup.json")
        data = json.loads(record.read_text())
        data["disks"][0][name] = "0" * 64
        record.write_text(json.dumps(data))

    return harm


DAMAGES: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "a bit": (damage_a_byte, "checksum|cannot be unpacked"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size - 9), "its size"),
    "more behind it": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "its size"),
    "another image": (lambda path: path.write_bytes(gzip.compress(b"x" * 9)), "its size"),
    "a bomb": (lambda path: path.write_bytes(gzip.compress(bytes(64 * MIB))), "larger than"),
    "an image of another checksum": (with_another("sha256"), "its checksum"),
    "a file of another checksum": (with_another("packed_sha256"), "its checksum"),
    "no image": (lambda path: path.write_bytes(b"nothing"), "cannot be unpacked"),
    "the same size": (
        lambda path: path.write_bytes(
            gzip.compress(bytes(len(gzip.decompress(path.read_bytes()))))
        ), "its size",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_nothing_of_it_is_left(server: Server, name: str) -> None:
    assert server.take()["state"] == "done"
    harm, text = DAMAGES[name]
    harm(server.kept / "disk0.img.gz")
    became = restored(server)
    assert became["state"] == "failed"
    assert became["damaged"]
    assert any(part in became["text"] for part in text.split("|")), became["text"]
    assert not (server.host.srv / "restored").exists()


def qcow2(**more: int) -> bytes:
    """An image of 1 GiB with one cluster of data, as vmctl(8) and vmd(8) make it."""
    values = {"version": 3, "based": 0, "bits": 16, "size": 1 << 30, "entries": 2, "data": 5 << 16}
    values |= more
    header = struct.pack(
        ">4sIQIIQIIQ", b"QFI\xfb", values["version"], 0, values["based"], values["bits"],
        values["size"], 0, values["entries"], 1 << 16,
    )  # fmt: skip
    tables = {1 << 16: 4 << 16 | 1 << 63, 4 << 16: values["data"] | 1 << 63}
    content = bytearray(6 << 16)
    content[: len(header)] = header
    for place, value in tables.items():
        content[place : place + 8] = struct.pack(">Q", value)
    return bytes(content)


UNSOUND: dict[str, tuple[bytes, str]] = {
    "sound": (qcow2(), ""),
    "raw": (b"x" * MIB, "not a qcow2 image"),
    "version": (qcow2(version=4), "not a qcow2 image"),
    "based": (qcow2(based=9), "based on another image"),
    "size": (qcow2(size=1 << 31), "first table is incomplete"),
    "clusters": (qcow2(bits=40), "the size of its clusters is not valid"),
    "entries": (qcow2(entries=1), "first table is incomplete"),
    "behind its end": (qcow2(data=6 << 16), "points beyond its end"),
    "short": (qcow2()[: (1 << 16) + 8], "first table is incomplete"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSOUND)
def test_an_image_that_no_vm_could_start_from(server: Server, name: str) -> None:
    content, text = UNSOUND[name]
    server.image.write_bytes(content)
    disk = {"path": "/srv/image", "name": "disk0.qcow2", "format": "qcow2"}
    became = server.take(disks=[disk])
    if text:
        assert text in became["text"]
        # Only the tables of its data are read once the VM is paused and copied.
        assert bool(server.calls) == (name == "behind its end")
        assert server.state == "running"
    else:
        assert became["state"] == "done", became
        assert became["backup"]["disks"][0]["disk"] == 1 << 30


def test_backups_travel_in_pieces(server: Server, tmp_path: Path) -> None:
    """From one place to another, whose first piece clears what was cut off."""
    backup = server.take()["backup"]
    packed = (server.kept / "disk0.img.gz").read_bytes()
    left = server.host.srv / "other/web1/20250101T000000Z.partial"
    left.mkdir(parents=True)
    fields = {"place": "/srv/other", "id": ID, "file": "disk0.img.gz", "total": len(packed)}
    for offset in (0, 1 * MIB):
        piece = packed[offset : offset + MIB]
        more = {"offset": offset, "first": int(not offset), "blob": [0, len(piece)]}
        request = {
            "verb": "backup", "do": "receive", "by": "a test", "vm": "web1", "df": "/srv/df",
            "files": [{"path": "/srv", "argv": ["/srv/df"]}], **fields, **more,
        }  # fmt: skip
        assert "failed" not in server.host.send(payload(request, piece))
        if not offset:
            again = server.host.send(payload({**request, "first": 0}, piece))
            assert "does not end where this piece begins" in again["failed"]["text"]
            assert (
                "is damaged: it is not what its record says"
                in server.ask("adopt", place="/srv/other", backup=backup)["failed"]["text"]
            )
    assert not left.exists()
    (packed_rest,) = [packed[2 * MIB :]]
    if packed_rest:
        more = {"offset": 2 * MIB, "first": 0, "blob": [0, len(packed_rest)]}
        assert "failed" not in server.host.send(payload({**request, **more}, packed_rest))
    assert "failed" not in server.ask("adopt", place="/srv/other", backup=backup)
    assert (server.host.srv / "other/web1" / ID / "disk0.img.gz").read_bytes() == packed
    assert server.ask("list", place="/srv/other")["backups"] == [backup]


def test_places_know_what_is_theirs(server: Server) -> None:
    backup = server.take()["backup"]
    stranger = server.host.srv / "place/web1/20200101T000000Z"
    stranger.mkdir()
    (stranger / "backup.json").write_text(json.dumps({**backup, "id": "20200101T000001Z"}))
    (server.host.srv / "place/web1/notes").mkdir()
    assert server.ask("list")["backups"] == [backup]
    tested = {"tested": {"at": "2026-11-30T00:00:00Z", "damaged": False}}
    assert "failed" not in server.ask("amend", id=ID, **{"with": tested})
    assert server.ask("list")["backups"] == [{**backup, **tested}]
    assert "failed" not in server.ask("drop", ids=[ID, "20190101T000000Z"])
    assert json.loads((server.host.srv / "place/index.json").read_text()) == {"backups": []}
    left = sorted(path.name for path in (server.host.srv / "place/web1").iterdir())
    assert left == ["20200101T000000Z", "notes"]
    for name in ("../x", "20261129T030000Z/..", "x"):
        assert "cannot be in a place" in server.ask("drop", ids=[name])["failed"]["text"]


def test_the_newest_is_noted(tmp_path: Path) -> None:
    db = tmp_path / "db"
    db.mkdir()
    host = Host(tmp_path)
    binds = {host.backups: "/var/backups", db: "/var/db"}
    words = [word for path, place in binds.items() for word in ("--bind", str(path), place)]
    server = Server(host.having("--tmpfs", "/var", *words), image())
    newest = {"id": ID, "taken": "2026-11-29T03:00:00Z", "mode": "paused", "place": PLACE}
    for name in ("web1", "db1"):
        assert "failed" not in server.ask("note", vm=name, newest=newest)
    note = db / "puffy.vmm.backups"
    assert json.loads(note.read_text()) == {"web1": newest, "db1": newest}


def test_it_keeps_to_what_the_request_names(tmp_path: Path) -> None:
    """As OpenBSD's pledge(2) and unveil(2) would have it, in all of its processes."""
    host = WatchedHost(tmp_path)
    server = Server(host, image())
    process, prefix = host.begin(server.request(
        "take", id=ID, mode="paused", about={}, rest_seconds=9, hold_seconds=60, stop_seconds=9,
        awake_seconds=9, grace_seconds=9,
        disks=[{"path": "/srv/image", "name": "d.img", "format": "raw"}],
    ))  # fmt: skip
    assert "failed" not in host.answer(process)
    until(lambda: server.kept.exists(), 60)
    until(lambda: not server.processes(), 60)
    time.sleep(0.5)
    refused, confined = confinement.violations(prefix)
    assert confined
    assert refused == []
