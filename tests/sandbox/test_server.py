# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server from outside: it starts, keeps its state, answers ssh, counts, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.server import Server, ServerError


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that mention the directory."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in text and str(os.getpid()) != place.parent.name:
            found.append(text)
    return found


def test_state_survives_a_stop(server: Server) -> None:
    server.run("useradd -m puffy && echo x >/home/puffy/file && chown puffy:www /home/puffy/file")
    server.run(
        "chmod 4750 /home/puffy/file; ln -s file /home/puffy/link; cd /dev && sh MAKEDEV tap9"
    )
    server.run("hostname other.example.org")
    server.fault("slow", "id", "0.01")
    port, before = server.port, server.snapshot()
    server.stop()
    assert not server.running
    server.start()
    assert server.snapshot() == before
    assert before["/home/puffy/file"][:3] == ["-rwsr-x---", 1000, 67]
    assert before["/dev/tap9"][:3] == ["crw-------", 0, 0]
    assert ["slow", "id", "0.01"] in server.faults()
    assert server.port == port
    assert server.ssh("id -un puffy; hostname").stdout == b"puffy\nother.example.org\n"


def test_a_stopped_server_leaves_no_process(server: Server, tmp_path: Path) -> None:
    background = subprocess.Popen(
        ["ssh", "-F", server.ssh_config(), "server1", "touch /tmp/began; sleep 60 & sleep 60"],
        stdout=subprocess.DEVNULL,
    )
    until(lambda: server.run("test -e /tmp/began").returncode == 0)
    master = ["ssh", "-F", str(server.ssh_config()), "-MNf", "-S", f"/tmp/sandbox-{os.getpid()}"]
    subprocess.run([*master, "server1"], check=True)
    assert len(processes_of(tmp_path)) > len(["background", "master"])
    server.stop()
    background.wait(10)
    until(lambda: not processes_of(tmp_path))


def test_a_server_dies_with_the_process_it_was_started_with(tmp_path: Path, shared: Path) -> None:
    companion = subprocess.Popen(["sleep", "60"])
    server = Server(tmp_path, "server1", shared=shared, attached=False)
    server.start(with_process=companion.pid)
    companion.kill()
    companion.wait()
    until(lambda: not processes_of(tmp_path))
    server.stop()
    assert (tmp_path / "server1/state.json").exists()


def test_a_server_dies_with_a_parent_that_is_killed(tmp_path: Path, shared: Path) -> None:
    script = (
        "import os, signal, pathlib; from sandbox.server import Server;"
        f"shared = pathlib.Path({str(shared)!r});"
        f"Server(pathlib.Path({str(tmp_path)!r}), 'a', shared=shared).start();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert (tmp_path / "a/port").exists()
    until(lambda: not processes_of(tmp_path))


def test_a_directory_with_a_space_and_a_long_name(tmp_path: Path, shared: Path) -> None:
    directory = tmp_path / "a b" / ("long" * 20)
    directory.mkdir(parents=True)
    server = Server(directory, "server1", shared=shared).start()
    try:
        assert server.ssh("hostname").stdout == b"server1.example.org\n"
    finally:
        server.stop()


def test_executions_are_counted(common: Server) -> None:
    before = len(common.executions())
    done = common.ssh("cat; exit 3", stdin=b"x" * 70000)
    assert done.returncode == 3
    assert done.stdout == b"x" * 70000
    (one,) = common.executions()[before:]
    assert (one.user, one.command, one.command_bytes) == ("root", "cat; exit 3", 11)
    assert (one.bytes_in, one.bytes_out, one.rc) == (70000, 70000, 3)
    assert 0 < one.seconds < 10


def test_control_persist_saves_connections_not_executions(common: Server) -> None:
    path = f"/tmp/sandbox-{os.getpid()}-%C"
    shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", "ControlPersist=20"]
    before = len(common.executions())
    common.ssh("true")
    logins = (common.home / "sshd.log").read_text().count("Accepted")
    for _ in range(3):
        assert common.ssh("true", options=shared).returncode == 0
    assert len(common.executions()) == before + 4
    assert (common.home / "sshd.log").read_text().count("Accepted") == logins + 1
    common.ssh("", options=[*shared, "-O", "exit"])


def test_owners_log_in_with_their_own_keys(server: Server) -> None:
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
    server.run("userdel -r puffy")
    assert server.ssh("id", user="puffy").returncode == 255


def test_an_unknown_host_key_is_refused(common: Server, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    done = common.ssh("true", options=["-o", f"UserKnownHostsFile={empty}"])
    assert done.returncode == 255
    assert b"Host key verification failed" in done.stderr


def test_an_interactive_login_has_a_terminal(common: Server) -> None:
    words = ["ssh", "-F", str(common.ssh_config()), "-tt", "server1"]
    done = subprocess.run(
        words, input=b"test -t 0 && echo $((6*7)) $0; exit 5\n", capture_output=True, check=False
    )
    assert done.returncode == 5
    assert b"42 -ksh" in done.stdout


def test_sftp_reaches_the_servers_files(common: Server, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("hello\n")
    words = ["sftp", "-q", "-b", "-", "-F", str(common.ssh_config()), "server1"]
    script = f"put {tmp_path}/new /etc/new\nget /etc/myname {tmp_path}/myname\n"
    subprocess.run(words, input=script.encode(), check=True, stdout=subprocess.DEVNULL)
    assert common.read("/etc/new") == b"hello\n"
    assert (tmp_path / "myname").read_text() == "server1.example.org\n"
    common.remove("/etc/new")


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_cut_after_some_input(server: Server, size: int) -> None:
    server.fault("cut_after", str(size), "2")
    assert server.ssh("cat >/tmp/first", stdin=b"x" * 200_000).returncode == 0
    assert server.ssh("cat >/tmp/second", stdin=b"x" * 200_000).returncode == 255
    until(lambda: len(server.executions()) == 2)
    assert server.executions()[1].bytes_in == size
    assert len(server.read("/tmp/second")) == size
    assert server.ssh("cat >/tmp/third", stdin=b"x" * 200_000).returncode == 0


def test_cut_of_a_running_session(server: Server) -> None:
    running = subprocess.Popen(
        ["ssh", "-F", server.ssh_config(), "server1", "echo here; sleep 1; echo >/tmp/after"],
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"here\n"
    server.cut()
    assert running.wait(10) == 255
    running.stdout.close()
    # What runs on the server runs on, until it notices.
    until(lambda: server.run("test -e /tmp/after").returncode == 0)


def test_cut_when_a_command_is_called(server: Server) -> None:
    server.fault("cut_at", "id")
    assert server.ssh("touch /tmp/a; id; touch /tmp/b").returncode == 255
    until(lambda: server.run("test -e /tmp/a -a -e /tmp/b").returncode == 0)
    assert server.ssh("id").returncode == 0


def test_somebody_else_edits_a_file(server: Server) -> None:
    server.write("/etc/vm.conf", "one\n", 0o600)
    server.fault("edit_before_apply", "/etc/vm.conf")
    assert server.ssh("cat /etc/vm.conf").stdout == b"one\n"
    assert server.ssh("cat /etc/vm.conf").stdout == b"one\n# edited by somebody else\n"
    assert server.ssh("cat /etc/vm.conf").stdout.count(b"#") == 1


def test_a_full_disk(server: Server) -> None:
    server.run("useradd -m puffy; chown puffy /etc/hosts; chmod 640 /etc/hosts")
    before = server.snapshot()
    server.fault("disk_full", "/etc")
    assert server.snapshot() == before
    script = (
        'open F, ">", "/etc/new" or die; print F "x" x 9000 or print "print: $!\\n";'
        'close F or print "close: $!\\n"; print -s "/etc/new", "\\n";'
        'rename "/etc/new", "/etc/newer" or die; unlink "/etc/newer" or die'
    )
    done = server.ssh("perl -", stdin=script.encode())
    assert done.returncode == 0, done.stderr
    assert b"No space left on device\n0\n" in done.stdout
    assert server.ssh("echo x >/var/elsewhere").returncode == 0
    server.remove("/var/elsewhere")
    server.stop()
    server.start()
    assert server.ssh("perl -e 'open F, q(>), q(/etc/n); print F 1; exit !close F'").returncode == 1
    server.remove("/etc/n")
    server.clear("disk_full")
    assert server.snapshot() == before
    assert server.ssh("echo x >/etc/new").returncode == 0


def test_a_disk_with_a_little_room(server: Server) -> None:
    server.fault("disk_full", "/etc", "64K")
    script = "perl -e 'print q(x) x 60000 or exit 1'"
    assert server.ssh(f"{script} >/etc/fits").returncode == 0
    assert server.ssh(f"{script} >/etc/does_not").returncode == 1


def test_firmware_that_was_not_fetched(server: Server) -> None:
    assert server.read("/etc/firmware/vmm-bios")
    server.fault("no_firmware")
    with pytest.raises(ServerError, match="No such file or directory"):
        server.read("/etc/firmware/vmm-bios")
    server.clear("no_firmware")
    assert server.read("/etc/firmware/vmm-bios")


def test_a_command_that_fails_or_is_slow(server: Server) -> None:
    server.fault("fail", "whoami", "4", "no", "luck")
    done = server.run("whoami; echo $?")
    assert (done.stdout, done.stderr) == (b"4\n", b"no luck\n")
    server.clear("fail")
    server.fault("slow", "whoami", "1")
    began = time.monotonic()
    assert server.run("whoami").stdout == b"root\n"
    assert time.monotonic() - began >= 1


def test_an_unknown_fault_is_refused(common: Server) -> None:
    with pytest.raises(ServerError, match="no fault 'nonsense'; there are cut_after"):
        common.fault("nonsense")


def test_the_command_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}

    def sandbox(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", words[0], str(tmp_path), *words[1:]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert sandbox("status").returncode == 1
    up = sandbox("up", "one", "two")
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines()[1] == f"two: ssh -F {tmp_path}/ssh_config two"
    try:
        for name in ("one", "two"):
            words = ["ssh", "-F", f"{tmp_path}/ssh_config", name, "hostname"]
            assert subprocess.check_output(words, text=True) == f"{name}.example.org\n"
        assert sandbox("status").returncode == 0
        assert (
            sandbox("fault", "one", "disk_full", "/etc").stdout == "vmctl_hangs\ndisk_full /etc\n"
        )
        assert sandbox("fault", "one", "--clear").stdout == ""
        assert "no fault" in sandbox("fault", "one", "nonsense").stderr
    finally:
        sandbox("down")
    until(lambda: not processes_of(tmp_path))
    assert sandbox("status").stdout == "one: does not run\ntwo: does not run\n"
