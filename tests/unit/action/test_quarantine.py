# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files of the fleet directory when a VM is handed over, and when it is purged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from unit.sites import KEY, Site

PURGE: dict[str, Any] = {"puffy.vmm.quarantine": {"vms": ["web1", "nobody"]}}
FILES = (
    "credentials/{}.yml",
    "host_keys/{}.pub",
    "handover/{}.md",
    "handover/{}.html",
    "vms/{}.yml",
)


def test_a_purged_vm_leaves_its_number_alone(site: Site) -> None:
    for name in ("web1", "web2"):
        site.vm(name)
    assert site.play({"puffy.vmm.allocate": {}}).returncode == 0
    for file in FILES:
        for name in ("web1", "web2"):
            path = site.fleet / file.format(name)
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                path.write_text("x\n")
    before = site.files()
    done = site.play(PURGE, args=("--check",))
    assert done.returncode == 0, done.stdout
    assert site.files() == before

    done = site.play(PURGE)
    assert done.returncode == 0, done.stdout + done.stderr
    left = site.files()
    gone = {path for path in before if path not in left}
    assert len(gone) == len(FILES)
    assert all("web1" in str(path) for path in gone)
    ledgers = [path.read_text() for path in (site.fleet / "allocations").glob("*.yml")]
    (purged,) = (x for text in ledgers for x in text.splitlines() if "vm: web1, since: " in x)
    assert f"since: {datetime.now(UTC).date()}, mac: " in purged
    assert not any(x.startswith("  web1: ") for text in ledgers for x in text.splitlines())
    (owner,) = (x for text in ledgers for x in text.splitlines() if x.startswith("  puffy: [SHA"))
    assert owner == f"  puffy: [{parse_ssh_key(KEY).digest}]"

    again = site.play(PURGE)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert site.files() == left


def test_a_file_that_cannot_be_removed_is_named(site: Site) -> None:
    site.vm("web1")
    assert site.play({"puffy.vmm.allocate": {}}).returncode == 0
    (site.fleet / "credentials" / "web1.yml").mkdir(parents=True)
    done = site.play(PURGE)
    assert done.returncode != 0
    assert "credentials/web1.yml: Is a directory" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
