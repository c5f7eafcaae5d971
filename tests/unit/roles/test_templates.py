# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The roles' templates, rendered from any fleet and read back: nothing is lost, nothing added."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import (
    Host,
    parse_dhcpd_conf,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    KEYWORDS,
    Disk,
    Interface,
    SwitchBlock,
    VmBlock,
    parse_vm_conf,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    OWNER_PATTERN,
    REFUSED_ACCOUNTS,
    host_label,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.blocks import REST, autostart
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import build, server, vm
from unit.names import VM_NAMES

ROLES = Path(__file__).resolve().parents[3] / "roles"

NAMES = VM_NAMES | st.sampled_from(sorted(KEYWORDS))
OWNERS = st.from_regex(OWNER_PATTERN, fullmatch=True) | st.sampled_from(sorted(KEYWORDS))
INTERFACES = st.fixed_dictionaries(
    {"switch": st.sampled_from(["uplink", "switch", "a.b"])},
    optional={"group": st.sampled_from(["group", "a-b_c", "disable"])},
)
SWITCHES = [{"name": "switch", "interface": "veb7"}, {"name": "a.b", "interface": "bridge1"}]
VMS = st.dictionaries(
    NAMES.filter(lambda name: name not in ("all", "localhost", "ungrouped", "vms")),
    st.fixed_dictionaries(
        {
            "owner": OWNERS.filter(lambda name: name not in REFUSED_ACCOUNTS),
            "memory": st.sampled_from(["1M", "512M", "128G"]),
            "disk_format": st.sampled_from(["raw", "qcow2"]),
            "state": st.sampled_from(["present", "suspended", "archived"]),
            "interfaces": st.lists(INTERFACES, max_size=3),
            "autostart": st.booleans(),
            "disks": st.lists(st.just({"size": "9G"}), max_size=3),
            "install": st.sampled_from(["autoinstall", "none", "iso"]),
            "cdrom": st.just("/home/iso/a.iso"),
        },
        optional={
            "boot": st.just("/bsd.gdb"),
            "hostname": st.sampled_from(["www", "www.example.org", "www.sub.example.com"]),
        },
    ),
    max_size=5,
)


def render(template: str, **variables: Any) -> str:
    environment = jinja2.Environment(
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    for name in ("vm_conf_string", "dhcpd_string"):
        environment.filters[f"puffy.vmm.{name}"] = getattr(quoting, name)
    environment.filters |= {"quote": shlex.quote, "bool": bool}
    text = (ROLES / template).read_text(encoding="utf-8")
    extra = {f"{name}_extra": "" for name in ("dhcpd", "vmd")}
    return environment.from_string(text).render(extra | variables)


def variables(vms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    texts = {
        f"{name}.yml": vm(**{field: json.dumps(value) for field, value in fields.items()})
        for name, fields in vms.items()
    }
    fleet = build(texts, servers={"server6": server(switches=SWITCHES)})
    return server_variables(fleet, "server6")


@given(VMS)
def test_vm_conf(vms: dict[str, dict[str, Any]]) -> None:
    described = variables(vms)
    text = render(
        "vmd/templates/vm.conf.j2",
        **described,
        vmd_vms=described["vmm_vms"],
        vmd_disks=[vm["name"] for vm in described["vmm_vms"]],
        vmd_cdrom=[vm["name"] for vm in described["vmm_vms"] if vm["install_by"] == "iso"],
        vmd_kernel=[vm["name"] for vm in described["vmm_vms"] if vm["autostart"]],
        vmd_group="vmdusers",
        vmd_locked_lladdr=True,
        vmd_agentx=False,
    )
    conf = parse_vm_conf(text)
    assert (conf.socket_owner, conf.others) == (":vmdusers", ())
    assert conf.switches == (
        SwitchBlock("uplink", "veb0", others=('group "vmswitch"',)),
        SwitchBlock("switch", "veb7"),
        SwitchBlock("a.b", "bridge1"),
    )
    assert conf.vms == tuple(
        VmBlock(
            vm["name"],
            enabled=False,
            owner=vm["owner"] if vm["state"] == "present" else None,
            memory=vm["memory"],
            disks=(
                Disk(vm["image"]["path"], vm["disk_format"]),
                *(Disk(disk["path"], disk["format"]) for disk in vm["disks"]),
            ),
            interfaces=tuple(
                Interface(each["switch"], each["mac"], locked=True, group=each["group"])
                for each in vm["interfaces"]
            ),
            others=(
                *([f'boot "{vm["boot"]}"'] if vm["boot"] and vm["autostart"] else []),
                *(["boot device cdrom"] if vm["install_by"] == "iso" else []),
                'cdrom "/home/iso/a.iso"',
            ),
        )
        for vm in described["vmm_vms"]
    )


@pytest.mark.parametrize(("extra", "owner"), [("", "root"), ("socket owner alice", "alice")])
def test_agentx_and_the_sockets_owner_in_vm_conf(extra: str, owner: str) -> None:
    described = variables({})
    text = render(
        "vmd/templates/vm.conf.j2",
        **described,
        vmd_vms=[],
        vmd_extra=extra,
        vmd_group="",
        vmd_locked_lladdr=True,
        vmd_agentx=True,
    )
    conf = parse_vm_conf(text)
    assert conf.others == ("agentx",)
    # vmd(8) would keep a group that its socket has if the statement was missing.
    assert conf.socket_owner == owner


@given(VMS)
def test_rc_vmm(vms: dict[str, dict[str, Any]]) -> None:
    described = variables(vms)
    text = render(
        "vmd/templates/rc.vmm.j2",
        vmd_vms=described["vmm_vms"],
        vmd_autostart_parallel=2,
        vmd_autostart_delay=30,
    )
    started = [
        vm["name"] for vm in described["vmm_vms"] if vm["autostart"] and vm["state"] == "present"
    ]
    assert re.findall(r"^\tstart (\S+)$", text, re.MULTILINE) == started
    assert autostart(text).keys() == {*started, REST}


@given(VMS)
def test_dhcpd_conf(vms: dict[str, dict[str, Any]]) -> None:
    described = variables(vms)
    text = render(
        "dhcpd/templates/dhcpd.conf.j2",
        **described,
        dhcpd_vms=described["vmm_vms"],
        dhcpd_range=[],
        dhcpd_server_name="server6.example.org",
        dhcpd_next_server=described["vmm_host"]["ipv4"]["server"],
        one_time={vm["name"]: f"once-{vm['number']}/" for vm in described["vmm_vms"]},
    )
    conf = parse_dhcpd_conf(text)
    (subnet,) = conf.subnets
    assert (subnet.network, subnet.netmask, subnet.ranges) == ("203.0.113.0", "255.255.255.0", ())
    assert conf.parameters["option domain-name"] == ("example.org",)
    assert "deny unknown-clients" in conf.parameters
    assert subnet.parameters["next-server"] == ("203.0.113.1",)
    assert subnet.hosts == tuple(
        Host(
            vm["name"],
            vm["mac"],
            (vm["ipv4"],),
            {
                **(
                    {}
                    if vm["install_by"] != "autoinstall"
                    else {"filename": (f"once-{vm['number']}/auto_install",)}
                ),
                "option host-name": (host_label(vm["name"]),),
                # The installer takes the domain from the lease, not from its answers.
                **(
                    {"option domain-name": ("sub.example.com",)}
                    if vm["hostname"] == "www.sub.example.com"
                    else {}
                ),
            },
        )
        for vm in described["vmm_vms"]
    )


def test_switches_may_be_given_as_text() -> None:
    """`-e NAME=false` is text, and text is true."""
    switches = [
        name
        for path in ROLES.glob("*/meta/argument_specs.yml")
        for name, option in yaml.safe_load(path.read_text())["argument_specs"]["main"][
            "options"
        ].items()
        if option["type"] == "bool"
    ]
    converted = r"(?! \| (?:default\([^)]*\) \| )?bool)"
    bare = re.compile(rf"\b(?:{'|'.join(switches)})\b{converted}")
    playbooks = ROLES.parent / "playbooks"
    written = [*playbooks.rglob("*.yml"), *ROLES.glob("*/*/*.yml"), *ROLES.glob("*/templates/*")]
    assert {
        f"{path.name}: {expression}"
        for path in written
        for expression in re.findall(r"\{[{%].*?[%}]\}", path.read_text(), re.DOTALL)
        if bare.search(expression)
    } == set()
