# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger records installations, and keeps the image whatever settings say later."""

from __future__ import annotations

from typing import Any

import yaml
from unit.sites import Site


def records(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (site.fleet / "allocations").glob("*.yml"):
        lines = yaml.safe_load(path.read_text())["vms"]
        found |= {name: line["installed"] for name, line in lines.items() if "installed" in line}
    return found


def task(state: str) -> dict[str, Any]:
    vms = "{{ vmm_vms | selectattr('name', 'eq', 'web1') }}"
    return {"puffy.vmm.vm_record": {"vms": vms, "state": state}}


def test_a_record_stays_until_it_is_taken_out(site: Site) -> None:
    for name in ("web1", "web2"):
        site.vm(name)
    assert site.play({"puffy.vmm.allocate": {}}).returncode == 0
    checked = site.play(task("present"), args=("--check",))
    assert (checked.returncode, records(site)) == (0, {}), checked.stdout
    done = site.play(task("present"))
    assert done.returncode == 0, done.stdout + done.stderr
    before = records(site)
    assert before.keys() == {"web1"}
    assert before["web1"]["image"].startswith("/var/vmm/web1.")
    assert site.play({"puffy.vmm.allocate": {}}).returncode == 0
    assert records(site) == before
    assert site.play(task("absent")).returncode == 0
    assert records(site) == {}
