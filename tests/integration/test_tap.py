# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Device nodes of tap(4): as many as VMs need, without a gap, in one round trip."""

from __future__ import annotations

from integration.harness import Site, messages, recap, state

TAP = """\
- hosts: server1
  gather_facts: false
  roles: [puffy.vmm.tap]
"""


def nodes(site: Site) -> dict[int, str]:
    """The inode, type and mode of each node by its number."""
    listed = site.server1.run("cd /dev && stat -f '%N %i %Hr %Lr %Sp' tap*").stdout.decode()
    lines = (line.split(" ", 1) for line in listed.splitlines())
    return {int(name.removeprefix("tap")): rest for name, rest in lines}


def test_tap_nodes(site: Site) -> None:
    (site.directory / "tap.yml").write_text(TAP)
    command = ("ansible-playbook", "-i", "inventories/example", "tap.yml")
    before = nodes(site)
    assert sorted(before) == [0, 1, 2, 3]
    first = site.run(*command)
    assert first.returncode == 0, messages(first)
    assert len(site.executions()) == 2
    # Four VMs with five interfaces, and ten more; those that were there are what they were.
    made = nodes(site)
    assert sorted(made) == list(range(15))
    assert {number: made[number] for number in before} == before
    assert all(" 93 " in entry and entry.endswith("crw-------") for entry in made.values())

    # What an upgrade of the system does. Its four nodes are new, all others stay.
    site.server1.run("cd /dev && sh MAKEDEV all")
    again = site.run(*command)
    assert recap(again, "server1")["changed"] == 0
    assert {number: nodes(site)[number] for number in range(4, 15)} == {
        number: made[number] for number in range(4, 15)
    }

    # A gap and a file in a node's place hide all nodes behind them from vmd.
    site.server1.run("rm /dev/tap5; rm /dev/tap9; echo x >/dev/tap9")
    drifted = state(site.server1)
    check = site.run(*command, "--check")
    assert "would make device nodes tap5 tap9" in check.stdout
    assert state(site.server1) == drifted
    repaired = site.run(*command)
    assert recap(repaired, "server1")["changed"] == 1, messages(repaired)
    assert sorted(nodes(site)) == list(range(15))

    more = site.run(*command, "-e", "vmm_tap_count=20")
    assert recap(more, "server1")["changed"] == 1, messages(more)
    assert sorted(nodes(site)) == list(range(20))


def test_a_number_that_vmd_cannot_use_is_refused(converged: Site) -> None:
    before = state(converged.server1)
    count = len(converged.executions())
    # Four are a number that vmd(8) could use, so the server is looked at, and left.
    for number, looks in (("257", 0), ("4", 1)):
        result = converged.play("site", "--limit", "server1", "-e", f"vmm_tap_count={number}")
        assert result.returncode != 0
        assert "vmm_tap_count" in messages(result)
        assert len(converged.executions()) == count + looks
    assert state(converged.server1) == before
