# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server from inside: what a program finds there, and what it can do as on OpenBSD."""

from __future__ import annotations

from sandbox.server import Server


def test_there_is_no_python(common: Server) -> None:
    done = common.run("find / -name 'python*' -o -name '*.py' 2>/dev/null")
    names = [path for path in done.stdout.decode().splitlines() if "/sandbox/proc" not in path]
    assert names == []
    assert common.run("command -v python3 bash dash flock jq base64 sha256sum").stdout == b""


def test_perl_has_the_modules_of_the_base(common: Server) -> None:
    core = "JSON::PP Digest::SHA MIME::Base64 File::Temp Fcntl POSIX Socket Time::HiRes"
    core += " Compress::Raw::Zlib OpenBSD::Pledge OpenBSD::Unveil"
    done = common.run(f"for m in {core}; do perl -M$m -e 1 || echo $m; done")
    assert (done.stdout, done.stderr) == (b"", b"")
    others = "IO::Socket::SSL Moose YAML DBI Debconf::Log"
    done = common.run(f"for m in {others}; do perl -M$m -e 1 2>/dev/null && echo $m; done")
    assert done.stdout == b""


def test_a_program_that_clears_its_environment_still_sees_owners(server: Server) -> None:
    script = (
        "open F, q(>), q(/tmp/f); chown 0, 67, q(/tmp/f); chmod 0640, q(/tmp/f); %ENV = ();"
        "system qw(/usr/sbin/useradd -m puffy); system qw(/usr/bin/stat -f %Sp/%Su:%Sg /tmp/f);"
        "system qw(/usr/bin/id puffy)"
    )
    done = server.ssh("perl -", stdin=script.encode())
    assert done.stdout.decode().splitlines() == [
        "-rw-r-----/root:www", "uid=1000(puffy) gid=1000(puffy) groups=1000(puffy)",
    ]  # fmt: skip
    assert server.snapshot(without=())["/tmp/f"][:3] == ["-rw-r-----", 0, 67]


def test_vmm_opens_for_root_alone(server: Server) -> None:
    server.run("useradd -m puffy")
    assert server.run("true </dev/vmm").returncode == 0
    refused = server.run("true </dev/vmm", user="puffy")
    assert refused.returncode != 0
    assert b"Permission denied" in refused.stderr or b"cannot open" in refused.stderr
    server.fault("no_vmm")
    assert server.run("true </dev/vmm").returncode != 0


def test_pledge_and_unveil_are_written_down(server: Server) -> None:
    script = """
        use OpenBSD::Pledge; use OpenBSD::Unveil;
        print join q( ), map { $_ ? 1 : 0 } unveil('/etc', 'rwc'), unveil('/no/file', 'r'),
            unveil('/etc', 'z'), pledge('nonsense'), pledge(qw(rpath unveil)),
            pledge('inet'), unveil();
    """
    assert server.ssh("perl -", stdin=script.encode()).stdout == b"1 0 0 0 1 0 1"
    assert server.record("unveil") == ["rwc /etc", "locked"]
    assert server.record("pledge") == ["rpath stdio unveil"]
