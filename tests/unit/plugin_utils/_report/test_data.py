# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From a fleet and what its servers showed to the report."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.data import report
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Difference,
    Reach,
    Report,
    Vm,
)
from unit.fleets import KEY, build, ledger, ledger_texts, server, vm
from unit.reports import AT, GIB, HOSTILE, sample, survey

RECORD = "installed: {at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.qcow2, format: qcow2}"
INSTALLED = {"server6.yml": ledger(f"web1: {{number: 7, {RECORD}}}")}
LOOK: dict[str, t.Any] = {
    "image": "data", "archived": False, "installing": False, "from_cdrom": False,
    "installed": False, "state": "running", "running": True, "pending": False, "pid": 1,
    "disk_bytes": 3 * GIB,
}  # fmt: skip


def fleet(state: str = "present", *, installed: bool = True, **more: t.Any) -> Fleet:
    ledgers = INSTALLED if installed else {}
    return build({"web1.yml": vm(state=state)}, ledgers, {"server6": server()}, **more)


def of(made: Fleet, *names: str, **results: dict[str, t.Any]) -> Report:
    return report(made, names or ("server6",), results, at=AT, version="0.1.0")


def seen(**look: t.Any) -> dict[str, t.Any]:
    return {"details": [], "survey": survey(1, hosts=[]), "vms": {"web1": {**LOOK, **look}}}


def web1(made: Fleet, **results: dict[str, t.Any]) -> Vm:
    (vm,) = of(made, **results).vms
    return vm


STATES: dict[str, tuple[str, bool, dict[str, t.Any] | None, tuple[str | None, bool, str]]] = {
    # name: state of the file, in the ledger, look; what is shown, deployed, why it needs attention
    "runs": ("present", True, {}, ("running", True, "")),
    "rests": ("present", True, {"state": "stopped", "running": False}, ("stopped", True, "")),
    "is suspended": ("suspended", True, {"state": "stopped", "running": False},
                     ("stopped", True, "")),
    "runs though it is suspended": ("suspended", True, {},
                                    ("running", True, "runs, and its file says suspended")),
    "is archived": ("archived", True, {"image": "absent", "archived": True, "running": False},
                    ("archived", False, "")),
    "was never installed": ("present", False, {"image": "absent", "running": False},
                            ("not installed", False, "")),
    "lost its image": ("present", True, {"image": "absent", "running": False},
                       ("image missing", False, "image missing")),
    "is being installed": ("present", False, {"image": "absent", "installing": True},
                           ("installing", False, "")),
    "was not seen": ("present", True, None, (None, True, "")),
    "was not seen and is archived": ("archived", True, None, (None, False, "")),
    "was not seen and is new": ("present", False, None, (None, False, "")),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_a_vm(name: str) -> None:
    state, installed, look, (shown, deployed, attention) = STATES[name]
    results = {} if look is None else {"server6": seen(**look)}
    vm = web1(fleet(state, installed=installed), **results)
    assert (vm.shown, vm.deployed, "; ".join(vm.attention)) == (shown, deployed, attention)
    assert vm.used == (None if look is None else 3 * GIB)
    assert vm.installed == ("2026-11-29T03:00:00Z" if installed else None)


@pytest.mark.parametrize("result", [seen(pending=True), {**seen(), "pending_restart": ["web1"]}])
def test_what_waits_for_a_restart(result: dict[str, t.Any]) -> None:
    made = of(fleet(), server6=result)
    assert [vm.name for vm in made.pending] == ["web1"]
    assert made.differences == ()
    assert made.data()["waiting_for_restart"] == ["web1"]
    assert made.servers[0].vms == {"total": 1, "deployed": 1, "running": 1, "pending": 1}


REACHES: dict[str, tuple[dict[str, t.Any], Reach, str]] = {
    "fine": (seen(), Reach.REACHED, ""),
    "lost": (
        {"unreachable": True, "msg": "Task failed: No route\n"},
        Reach.UNREACHABLE,
        "No route",
    ),
    "no root": ({"failed": True, "msg": "this needs root"}, Reach.FAILED, "this needs root"),
    "not asked": ({}, Reach.NOT_ASKED, ""),
    "skipped": ({"skipped": True, "changed": False}, Reach.NOT_ASKED, ""),
}


@pytest.mark.parametrize("name", REACHES)
def test_a_server_says_why_it_is_not_known(name: str) -> None:
    result, reach, message = REACHES[name]
    made = of(fleet(), server6=result)
    assert (made.servers[0].reach, made.servers[0].message) == (reach, message)
    assert made.live == (reach != Reach.NOT_ASKED)
    assert made.servers[0].release == ("7.8" if reach == Reach.REACHED else None)
    assert made.servers[0].memory.promised == 1 * GIB
    summary = {
        Reach.REACHED: "1 VM deployed on 1 server",
        Reach.NOT_ASKED: "1 VM deployed on 1 server, no server was asked",
    }
    missing = "1 VM deployed on 1 server, 1 without live data (server6)"
    assert made.summary() == summary.get(reach, missing)


def test_a_server_whose_settings_cannot_be_used_is_there() -> None:
    made = build({"web1.yml": vm()}, {}, {"server6": server(ipv4_gateway=None)})
    report = of(made, server6={"failed": True, "msg": "server6: vmm_ipv4_gateway: is missing"})
    assert (report.servers[0].name, report.servers[0].usable) == ("server6", False)
    assert report.vms == ()
    assert [text for text in report.problems if "vmm_ipv4_gateway" in text]


def test_a_vm_with_problems_is_as_it_was_and_says_so() -> None:
    sound = fleet()
    files = {"web1.yml": vm(memory="1 GB")}
    bad = build(files, ledger_texts(sound), {"server6": server()}, kept=sound.kept)
    kept = web1(bad, server6=seen())
    assert kept.memory == 1 * GIB
    assert "vms/web1.yml: memory: '1 GB' is not a valid size" in kept.attention[0]


def test_the_address_of_a_vm_that_nobody_knows_is_kept() -> None:
    bad = build({"web1.yml": vm(memory="1 GB")}, ledger_texts(fleet()), {"server6": server()})
    labels = [span.label for network in of(bad).networks for span in network.spans]
    assert labels.count("web1, whose files have problems") == 2


def test_differences() -> None:
    details = [{"document": "dhcpd", "change": "change /etc/dhcpd.conf", "consequence": False}]
    result = {**seen(), "details": details, "last_applied": "2026-11-28T20:15:00Z"}
    made = of(fleet(), server6=result)
    assert made.differences == (
        Difference(
            "server6", "dhcpd", "change", "change /etc/dhcpd.conf", "2026-11-28T20:15:00Z"
        ),
    )  # fmt: skip


def test_nothing_invisible_and_nothing_secret_is_in_it() -> None:
    bad = f"remove /x/once-{'0f' * 16}/y " + "".join(HOSTILE)
    result = {
        **seen(),
        "details": [{"document": "autoinstall", "change": bad, "consequence": False}],
        "survey": survey(1, kernel=bad, strangers=[bad], hosts=[],
                         drives=[{"name": "d", "value": bad, "status": "OK"}]),
    }  # fmt: skip
    text = json.dumps(of(fleet(), server6=result).data())
    assert "once-..." in text and "once-0" not in text
    assert KEY.split()[1] not in text
    assert "\\\\u202e" in text
    made = of(fleet(), server6={"unreachable": True, "msg": bad})
    for said in (made.servers[0].message, made.differences[0].what):
        assert "\u202e" not in said and "\x1b" not in said and "once-..." in said


def test_the_json_has_all_and_stays_what_it_is() -> None:
    data = json.loads(json.dumps(sample(300).data()))
    assert set(data) == {
        "format", "at", "collection", "live", "summary", "deployed", "waiting_for_restart",
        "servers", "networks", "vms", "drift", "problems",
    }  # fmt: skip
    assert (data["format"], data["at"], data["deployed"]) == (1, "2026-11-29T07:16:00Z", 282)
    assert len(data["vms"]) == 300
    assert {row["reach"] for row in data["servers"]} == {"reached", "unreachable"}
    # Readers of JSON that have no more than a double lose nothing.
    large = data["networks"][-1]["counts"]["free"]
    assert isinstance(large, str) and int(large) > 1 << 53
