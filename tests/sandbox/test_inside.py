# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server from inside: what a program finds there, and what it can do as on OpenBSD."""

from __future__ import annotations

import json
import time

import pytest

from sandbox.server import Server

# What an agent does: all in one go, nothing but the base's perl.
AGENT = r"""
use strict; use warnings;
use Fcntl qw(:flock :DEFAULT); use Digest::SHA; use JSON::PP; use MIME::Base64; use IO::Handle;
my $request = decode_json(do { local $/ = undef; <DATA> });
%ENV = (PATH => '/usr/bin:/bin:/usr/sbin:/sbin');
sysopen my $lock, '/var/run/agent.lock', O_RDWR | O_CREAT, 0600 or die;
flock $lock, LOCK_EX | LOCK_NB or die "locked\n";
my %seen;
for my $path (sort keys %$request) {
    my $fresh = "$path.new";
    sysopen my $file, $fresh, O_WRONLY | O_CREAT | O_EXCL, 0600 or die "$fresh: $!";
    syswrite $file, decode_base64($request->{$path}) or die;
    $file->sync or die;
    chown 0, 67, $fresh or die "chown: $!"; chmod 0640, $fresh or die;
    rename $fresh, $path or die; close $file or die;
    my @stat = lstat $path;
    $seen{$path} = [sprintf('%o', $stat[2] & 07777), @stat[4, 5],
        Digest::SHA->new(256)->addfile($path)->hexdigest];
}
my @out;
for my $command (['/usr/sbin/useradd', '-m', 'puffy'], ['/usr/bin/id', 'puffy'], ['/usr/bin/id'],
    ['/usr/bin/stat', '-f', '%Su:%Sg', '/tmp/f0'], ['/bin/sh', '-c', 'ls -l /tmp/f0 | cut -c1-26'])
{
    my $pid = open my $pipe, '-|';
    if (!$pid) { exec { $command->[0] } @$command or die }
    push @out, join '', <$pipe>;
    close $pipe;
}
print encode_json({ files => \%seen, out => \@out });
__DATA__
"""


def test_there_is_no_python(common: Server) -> None:
    done = common.run("find / -name 'python*' -o -name '*.py' -o -name '*.pyc' 2>/dev/null")
    names = [
        one
        for one in done.stdout.decode().splitlines()
        if not one.startswith("/usr/libexec/sandbox/proc")
    ]
    assert names == []
    done = common.run(
        "for p in python python3 bash dash flock jq base64 sha256sum realpath;"
        " do which $p; done 2>/dev/null"
    )
    assert done.stdout == b"/usr/bin/realpath\n"


def test_perl_has_the_modules_of_the_base(common: Server) -> None:
    core = "JSON::PP Digest::SHA MIME::Base64 File::Temp File::Copy Fcntl POSIX Socket Time::HiRes"
    core += " IO::Socket::IP HTTP::Tiny Getopt::Long Storable Sys::Hostname"
    core += " OpenBSD::Pledge OpenBSD::Unveil"
    done = common.run(f"for m in {core}; do perl -M$m -e 1 || echo $m; done")
    assert (done.stdout, done.stderr) == (b"", b"")
    done = common.run(
        "for m in IO::Socket::SSL Moose YAML DBI Debconf::Log;"
        " do perl -M$m -e 1 2>/dev/null && echo $m; done"
    )
    assert done.stdout == b""
    assert common.run("perl -e 'print join q( ), $^O, $> + 0, $) + 0'").stdout == b"linux 0 0"


def test_an_agent_writes_hundreds_of_files(server: Server) -> None:
    files = {f"/tmp/f{number}": "aGVsbG8K" for number in range(300)}
    began = time.monotonic()
    done = server.ssh("perl -", stdin=AGENT.encode() + json.dumps(files).encode())
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    assert answer["files"] == {path: ["640", 0, 67, hello] for path in files}
    # The environment was cleared: what is called still sees the account and the owners.
    assert answer["out"][1:] == [
        "uid=1000(puffy) gid=1000(puffy) groups=1000(puffy)\n",
        "uid=0(root) gid=0(wheel) groups=0(wheel), 2(kmem), 3(sys), 4(tty), 5(operator), "
        "20(staff), 31(guest)\n",
        "root:www\n",
        "-rw-r-----  1 root  www  6\n",
    ]
    assert server.snapshot(without=())["/tmp/f299"] == ["-rw-r-----", 0, 67, hello]
    assert seconds < 10


def test_doas_runs_a_program_from_standard_input_as_root(server: Server) -> None:
    server.run("useradd -m puffy; cp /root/.ssh/authorized_keys /home/puffy/.ssh/authorized_keys")
    script = b"print qq($> $ENV{HOME} $ENV{DOAS_USER}\\n); chown 67, 67, q(/etc/motd) or die $!;"
    denied = server.ssh("doas -n perl -", user="puffy", stdin=script)
    assert (denied.returncode, denied.stderr[:29]) == (1, b"doas: doas is not enabled, /e")
    server.write("/etc/doas.conf", "permit nopass puffy\n")
    done = server.ssh("doas -n perl -; id -un", user="puffy", stdin=script)
    assert (done.stdout, done.stderr) == (b"0 /root puffy\npuffy\n", b"")
    assert server.snapshot()["/etc/motd"][1:3] == [67, 67]
    server.write("/etc/doas.conf", "permit puffy\ndeny puffy cmd id\n")
    done = server.ssh("doas -n ls; doas -n id", user="puffy")
    assert done.stderr == b"doas: Authentication required\ndoas: Operation not permitted\n"


def test_a_lock_is_held_between_sessions(common: Server) -> None:
    script = (
        "use Fcntl q(:flock); open F, q(>), q(/tmp/lock); flock(F, LOCK_EX | LOCK_NB) or exit 9;"
        "system q({}); exit 0"
    )
    inner = script.format("")
    common.write("/tmp/try.pl", inner)
    done = common.ssh(f"perl -e '{script.format('sh -c /tmp/again')}'")
    assert done.returncode == 0
    common.write("/tmp/hold.pl", script.replace("q({})", "q(perl /tmp/try.pl; echo $? >/tmp/rc)"))
    common.run("perl /tmp/hold.pl")
    assert common.read("/tmp/rc") == b"9\n"


def test_pledge_and_unveil_check_what_they_are_asked(server: Server) -> None:
    script = r"""
        use OpenBSD::Pledge; use OpenBSD::Unveil;
        print unveil('/etc', 'rwc') ? 1 : "$!", "\n", unveil('/nosuch/file', 'r') ? 1 : "$!", "\n";
        print unveil('/etc', 'z') ? 1 : "$!", "\n", unveil('/etc/new', 'c') ? 1 : "$!", "\n";
        print pledge('nonsense') ? 1 : "$!", "\n";
        print pledge(qw(rpath wpath unveil)) ? 1 : "$!", "\n", pledge('inet') ? 1 : "$!", "\n";
        print unveil() ? 1 : "$!", "\n", unveil('/var', 'r') ? 1 : "$!", "\n";
        $| = 1; print pledge('rpath') ? 1 : "$!", "\n";
        unveil('/var', 'r'); print "not reached\n";
    """
    done = server.ssh("perl -", stdin=script.encode())
    assert done.stdout.decode().splitlines() == [
        "1", "No such file or directory", "Invalid argument", "1", "Invalid argument", "1",
        "Operation not permitted", "1", "Operation not permitted", "1",
    ]  # fmt: skip
    assert done.returncode == 134
    assert server.record("unveil") == ["rwc /etc", "c /etc/new", "locked", "killed"]
    assert server.record("pledge") == ["rpath stdio unveil wpath", "rpath stdio"]


def test_what_cannot_be_changed(common: Server) -> None:
    done = common.run("echo x >/usr/bin/new; rm -f /bin/ls; touch /usr/sbin/x; echo $?")
    assert done.stdout == b"1\n"
    assert common.run("echo x >/usr/local/bin/x && rm /usr/local/bin/x").returncode == 0


def test_signals_and_exit_statuses_pass(common: Server) -> None:
    assert common.ssh("exit 7").returncode == 7
    assert common.ssh("nosuchcommand").returncode == 127
    assert common.ssh("kill -TERM $$").returncode == 143


def test_a_background_job_outlives_its_session(common: Server) -> None:
    common.ssh("nohup sh -c 'sleep 1; echo done >/tmp/job' >/dev/null 2>&1 </dev/null &")
    deadline = time.monotonic() + 10
    while common.run("cat /tmp/job 2>/dev/null").stdout != b"done\n":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_standard_input_is_left_to_who_reads_it(common: Server) -> None:
    done = common.ssh("while read x; do hostname -s; echo $x; done", stdin=b"a\nb\n")
    assert done.stdout == b"server1\na\nserver1\nb\n"
    done = common.run("(sleep 0.2; hostname -s) | logger -t pipe; tail -1 /var/log/messages")
    assert done.stdout.endswith(b"server1 pipe: server1\n")
    assert common.ssh(
        "logger -t test; tail -1 /var/log/messages", stdin=b"hello\n"
    ).stdout.endswith(b"server1 test: hello\n")


@pytest.mark.parametrize(
    ("command", "rc", "stderr"),
    [
        ("rm /nosuch", 1, "rm: /nosuch: No such file or directory\n"),
        ("mkdir /etc", 1, "mkdir: /etc: File exists\n"),
        ("rmdir /etc", 1, "rmdir: /etc: Directory not empty\n"),
        ("cp /nosuch /tmp/x", 1, "cp: /nosuch: No such file or directory\n"),
        ("mv /nosuch /tmp/x", 1, "mv: /nosuch: No such file or directory\n"),
        ("ln -s x /etc", 0, ""),
        ("chown nosuch /etc", 1, "chown: user is invalid: nosuch\n"),
        ("chmod 644 /nosuch", 1, "chmod: /nosuch: No such file or directory\n"),
        ("grep --color x /etc/passwd", 2, "grep: unknown option -- -\n"),
        ("find -name x", 1, "find: unknown option -- n\nusage: find [-dHhLXx] [-f path] path ... "),
        ("find", 1, "usage: find [-dHhLXx] [-f path] path ... [expression]\n"),
        ("find / -printf x", 1, "find: -printf: unknown option\n"),
        ("find / -newermt x", 1, "find: -newermt: unknown option\n"),
        ("readlink -m /x", 1, "readlink: unknown option -- m\nusage: readlink [-fn] file\n"),
        ("touch --date=x y", 1, "touch: unknown option -- -\n"),
        ("date -s now", 1, "date: unknown option -- s\n"),
        ("head --lines=1 /etc/passwd", 1, "head: unknown option -- -\n"),
        ("sha256 -z", 1, "sha256: unknown option -- z\n"),
    ],
)
def test_what_openbsd_refuses(common: Server, command: str, rc: int, stderr: str) -> None:
    done = common.run(command)
    assert (done.returncode, done.stderr.decode()[: len(stderr)]) == (rc, stderr)


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        ("printf 'a\\nb\\n' | tail -r", "b\na\n"),
        ("printf 'a\\nb\\n' | head -1", "a\n"),
        ("printf 'a b\\n' | awk '{print $2}'", "b\n"),
        ("jot - 1 10 3", "1\n4\n7\n10\n"),
        ("jot -w tap%d 2 4", "tap4\ntap5\n"),
        ("cd /etc && find . -name rc.conf -maxdepth 1", "./rc.conf\n"),
        ("find /etc/skel -name .p* -exec basename {} \\;", ".profile\n"),
        ("realpath /etc/../tmp", "/tmp\n"),
        ("readlink /var/tmp", "/tmp\n"),
        ("cat /dev/stdin </etc/myname", "server1.example.org\n"),
        ("sha256 -q -s x; printf x | sha256", 2 * ("2d711642b726b04401627ca9fbac32f5"
         "c8530fb1903cc4db02258717921a4881\n")),
        ("printf x >/tmp/x; cd /tmp; sha256 x >list; sha256 -c list", "(SHA256) x: OK\n"),
        ("printf hello | b64encode x | b64decode -p", "hello"),
        ("printf aGVsbG8= | b64decode -r", "hello"),
        ("stat -f %OLp /etc/master.passwd", "600\n"),
        ("env -i /usr/bin/id -u", "0\n"),
        ("cd /tmp; mkdir d; touch d/f; tar czf d.tgz d; tar tzf d.tgz", "d/\nd/f\n"),
        ("timeout 0.1 sleep 5; echo $?", "124\n"),
        ("timeout 5 sh -c 'exit 3'; echo $?; timeout 1 nosuch 2>/dev/null; echo $?", "3\n127\n"),
        ("date -r 86400 +%Y-%m-%dT%H:%M:%S", "1970-01-02T00:00:00\n"),
        ("getent group www _vmd; getent passwd 107", "www:*:67\n_vmd:*:107\n"
         "_vmd:*:107:107:VM Daemon:/var/empty:/sbin/nologin\n"),
        ("encrypt -b 4 secret | cut -c1-7", "$2b$04$\n"),
        ("wc -l </etc/shells", "       3\n"),
        ("du -s /etc/ssl", "8\t/etc/ssl\n"),
        ("ls -1 /etc/firmware; ls -d /etc", "vmm-bios\n/etc\n"),
    ],
)  # fmt: skip
def test_what_openbsd_does(common: Server, command: str, stdout: str) -> None:
    done = common.run(command)
    assert (done.stdout.decode(), done.stderr) == (stdout, b"")
