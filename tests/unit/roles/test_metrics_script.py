# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The script that measures a server, in the shells that there are, with recorded answers."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
SCRIPT = TESTS / "golden/metrics/etc/metrics.vmm"
TRANSCRIPTS = json.loads((TESTS / "sandbox/transcripts.json").read_text())
HEAD = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"

# Columns of intpr() and print_addr(), usr.bin/netstat/if.c.
PACKETS = """\
Name    Mtu   Network     Address              Ipkts Ifail    Opkts Ofail Colls
lo0     32768 <Link>                              12     0       12     0     0
lo0     32768 127/8       127.0.0.1               12     0       12     0     0
tap0    1500  <Link>      fe:e1:ba:d4:3e:a3      811     0      907     1     0
tap1*   1500  <Link>      fe:e1:ba:d4:3e:a4        5     0 12345678     0     0
"""
BYTES = """\
Name    Mtu   Network     Address               Ibytes     Obytes
lo0     32768 <Link>                              1234       1234
lo0     32768 127/8       127.0.0.1               1234       1234
tap0    1500  <Link>      fe:e1:ba:d4:3e:a3      70011 5000000000000
tap1*   1500  <Link>      fe:e1:ba:d4:3e:a4        300          0
"""
# print_sensor(), sbin/sysctl/sysctl.c.
SENSORS = r"""hw.sensors.cpu0.temp0=41.00 degC
hw.sensors.softraid0.drive0=online (sd2), OK
hw.sensors.mpi0.drive1=rebuild "50%\n", WARNING
hw.sensors.mpi0.drive2=12 ???, UNKNOWN
hw.sensors.mpi0.drive3=online
"""
VM_CONF = """\
vm "web1" {
	disable
	disk "DIR/web1.img" format raw
	disk "DIR/missing.img" format raw
}
# disk "DIR/no.img"
vm "b-2" {
	disk "DIR/b.qcow2" format qcow2
}
"""
TOOLS = ("vmctl", "stat", "ifconfig", "netstat", "sysctl")
TRAFFIC = {
    "vm_sent_packets_total", "vm_received_packets_total",
    "vm_sent_bytes_total", "vm_received_bytes_total",
}  # fmt: skip
SAMPLE = re.compile(
    r'puffy_vmm_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"'
    r'(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? \d+\Z'
)


def recorded(command: str, has: str = "") -> str:
    """What a running OpenBSD printed."""
    return next(
        str(step["stdout"]).removesuffix("rc 0\n")
        for scenario in TRANSCRIPTS["scenarios"]
        for step in scenario["steps"]
        if step.get("run", "").startswith(command) and has in step["stdout"]
    )


class Machine:
    """The script with its paths below a directory, and programs that print what a test says."""

    def __init__(self, directory: Path, shell: str) -> None:
        self.directory, self.shell = directory, shell
        self.text = SCRIPT.read_text()
        self.bin, self.metrics = directory / "bin", directory / "metrics"
        self.bin.mkdir()
        self.metrics.mkdir()
        for old, new in {
            "PATH=/bin:/sbin:/usr/bin:/usr/sbin": f"PATH={self.bin}:/bin:/usr/bin",
            "directory=/var/www/metrics": f"directory={self.metrics}",
            "conf=/etc/vm.conf": f"conf={directory}/vm.conf",
        }.items():
            assert old in self.text
            self.text = self.text.replace(old, new)
        (directory / "vm.conf").write_text(VM_CONF.replace("DIR", str(directory)))
        (directory / "web1.img").write_bytes(b"x" * 5000)
        (directory / "b.qcow2").write_bytes(b"")
        self.answers("vmctl", recorded("vmctl status", "web3"))
        self.answers("ifconfig", recorded("ifconfig tap |") + TAP1)
        self.answers("sysctl", SENSORS)
        self.program(
            "netstat",
            f"case $1 in -in) cat <<'E'\n{PACKETS}E\n;; -ibn) cat <<'E'\n{BYTES}E\nesac\n",
        )
        # GNU's names of OpenBSD's fields: size and blocks of 512 bytes.
        self.program("stat", '[ "$1 $2" = "-Lf %z %b" ] && echo "$(wc -c <"$3" | tr -d " ") 16"\n')
        self.program("chgrp", f'echo "$@" >>{directory}/chgrp\n')

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}")
        (self.bin / name).chmod(0o755)

    def answers(self, name: str, text: str, status: int = 0) -> None:
        self.program(name, f"cat <<'E'\n{text}E\nexit {status}\n")

    def run(self) -> int:
        (self.directory / "script").write_text(self.text)
        done = subprocess.run(
            [self.shell, "script"], cwd=self.directory, capture_output=True, text=True, check=False
        )
        assert not done.stdout + done.stderr
        return done.returncode

    def read(self) -> dict[str, str]:
        """The samples of what it wrote, which must be well-formed."""
        assert self.run() == 0
        return samples((self.metrics / "metrics.text").read_text())


TAP1 = """\
tap1: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
	description: vm12-if1-b-2
tap2: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
	description: of somebody
em0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	description: vm1-if0-web1
"""


def samples(text: str) -> dict[str, str]:
    """Of a text in the exposition format: one HELP and TYPE for each family, its samples below."""
    assert text.endswith("\n")
    values: dict[str, str] = {}
    families: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            name, _help = line.removeprefix("# HELP ").split(" ", 1)
            assert name not in families
            families.append(name)
            kind = lines[number + 1].removeprefix(f"# TYPE {name} ")
            assert kind == ("counter" if name.endswith("_total") else "gauge")
        elif not line.startswith("# TYPE "):
            assert SAMPLE.match(line), line
            name, value = line.rsplit(" ", 1)
            assert re.split("[{ ]", name)[0] == families[-1]
            assert name not in values
            values[name] = value
    return {name.removeprefix("puffy_vmm_"): value for name, value in values.items()}


@pytest.fixture(params=["sh", "dash", "mksh"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    return Machine(tmp_path, request.param)


def test_what_is_measured(machine: Machine) -> None:
    measured = machine.read()
    assert int(measured.pop("written_timestamp_seconds")) > 1_700_000_000
    images = machine.directory
    assert measured == {
        'vms{state="running"}': "1",
        'vms{state="stopped"}': "2",
        'vm_running{vm="web1"}': "1",
        'vm_running{vm="web2"}': "0",
        'vm_running{vm="web3"}': "0",
        'vm_memory_limit_bytes{vm="web1"}': str(68 * 1024**2),
        'vm_memory_limit_bytes{vm="web2"}': str(64 * 1024**2),
        'vm_memory_limit_bytes{vm="web3"}': str(64 * 1024**2),
        'vm_memory_bytes{vm="web1"}': str(17 * 1024**2),
        f'image_size_bytes{{vm="web1",image="{images}/web1.img"}}': "5000",
        f'image_size_bytes{{vm="b-2",image="{images}/b.qcow2"}}': "0",
        f'image_allocated_bytes{{vm="web1",image="{images}/web1.img"}}': "8192",
        f'image_allocated_bytes{{vm="b-2",image="{images}/b.qcow2"}}': "8192",
        'vm_sent_packets_total{vm="web1",interface="0"}': "811",
        'vm_received_packets_total{vm="web1",interface="0"}': "907",
        'vm_sent_bytes_total{vm="web1",interface="0"}': "70011",
        'vm_received_bytes_total{vm="web1",interface="0"}': "5000000000000",
        'vm_sent_packets_total{vm="b-2",interface="1"}': "5",
        'vm_received_packets_total{vm="b-2",interface="1"}': "12345678",
        'vm_sent_bytes_total{vm="b-2",interface="1"}': "300",
        'vm_received_bytes_total{vm="b-2",interface="1"}': "0",
        'drive_ok{drive="softraid0.drive0"}': "1",
        'drive_ok{drive="mpi0.drive1"}': "0",
        'drive_ok{drive="mpi0.drive2"}': "0",
        'drive_info{drive="softraid0.drive0",status="OK",value="online (sd2)"}': "1",
        r'drive_info{drive="mpi0.drive1",status="WARNING",value="rebuild \"50%\\n\""}': "1",
        'drive_info{drive="mpi0.drive2",status="UNKNOWN",value="12 ???"}': "1",
        'drive_info{drive="mpi0.drive3",status="",value="online"}': "1",
        **{f'up{{tool="{tool}"}}': "1" for tool in TOOLS},
    }


@pytest.mark.parametrize(
    ("tool", "kinds"),
    [
        ("vmctl", {"vms", "vm_running", "vm_memory_limit_bytes", "vm_memory_bytes"}),
        ("stat", {"image_size_bytes", "image_allocated_bytes"}),
        ("sysctl", {"drive_ok", "drive_info"}),
        ("netstat", TRAFFIC),
        ("ifconfig", TRAFFIC),
    ],
)
def test_what_a_program_does_not_say_is_missing(
    machine: Machine, tool: str, kinds: set[str]
) -> None:
    whole = {name.partition("{")[0] for name in machine.read()}
    machine.program(tool, "echo 1 2 3 4; exit 1\n")
    measured = machine.read()
    assert whole - {name.partition("{")[0] for name in measured} == kinds
    silent = {name for name, value in measured.items() if name.startswith("up{") and value == "0"}
    assert silent == {f'up{{tool="{tool}"}}'}


def test_a_server_without_vms(machine: Machine) -> None:
    machine.answers("vmctl", HEAD, 1)
    (machine.directory / "vm.conf").write_text("")
    machine.answers("sysctl", "")
    machine.answers("ifconfig", "")
    measured = machine.read()
    del measured["written_timestamp_seconds"]
    assert {name: value for name, value in measured.items() if not name.startswith("up{")} == {
        'vms{state="running"}': "0",
        'vms{state="stopped"}': "0",
    }
    assert {value for name, value in measured.items() if name.startswith("up{")} == {"1"}


def test_names_that_end_a_label(machine: Machine) -> None:
    row = "    1 56946     1    1.5G   17.0K   ttyp0        puffy  running "
    machine.answers("vmctl", HEAD + row + 'x"}\\9\nvm{a="b"} 1\n' + row + "\xe9\x01`id`$(id)\n")
    measured = machine.read()
    assert measured[r'vm_running{vm="x\"}\\9"}'] == "1"
    assert measured[r'vm_memory_bytes{vm="x\"}\\9"}'] == str(17 * 1024)
    assert measured['vm_memory_limit_bytes{vm="???`id`$(id)"}'] == str(3 * 1024**3 // 2)
    assert measured['vms{state="running"}'] == "2"


def test_who_finds_it(machine: Machine) -> None:
    stranger = machine.metrics / "metrics@198.51.100.1"
    stranger.symlink_to("metrics.text")
    for _ in range(2):
        machine.read()
        assert {path.name for path in machine.metrics.iterdir()} == {
            "metrics.text", "metrics@192.0.2.9", "metrics@2001:db8::9",
        }  # fmt: skip
    written = (machine.metrics / "metrics@192.0.2.9").read_text()
    assert written == (machine.metrics / "metrics.text").read_text()
    assert (machine.metrics / "metrics.text").stat().st_mode & 0o777 == 0o640
    assert (machine.directory / "chgrp").read_text().startswith("www .new.")


def test_half_a_file_is_never_there(machine: Machine) -> None:
    machine.read()
    before = (machine.metrics / "metrics.text").read_text()
    (machine.metrics / ".new.of-one-that-was-killed").write_text("half")
    for name, text in {"chgrp": "exit 1\n", "date": "exit 1\n", "cat": "head -c 10\n"}.items():
        machine.program(name, text)
        assert machine.run() == 1
        (machine.bin / name).unlink()
        assert (machine.metrics / "metrics.text").read_text() == before
        assert not list(machine.metrics.glob(".new.*"))


def test_shellcheck_finds_nothing_in_the_script() -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
