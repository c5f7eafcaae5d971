# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server has, and what it has that the fleet does not know, for people to see."""

from __future__ import annotations

import base64
import typing as t
from contextlib import suppress
from dataclasses import asdict

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import Unreadable
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import parse_dhcpd_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import (
    facts,
    image_header,
    measures,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.measures import Measures


def questions(machines: t.Iterable[Machine], directories: t.Iterable[str]) -> dict[str, t.Any]:
    """Return what is asked, as parts of a probe; `directories` are those of images."""
    paths = [path for machine in machines for path in _images(machine)]
    return {
        "paths": [{"path": path, "head": image_header.HEADER_BYTES, "hash": 0} for path in paths],
        "run": [*measures.questions(directories), *measures.more_questions()],
    }


def _images(machine: Machine) -> t.Iterator[str]:
    """Yield where images of a VM are, those of an archived one and of detached disks too."""
    yield from (machine.image, machine.archived)
    for disk in machine.disks:
        yield from (disk.image, disk.archived)
    yield from machine.detached


def survey(
    answer: t.Mapping[str, t.Any],
    vms: t.Mapping[str, t.Any],
    machines: t.Sequence[Machine],
    directories: t.Iterable[str],
) -> dict[str, t.Any]:
    """Return plain data from the answers to questions() and to facts.questions().

    Besides the fields of Measures there are `strangers`, the names of VMs that the fleet does not
    have, and `hosts`, those of dhcpd.conf(5) that belong to no VM: names, MACs and addresses.
    `based` are the images of the fleet's VMs that begin like a qcow2 image with a base.
    """
    return {
        **asdict(Measures.of(answer, directories)),
        "strangers": _strangers(vms, machines),
        "hosts": list(_hosts(vms, machines)),
        "based": list(_based(answer)),
    }


def _based(answer: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for path, head in answer["read"].items():
        if image_header.has_base(base64.b64decode(head)):
            yield path


def _strangers(vms: t.Mapping[str, t.Any], machines: t.Sequence[Machine]) -> list[str]:
    names = set(facts.status_lines(vms["run"]["status"]["stdout"]))
    with suppress(facts.UnreadableConf):
        names |= {block.name for block in facts.vm_conf(vms).vms}
    return sorted(names - {machine.name for machine in machines})


def _hosts(
    vms: t.Mapping[str, t.Any], machines: t.Sequence[Machine]
) -> t.Iterator[dict[str, t.Any]]:
    ours = {mac for machine in machines for mac in machine.macs}
    try:
        conf = parse_dhcpd_conf(facts.text(vms, facts.DHCPD_CONF))
    except Unreadable:
        return
    for host in conf.all_hosts:
        if host.mac not in ours:
            yield {"name": host.name, "mac": host.mac, "addresses": list(host.addresses)}
