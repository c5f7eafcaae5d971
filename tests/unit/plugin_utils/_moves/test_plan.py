# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which VM goes to which server, and what is short where none has room."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
    server_variables,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.plan import Planner, to_change
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import CannotMove
from unit.fleets import KEY, SERVER6, SERVER7, ledger, vm

TODAY = date(2026, 11, 29)
GIB = 1 << 30
# server8 has server6's networks.
SERVER8 = {**SERVER6, "vmm_mac_prefix": "fe:e1:bb:d1:ca"}
SERVERS: Mapping[str, Mapping[str, object]] = {
    "server6": SERVER6, "server7": SERVER7, "server8": SERVER8,
}  # fmt: skip
MEMORY = {"web1": "1G", "web2": "4G", "web3": "2G"}


def line(name: str, number: int) -> str:
    record = f"{{at: 2026-11-29T03:00:00Z, image: /var/vmm/{name}.qcow2, format: qcow2}}"
    return (
        f"{name}: {{number: {number}, mac: fe:e1:bb:d1:c8:0{number}, ipv4: 203.0.113.{9 + number}, "
        f"ipv6: 2001:db8:6::{number + 9:x}, installed: {record}}}"
    )


def file(name: str, memory: str, **more: str) -> str:
    owner = {"owner": name.replace("web", "own"), "hostname": f"{name}.example.org"}
    return vm(memory=memory, ssh_keys=f"[{KEY}]", **owner, **more)


def texts() -> FleetTexts:
    files = {f"{name}.yml": file(name, memory) for name, memory in MEMORY.items()}
    lines = [line(name, number) for number, name in enumerate(MEMORY, start=1)]
    return FleetTexts(
        t.cast("dict[str, str | None]", files), {}, {"server6.yml": ledger(*lines)}, {}
    )


def look(memory: int = 64, free: int = 500, release: str = "7.8", **used: int) -> dict[str, t.Any]:
    """What a server shows; GiB."""
    system = {"directory": "/var/vmm", "mount": "/var", "free": free * GIB}
    return {
        "vms": {
            name: {"image_bytes": [size * GIB], "running": True} for name, size in used.items()
        },
        "survey": {
            "memory": memory * GIB,
            "file_systems": [system],
            "release": release,
            "based": [],
        },
    }


def planner(
    servers: Mapping[str, Mapping[str, object]] = SERVERS, **looks: dict[str, t.Any]
) -> Planner:
    def build(texts: FleetTexts, arriving: Collection[str]) -> Fleet:
        return build_fleet(
            Inputs(texts.vms, texts.ledgers, servers, today=TODAY, arriving=arriving)
        )

    all_looks = {"server6": look(web1=10, web2=20, web3=30), "server7": look(), "server8": look()}
    return Planner(texts(), build, {**all_looks, **looks}, TODAY)


def drained(plan: Planner) -> list[tuple[str, str]]:
    return [(move.before.name, move.after.server) for move in plan.drain("server6", list(MEMORY))]


def test_the_largest_goes_first_and_to_where_it_keeps_its_addresses() -> None:
    assert drained(planner()) == [("web2", "server8"), ("web3", "server8"), ("web1", "server8")]


def test_a_fleet_is_built_once_for_what_its_files_say() -> None:
    """Before each of three moves, and after the last: building takes long with many VMs."""
    plan, built = planner(), 0
    build = plan.build

    def counted(texts: FleetTexts, arriving: Collection[str]) -> Fleet:
        nonlocal built
        built += not arriving
        return build(texts, arriving)

    plan.build = counted
    assert len(drained(plan)) == 3
    assert plan.fleet.vms_of("server6") == []
    assert built == 4


def test_what_was_given_counts() -> None:
    """server8 has room for the largest alone, by memory, and by disk."""
    for room in (look(memory=5), look(free=25)):
        assert drained(planner(server8=room)) == [
            ("web2", "server8"), ("web3", "server7"), ("web1", "server7"),
        ]  # fmt: skip


def test_what_is_short_is_said_for_each_vm_that_does_not_fit() -> None:
    with pytest.raises(CannotMove) as error:
        drained(planner(server7=look(memory=3), server8=look(free=12)))
    assert str(error.value) == (
        "server6 cannot be drained:\n"
        "web2: server7 lacks 1280M of memory for it\n"
        "web2: its images take 20480M, and /var of server8 has 12288M free"
    )


def test_each_disk_counts_where_it_comes_to() -> None:
    """web1's second disk is on a volume of its own, on both servers."""
    files = texts()
    disk = "disks: [{size: 90G, image: /data/web1.disk2.qcow2}]"
    record = "disks: [{image: /data/web1.disk2.qcow2, format: qcow2}]"
    files = replace(
        files,
        vms={**files.vms, "web1.yml": f"{files.vms['web1.yml']}{disk}\n"},
        ledgers={"server6.yml": ledger(f"{line('web1', 1)[:-1]}, {record}}}")},
    )
    data = {"directory": "/data", "mount": "/data", "free": 100 * GIB}
    looks = {name: look(free=15) for name in ("server6", "server7")}
    for shown in looks.values():
        shown["survey"]["file_systems"].append(data)
    looks["server6"]["vms"] = {"web1": {"image_bytes": [10 * GIB, 80 * GIB], "running": True}}
    moved = planner(**looks)
    moved.texts = files
    assert moved.move("web1", "server7").after.server == "server7"
    data["free"] = 50 * GIB
    lacking = planner(**looks)
    lacking.texts = files
    with pytest.raises(CannotMove, match="take 81920M, and /data of server7 has 51200M free"):
        lacking.move("web1", "server7")


def test_limits_of_the_inventory_count_in_place_of_what_there_is() -> None:
    limited = {**SERVERS, "server7": {**SERVER7, "vmm_memory_limit": "3G"}}
    plan = planner(limited, server7=look(memory=1), server8={})
    with pytest.raises(CannotMove) as error:
        drained(plan)
    assert "vmm_memory_limit: 3G is exceeded" in str(error.value)
    relocation = planner(limited, server7=look(memory=1)).move("web1", "server7")
    assert relocation.after.server == "server7"


def test_a_server_with_an_older_release_is_refused() -> None:
    with pytest.raises(CannotMove, match="server7 runs OpenBSD 7.8, which is older than 7.10"):
        planner(server6=look(release="7.10")).move("web1", "server7")


BASED = r"web1: /var/vmm/web1{}.qcow2 of server6 has a base image.*vmctl create -i /var/vmm/web1"


@pytest.mark.parametrize(("state", "role"), [("present", ""), ("archived", ".archived")])
def test_an_image_with_a_base_stays_with_it(state: str, role: str) -> None:
    def plan(*based: str) -> Planner:
        plan = planner()
        vms = {**plan.texts.vms, "web1.yml": file("web1", "1G", state=state)}
        plan.texts = replace(plan.texts, vms=vms)
        plan.looks["server6"]["survey"]["based"] += based
        return plan

    other, image = f"/var/vmm/web9{role}.qcow2", f"/var/vmm/web1{role}.qcow2"
    assert plan(other).move("web1", "server7").after.server == "server7"
    with pytest.raises(CannotMove, match=BASED.format(role)):
        plan(image).move("web1", "server7")
    with pytest.raises(CannotMove, match=BASED.format(role)) as error:
        drained(plan(image))
    assert str(error.value).count("base image") == 1


def test_what_a_guest_writes_into_a_raw_image_is_no_header() -> None:
    plan = planner()
    raw = line("web1", 1).replace("qcow2", "img").replace("format: img", "format: raw")
    plan.texts = replace(plan.texts, ledgers={"server6.yml": ledger(raw)})
    plan.looks["server6"]["survey"]["based"].append("/var/vmm/web1.img")
    assert plan.move("web1", "server7").after.server == "server7"


def test_a_server_that_was_not_reached_is_none() -> None:
    with pytest.raises(CannotMove, match="server7 was not reached"):
        planner(server7={}).move("web1", "server7")
    assert drained(planner(server8={}))[0] == ("web2", "server7")
    with pytest.raises(CannotMove, match="no other server"):
        drained(planner(server7={}, server8={}))


def test_what_owners_have_to_change() -> None:
    plan = planner()
    fleet = plan.build(plan.texts, ())
    hosts = {name: server_variables(fleet, name)["vmm_host"] for name in SERVERS}
    assert [*to_change(planner().move("web1", "server8"), hosts)] == []
    first, two = to_change(planner().move("web1", "server7"), hosts)
    assert "its IPv4 address is 198.51.100.10 now, no longer 203.0.113.10" in first
    assert two == "server7 has no IPv6: take inet6 2001:db8:6::a out of hostname.if(5)"
