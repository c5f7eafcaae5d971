# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vm.yml: one VM is installed and changed, and other VMs do not notice."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from integration.harness import Site, messages, provide_sets, state
from unit.sites import KEY

from sandbox.server import Server

STATUS = re.compile(r"^ *(\d+) +(\S+) .* (\S+) +(\S+) (\S+)$", re.MULTILINE)


def status(site: Site) -> dict[str, tuple[str, str]]:
    """vmctl status by name: pid and state."""
    lines = STATUS.findall(site.server1.run("vmctl status").stdout.decode())
    return {name: (pid, state) for _id, pid, _owner, state, name in lines}


def test_install(ready: Site) -> None:
    converged = ready
    server = converged.server1
    provide_sets(server)
    server.write("/etc/ssh/ssh_host_ed25519_key.pub", f"{KEY} root@server1\n")
    # Somebody else's VM runs already, for all that this test cares.
    assert server.run("vmctl start mail1").returncode == 0
    others = {name: value for name, value in status(converged).items() if name != "web1"}
    result = converged.play("vm", "-e", "vm=web1", "--diff", "-vvv")
    assert result.returncode == 0, messages(result)
    # The guests here are fast, so that the stages between may be over when a look comes.
    for stage in ("has rebooted", "answers on port 22"):
        assert f"web1 {stage}" in result.stdout, messages(result)
    now = status(converged)
    assert now["web1"][1] == "running"
    assert {name: value for name, value in now.items() if name != "web1"} == others
    assert server.run("ls -a /var/www/htdocs/install").stdout.split() == [b".", b".."]
    (path,) = paths(converged)
    assert path not in messages(result)
    assert "once-.../auto_install" in messages(result)
    assert b"once-" not in server.read("/etc/dhcpd.conf")
    # Accounts of owners must not read it where httpd(8) notes it.
    assert server.run("stat -f %Lp,%Su,%Sg /var/www/logs").stdout == b"750,root,daemon\n"
    assert "web1.installing" not in server.run("ls -a /var/vmm").stdout.decode()

    sheet = (converged.fleet / "handover/web1.md").read_text()
    keys = (converged.fleet / "host_keys/web1.pub").read_text()
    assert keys.startswith("ssh-ed25519 ")
    for text in (
        " web1.example.org (ED25519)", "ssh -t puffy@server1 vmctl console web1",
        " server1 (ED25519)", "203.0.113.14/24", "web1.example.org. IN SSHFP 4 2 ",
        "the same first password",
    ):  # fmt: skip
        assert text in sheet
    assert "ansible" not in sheet
    assert (converged.fleet / "handover/web1.html").is_file()
    assert f"ansible-vault view {converged.fleet}/credentials/web1.yml" in messages(result)

    again = converged.play("vm", "-e", "vm=web1")
    assert again.returncode == 0, messages(again)
    assert status(converged) == now


def paths(site: Site) -> list[str]:
    """The directories from which guests got response files."""
    log = site.server1.run("cat /var/www/logs/access.log").stdout.decode()
    return re.findall(r"GET /(once-[0-9a-f]{32})/[0-9a-f:]+-install\.conf\S* HTTP/1\.1\" 200 ", log)


# Files that all VMs share, and files that daemons write.
COMMON = re.compile(
    r"/etc/(vm|dhcpd|pf\.puffy\.vmm)\.conf|/etc/rc\.vmm|/var/db/(dhcpd|puffy)|/var/run/|/var/www/(htdocs/install|logs/)|/dev/tty"
)


def others(site: Site) -> dict[str, object]:
    """All of the server that is not web1's: processes, blocks of configuration, every file."""
    server = site.server1
    rest: dict[str, object] = {vm: value for vm, value in status(site).items() if vm != "web1"}
    rest["vm.conf"] = server.read("/etc/vm.conf").replace(_whole_block(server), b"")
    lines = server.read("/etc/dhcpd.conf").decode().split("\n\n")
    rest["dhcpd.conf"] = [part.rstrip("}\n") for part in lines if "host web1 " not in part]
    files = {k: v for k, v in state(server).items() if "web1" not in k and not COMMON.match(k)}
    return rest | files


def verb(site: Site, name: str, *words: str) -> str:
    """Runs a verb for web1, which must succeed; of nothing else there is a trace."""
    before = others(site)
    result = site.play("vm", "-e", "vm=web1", "-e", f"verb={name}", *words)
    assert result.returncode == 0, messages(result)
    after = others(site)
    assert after == before, {
        key: (before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    return messages(result)


def test_suspend_resume_and_restart(installed: Site) -> None:
    converged, server = installed, installed.server1
    verb(converged, "suspend")
    assert "state: suspended" in converged.vm_file("web1").read_text()
    assert status(converged)["web1"][1] == "stopped"
    assert b'owner "puffy"' not in _block(server.read("/etc/vm.conf"))
    verb(converged, "resume")
    assert status(converged)["web1"][1] == "running"
    assert b'owner "puffy"' in _block(server.read("/etc/vm.conf"))

    text = converged.vm_file("web1").read_text()
    converged.vm_file("web1").write_text(f"{text}memory: 2G\n")
    assert "pending restart: web1" in verb(converged, "apply")
    assert "1.0G" in _line(converged)
    assert "pending restart" not in verb(converged, "restart")
    assert "2.0G" in _line(converged)


def test_archive_and_restore(installed: Site) -> None:
    converged, server = installed, installed.server1
    addresses = server.read("/etc/dhcpd.conf")
    verb(converged, "archive")
    assert "web1" not in status(converged)
    assert b"host web1 " not in server.read("/etc/dhcpd.conf")
    assert server.run("ls /var/vmm/web1.archived.qcow2").returncode == 0
    verb(converged, "restore")
    assert status(converged)["web1"][1] == "running"
    assert server.read("/etc/dhcpd.conf") == addresses


def test_rescue(installed: Site) -> None:
    converged, server = installed, installed.server1
    verb(converged, "rescue")
    assert status(converged)["web1"][1] == "running"
    assert server.run("nc -z 203.0.113.14 22").returncode != 0
    verb(converged, "restart")
    assert server.run("nc -z 203.0.113.14 22").returncode == 0

    shown = converged.play("vm", "-e", "verb=status").stdout
    assert re.search(r"^web1 +server1 +present +running +- +203\.0\.113\.14", shown, re.M), shown
    assert re.search(r"^db1 +server1 +present +not installed +- ", shown, re.M), shown
    assert re.search(r"^lab1 +server2 +archived +not installed", shown, re.M), shown


REFUSED = {
    ("vm=wbe1",): "the fleet has no VM of this name; is it web1?",
    (): "name one or more VMs: -e vm=web1",
    ("vm=web1", "verb=explode"): "verb=explode is not a verb; use one of apply, reinstall",
    ("vm=web1", "verb=purge", "confirm=web1"): "purge is not for web1, which is present; archive",
    ("vm=lab1", "verb=restart"): "restart is not for lab1, which is archived; restore it first",
    ("vm=lab1", "verb=purge"): "purge removes images for good; confirm with -e confirm=lab1",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refusals_reach_no_server(converged: Site, words: tuple[str, ...]) -> None:
    before = {server: converged.executions(server) for server in converged.servers}
    result = converged.play("vm", *(part for word in words for part in ("-e", word)))
    assert result.returncode != 0
    assert REFUSED[words] in messages(result)
    assert {server: converged.executions(server) for server in converged.servers} == before


def test_a_run_for_one_vm_stops_before_it_touches_another(converged: Site) -> None:
    good = converged.vm_file("mail1").read_text()
    converged.vm_file("mail1").write_text(f"{good}memory: 8G\n")
    before = converged.server1.read("/etc/vm.conf")
    try:
        result = converged.play("vm", "-e", "vm=shop1")
    finally:
        converged.vm_file("mail1").write_text(good)
    assert result.returncode != 0
    assert "it would also touch: mail1 in /etc/vm.conf" in messages(result)
    assert converged.server1.read("/etc/vm.conf") == before


def test_the_end_of_a_vm(installed: Site) -> None:
    """It is installed again, then purged, so that only its number is left."""
    converged, server, fleet = installed, installed.server1, installed.fleet
    assert "answers on port 22" in verb(converged, "reinstall")
    assert len(set(paths(converged))) == 2
    replaced = server.run("ls /var/vmm").stdout.decode().split()
    assert [name for name in replaced if name.startswith("web1.replaced-")]

    text = converged.vm_file("web1").read_text()
    verb(converged, "archive")
    ledger = (fleet / "allocations/server1.yml").read_text()
    line = next(x for x in ledger.splitlines() if x.startswith("  web1: "))
    verb(converged, "purge", "-e", "confirm=web1")
    names = server.run("ls -A /var/vmm").stdout.decode().split()
    assert not [name for name in names if "web1" in name]
    assert not [path for path in fleet.rglob("*") if "web1" in path.name]
    ledger = (fleet / "allocations/server1.yml").read_text()
    today = datetime.now(UTC).date()
    assert f"  5: {{vm: web1, since: {today}, mac: fe:e1:bb:d1:c6:05" in ledger
    assert line not in ledger

    # The next VM, even with the same name, gets another number.
    converged.vm_file("web1").write_text(text)
    result = converged.play("allocate")
    assert result.returncode == 0, messages(result)
    ledger = (fleet / "allocations/server1.yml").read_text()
    new = next(x for x in ledger.splitlines() if x.startswith("  web1: "))
    assert "number: 5," not in new
    assert line.partition("mac: ")[2].partition(",")[0] not in new
    assert f"  5: {{vm: web1, since: {today}" in ledger


def _whole_block(server: Server) -> bytes:
    text = server.read("/etc/vm.conf")
    start = text.find(b'\nvm "web1" {')
    return text[start : text.index(b"\n}\n", start) + 3] if start >= 0 else b""


def _block(text: bytes) -> bytes:
    return text.partition(b'vm "web1"')[2].partition(b"\n}")[0]


def _line(site: Site) -> str:
    lines = site.server1.run("vmctl status").stdout.decode().splitlines()
    (line,) = (line for line in lines if line.endswith(" web1"))
    return line
