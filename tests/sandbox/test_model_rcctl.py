# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rcctl and the scripts behind it (facts 10), rc.conf and rc.conf.local."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.call import Result
from sandbox.machine import Machine
from sandbox.model import rc_conf
from sandbox.model.daemon import Daemon, Outcome
from sandbox.model.rc_scripts import ON, SCRIPTS

LOCAL = "/etc/rc.conf.local"
STATUS = "; echo rc $?"


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    bare.plant(tmp_path)
    (tmp_path / "etc/rc.conf.local").write_text(
        "library_aslr=NO\nslaacd_flags=NO\nsmtpd_flags=NO\nsndiod_flags=NO\n"
    )
    (tmp_path / "etc/login.conf").write_text("default:\\\n\t:x:\n\nvmd:\\\n\t:y:\n")
    for name in ("/var/www/logs", "/var/www/htdocs"):
        (tmp_path / name[1:]).mkdir(parents=True)
    return bare.machine(tmp_path)


def local(machine: Machine) -> str:
    return machine.files.read_text(LOCAL) if machine.files.exists(LOCAL) else ""


def test_the_transcript(machine: Machine) -> None:
    """Every step that needs no shell; the others are replayed over ssh."""
    wrong = []
    steps = 0
    for step in bare.transcript("rcctl"):
        if "write" in step:
            machine.files.write_text(step["write"], step["content"])
            continue
        command = step["run"].removesuffix(STATUS)
        if not command.startswith("rcctl") or "|" in command:
            continue
        steps += 1
        found = machine.run(command)
        if command != step["run"]:
            found = Result(0, f"{found.stdout}rc {found.rc}\n", found.stderr)
        if found != Result(step["rc"], step["stdout"], step["stderr"]):
            wrong.append((command, found, step))
    assert steps == 72
    assert wrong == []


def test_the_scripts_are_those_of_the_base_system() -> None:
    assert len(SCRIPTS) == 74
    assert set(SCRIPTS) > ON
    assert {name for name in SCRIPTS if not SCRIPTS[name].base} == {"dhcrelay6"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("httpd_flags=-v", {"httpd_flags": "-v"}),
        ("  httpd_flags = -v  # why", {"httpd_flags": "-v"}),
        ('httpd_flags="-D a=b"', {"httpd_flags": "-D a=b"}),
        ("httpd_flags='x\"", {"httpd_flags": "'x\""}),
        ("HTTPD_FLAGS=NO", {"httpd_flags": "NO"}),
        ("#httpd_flags=NO", {}),
        ("=x", {}),
        ("echo hello", {}),
        ("PATH=/bin", {}),
        ("pf=NO", {"pf": "NO"}),
        ("vmd_timeout=600\nvmd_timeout=60", {"vmd_timeout": "60"}),
    ],
)
def test_lines(text: str, values: dict[str, str]) -> None:
    assert rc_conf.parse(text) == values


@pytest.mark.parametrize(
    ("texts", "name", "value"),
    [
        (["spamd_flags="], "spamlogd_flags", "NO"),
        (["spamd_flags=\nspamd_black=NO\nspamlogd_flags="], "spamlogd_flags", ""),
        (["pflogd_flags=", "pf=NO"], "pflogd_flags", "NO"),
        (["nfsd_flags=NO\nmountd_flags=NO", "nfs_server=YES"], "nfsd_flags", "-tun 4"),
        (["nfsd_flags=NO\nmountd_flags=NO", "nfs_server=YES"], "mountd_flags", ""),
    ],
)
def test_what_follows_from_others(texts: list[str], name: str, value: str) -> None:
    assert rc_conf.effective(texts)[name] == value


@pytest.mark.parametrize(
    ("commands", "left"),
    [
        (["rcctl enable vmd"], "vmd_flags=\n"),
        (["rcctl enable vmd", "rcctl set vmd timeout 600"], "vmd_flags=\nvmd_timeout=600\n"),
        (["rcctl enable vmd", "rcctl set vmd timeout 30"], "vmd_flags=\n"),
        (["rcctl enable vmd", "rcctl set vmd timeout 600", "rcctl disable vmd"], ""),
        (["rcctl enable vmd", "rcctl set vmd flags -v -v"], "vmd_flags=-v -v\n"),
        (["rcctl enable vmd", "rcctl set vmd flags -v", "rcctl enable vmd"], "vmd_flags=-v\n"),
        (["rcctl enable nsd", "rcctl set nsd flags -c /var/nsd/etc/nsd.conf"], "nsd_flags=\n"),
        (["rcctl set vmd status on", "rcctl set vmd status off"], ""),
        (["rcctl enable smtpd"], "-smtpd_flags=NO\n"),
        (["rcctl disable cron"], "cron_flags=NO\n"),
        (["rcctl disable cron", "rcctl enable cron"], ""),
        (["rcctl disable pf"], "pf=NO\n"),
        (["rcctl enable multicast"], "multicast=YES\n"),
        (["rcctl enable library_aslr"], "-library_aslr=NO\n"),
        (["rcctl enable dhcrelay6"], "pkg_scripts=dhcrelay6\n"),
        (["rcctl enable dhcrelay6", "rcctl disable dhcrelay6"], ""),
        (["rcctl disable nosuch"], ""),
    ],
)
def test_what_is_written(machine: Machine, commands: list[str], left: str) -> None:
    before = set(local(machine).splitlines())
    for command in commands:
        assert machine.run(command) == Result()
    after = set(local(machine).splitlines())
    gone = {line[1:] for line in left.splitlines() if line.startswith("-")}
    new = {line for line in left.splitlines() if not line.startswith("-")}
    assert (after - before, before - after) == (new, gone)
    assert local(machine).splitlines() == sorted(after)


def test_an_empty_file_is_removed(machine: Machine) -> None:
    machine.files.write_text(LOCAL, "vmd_flags=\n")
    machine.run("rcctl disable vmd")
    assert not machine.files.exists(LOCAL)


@pytest.mark.parametrize(
    ("command", "rc", "stderr"),
    [
        ("rcctl set vmd timeout 0", 1, 'rcctl: "0" is not a positive integer\n'),
        ("rcctl set vmd rtable x", 1, 'rcctl: "x" is not an integer\n'),
        ("rcctl set vmd execdir tmp", 1, 'rcctl: "tmp" must be an absolute path\n'),
        ("rcctl set vmd user ghost", 1, 'rcctl: user "ghost" does not exist\n'),
        ("rcctl set vmd flags NO", 1, 'rcctl: "flags NO" contradicts "set"\n'),
        ("rcctl set vmd status maybe", 1, 'rcctl: invalid status "maybe"\n'),
        (
            "rcctl set vmd class x",
            1,
            'rcctl: "vmd_class" is a read-only variable set in login.conf(5)\n',
        ),
        (
            "rcctl set pf flags -x",
            1,
            'rcctl: "pf" is a special variable, cannot "set flags"\n',
        ),
        ("rcctl start pf", 1, 'rcctl: "pf" is a special variable, no rc.d(8) script\n'),
        ("rcctl enable a/b", 2, "rcctl: service a/b does not exist\n"),
        ("rcctl disable a/b", 2, "rcctl: service a/b does not exist\n"),
        ("rcctl order vmd", 1, "rcctl: vmd is not a pkg script\n"),
        ("rcctl stop mountd", 1, "/etc/rc.d/mountd: stop is not supported\n"),
        ("rcctl configtest sensorsd", 1, "/etc/rc.d/sensorsd: configtest is not supported\n"),
    ],
)
def test_refusals(machine: Machine, command: str, rc: int, stderr: str) -> None:
    machine.run("rcctl enable vmd")
    before = local(machine)
    assert machine.run(command) == Result(rc, "", stderr)
    assert local(machine) == before


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("rcctl enable vmd", 'rcctl: "enable" needs root privileges\n'),
        ("rcctl ls started", 'rcctl: "ls started" needs root privileges\n'),
        ("rcctl start httpd", "/etc/rc.d/httpd: need root privileges\n"),
        ("rcctl check nsd", "/etc/rc.d/nsd: need root privileges\n"),
    ],
)
def test_what_needs_root(machine: Machine, command: str, text: str) -> None:
    assert machine.run(command, uid=1001, user="puffy") == Result(1, "", text)


def test_what_anybody_may_do(machine: Machine) -> None:
    as_user = {"uid": 1001, "user": "puffy"}
    assert machine.run("rcctl check cron", **as_user).stdout == "cron(ok)\n"  # type: ignore[arg-type]
    assert machine.run("rcctl get vmd class", **as_user).stdout == "vmd\n"  # type: ignore[arg-type]
    assert machine.run("rcctl ls on", **as_user).rc == 0  # type: ignore[arg-type]


def test_a_machine_comes_up_with_what_is_enabled(machine: Machine) -> None:
    expected = "cron dhcpleased ntpd pflogd resolvd sshd syslogd"
    assert machine.run("rcctl ls started").stdout.split() == expected.split()


def test_several_names_go_on_after_a_failure(machine: Machine) -> None:
    result = machine.run("rcctl check cron httpd ntpd")
    assert result == Result(1, "cron(ok)\nhttpd(failed)\nntpd(ok)\n", "")


def test_quiet_and_debug(machine: Machine) -> None:
    assert machine.run("rcctl -q check httpd cron").stdout == "httpd(failed)\n"
    assert machine.run("rcctl -d check cron").stdout == "cron\ndoing rc_check\n(ok)\n"
    assert machine.run("rcctl -d -q check cron").rc == 1


def test_flags_count_at_the_next_start(machine: Machine) -> None:
    seen: list[tuple[str, tuple[str, ...]]] = []
    living = [False]

    def start(_: Machine, flags: tuple[str, ...]) -> Outcome:
        seen.append(("start", flags))
        living[0] = True
        return Outcome(ok=True)

    def stop(_: Machine, timeout: float) -> Outcome:
        seen.append((f"stop within {timeout:g}", ()))
        living[0] = False
        return Outcome(ok=True, killed=timeout < 60)

    def test(_: Machine, flags: tuple[str, ...]) -> Outcome:
        seen.append(("configtest", flags))
        return Outcome(ok="bad" not in flags)

    daemon = Daemon("vmd", start, stop, lambda _: living[0], lambda _: Outcome(True), test)
    machine.services.register(daemon)
    machine.run("rcctl enable vmd")
    machine.run("rcctl start vmd")
    machine.run("rcctl set vmd flags -D 'a=b c'")
    machine.run("rcctl set vmd timeout 600")
    assert machine.run("rcctl reload vmd").stdout == "vmd(ok)\n"
    assert machine.run("rcctl restart vmd").stdout == "vmd(killed)\nvmd(ok)\n"
    machine.run("rcctl set vmd flags bad")
    assert machine.run("rcctl stop vmd").stdout == "vmd(ok)\n"
    assert machine.run("rcctl restart vmd").stdout == "(failed)\n"
    assert seen == [
        ("configtest", ()),
        ("start", ()),
        ("configtest", ()),
        ("configtest", ()),
        ("stop within 30", ()),
        ("configtest", ("-D", "a=b", "c")),
        ("start", ("-D", "a=b", "c")),
        ("stop within 600", ()),
        ("configtest", ("bad",)),
    ]


def test_a_daemon_that_does_not_come_back(machine: Machine) -> None:
    machine.run("rcctl enable sensorsd")
    machine.run("rcctl start sensorsd")
    machine.faults.set("daemon_dies", "sensorsd")
    result = machine.run("rcctl restart sensorsd")
    assert result == Result(1, "sensorsd(ok)\nsensorsd(failed)\n", "")
    assert machine.run("rcctl start sensorsd").stdout == "sensorsd(ok)\n"


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_a_daemon_that_dies_after_rcctl_said_ok(machine: Machine, action: str) -> None:
    machine.run("rcctl enable sensorsd")
    machine.run("rcctl start sensorsd")
    machine.faults.set("daemon_dies", "sensorsd", "later")
    assert machine.run(f"rcctl {action} sensorsd").stdout.endswith("sensorsd(ok)\n")
    deadline = time.monotonic() + 5
    while machine.services.alive("sensorsd") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert machine.run("rcctl check sensorsd").stdout == "sensorsd(failed)\n"
    assert machine.faults.arguments("daemon_dies") == []


def test_a_daemon_that_never_lives(machine: Machine) -> None:
    machine.faults.set("daemon_dies", "sensorsd", "always")
    machine.run("rcctl enable sensorsd")
    for _ in range(2):
        assert machine.run("rcctl start sensorsd").stdout == "sensorsd(failed)\n"


def test_scripts_can_be_called_themselves(machine: Machine) -> None:
    assert machine.run("/etc/rc.d/cron check").stdout == "cron(ok)\n"
    assert machine.run("/etc/rc.d/dhcpd -f start").stdout == "dhcpd(failed)\n"
    usage = "usage: /etc/rc.d/dhcpd [-d | -q] [-f] check|configtest|restart|start|stop\n"
    assert machine.run("/etc/rc.d/dhcpd nonsense") == Result(1, "", usage)


def test_daemons_are_processes(machine: Machine) -> None:
    machine.files.write_text("/etc/httpd.conf", 'server "a" {\n\tlisten on * port 80\n}\n')
    assert machine.run("pgrep -f httpd").rc == 1
    machine.run("rcctl -f start httpd")
    assert machine.run("pgrep -xf /usr/sbin/httpd").rc == 0
    assert machine.run("ps -axo user,command").stdout.count("www  httpd: server") == 3
    assert machine.run("pkill -xf /usr/sbin/httpd").rc == 0
    assert machine.run("pgrep -f httpd").rc == 1
    assert machine.run("rcctl check httpd").stdout == "httpd(failed)\n"
    assert machine.run("pkill -x cron").rc == 0
    assert machine.run("rcctl check cron").stdout == "cron(failed)\n"
    machine.run("rcctl start cron")
    assert machine.run("pgrep -xf /usr/sbin/cron").rc == 0
    machine.run("rcctl stop cron")
    assert machine.run("pgrep -xf /usr/sbin/cron").rc == 1


def test_sighup_without_a_look_at_the_file_first(machine: Machine) -> None:
    """rcctl reload would have refused; the signal leaves a daemon that serves nothing."""
    machine.files.write_text("/etc/httpd.conf", 'server "a" {\n\tlisten on * port 80\n}\n')
    machine.run("rcctl -f start httpd")
    assert machine.httpd.get("127.0.0.1", "/")[0] == 403
    machine.files.write_text("/etc/httpd.conf", "nonsense\n")
    machine.run("pkill -HUP -xf /usr/sbin/httpd")
    assert machine.run("rcctl check httpd").stdout == "httpd(ok)\n"
    with pytest.raises(ConnectionRefusedError):
        machine.httpd.get("127.0.0.1", "/")


def test_what_runs_is_remembered(machine: Machine) -> None:
    machine.run("rcctl stop cron")
    machine.stop()
    again = Machine(machine.root, machine.hostname, machine.state)
    again.start()
    assert again.run("rcctl ls failed").stdout == "cron\n"
