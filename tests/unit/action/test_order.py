# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""puffy.vmm.order: what bin/check-vm does, with the inventory as it is."""

from __future__ import annotations

import json
from typing import Any

from unit.fleets import KEY, OTHER_KEY
from unit.sites import Site

ORDER: dict[str, Any] = {
    "owner": "mira",
    "hostname": "new1.example.org",
    "ssh_keys": [KEY],
    "memory": "2G",
}


def place(site: Site, *args: str, order: dict[str, Any] = ORDER, **options: Any) -> Any:
    """Run the module, and return its result with the text of the run."""
    src = site.root / "new1.json"
    src.write_text(json.dumps(order))
    task = {
        "puffy.vmm.order": {"src": str(src), "fail": False} | options,
        "register": "ordered",
    }
    write = {
        "ansible.builtin.copy": {
            "content": "{{ ordered | to_json }}",
            "dest": str(site.root / "result"),
        },
        "delegate_to": "localhost",
        "check_mode": False,
    }
    done = site.play(task, write, args=args)
    assert done.returncode == 0, done.stdout
    return json.loads((site.root / "result").read_text())


def test_an_order_is_checked_placed_and_accepted_once(site: Site) -> None:
    before = site.files()
    looked = place(site, "--check")
    assert (looked["changed"], looked["files"]) == (True, ["orders/new1.yml"])
    assert site.files() == before
    placed = place(site)
    assert (placed["changed"], placed["problems"], placed["name"]) == (True, [], "new1")
    assert (site.fleet / "orders/new1.yml").read_text().startswith('owner: "mira"\n')
    assert place(site)["changed"] is False
    accepted = place(site, server="server2", accept=True)
    assert (accepted["changed"], accepted["files"]) == (True, ["vms/new1.yml"])
    assert (site.fleet / "vms/new1.yml").read_text() == "server: server2\n"
    assert place(site, server="server2", accept=True)["changed"] is False
    other = place(site, order=ORDER | {"memory": "4G"})
    assert [one["field"] for one in other["problems"]] == ["name"]


def test_problems_are_a_list_for_a_program(site: Site) -> None:
    site.vm("web1", owner="mira", ssh_keys=[OTHER_KEY])
    result = place(site, order=ORDER | {"memory": "2 GB", "server": "server1"})
    assert result["changed"] is False
    assert [one["field"] for one in result["problems"]] == ["memory", "server", "ssh_keys"]
    assert result["problems"][2]["detail"] == "the owner's keys are in vms/web1.yml or its order"
    task = {"puffy.vmm.order": {"src": str(site.root / "new1.json")}}
    done = site.play(task)
    assert done.returncode == 2
    assert "memory: '2 GB' is not a valid size" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert list((site.fleet / "orders").iterdir()) == []


def test_the_inventory_is_the_one_of_the_run(site: Site) -> None:
    """A copy in the fleet directory, as bin/check-vm reads it, may be older."""
    assert place(site, "-e", "vmm_vm_memory_limit=1G")["problems"][0]["field"] == "memory"
    task = {"puffy.vmm.order": {"src": "new1.json", "server": "server9"}}
    assert "server: server9 is not in the group vmd_servers" in site.play(task).stdout
    task = {"puffy.vmm.order": {"src": "none.json"}}
    assert "none.json: cannot be read: No such file" in site.play(task).stdout


def test_the_playbook_hands_out_what_is_new(site: Site) -> None:
    (site.root / "new1.json").write_text(json.dumps(ORDER))
    words = ("puffy.vmm.order", "-e", "order=new1.json", "-e", "vmm_credentials=false")
    done = site.run("ansible-playbook", *words)
    assert done.returncode == 0, done.stdout
    assert "orders/new1.yml" in site.files()
    assert not site.ledger().exists()
    done = site.run("ansible-playbook", *words, "-e", "server=server1", "-e", "accept=true")
    assert done.returncode == 0, done.stdout
    assert "new1: {number: 1," in site.ledger().read_text()
