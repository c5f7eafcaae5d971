# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from textwrap import dedent

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.quoting import vm_conf_string
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    Disk,
    Interface,
    SwitchBlock,
    Unreadable,
    VmBlock,
    VmConf,
    parse_vm_conf,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text
from hypothesis import given
from hypothesis import strategies as st

# After OpenBSD Amsterdam's description of its own set-up.
AMSTERDAM = """\
socket owner :vmdusers

switch "uplink_vlan42" {
    interface bridge42
}

vm "web1" {
    disable
    owner puffy
    disk "/var/vmm/web1.img"
    interface tap {
        switch "uplink_vlan42"
        lladdr fe:e1:bb:d1:c8:01
    }
}
"""


def test_a_file_of_openbsd_amsterdam() -> None:
    assert parse_vm_conf(AMSTERDAM) == VmConf(
        socket_owner=":vmdusers",
        switches=(SwitchBlock("uplink_vlan42", "bridge42"),),
        vms=(
            VmBlock(
                "web1",
                enabled=False,
                owner="puffy",
                disks=(Disk("/var/vmm/web1.img"),),
                interfaces=(Interface("uplink_vlan42", "fe:e1:bb:d1:c8:01"),),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "vm"),
    [
        ('vm "a" { disable }', VmBlock("a", enabled=False)),
        ('vm "a" {\n\n disable\n enable\n\n}\n', VmBlock("a")),
        ("vm 'a\"b' { memory 1G }", VmBlock('a"b', memory="1G")),
        ('vm "a" "b" { memory 1G }', VmBlock("ab", memory="1G")),
        ('vm "a\\" b\\\nc" { memory 1G }', VmBlock('a" bc', memory="1G")),
        ('vm "a\\ b\\\tc" { memory 1G }', VmBlock("a b\tc", memory="1G")),
        ('vm "a\\b" { memory 1G }', VmBlock("a\\b", memory="1G")),
        ('vm "a\nb" { memory 1G }', VmBlock("ab", memory="1G")),
        ('vm "disk" { disk "disk" format qcow2 }', VmBlock("disk", disks=(Disk("disk", "qcow2"),))),
        ('d = "/v"\nvm a { disk $d "/a.img" }', VmBlock("a", disks=(Disk("/v/a.img"),))),
        ('d = "memory 1G"\nvm a { $d }', VmBlock("a", memory="1G")),
        ("vm a \\\n { memory 1G # b \\\n }\n }", VmBlock("a", memory="1G")),
        ("vm a { owner :vmdusers }", VmBlock("a", owner=":vmdusers")),
        (
            "vm a { interface tap3 { locked lladdr fe:e1:bb:d1:c8:01 switch x group g up } }",
            VmBlock(
                "a", interfaces=(Interface("x", "fe:e1:bb:d1:c8:01", True, "tap3", "g", ("up",)),)
            ),
        ),
        (
            "vm a { interface switch x, lladdr\n interface tap }",
            VmBlock("a", interfaces=(Interface("x"), Interface())),
        ),
        (
            'vm a { boot "/bsd.rd"\n boot device net\n local interface { switch "x" } }',
            VmBlock(
                "a",
                others=('boot "/bsd.rd"', "boot device net", 'local interface { switch "x" }'),
            ),
        ),
    ],
)
def test_ways_to_write_a_vm(text: str, vm: VmBlock) -> None:
    assert parse_vm_conf(text) == VmConf(vms=(vm,))


def test_what_is_not_known_is_kept() -> None:
    text = """\
    staggered start parallel 4 delay 30
    local prefix 100.64.0.0/10
    switch "x" {
        locked lladdr
        interface veb0
        rdomain 3
    }
    """
    assert parse_vm_conf(dedent(text)) == VmConf(
        switches=(SwitchBlock("x", "veb0", True, ("rdomain 3",)),),
        others=("staggered start parallel 4 delay 30", "local prefix 100.64.0.0/10"),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('a = "b"\nvm "x', "line 2: a quoted string is not closed"),
        ('vm "x\0" { disable }', "line 1: a quoted string is not closed"),
        ("vm x {\n disable\n", "line 1: a '{' is never closed"),
        ("vm x { disable }\n}", "line 2: a '}' closes nothing"),
        ("vm x { }", "line 1: a block is empty"),
        ("vm x { disable } vm y { disable }", "line 1: 'vm' follows a '}' on the same line"),
        ("vm { disable }", "line 1: a string is missing after 'vm'"),
        ("vm x {\n owner\n}", "line 2: a string is missing after 'owner'"),
        ("\nvm $x { disable }", "line 2: the macro 'x' is not defined"),
        (9 * "a { ", "line 1: more than 8 blocks in each other"),
    ],
)
def test_what_vmd_would_not_take(text: str, complaint: str) -> None:
    with pytest.raises(Unreadable) as refused:
        parse_vm_conf(text)
    assert str(refused.value) == complaint


def render(conf: VmConf) -> str:
    """Write a file in the form that the role vmd writes."""
    lines = []
    if conf.socket_owner:
        lines.append(f"socket owner {vm_conf_string(conf.socket_owner)}")
    for switch in conf.switches:
        lines.append(f"switch {vm_conf_string(switch.name)} {{")
        lines.append(f"\tinterface {vm_conf_string(switch.interface or '')}")
        lines += ["\tlocked lladdr"] * switch.locked
        lines.append("}")
    for vm in conf.vms:
        lines.append(f"vm {vm_conf_string(vm.name)} {{")
        lines.append("\tenable" if vm.enabled else "\tdisable")
        lines.append(f"\towner {vm_conf_string(vm.owner or '')}")
        lines.append(f"\tmemory {vm.memory}")
        for disk in vm.disks:
            lines.append(f"\tdisk {vm_conf_string(disk.path)} format {disk.format}")
        for nic in vm.interfaces:
            locked = "locked " if nic.locked else ""
            lines.append(f"\tinterface tap {{\n\t\tswitch {vm_conf_string(nic.switch or '')}")
            lines.append(f"\t\t{locked}lladdr {vm_conf_string(nic.lladdr or '')}\n\t}}")
        lines.append("}")
    return "\n".join(lines) + "\n"


STRINGS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'))
MACS = st.none() | st.integers(1, (1 << 48) - 1).map(mac_text)
VMS = st.builds(
    VmBlock,
    STRINGS,
    st.booleans(),
    STRINGS,
    st.sampled_from(["512M", "1G"]),
    st.lists(st.builds(Disk, STRINGS, st.sampled_from(["raw", "qcow2"])), max_size=4).map(tuple),
    st.lists(st.builds(Interface, STRINGS, MACS, st.booleans()), max_size=4).map(tuple),
)
CONFS = st.builds(
    VmConf,
    st.none() | STRINGS.filter(bool),
    st.lists(st.builds(SwitchBlock, STRINGS, STRINGS, st.booleans()), max_size=2).map(tuple),
    st.lists(VMS, max_size=3).map(tuple),
)


@pytest.mark.parametrize(
    ("written", "lladdr"),
    [
        ("FE:E1:ba:d0:0:1", "fe:e1:ba:d0:00:01"),
        ('"0xfe:e1:ba:d0:00:001"', "fe:e1:ba:d0:00:01"),
        ("0:0:0:0:0:0", None),
        ("fe:e1:ba:d0:0:100", "fe:e1:ba:d0:0:100"),
    ],
)
def test_a_mac_in_other_words(written: str, lladdr: str | None) -> None:
    (vm,) = parse_vm_conf(f"vm a {{\n interface {{ lladdr {written} }}\n}}").vms
    assert vm.interfaces[0].lladdr == lladdr


@given(CONFS)
def test_render_and_parse(conf: VmConf) -> None:
    assert parse_vm_conf(render(conf)) == conf


PIECES = st.sampled_from(
    [
        "vm ",
        "switch ",
        "socket owner ",
        "interface ",
        "disk ",
        "lladdr ",
        "owner ",
        "memory ",
        "a",
        "0",
    ]
    + [
        " ",
        "\n",
        "{",
        "}",
        "=",
        "$a",
        "#",
        '"',
        "'",
        "\\",
        ",",
        "!",
        "format ",
        "\0",
        "\xfc",
        "a = b\n",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_read_or_unreadable(text: str) -> None:
    try:
        conf = parse_vm_conf(text)
    except Unreadable as reason:
        assert str(reason).startswith("line ")
    else:
        assert isinstance(conf, VmConf)
