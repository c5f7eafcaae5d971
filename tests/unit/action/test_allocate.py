# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock
from unit.sites import SERVERS, Site

ALLOCATE: dict[str, Any] = {"puffy.vmm.allocate": {}}


def numbers(site: Site, server: str = "server1") -> dict[str, int]:
    vms = yaml.safe_load(site.ledger(server).read_text())["vms"]
    return {name: entry["number"] for name, entry in vms.items()}


def wait_for_another(path: Path) -> None:
    """Wait until another process has the file open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            descriptors: list[Path] = []
            with suppress(OSError):
                descriptors += (process / "fd").iterdir()
            for descriptor in descriptors:
                with suppress(OSError):
                    if process.name != str(os.getpid()) and descriptor.readlink() == path:
                        return
        time.sleep(0.05)
    raise AssertionError(f"nobody opened {path}")


def test_writes_once(site: Site) -> None:
    site.vm("web1")
    site.vm("web2", server="server2")
    show = {"ansible.builtin.debug": {"msg": "{{ allocation.ledgers | join(' ') }}|"}}
    done = site.play(ALLOCATE | {"register": "allocation"}, show, args=("--diff",))
    assert done.returncode == 0, done.stdout
    assert "changed: [server1]" in done.stdout
    assert "allocations/server1.yml allocations/server2.yml|" in done.stdout
    assert "+  web1: {number: 1, mac: fe:e1:bb:d1:c6:01, ipv4: 203.0.113.10}" in done.stdout
    before = site.files()
    assert (numbers(site), numbers(site, "server2")) == ({"web1": 1}, {"web2": 2})
    (site.fleet / "allocations/.lock").unlink()
    done = site.play(ALLOCATE, args=("--diff",))
    assert "ok: [server1]" in done.stdout
    assert "changed=0" in done.stdout
    assert site.files() == before
    assert not (site.fleet / "allocations/.lock").exists(), "nothing changes, so no lock is taken"


def test_a_run_for_some_servers_writes_files_of_theirs_alone(site: Site) -> None:
    site.vm("web1")
    site.vm("web2", server="server2")
    show = {"ansible.builtin.debug": {"msg": "{{ allocation.with_password | join(' ') }}|"}}
    before = site.files().keys()
    written = {}
    for server, name in (("server1", "web1"), ("server2", "web2")):
        done = site.play(
            ALLOCATE | {"register": "allocation"}, show, args=("--limit", f"{server},localhost")
        )
        assert done.returncode == 0, done.stdout
        assert f"{name}|" in done.stdout
        now = site.files().keys()
        written[server] = now - before
        before = now
    assert written["server1"] - {"inventory.json", "allocations/.lock"} == {
        "allocations/server1.yml", "kept/server1.json",
    }  # fmt: skip
    assert written["server2"] == {"allocations/server2.yml", "kept/server2.json"}
    # What both were given is what one run for both gives.
    assert (numbers(site), numbers(site, "server2")) == ({"web1": 1}, {"web2": 2})
    assert "changed=0" in site.play(ALLOCATE).stdout


def test_check_mode_shows_and_writes_nothing(site: Site) -> None:
    site.vm("web1")
    before = site.files()
    done = site.play(ALLOCATE, args=("--check", "--diff"))
    assert "changed: [server1]" in done.stdout
    assert "+  web1: {number: 1," in done.stdout
    assert site.files() == before
    assert not (site.fleet / "allocations").exists()


def test_all_problems_and_nothing_is_written_for_them(site: Site) -> None:
    site.vm("web1", memory="1 GB")
    site.vm("web2", mac="fe:e1:bb:d1:c6:aa")
    site.vm("web3", mac="fe:e1:bb:d1:c6:aa")
    before = site.files()
    never = {"ansible.builtin.debug": {"msg": "a server was touched"}}
    done = site.play(ALLOCATE, never)
    assert done.returncode == 2
    assert "vms/web1.yml: memory: '1 GB' is not a valid size" in done.stdout
    assert "fe:e1:bb:d1:c6:aa" in done.stdout
    assert '"problems": [' in done.stdout
    assert "touched" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert site.files().keys() - before.keys() == {"inventory.json"}


def test_leaves_a_copy_of_what_orders_are_checked_against(site: Site) -> None:
    site.vm("web1")
    site.set("host_vars/server2", **SERVERS["server2"], ansible_user="deploy", vmm_misspelled=1)
    hosts = site.inventory / "hosts.yml"
    hosts.write_text(f"{hosts.read_text()}monitors:\n  hosts: {{mon1: , mon_2: }}\n")
    site.play(ALLOCATE, args=("--check",))
    assert "inventory.json" not in site.files()
    site.play(ALLOCATE)
    copy = json.loads((site.fleet / "inventory.json").read_text())
    common = {"vmm_domain": "example.org", "vmm_dns_servers": ["192.0.2.53"]}
    assert copy["servers"] == {name: common | given for name, given in SERVERS.items()}
    assert copy["accounts"]["server2"] == {
        "deploy": "the account that Ansible logs in to (ansible_user)"
    }
    # VMs are not among them.
    assert {"mon1", "mon_2", "monitors", "server1", "server2"} <= set(copy["names"])
    assert "web1" not in copy["names"]
    site.set("host_vars/server2", **SERVERS["server2"])
    done = site.play(ALLOCATE)
    assert "changed: [server1]" in done.stdout
    assert "deploy" not in (site.fleet / "inventory.json").read_text()


def test_an_inventory_without_the_plugin(site: Site) -> None:
    (site.inventory / "vmm.yml").unlink()
    done = site.play(ALLOCATE)
    assert "the servers have no vmm_fleet_directory in common" in done.stdout


def test_a_setting_that_the_inventory_cannot_see_is_noticed(site: Site) -> None:
    site.vm("web1")
    (site.root / "host_vars").mkdir()
    (site.root / "host_vars/server1.yml").write_text("vmm_mac_prefix: fe:e1:bb:d1:99\n")
    done = site.play(ALLOCATE)
    assert done.returncode == 2
    assert "server1: vmm_host is not what the inventory said" in done.stdout
    assert "such as beside a playbook" in done.stdout
    assert not (site.fleet / "allocations").exists()


def test_a_ledger_that_is_locked(site: Site) -> None:
    site.vm("web1")
    (site.fleet / "allocations").mkdir()
    with exclusive_lock(site.fleet / "allocations/.lock", 0):
        done = site.play({"puffy.vmm.allocate": {"lock_timeout": 0.1}})
    assert done.returncode == 2
    assert "allocations/.lock: held by process " in done.stdout
    assert not site.ledger().exists()


def test_a_number_is_handed_out_once_when_a_vm_arrives_between(site: Site) -> None:
    """The first run has given web1 number 1 and waits for the lock when alpha1 appears."""
    site.vm("web1")
    (site.fleet / "allocations").mkdir()
    lock = site.fleet / "allocations/.lock"
    with ThreadPoolExecutor() as pool:
        with exclusive_lock(lock, 0):
            first = pool.submit(site.play, ALLOCATE)
            wait_for_another(lock)
            site.vm("alpha1")
        done = first.result()
    assert done.returncode == 2
    assert "the fleet changed after the inventory was read; run it again" in done.stdout
    assert not site.ledger().exists()
    assert site.play(ALLOCATE).returncode == 0
    assert numbers(site) == {"alpha1": 1, "web1": 2}


def test_two_runs_at_once_agree(site: Site) -> None:
    for number in range(20):
        site.vm(f"web{number}")
    with ThreadPoolExecutor() as pool:
        runs: list[subprocess.CompletedProcess[str]]
        runs = list(pool.map(lambda _run: site.play(ALLOCATE), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sorted(numbers(site).values()) == list(range(1, 21))


def test_the_playbook_runs_for_any_server_and_without_a_secret(site: Site) -> None:
    site.vm("web1", server="server2")
    arguments = ("puffy.vmm.allocate", "--limit", "server2", "-e", "vmm_credentials=false")
    done = site.run("ansible-playbook", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(site, "server2") == {"web1": 2}
    assert not (site.fleet / "credentials").exists()


def test_the_playbook_makes_the_credentials_of_present_vms(site: Site) -> None:
    site.vm("web1")
    site.vm("web2", state="suspended")
    site.vm("web3", state="archived")
    done = site.run("ansible-playbook", "puffy.vmm.allocate", "--vault-id", str(site.secret))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (site.fleet / "credentials").iterdir()] == ["web1.yml"]


def test_a_new_vm_is_named_as_no_host_of_a_later_source(site: Site) -> None:
    later = site.root / "later.yml"
    later.write_text("printers: {hosts: {laser1: {}}}\n")
    site.vm("laser1")
    done = site.play(ALLOCATE, args=("-i", str(site.inventory), "-i", str(later)))
    assert done.returncode == 2
    assert "'laser1' is also a host or group of another source of the inventory" in done.stdout
    assert not (site.fleet / "allocations").exists()


def test_what_is_sound_is_done_and_the_run_fails_at_its_end(site: Site) -> None:
    site.vm("web1", memory="1 GB")
    site.vm("web2")
    for again in (False, True):
        done = site.run("ansible-playbook", "puffy.vmm.allocate", "-e", "vmm_credentials=false")
        said = done.stdout + done.stderr
        assert done.returncode == 2
        assert said.count("vms/web1.yml: memory: '1 GB' is not a valid size") == 1
        assert "The fleet has 1 problem(s), which are shown above." in said
        assert ("changed=1" in said) is not again
    assert numbers(site) == {"web2": 1}


def test_a_broken_file_keeps_what_its_vm_has(site: Site) -> None:
    site.vm("web1")
    site.vm("web2")
    assert site.play(ALLOCATE).returncode == 0
    before = site.files()
    site.vm("web1", owner="root")
    site.vm("web3")
    assert site.play(ALLOCATE).returncode == 2
    assert numbers(site) == {"web1": 1, "web2": 2, "web3": 3}
    kept = json.loads((site.fleet / "kept/server1.json").read_text())
    assert kept["web1"]["vms"].encode() == before["vms/web1.yml"][1]


def test_a_verb_for_a_sound_vm_does_not_depend_on_others(site: Site) -> None:
    site.vm("web1")
    site.vm("web2")
    assert site.play(ALLOCATE).returncode == 0
    (site.fleet / "vms/web2.yml").write_text("owner: 'x\n")
    (site.fleet / "vms/new1.yml").write_text("server: server1\n")

    def request(vm: str, verb: str) -> subprocess.CompletedProcess[str]:
        return site.play({"puffy.vmm.vm_request": {"vm": vm, "verb": verb}})

    for verb in ("status", "suspend", "archive"):
        done = request("web1", verb)
        assert done.returncode == 0, done.stdout
    assert "state: archived" in (site.fleet / "vms/web1.yml").read_text()
    assert request("web2", "status").returncode == 0
    for name in ("web2", "new1"):
        done = request(name, "suspend")
        assert done.returncode == 2
        assert f"suspend is not for {name} until this is corrected: vms/{name}.yml: " in done.stdout


def test_a_verb_that_the_fleet_has_no_room_for_changes_no_file(site: Site) -> None:
    site.vm("web1", memory="2G")
    site.vm("web2", memory="2G", state="suspended")
    site.set("host_vars/server1", **SERVERS["server1"], vmm_memory_limit="3G")
    assert site.play(ALLOCATE).returncode == 0
    before = site.files()
    done = site.play({"puffy.vmm.vm_request": {"vm": "web2", "verb": "resume"}})
    assert done.returncode == 2
    assert "vmm_memory_limit: 3G is exceeded" in done.stdout
    assert site.files() == before


def test_a_problem_of_the_whole_fleet_stops_all_servers_and_all_later_plays(site: Site) -> None:
    (site.fleet / "vms").rename(site.root / "vms")
    (site.fleet / "vms").symlink_to(site.root / "vms")
    later = {
        "name": "What would change servers",
        "hosts": "vmd_servers",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.debug": {"msg": "a server was touched"}}],
    }
    plays = [{"ansible.builtin.import_playbook": "puffy.vmm.allocate"}, later]
    (site.root / "site.yml").write_text(yaml.safe_dump(plays))
    for limit in ((), ("--limit", "server2")):
        done = site.run("ansible-playbook", "site.yml", *limit)
        assert done.returncode == 2
        assert "vms/: is a symbolic link" in done.stderr
        assert "touched" not in done.stdout
