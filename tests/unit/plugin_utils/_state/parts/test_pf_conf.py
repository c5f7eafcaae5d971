# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Lines of pf.conf(5) that take the effect from our rules, or lose theirs to them."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.pf_conf import (
    advice,
    notices,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

RULES = """block in quick on em1 inet proto udp to any port 67
pass quick on pair84 no state
pass out quick on veb42 no state
block in quick on "vm1nic"
pass in quick on pair85 inet proto tcp from 10.10.10.11 to 10.10.10.1 port 80
block quick on "vmswitch"
block in quick on ! lo0 inet proto tcp to 10.10.10.1 port 80
"""
ON_A_BRIDGE = RULES.replace("pass quick on pair84 no state\n", "")
WITH_NAT = f"""{RULES}pass out quick on egress inet from {{ 10.0.6.0/24 }} nat-to (egress:0)
"""
LINKS = {
    "em0": Interface("em0", groups=("egress",), addresses=("192.0.2.1/24",)),
    "em1": Interface("em1", addresses=("10.10.10.1/24",)),
    "pair85": Interface("pair85", groups=("pair",)),
    "veb42": Interface("veb42", groups=("veb",)),
}
PASS = "pass in on egress proto tcp"
BOUND = "set state-policy if-bound"
FAQ = "match out on egress inet from !(egress:network) nat-to (egress:0)"


@pytest.mark.parametrize(
    ("line", "word", "whom"),
    [
        ("set skip on tap", "tap", "vm1nic"),
        ("set skip on { lo, tap0 } # VMs", "tap0", "vm1nic"),
        ("set skip on { lo pair85 }", "pair85", "pair85"),
        ("set skip on pair", "pair", "pair84, pair85"),
        ("set  skip on veb42", "veb42", "veb42"),
        ("set skip on em", "em", "em1"),
    ],
)
def test_interfaces_that_are_skipped(line: str, word: str, whom: str) -> None:
    (told,) = notices([line], RULES, LINKS)
    assert f"'set skip on {word}' keeps pf(4) from " in told
    assert whom in told


@pytest.mark.parametrize(
    "line",
    ["set skip on lo", "set skip on { lo0 enc }", "# set skip on tap", "set skip on em0", "block"],
)
def test_other_interfaces_may_be_skipped(line: str) -> None:
    assert list(notices([line], RULES, LINKS)) == []


def test_a_backslash_continues_a_comment() -> None:
    assert list(notices(["# off: \\", "set skip on tap", "block"], RULES, LINKS)) == []


def test_the_interface_that_translates_is_skipped() -> None:
    (told,) = notices(["set skip on em0"], WITH_NAT, LINKS)
    assert told.startswith("/etc/pf.conf: 'set skip on em0' keeps pf(4) from egress, ")


def test_names_of_macros_are_followed() -> None:
    lines = ['skipped = "{ lo veb42 }"', "set skip on $skipped"]
    assert len(list(notices(lines, RULES, LINKS))) == 1


@pytest.mark.parametrize(
    "line",
    [
        f"{PASS} to any port 80 rdr-to 10.10.10.11",
        f"{PASS} to port {{ 80, 443 }} rdr-to 10.10.10.11",
        f"{PASS} to port http rdr-to 10.10.10.11",
        f"{PASS} to 10.10.10.0/24 port www rdr-to 10.10.10.11",
        f"{PASS} to (em1) port 80 rdr-to 10.10.10.11",
        f"{PASS} to (self) port 80 rdr-to 10.10.10.11",
    ],
)
def test_redirections_that_are_closed(line: str) -> None:
    (told,) = notices([line], ON_A_BRIDGE, LINKS)
    assert told.startswith(f"/etc/pf.conf: {line!r} no longer has an effect where its port 80 is")


@pytest.mark.parametrize(
    "line",
    [
        # What most have: the address outside is another one.
        f"{PASS} to (egress) port 80 rdr-to 10.10.10.11",
        f"{PASS} to 192.0.2.1 port {{ 80 443 }} rdr-to 10.10.10.11",
        f"{PASS} to any port 443 rdr-to 10.10.10.11",
        "pass in quick on egress proto tcp to any port 80 rdr-to 10.10.10.11",
        f"{PASS} to any port 80",
        "match out on egress from 10.10.10.0/24 to any nat-to (egress)",
    ],
)
def test_other_redirections_work_as_before(line: str) -> None:
    assert list(notices([line], ON_A_BRIDGE, LINKS)) == []


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("match out on egress from 10.10.10.0/24 to any nat-to (egress)", RULES),
        (f"{PASS} to (egress) port 443 rdr-to 10.10.10.11", RULES),
        (f"{PASS} to (egress) port 443 rdr-to 10.10.10.11", WITH_NAT),
        ("pass on egress from 10.10.10.11 binat-to 192.0.2.9", WITH_NAT),
    ],
)
def test_translations_whose_states_a_switch_has_too(line: str, rules: str) -> None:
    """pf_find_state() of sys/net/pf.c takes a floating state on the port of the veb(4) as well."""
    (told,) = notices([line, f"{line} keep state (if-bound)"], rules, LINKS)
    assert told.startswith(f"/etc/pf.conf: {line!r} has states that hold on any interface. ")
    assert "translated on pair84 already" in told
    assert list(notices([BOUND, line], rules, LINKS)) == []
    without_pf_on_ports = rules.replace("pass quick on pair84 no state\n", "")
    assert list(notices([line], without_pf_on_ports, LINKS)) == []


@pytest.mark.parametrize("line", ["pass out quick inet", "pass quick", "pass out quick on em0"])
def test_what_leaves_before_it_is_translated(line: str) -> None:
    (told,) = notices([BOUND, line], WITH_NAT, LINKS)
    assert told.startswith(f"/etc/pf.conf: {line!r} has quick and comes before the anchor, so VMs'")
    assert list(notices([BOUND, line], RULES, LINKS)) == []


@pytest.mark.parametrize(
    "lines",
    [
        ["pass"],
        ["pass out"],
        ["pass in quick on egress proto tcp to port 22"],
        ["pass out quick on em1"],
        ["block out quick on egress proto tcp to port 25"],
        [FAQ, "pass out inet"],
        ["pass out quick inet nat-to (egress:0) keep state (if-bound)"],
    ],
)
def test_what_is_translated_as_before(lines: list[str]) -> None:
    assert list(notices([BOUND, *lines], WITH_NAT, LINKS)) == []


def test_a_router_as_the_faq_has_it() -> None:
    """Its states float, which does no harm on a bridge(4)."""
    lines = [FAQ, "pass out quick inet"]
    assert len(list(notices([BOUND, *lines], WITH_NAT, LINKS))) == 1
    on_a_bridge = WITH_NAT.replace("pass quick on pair84 no state\n", "")
    assert list(notices(lines, on_a_bridge, LINKS)) == []


STATES = "has states that hold on any interface, and pf(4) looks for a state before it reads a rule"


@pytest.mark.parametrize(
    "lines",
    [
        # OpenBSD's own pf.conf.
        ["set skip on lo", "block return", "pass # establish keep-state", "block in on ! lo0"],
        ["pass", "pass in on egress proto tcp", BOUND],
        ["block", "pass inet proto icmp no state", "pass", "set block-policy return"],
        ["set state-policy floating", "pass"],
        [f"{PASS} to port 22 keep state (if-bound)", "pass", "match out nat-to (egress)"],
    ],
)
def test_states_that_ports_of_a_switch_have_too(lines: list[str]) -> None:
    """pf_find_state() of sys/net/pf.c: pf_test() of a tap(4) takes any state that is floating."""
    (told,) = advice(lines, WITH_NAT)
    assert list(notices(lines, WITH_NAT, LINKS)) == []
    assert told.startswith(f"/etc/pf.conf: 'pass' {STATES}, on VMs' taps too: a VM that claims ")
    assert told.endswith("Write set state-policy if-bound before the first rule")
    assert list(advice([BOUND, *lines], WITH_NAT)) == []
    on_a_bridge = WITH_NAT.replace("pass quick on pair84 no state\n", "")
    assert list(advice(lines, on_a_bridge)) == []


@pytest.mark.parametrize(
    "lines",
    [
        ["block return", "pass no state", f"{PASS} to port 22 keep state (if-bound)"],
        ["set state-defaults if-bound", "pass"],
        ["set skip on lo", "block", "match in all scrub (no-df)"],
    ],
)
def test_states_of_one_interface_each(lines: list[str]) -> None:
    assert list(advice(lines, RULES)) == []
