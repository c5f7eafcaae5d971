# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sshfp.yml, from the keys of two servers to a zone of BIND and of nsd."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.host_keys import HostKeyFiles
from integration.harness import Site, messages, recap, state

from .conftest import SECRET, ZONE, NameServer

NSD = "/var/nsd/zones/master/example.org.sshfp"
VM_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
VM_RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"


def new_keys(site: Site, server: str, directory: Path) -> list[str]:
    """Gives a server host keys, as its first boot would; what ssh-keygen says of them."""
    records = []
    for kind in ("ecdsa", "ed25519"):
        path = directory / kind
        words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{server}", "-f", str(path)]
        subprocess.run(words, check=True)
        site.servers[server].write(
            f"/etc/ssh/ssh_host_{kind}_key.pub", path.with_suffix(".pub").read_text()
        )
        told = subprocess.run(
            ["ssh-keygen", "-r", "x", "-f", str(path.with_suffix(".pub"))],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        records += [line.split(" ", 3)[3] for line in told.splitlines() if line.split()[4] == "2"]
        path.unlink()
        path.with_suffix(".pub").unlink()
    return sorted(records)


@pytest.fixture
def options(site: Site, named: NameServer) -> tuple[str, ...]:
    secret = site.directory / "secret.yml"
    secret.write_text(f"sshfp_key_secret: {SECRET}\n")
    variables = ["sshfp_zone=example.org", "sshfp_vm_domain=vm.example.org", f"@{secret}"]
    variables += ["sshfp_server=127.0.0.1", f"sshfp_port={named.port}", "sshfp_key_name=puffy"]
    return tuple(word for variable in variables for word in ("-e", variable))


def test_from_keys_to_dns(
    site: Site, named: NameServer, nsd: Callable[[str], NameServer], options: tuple[str, ...],
    tmp_path: Path,
) -> None:  # fmt: skip
    keys = {name: new_keys(site, name, tmp_path) for name in site.servers}
    HostKeyFiles(site.fleet).write("web1", [f"{VM_KEY} root@web1"])
    fragment = site.fleet / "dns/example.org.sshfp"
    before = state(site.server1)

    check = site.play("sshfp", *options, "--check", "--diff", "-vvvv")
    assert check.returncode == 0, messages(check)
    assert SECRET not in messages(check)
    assert f"+server1.example.org. 3600 IN SSHFP {keys['server1'][0]}" in check.stdout
    assert not fragment.exists()
    assert named.ask("server1.example.org") == []

    counted = len(site.executions())
    first = site.play("sshfp", *options)
    assert first.returncode == 0, messages(first)
    assert len(site.executions()) == counted + 1
    assert state(site.server1) == before
    for name, records in keys.items():
        assert named.ask(f"{name}.example.org") == records
    assert named.ask("web1.vm.example.org") == [VM_RECORD]
    assert named.ask("mail1.vm.example.org") == []

    (tmp_path / "nsd/example.org.sshfp").write_text(fragment.read_text())
    served = nsd(ZONE + "$INCLUDE example.org.sshfp\n")
    for name, records in keys.items():
        assert served.ask(f"{name}.example.org") == records

    second = site.play("sshfp", *options)
    assert recap(second, "server1")["changed"] == recap(second, "server2")["changed"] == 0

    # A server that was installed again; the other one is not even asked.
    new = new_keys(site, "server1", tmp_path)
    text = fragment.read_text()
    site.servers["server2"].fault("slow", "uname", "60")
    again = site.play("sshfp", *options, "--limit", "server1")
    site.servers["server2"].clear("slow")
    assert recap(again, "server1")["changed"] == 2, messages(again)
    assert named.ask("server1.example.org") == new
    assert named.ask("server2.example.org") == keys["server2"]
    kept = {line for line in text.splitlines() if not line.startswith("server1.")}
    assert {*fragment.read_text().splitlines()} == kept | {
        f"server1.example.org. 3600 IN SSHFP {record}" for record in new
    }


def test_only_vms_that_are_gone_lose_their_records(
    site: Site, named: NameServer, options: tuple[str, ...], tmp_path: Path
) -> None:
    new_keys(site, "server1", tmp_path)
    for name in ("web1", "db1"):
        HostKeyFiles(site.fleet).write(name, [f"{VM_KEY} root@{name}"])
    published = site.play("sshfp", *options)
    assert published.returncode == 0, messages(published)
    fragment = site.fleet / "dns/example.org.sshfp"
    text = fragment.read_text()
    assert "web1.vm.example.org. 3600 IN SSHFP" in text

    def stays(*words: str) -> None:
        """A run with a fleet that has problems: it takes no record, and fails at its end."""
        done = site.play("sshfp", *options, *words)
        assert done.returncode == 2, messages(done)
        assert "The fleet has problems, which are shown above." in messages(done)
        assert fragment.read_text() == text
        for name in ("web1", "db1"):
            assert named.ask(f"{name}.vm.example.org") == [VM_RECORD], messages(done)

    # Its own file has a problem, and nobody knows how it was without one; then there is a copy.
    file = site.vm_file("web1")
    good = file.read_text()
    for broken in (f"{good}memory: lots\n", "server: [\n"):
        file.write_text(broken)
        stays("--limit", "server2")
        file.write_text(good)
        allocated = site.play("allocate")
        assert allocated.returncode == 0, messages(allocated)
    # Its server cannot be used: by its settings, by its ledger, and for what is wrong everywhere.
    stays("-e", '{"vmm_ipv4_gateway": "nowhere"}')
    host = site.directory / "inventories/example/host_vars/server1.yml"
    settings = host.read_text()
    host.write_text(f"{settings}\nvmm_mac_prefix: red\n")
    stays("--limit", "server2")
    host.write_text(settings)
    ledger = site.fleet / "allocations/server1.yml"
    entries = ledger.read_text()
    ledger.write_text("vms: [\n")
    stays("--limit", "server2")
    ledger.write_text(entries)
    vms = site.fleet / "vms"
    vms.rename(site.fleet / "elsewhere")
    vms.write_text("no directory")
    stays("--limit", "server2")
    vms.unlink()
    (site.fleet / "elsewhere").rename(vms)

    # A VM is gone, and a problem of another one is that one's alone.
    file.unlink()
    site.vm_file("broken").write_text("memory: lots\n")
    gone = site.play("sshfp", *options, "--limit", "server2")
    assert gone.returncode == 2, messages(gone)
    assert named.ask("web1.vm.example.org") == []
    assert named.ask("db1.vm.example.org") == [VM_RECORD]
    kept = [line for line in text.splitlines() if not line.startswith("web1.vm.")]
    assert fragment.read_text().splitlines() == kept
    site.vm_file("broken").unlink()
    after = site.play("sshfp", *options)
    assert after.returncode == 0, messages(after)
    assert recap(after, "server1")["changed"] == 0


def test_a_key_that_cannot_be_published_is_left_out(
    site: Site, named: NameServer, options: tuple[str, ...], tmp_path: Path
) -> None:
    records = new_keys(site, "server1", tmp_path)
    site.server1.write("/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAAB3NzaC1yc2E= short\n")
    done = site.play("sshfp", *options, "--limit", "server1")
    assert done.returncode == 0, messages(done)
    told = " ".join(messages(done).split())
    path = "/etc/ssh/ssh_host_rsa_key.pub"
    assert f"{path} is left out: 'AAAAB3NzaC1yc2E=' is not a valid ssh-rsa key" in told
    assert named.ask("server1.example.org") == records


def test_a_name_server_gets_the_fragment(
    site: Site, options: tuple[str, ...], tmp_path: Path
) -> None:
    new_keys(site, "server1", tmp_path)
    with (site.directory / "inventories/example/hosts.yml").open("a") as inventory:
        inventory.write("\nname_servers:\n  hosts:\n    server2:\n")
    server = site.servers["server2"]
    done = site.play("sshfp", *options)
    assert done.returncode == 0, messages(done)
    fragment = (site.fleet / "dns/example.org.sshfp").read_bytes()
    assert server.read(NSD) == fragment
    assert server.run("rcctl check nsd").returncode == 0
    before = state(server)
    assert recap(site.play("sshfp", *options), "server2")["changed"] == 0
    assert state(server) == before

    server.run(f"echo drift >{NSD}")
    check = site.play("sshfp", *options, "--check", "--diff")
    assert "-drift" in check.stdout
    assert "reload nsd" in check.stdout
    assert server.read(NSD) == b"drift\n"
    repaired = site.play("sshfp", *options)
    assert recap(repaired, "server2")["changed"] == 1, messages(repaired)
    assert server.read(NSD) == fragment


def test_a_bad_value_is_refused_before_anything_is_touched(
    site: Site, named: NameServer, options: tuple[str, ...], tmp_path: Path
) -> None:
    new_keys(site, "server1", tmp_path)
    done = site.play("sshfp", *options, "-e", "sshfp_vm_domain=vm.example.com")
    assert done.returncode == 0, messages(done)
    HostKeyFiles(site.fleet).write("web1", [VM_KEY])
    done = site.play("sshfp", *options, "-e", "sshfp_vm_domain=vm.example.com", "-e",
                     '{"sshfp_names": ["-bad-"]}', "--limit", "server1")  # fmt: skip
    assert done.returncode != 0
    told = messages(done)
    assert "names: -bad-: '-bad-' is not a host name" in told
    assert "vms: web1: 'web1.vm.example.com' is not a name in the zone example.org." in told
    assert named.ask("-bad-.example.org") == []
