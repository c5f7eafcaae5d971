# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sets.yml: a server mirrors a release by its own ftp(1) and signify(1)."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from integration.harness import Site, messages, recap, state
from integration.mirror import Mirror, serving

from sandbox.model.sets import release_directory
from sandbox.model.system.signify import sign
from sandbox.server import Server

SETS = "/var/www/htdocs/amd64"
RECORD = "/var/backups/puffy.vmm/verified"
LISTS = ("SHA256", "SHA256.sig")
# Two are large, so that there is something to cut.
BIG, BIGGER = "base78.tgz", "comp78.tgz"


def release() -> dict[str, bytes]:
    files = {name: text for name, text in release_directory("7.8").items() if "SHA256" not in name}
    files[BIG] = bytes(range(256)) * 4000
    files[BIGGER] = bytes(reversed(range(256))) * 8000
    sums = "".join(
        f"SHA256 ({name}) = {hashlib.sha256(content).hexdigest()}\n"
        for name, content in sorted(files.items())
        if name != "index.txt"
    )
    return {**files, "SHA256": sums.encode(), "SHA256.sig": sign(sums.encode(), "78")}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return release()


@pytest.fixture
def mirror(files: dict[str, bytes]) -> Iterator[Mirror]:
    with serving(dict(files)) as made:
        yield made


def play(site: Site, mirror: Mirror, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs sets.yml on server1, with the mirror here."""
    limits = ("--limit", "server1", "-e", "vmm_release=7.8", "-e", f"sets_url={mirror.url}")
    return site.play("sets", *limits, *words)


def served(server: Server) -> dict[str, bytes]:
    """What is in the directory that httpd(8) serves, by name; what cannot be read is not."""
    names = server.run(f"ls {SETS}").stdout.decode().split()
    return {name: server.read(f"{SETS}/{name}") for name in names}


def selected(files: dict[str, bytes]) -> dict[str, bytes]:
    """What the example's VMs are installed from."""
    kept = ("bsd", "bsd.rd", "BUILDINFO", "INSTALL.amd64", "SHA256.sig")
    sets = [f"{name}78.tgz" for name in ("base", "comp", "man", "game", "xbase", "xfont")]
    return {name: files[name] for name in (*kept, *sets)}


def test_a_release_is_mirrored(site: Site, mirror: Mirror, files: dict[str, bytes]) -> None:
    server = site.server1
    before = state(server)
    check = play(site, mirror, "--check")
    assert check.returncode == 0, messages(check)
    assert f"would fetch {SETS}/{BIG}" in check.stdout, messages(check)
    assert (mirror.names(), state(server)) == ([], before)

    first = play(site, mirror)
    assert first.returncode == 0, messages(first)
    assert served(server) == selected(files)
    assert f"  server1: {BIG} is here, 1 MiB" in first.stdout, messages(first)
    assert f"{BIGGER} is here, 2 MiB" in first.stdout, messages(first)
    assert server.run(f"stat -f '%Lp %Su %Sg' {SETS}/{BIG}").stdout == b"644 root wheel\n"
    assert server.run(f"stat -f '%Lp %Su' {SETS}/.partial").stdout == b"700 root\n"
    assert server.run(f"ls -A {SETS}/.partial").stdout == b""
    assert sorted(mirror.names()) == sorted(selected(files))

    # Nothing to do: no change, no request, one look.
    server_before, executions = state(server), len(site.executions())
    mirror.names()
    second = play(site, mirror)
    assert recap(second, "server1")["changed"] == 0, messages(second)
    assert (mirror.names(), state(server)) == ([], server_before)
    assert len(site.executions()) == executions + 1

    # Without the record of what was verified, all is read once more and recorded again.
    server.run(f"rm {RECORD}")
    third = play(site, mirror)
    assert recap(third, "server1")["changed"] == 0, messages(third)
    known = json.loads(server.read(RECORD))
    assert sorted(known) == sorted(
        f"{SETS}/{name}" for name in selected(files) if name not in LISTS
    )
    assert known[f"{SETS}/{BIG}"]["sha256"] == hashlib.sha256(files[BIG]).hexdigest()

    # Drift: what is gone or not as the list has it is fetched again, and nothing else.
    server.run(f"rm {SETS}/bsd.rd")
    server.write(f"{SETS}/{BIG}", b"something else")
    repaired = play(site, mirror)
    assert repaired.returncode == 0, messages(repaired)
    assert sorted(mirror.names()) == [BIG, "bsd.rd"]
    assert served(server) == selected(files)
    assert server.run(f"ls -A {SETS}/.partial").stdout == b""


def test_a_transfer_that_is_cut_goes_on(
    site: Site, mirror: Mirror, files: dict[str, bytes]
) -> None:
    mirror.cut = {BIG: 300_000, BIGGER: 700_000}
    # Longer than the server is held at a time.
    mirror.slow = {"man78.tgz": 20}
    done = play(site, mirror)
    assert done.returncode == 0, messages(done)
    half = len(files["man78.tgz"]) // 2
    assert f"man78.tgz {size_text(half)} so far [1" in done.stdout, messages(done)
    assert ("man78.tgz", half) in mirror.asked
    assert served(site.server1) == selected(files)
    asked = [request for request in mirror.asked if request[0] in (BIG, BIGGER)]
    assert (BIG, 300_000) in asked, asked
    assert (BIGGER, 700_000) in asked, asked


def test_a_server_without_ranges(site: Site, mirror: Mirror, files: dict[str, bytes]) -> None:
    mirror.ranges = False
    mirror.cut = {BIG: 300_000}
    done = play(site, mirror)
    assert done.returncode == 0, messages(done)
    assert served(site.server1) == selected(files)


def test_what_is_not_as_the_list_says_is_never_served(
    site: Site, mirror: Mirror, files: dict[str, bytes]
) -> None:
    server = site.server1
    mirror.files[BIG] = files[BIG][:-1] + b"\0"
    refused = play(site, mirror)
    assert refused.returncode != 0
    assert f"{BIG} does not match its list of checksums" in messages(refused)
    assert served(server) == {}
    assert BIG not in server.run(f"ls -A {SETS}/.partial").stdout.decode()

    # The rest is kept: only what was wrong, and what comes after it, is fetched.
    mirror.files[BIG] = files[BIG]
    mirror.names()
    done = play(site, mirror)
    assert done.returncode == 0, messages(done)
    assert served(server) == selected(files)

    # A list that OpenBSD did not sign is believed in nothing.
    server.run(f"rm {SETS}/SHA256.sig")
    before = served(server)
    mirror.files["SHA256.sig"] = files["SHA256.sig"].replace(b"SHA256 (bsd)", b"SHA256 (bsb)")
    refused = play(site, mirror)
    assert refused.returncode != 0
    assert "signify: signature verification failed" in messages(refused), messages(refused)
    assert served(server) == before
    mirror.files["SHA256.sig"] = sign(b"", "78").replace(b"RWRw", b"RWRx") + files["SHA256"]
    assert "cannot be verified with /etc/signify/openbsd-78-base.pub" in messages(
        play(site, mirror)
    )
    assert served(server) == before


def test_a_full_disk_gets_its_room_back(site: Site, mirror: Mirror) -> None:
    server = site.server1
    server.run(f"mkdir -p {SETS}")
    server.fault("disk_full", SETS, "1M")
    full = play(site, mirror)
    assert full.returncode != 0
    assert "No space left on device" in messages(full), messages(full)
    assert f"{SETS} has no room for it; the part that arrived was removed" in messages(full)
    assert served(server) == {}
    names = server.run(f"ls -A {SETS}/.partial").stdout.decode().split()
    assert BIGGER not in names


def test_a_private_mirror_that_nobody_signs(site: Site, mirror: Mirror) -> None:
    """Such as one with a kernel, one set and its own list."""
    server = site.server1
    mirror.files = {name: mirror.files[name] for name in ("bsd", "bsd.rd", BIG, "INSTALL.amd64")}
    few = ("-e", "sets_verify=none", "-e", f"{{sets_names: [bsd, bsd.rd, {BIG}, INSTALL.amd64]}}")
    mirror.cut = {BIG: 300_000}
    server.run(f"mkdir -p {SETS}; echo of a release >{SETS}/SHA256.sig")
    done = play(site, mirror, *few)
    assert done.returncode == 0, messages(done)
    assert served(server) == mirror.files
    second = play(site, mirror, *few)
    assert recap(second, "server1")["changed"] == 0, messages(second)

    sums = hashlib.sha256(b"other").hexdigest()
    mirror.files |= {"bsd": b"other", "SHA256": f"SHA256 (bsd) = {sums}\n".encode()}
    listed = play(site, mirror, "-e", "sets_verify=sha256", "-e", "{sets_names: [bsd]}")
    assert listed.returncode == 0, messages(listed)
    assert served(server)["bsd"] == b"other"


REFUSED = {
    "sets_url=ftp://mirror.example.org/pub": "is not a directory to fetch from; write its address",
    "{sets_names: [../bsd]}": "'../bsd' is not a name of a set; use letters, digits",
    "sets_release=": "no files to fetch are named; set vmm_release, or name them (sets_names)",
}


def test_bad_values_are_refused_before_anything_is_touched(site: Site, mirror: Mirror) -> None:
    before = len(site.executions())
    for value, told in REFUSED.items():
        refused = play(site, mirror, "-e", value)
        assert refused.returncode != 0, value
        assert told in messages(refused), messages(refused)
    missing = play(site, mirror, "-e", "{sets_names: [bsd, nosuch78.tgz]}")
    assert "has no nosuch78.tgz; its list has BUILDINFO, INSTALL.amd64" in messages(missing)
    assert served(site.server1) == {}
    # The last one alone needed the server.
    assert before < len(site.executions()) < before + 8
    mirror.files.pop(BIG)
    gone = messages(play(site, mirror))
    assert f"/{BIG} was not fetched: ftp: Error retrieving" in gone, gone
