# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the files of a fleet are after a move, and which moves cannot be had."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping
from datetime import date

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import (
    Build,
    CannotMove,
    Relocation,
    relocate,
)
from unit.fleets import SERVER6, SERVERS, WEB1, ledger, server, vm

TODAY = date(2026, 11, 29)
RECORD = "installed: {at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.qcow2, format: qcow2}"
LINE = f"{WEB1.removesuffix('}')}, {RECORD}}}"
# On the same networks as server6, with numbers of its own.
TWIN = {**SERVER6, "vmm_mac_prefix": "fe:e1:bb:d1:c9"}


def building(servers: Mapping[str, Mapping[str, object]]) -> Build:
    def build(texts: FleetTexts, arriving: Collection[str]) -> Fleet:
        return build_fleet(
            Inputs(texts.vms, texts.ledgers, servers, today=TODAY, arriving=arriving)
        )

    return build


def texts(*lines: str, file: str | None = None, **more: str) -> FleetTexts:
    vms = {"web1.yml": file or vm("# a comment", memory="1G"), **more}
    ledgers = {"server6.yml": ledger(LINE, *lines)}
    return FleetTexts(vms, {}, t.cast("dict[str, str | None]", ledgers), {})


def move(given: FleetTexts | None = None, to: str = "server7", **servers: t.Any) -> Relocation:
    everywhere = {**SERVERS, **servers}
    return relocate(given or texts(), building(everywhere), "web1", to, TODAY)


def lines(found: Relocation, server: str) -> dict[str, t.Any]:
    text = found.texts.ledgers[f"{server}.yml"] or ""
    return t.cast("dict[str, t.Any]", yaml.load(text, yaml.BaseLoader))


def test_addresses_stay_where_the_network_is_the_same() -> None:
    found = move(server7=TWIN)
    assert found.texts.vms["web1.yml"] == vm("# a comment", server="server7", memory="1G")
    assert lines(found, "server6") == {"vms": {}}
    line = lines(found, "server7")["vms"]["web1"]
    assert line == {
        "number": "1",
        "mac": "fe:e1:bb:d1:c8:07",
        "ipv4": "203.0.113.16",
        "ipv6": "2001:db8:6::16",
        "installed": {
            "at": "2026-11-29T03:00:00Z",
            "image": "/var/vmm/web1.qcow2",
            "format": "qcow2",
        },
    }
    assert (found.before.server, found.after.server) == ("server6", "server7")


def test_another_network_gives_other_addresses_and_the_old_ones_are_nobodys() -> None:
    found = move()
    line = lines(found, "server7")["vms"]["web1"]
    assert (line["mac"], line["ipv4"]) == ("fe:e1:bb:d1:c8:07", "198.51.100.10")
    assert "ipv6" not in line
    quarantine = lines(found, "server6")["quarantine"]["7"]
    assert quarantine == {
        "vm": "web1", "since": "2026-11-29", "ipv4": "203.0.113.16", "ipv6": "2001:db8:6::16",
    }  # fmt: skip


def test_the_files_after_a_move_are_sound_and_what_was_said() -> None:
    found = move()
    after = building(SERVERS)(found.texts, ())
    assert after.problems == ()
    assert [(one.server, one.ipv4, one.mac) for one in after.vms] == [
        (found.after.server, found.after.ipv4, found.after.mac)
    ]
    assert after.vms[0].installed


def test_formats_stay_and_paths_are_the_other_servers() -> None:
    """The other server makes raw images, elsewhere."""
    given = texts(
        file=vm("disks: [{size: 5G}, {size: 6G, image: /data/x.qcow2}]"),
    )
    disks = (
        "{image: /var/vmm/web1.disk2.qcow2, format: qcow2}",
        "{image: /data/x.qcow2, format: qcow2}",
        "{image: /var/vmm/web1.disk4.img, format: raw}",
    )
    line = LINE.replace("format: qcow2}", f"format: qcow2}}, disks: [{', '.join(disks)}]")
    given = FleetTexts(given.vms, {}, {"server6.yml": ledger(line)}, {})
    other = {**SERVERS["server7"], "vmm_preset": "bridge", "vmm_image_directory": "/home/vm"}
    found = move(given, server7=other)
    assert [image.place for image in found.images("20261129T120000")] == [
        "/home/vm/web1.qcow2",
        "/home/vm/web1.disk2.qcow2",
        "/data/x.qcow2",
        "/home/vm/web1.disk4.img",
    ]
    assert found.images("20261129T120000")[0] == Image(
        "/var/vmm/web1.qcow2",
        "/var/vmm/web1.moved-20261129T120000.qcow2",
        "/home/vm/web1.moving.qcow2",
        "/home/vm/web1.qcow2",
    )
    after = building({**SERVERS, "server7": other})(found.texts, ())
    assert after.problems == ()
    assert after.vms[0].refusal is None
    assert after.vms[0].detached == ("/home/vm/web1.disk4.img",)


def test_images_of_an_archived_vm_keep_their_names() -> None:
    found = move(texts(file=vm(state="archived")))
    assert found.images("20261129T120000")[0] == Image(
        "/var/vmm/web1.archived.qcow2",
        "/var/vmm/web1.moved-20261129T120000.qcow2",
        "/var/vmm/web1.moving.qcow2",
        "/var/vmm/web1.archived.qcow2",
    )


def test_a_small_disk_that_was_installed_once_is_no_reason() -> None:
    assert move(texts(file=vm(disk="2G"))).after.server == "server7"


REFUSED: dict[str, tuple[FleetTexts, str, dict[str, t.Any], str]] = {
    "the same server": (texts(), "server6", {}, "is on server6 already"),
    "no server": (texts(), "server9", {}, "cannot be moved to server9"),
    "no installation": (
        FleetTexts({"web1.yml": vm()}, {}, {}, {}),
        "server7", {}, "write server: server7 into vms/web1.yml",
    ),
    "a file with a problem": (
        texts(file=vm(memory="1X")), "server7", {}, "until this is corrected",
    ),
    "an address in the file": (
        texts(file=vm(ipv4="203.0.113.16")), "server7", {},
        "203.0.113.16 is not a usable address of server7's network",
    ),
    "no memory": (
        texts(), "server7", {"server7": {**SERVERS["server7"], "vmm_memory_limit": "512M"}},
        "vmm_memory_limit: 512M is exceeded",
    ),
    "no addresses": (
        texts(), "server7",
        {"server7": {**SERVERS["server7"], "vmm_ipv4_range": ["198.51.100.10", "198.51.100.10"],
                     "vmm_reserved": ["198.51.100.10"]}},
        "is full",
    ),
    "no such switch": (
        texts(file=vm("interfaces: [{switch: dmz}]")), "server7",
        {"server6": server(switches=[{"name": "dmz", "interface": "veb9"}])},
        "'dmz' is not a switch of server7",
    ),
    "a file that cannot be edited": (
        texts(file="{" + ", ".join(vm().splitlines()) + "}"), "server7", {}, "by hand",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_moved(name: str) -> None:
    given, to, servers, text = REFUSED[name]
    with pytest.raises(CannotMove) as error:
        move(given, to, **servers)
    assert text in str(error.value)


def networks(third: int) -> list[dict[str, t.Any]]:
    """Two networks of a server, of which the first is every server's."""
    return [
        {"name": "lan", "ipv4_network": "203.0.113.0/24", "ipv4_gateway": "203.0.113.1"},
        {
            "name": "dmz",
            "ipv4_network": f"10.0.{third}.0/24",
            "ipv4_gateway": f"10.0.{third}.1",
            "switch": "dmz",
        },
    ]


def test_addresses_of_further_networks_are_given_up_where_they_are_others() -> None:
    common = {name: value for name, value in SERVER6.items() if "ipv4" not in name}
    common = {name: value for name, value in common.items() if "ipv6" not in name}
    common["vmm_switches"] = [{"name": "dmz", "interface": "veb9"}]
    servers = {
        "server6": {**common, "vmm_networks": networks(6)},
        "server7": {**common, "vmm_mac_prefix": "fe:e1:bb:d1:c9", "vmm_networks": networks(7)},
    }
    line = (
        "web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16, "
        f"other_macs: [fa:e1:bb:d1:c8:07], other_ipv4: [10.0.6.8], {RECORD}}}"
    )
    file = vm("interfaces: [{switch: dmz, network: dmz}]", memory="1G")
    given = FleetTexts({"web1.yml": file}, {}, {"server6.yml": ledger(line)}, {})
    found = relocate(given, building(servers), "web1", "server7", TODAY)
    there = lines(found, "server7")["vms"]["web1"]
    assert there["ipv4"] == "203.0.113.16"
    assert there["other_ipv4"][0].startswith("10.0.7.")
    assert there["other_macs"] == ["fa:e1:bb:d1:c8:07"]
    assert lines(found, "server6")["quarantine"]["7"]["other_ipv4"] == ["10.0.6.8"]
