# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Debian's name servers as ordinary processes, each with a separate directory and port."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest
import yaml
from integration.harness import FORKS, VARIABLES

SECRET = base64.b64encode(b"a secret of this test").decode()
ZONE = """\
$TTL 300
@ IN SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
server1 IN A 127.0.0.1
server1 IN TXT "of somebody else"
server9 IN SSHFP 1 1 0123456789012345678901234567890123456789
alias IN CNAME server1
sub IN NS ns.example.net.
"""
_NAMED = """\
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile "{directory}/session.key";
    lock-file none;
    recursion no;
    notify no;
    dnssec-validation no;
    empty-zones-enable no;
}};
controls {{ }};
key "puffy" {{ algorithm hmac-sha256; secret "{secret}"; }};
key "reader" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "example.org" {{
    type primary;
    file "example.org.zone";
    update-policy {{ grant puffy zonesub SSHFP; }};
}};
"""
_NSD = """\
server:
    ip-address: {address}
    port: {port}
    username: ""
    chroot: ""
    zonesdir: "{directory}"
    database: ""
    xfrdfile: "{directory}/xfrd.state"
    zonelistfile: "{directory}/zone.list"
    xfrdir: "{directory}"
    pidfile: ""
    verbosity: 1
remote-control:
    control-enable: no
zone:
    name: example.org
    zonefile: example.org.zone
"""


@dataclass(frozen=True)
class NameServer:
    port: int

    def ask(self, name: str, kind: str = "SSHFP") -> list[str]:
        """The records of a name, as text and sorted."""
        question = dns.message.make_query(name, kind)
        answer = dns.query.tcp(question, "127.0.0.1", timeout=10, port=self.port)
        rdtype = dns.rdatatype.from_text(kind)
        return sorted(
            record.to_text()
            for rrset in answer.answer
            if rrset.rdtype == rdtype
            for record in rrset
        )


def program(name: str) -> str:
    """The path of a program, which may be where an ordinary user's PATH does not look."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path, f"{name} is not installed; ./dev installs it"
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nsd_config(directory: Path, address: str, port: int) -> Path:
    path = directory / "nsd.conf"
    path.write_text(_NSD.format(directory=directory, address=address, port=port))
    return path


def started(words: list[str], log: Path, port: int) -> Iterator[NameServer]:
    """A name server while it is needed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                alive = process.poll() is None and time.monotonic() < deadline
                assert alive, f"{words[0]} does not start:\n{log.read_text()}"
                time.sleep(0.05)
        yield NameServer(port)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def named(tmp_path: Path) -> Iterator[NameServer]:
    """BIND, primary of example.org; the key puffy may update SSHFP records, reader may not."""
    directory = tmp_path / "named"
    directory.mkdir()
    (directory / "example.org.zone").write_text(ZONE)
    port = free_port()
    settings = {"directory": directory, "port": port, "secret": SECRET}
    (directory / "named.conf").write_text(_NAMED.format(**settings))
    # Debian's AppArmor profile is for /usr/sbin/named and knows nothing of this directory.
    copy = shutil.copy(program("named"), directory / "named")
    words = [str(copy), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    yield from started(words, directory / "log", port)


@pytest.fixture
def nsd(tmp_path: Path) -> Iterator[Callable[[str], NameServer]]:
    """Starts nsd as the primary of example.org with this text in the file example.org.zone."""
    directory = tmp_path / "nsd"
    directory.mkdir()
    running: list[Iterator[NameServer]] = []

    def start(zone: str) -> NameServer:
        (directory / "example.org.zone").write_text(zone)
        port = free_port()
        config = nsd_config(directory, "127.0.0.1", port)
        words = [program("nsd"), "-d", "-c", str(config)]
        running.append(started(words, directory / "log", port))
        return next(running[-1])

    yield start
    for each in running:
        next(each, None)


@dataclass(frozen=True)
class Play:
    """ansible-playbook in a directory, with one task for localhost."""

    directory: Path

    def __call__(
        self, task: dict[str, Any], *args: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        play = {
            "name": "A test", "hosts": "localhost", "connection": "local", "gather_facts": False,
            "vars": variables, "tasks": [task],
        }  # fmt: skip
        (self.directory / "play.yml").write_text(yaml.safe_dump([play]))
        return FORKS.run(("ansible-playbook", "play.yml", *args), self.directory, VARIABLES)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)
