# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The zone fragment in a zone of nsd, and what ssh(1) makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect
import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import (
    records,
    render_fragment,
)

from .conftest import ZONE, NameServer, nsd_config, program

NAME = "server1.example.org."
# Without quotes, which NSD before 4.8 would take for a part of the file's name.
INCLUDE = "$INCLUDE example.org.sshfp\n"
# The host key, the resolver and the name server of a test are all in a separate network.
_SCRIPT = """\
up() { until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(shift)' "$1"; do
    sleep 0.1; done; }
nsd -d -c /mnt/nsd.conf >/mnt/nsd.log 2>&1 &
up 127.0.0.2:53
[ ! -e /mnt/named.conf ] || { /mnt/named -g -n 1 -c /mnt/named.conf >/mnt/named.log 2>&1 &
    up 127.0.0.1:53; }
sshd=$(command -v sshd); $sshd -D -f /mnt/sshd_config -E /mnt/sshd.log & up 127.0.0.1:2222
exec ssh -F none -p 2222 -i /mnt/client -o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null \
    -o GlobalKnownHostsFile=/dev/null -o LogLevel=DEBUG1 -o VerifyHostKeyDNS=yes "$@" \
    tester@server1.example.org echo logged in
"""
_SSHD = """\
ListenAddress 127.0.0.1
Port 2222
HostKey /mnt/host
AuthorizedKeysFile /mnt/client.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
"""
_RESOLVER = """\
options {{
    directory "/mnt";
    listen-on {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile "/mnt/session.key";
    lock-file none;
    recursion yes;
    dnssec-validation yes;
    empty-zones-enable no;
}};
controls {{ }};
trust-anchors {{ example.org. static-key {anchor}; }};
zone "example.org" {{ type static-stub; server-addresses {{ 127.0.0.2; }}; }};
"""


def keygen(path: Path, kind: str = "ed25519") -> str:
    """A new key pair; the public key's line."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


def fragment(keys: Sequence[str]) -> str:
    return render_fragment("example.org.", {NAME: (3600, records(keys))})


class Network:
    """Where a name server of 127.0.0.2 and sshd live, and ssh is run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.etc = directory / "etc"
        self.etc.mkdir()
        (self.etc / "passwd").write_text("tester:x:1000:1000::/mnt:/bin/sh\n")
        (self.etc / "group").write_text("tester:x:1000:\n")
        (self.etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: dns\n")
        keygen(directory / "client")
        (directory / "sshd_config").write_text(_SSHD)
        nsd_config(directory, "127.0.0.2", 53).write_text(
            nsd_config(directory, "127.0.0.2", 53).read_text().replace(str(directory), "/mnt")
        )

    def zone(self, text: str) -> None:
        (self.directory / "example.org.zone").write_text(text)

    def fragment(self, *keys: str) -> None:
        (self.directory / "example.org.sshfp").write_text(fragment(keys))

    def resolver(self, address: str) -> None:
        (self.etc / "resolv.conf").write_text(f"nameserver {address}\noptions edns0 trust-ad\n")

    def ssh(self, *options: str) -> pexpect.spawn[str]:
        """A running ssh on a separate terminal."""
        words = ["--die-with-parent", "--unshare-user", "--unshare-net", "--unshare-pid"]
        words += ["--uid", "1000", "--gid", "1000", "--cap-add", "CAP_NET_BIND_SERVICE"]
        words += [
            "--ro-bind",
            "/",
            "/",
            "--dev-bind",
            "/dev",
            "/dev",
            "--proc",
            "/proc",
            "--tmpfs",
            "/run",
        ]
        words += ["--ro-bind", str(self.etc), "/etc", "--bind", str(self.directory), "/mnt"]
        return pexpect.spawn(
            program("bwrap"),
            [*words, "sh", "-c", _SCRIPT, "sh", *options],
            encoding="utf-8", timeout=30, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        )  # fmt: skip


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def sign(directory: Path) -> None:
    """Signs the zone, and makes a validating resolver that trusts its key."""
    for flags in ([], ["-f", "KSK"]):
        words = [program("dnssec-keygen"), "-q", "-a", "ECDSAP256SHA256", *flags, "example.org"]
        subprocess.run(words, cwd=directory, check=True, capture_output=True)
    words = [program("dnssec-signzone"), "-S", "-P", "-o", "example.org", "example.org.zone"]
    subprocess.run(words, cwd=directory, check=True, capture_output=True)
    (directory / "example.org.zone.signed").replace(directory / "example.org.zone")
    (anchor,) = re.findall(
        r"DNSKEY (257 3 13) (.+)", "".join(p.read_text() for p in directory.glob("K*.key"))
    )
    text = _RESOLVER.format(anchor=f'{anchor[0]} "{anchor[1]}"')
    (directory / "named.conf").write_text(text)
    # Debian's AppArmor profile is for /usr/sbin/named and knows nothing of this directory.
    shutil.copy(program("named"), directory / "named")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_ssh_finds_the_matching_fingerprint(network: Network, kind: str) -> None:
    network.resolver("127.0.0.2")
    network.zone(ZONE + INCLUDE)
    host = keygen(network.directory / "host", kind)
    network.fragment(host)
    ssh = network.ssh("-o", "StrictHostKeyChecking=ask")
    ssh.expect_exact("The authenticity of host '[server1.example.org]:2222 ([127.0.0.1]:2222)'")
    ssh.expect_exact("Matching host key fingerprint found in DNS.")
    ssh.expect_exact("Are you sure you want to continue connecting")
    ssh.sendline("yes")
    ssh.expect_exact("logged in")
    ssh.expect(pexpect.EOF)


def test_ssh_reports_a_key_that_is_not_in_dns(network: Network) -> None:
    network.resolver("127.0.0.2")
    network.zone(ZONE + INCLUDE)
    keygen(network.directory / "host")
    network.fragment(keygen(network.directory / "another"))
    ssh = network.ssh("-o", "StrictHostKeyChecking=ask")
    ssh.expect_exact("mismatching host key fingerprint found in DNS")
    ssh.expect_exact("No matching host key fingerprint found in DNS.")
    ssh.expect_exact("Are you sure you want to continue connecting")
    ssh.close(force=True)


@pytest.mark.parametrize("ours", [True, False])
def test_with_dnssec_ssh_asks_nobody(network: Network, ours: bool) -> None:
    network.resolver("127.0.0.1")
    network.zone(ZONE + INCLUDE)
    host = keygen(network.directory / "host")
    another = keygen(network.directory / "another")
    network.fragment(host if ours else another)
    sign(network.directory)
    ssh = network.ssh("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes")
    if ours:
        ssh.expect_exact("found 1 secure fingerprints in DNS")
        ssh.expect_exact("logged in")
    else:
        ssh.expect_exact("REMOTE HOST IDENTIFICATION HAS CHANGED!")
        ssh.expect_exact("Host key verification failed.")
    ssh.expect(pexpect.EOF)


def test_nsd_serves_the_fragment(tmp_path: Path, nsd: Callable[[str], NameServer]) -> None:
    keys = [keygen(tmp_path / kind, kind) for kind in ("ecdsa", "ed25519", "rsa")]
    (tmp_path / "nsd/example.org.sshfp").write_text(fragment(keys))
    server = nsd(ZONE + INCLUDE)
    told = subprocess.run(
        ["ssh-keygen", "-r", "server1", "-f", str(tmp_path / "rsa.pub")],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rsa = next(line.split(" ", 3)[3] for line in told.splitlines() if " SSHFP 1 2 " in line)
    records = server.ask("server1.example.org")
    assert [text.split()[:2] for text in records] == [["1", "2"], ["3", "2"], ["4", "2"]]
    assert records[0] == rsa
    assert server.ask("server1.example.org", "A") == ["127.0.0.1"]


def test_checkers_take_a_zone_with_the_fragment(tmp_path: Path) -> None:
    (tmp_path / "example.org.sshfp").write_text(fragment([keygen(tmp_path / "host")]))
    (tmp_path / "zone").write_text(ZONE + INCLUDE + "last IN A 127.0.0.1\n")
    for checker in ("nsd-checkzone", "named-checkzone"):
        words = [program(checker), "example.org", "zone"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "example.org.sshfp").write_text(f"{NAME} IN SSHFP 4 2 none\n")
    words = [program("nsd-checkzone"), "example.org", "zone"]
    checked = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode != 0, "the checker is none"
