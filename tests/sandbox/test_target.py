# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The target from outside: it starts, keeps its state, answers ssh, counts, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.server import Server


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that mention the directory."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in text and str(os.getpid()) != place.parent.name:
            lines.append(text)
    return lines


def test_state_survives_a_stop(server: Server) -> None:
    server.run("useradd -m puffy && echo x >/home/puffy/file && chown puffy:www /home/puffy/file")
    server.run("chmod 4750 /home/puffy/file; ln -s file /home/puffy/link; sh /dev/MAKEDEV tap9")
    server.fault("slow", "id", "0.01")
    port, before = server.port, server.snapshot()
    server.stop()
    assert not server.running
    server.start()
    assert server.snapshot() == before
    assert before["/home/puffy/file"][:3] == ["-rwsr-x---", 1000, 67]
    assert before["/root/tap9"][:3] == ["crw-------", 0, 0]
    assert ["slow", "id", "0.01"] in server.faults()
    assert server.port == port


def test_a_stopped_server_leaves_no_process(server: Server, tmp_path: Path) -> None:
    background = subprocess.Popen(
        ["ssh", "-F", server.ssh_config(), "server1", "touch /tmp/began; sleep 60 & sleep 60"],
        stdout=subprocess.DEVNULL,
    )
    until(lambda: server.run("test -e /tmp/began").returncode == 0)
    server.stop()
    background.wait(10)
    until(lambda: not processes_of(tmp_path))


def test_executions_are_counted(common: Server) -> None:
    before = len(common.executions())
    done = common.ssh("cat; exit 3", stdin=b"x" * 70000)
    assert (done.returncode, done.stdout) == (3, b"x" * 70000)
    (run,) = common.executions()[before:]
    assert (run.user, run.command, run.command_bytes) == ("root", "cat; exit 3", 11)
    assert (run.bytes_in, run.bytes_out, run.rc) == (70000, 70000, 3)


def test_each_account_has_its_own_key_and_shell(server: Server) -> None:
    server.run("useradd -m puffy")
    key = server.read("/root/.ssh/authorized_keys").decode()
    assert server.ssh("id", user="puffy").returncode == 255
    server.run(f"echo '{key.strip()}' >/home/puffy/.ssh/authorized_keys")
    done = server.ssh("id -un; pwd; echo $0 $HOME $USER; perl -e 'print $<, $>'", user="puffy")
    assert done.stdout.decode().split() == [
        *("puffy", "/home/puffy", "ksh", "/home/puffy", "puffy", "10001000")
    ]
    server.run("usermod -s /sbin/nologin puffy")
    done = server.ssh("id", user="puffy")
    assert (done.returncode, done.stdout) == (1, b"This account is currently not available.\n")


def test_exit_statuses_and_a_terminal(common: Server) -> None:
    assert common.ssh("exit 7").returncode == 7
    assert common.ssh("kill -TERM $$").returncode == 143
    words = ["ssh", "-F", str(common.ssh_config()), "-tt", "server1"]
    script = b"test -t 0 && echo $((6*7)) $0; exit 5\n"
    done = subprocess.run(words, input=script, capture_output=True, check=False)
    assert done.returncode == 5
    assert b"42 -ksh" in done.stdout


def test_a_full_disk(server: Server) -> None:
    server.run("useradd -m puffy; chown puffy /etc/hosts; chmod 640 /etc/hosts")
    before = server.snapshot()
    server.fault("disk_full", "/etc")
    assert server.snapshot() == before
    script = (
        'open F, ">", "/etc/new" or die; print F "x" x 9000 or print "print: $!\\n";'
        'close F or print "close: $!\\n"; print -s "/etc/new", "\\n"; unlink "/etc/new" or die'
    )
    done = server.ssh("perl -", stdin=script.encode())
    assert done.returncode == 0, done.stderr
    assert b"No space left on device\n0\n" in done.stdout
    server.stop()
    server.start()
    assert server.ssh("perl -e 'open F, q(>), q(/etc/n); print F 1; exit !close F'").returncode == 1
    server.remove("/etc/n")
    server.clear("disk_full")
    assert server.snapshot() == before
    server.fault("disk_full", "/etc", "64K")
    script = "perl -e 'print q(x) x 60000 or exit 1'"
    assert server.ssh(f"{script} >/etc/fits").returncode == 0
    assert server.ssh(f"{script} >/etc/does_not").returncode == 1


def test_what_is_not_modelled_has_a_status_of_its_own_and_is_noted(server: Server) -> None:
    commands = ("vmctl log brief", "ls --color", "rcctl ls started", "vmd -d", "stat -x /")
    for command in (*commands, "ftp https://example.org/x"):
        done = server.run(command)
        assert done.returncode == 99
        assert done.stderr.startswith(b"not modelled: ")
    assert len(server.unmodelled()) == 6
    server.stop()
    assert len(server.unmodelled()) == 6


def test_the_command_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}

    def sandbox(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", words[0], str(tmp_path), *words[1:]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    up = sandbox("up", "one", "two")
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines()[1] == f"two: ssh -F {tmp_path}/ssh_config two"
    try:
        words = ["ssh", "-F", f"{tmp_path}/ssh_config", "two", "hostname"]
        assert subprocess.check_output(words, text=True) == "two.example.org\n"
    finally:
        sandbox("down")
    until(lambda: not processes_of(tmp_path))
