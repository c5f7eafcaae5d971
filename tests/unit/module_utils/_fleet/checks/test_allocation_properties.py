# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What holds for numbers, MACs and addresses, whatever the fleet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from unit.fleets import ledger_texts, server, vm

# Two servers share a network and a prefix, one is on its own; all are small enough to get full.
SERVERS: dict[str, dict[str, object]] = {
    "one": server(
        ipv4_network="203.0.113.0/28",
        ipv4_range=None,
        reserved=["203.0.113.5", 4],
        ipv6_network=None,
        ipv6_gateway=None,
    ),
    "two": server(ipv4_network="203.0.113.0/28", ipv4_range=None, server_ipv4="203.0.113.2"),
    "three": server(
        mac_prefix="fe:e1:bb:d1",
        mac_number_base="decimal",
        ipv4_network="198.51.100.0/28",
        ipv4_gateway="198.51.100.14",
        ipv4_range=["198.51.100.3", "198.51.100.10"],
        ipv6_range=["2001:db8:6::13", "2001:db8:6::1c"],
    ),
}
NETWORKS = {"one": "203.0.113", "two": "203.0.113", "three": "198.51.100"}


@dataclass(frozen=True)
class Wish:
    """A VM of a test: its server and what its file gives."""

    server: str
    fields: tuple[tuple[str, str], ...]

    def text(self) -> str:
        return vm(*(f"{name}: {value}" for name, value in self.fields), server=self.server)


# The MACs are what the places 1 and 2 give the numbers up to 12 of two servers, and one of theirs.
INTERFACES = st.just("{switch: uplink}") | st.builds(
    "{{switch: uplink, mac: {}:e1:bb:d1:c8:{:02x}}}".format,
    st.sampled_from(["fa", "f6", "fe"]),
    st.integers(1, 12),
)


@st.composite
def wishes(draw: Callable[..., Any]) -> Wish:
    on = draw(st.sampled_from(sorted(SERVERS)))
    fields: list[tuple[str, str]] = []
    if draw(st.integers(0, 3)) == 0:
        fields.append(("number", str(draw(st.integers(1, 12)))))
    if draw(st.integers(0, 5)) == 0:
        fields.append(("mac", f"fe:e1:bb:d1:c8:{draw(st.integers(1, 12)):02x}"))
    if draw(st.integers(0, 5)) == 0:
        fields.append(("ipv4", f"{NETWORKS[on]}.{draw(st.integers(1, 14))}"))
    if draw(st.integers(0, 5)) == 0 and on != "one":
        fields.append(("ipv6", f"2001:db8:6::{draw(st.integers(2, 40)):x}"))
    if draw(st.integers(0, 5)) == 0:
        further = draw(st.lists(INTERFACES, min_size=1, max_size=2))
        fields.append(("interfaces", f"[{', '.join(further)}]"))
    return Wish(on, tuple(fields))


NAMES = st.sampled_from([f"vm{letter}" for letter in "abcdefghijklmno"])
FLEETS = st.dictionaries(NAMES, wishes(), max_size=12)


DAYS, PURGED = 90, date(2026, 11, 24)


def build(
    fleet: dict[str, Wish], ledgers: dict[str, str] | None = None, today: date = PURGED
) -> Fleet:
    texts = {f"{name}.yml": wish.text() for name, wish in fleet.items()}
    return build_fleet(Inputs(texts, ledgers or {}, SERVERS, today=today))


def build_or_skip(fleet: dict[str, Wish], ledgers: dict[str, str] | None = None) -> Fleet:
    """Return the fleet; a draw that clashes or is too large is not what the test is about."""
    built = build(fleet, ledgers)
    assume(not built.problems)
    return built


def values(fleet: Fleet) -> dict[str, tuple[object, ...]]:
    return {
        machine.name: (machine.server, machine.number, machine.mac, machine.ipv4, machine.ipv6)
        for machine in fleet.vms
    }


def all_macs(fleet: Fleet) -> list[str]:
    return [interface.mac for machine in fleet.vms for interface in machine.interfaces]


@given(FLEETS)
def test_everything_is_unique_and_usable(drawn: dict[str, Wish]) -> None:
    fleet = build_or_skip(drawn)
    macs = all_macs(fleet)
    assert len(macs) == len(set(macs))
    assert len({machine.ipv4 for machine in fleet.vms}) == len(drawn)
    assert len({(machine.server, machine.number) for machine in fleet.vms}) == len(drawn)
    ipv6 = [machine.ipv6 for machine in fleet.vms if machine.server != "one"]
    assert None not in ipv6
    assert len(set(ipv6)) == len(ipv6)
    for machine in fleet.vms:
        settings = fleet.servers[machine.server]
        assert machine.ipv4 in settings.ipv4.network
        assert str(machine.ipv4) not in (
            "203.0.113.1",
            "203.0.113.2",
            "203.0.113.15",
            "198.51.100.14",
        )
        if machine.server == "one":
            assert (machine.number, str(machine.ipv4)) != (4, "203.0.113.5")


@given(FLEETS)
def test_explicit_values_win(drawn: dict[str, Wish]) -> None:
    fleet = build_or_skip(drawn)
    for machine in fleet.vms:
        for field, value in drawn[machine.name].fields:
            if field != "interfaces":
                assert str(getattr(machine, field)) == value


@given(FLEETS)
def test_a_second_run_changes_nothing(drawn: dict[str, Wish]) -> None:
    first = build_or_skip(drawn)
    texts = ledger_texts(first)
    second = build(drawn, texts)
    assert second.problems == ()
    assert ledger_texts(second) == texts
    assert second.vms == first.vms


@given(FLEETS, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(drawn: dict[str, Wish], random: Any) -> None:
    names = list(drawn)
    random.shuffle(names)
    shuffled = {name: drawn[name] for name in names}
    fleet, again = build(drawn), build(shuffled)
    assert again.problems == fleet.problems
    assert ledger_texts(again) == ledger_texts(fleet)


@given(FLEETS, st.data())
def test_a_new_vm_changes_no_other(drawn: dict[str, Wish], data: st.DataObject) -> None:
    assume(drawn)
    new = data.draw(st.sampled_from(sorted(drawn)))
    old = {name: wish for name, wish in drawn.items() if name != new}
    before = build_or_skip(old)
    after = build_or_skip(drawn, ledger_texts(before))
    assert {name: values(after)[name] for name in old} == values(before)


@given(FLEETS, st.data())
def test_what_is_gone_frees_nothing(drawn: dict[str, Wish], data: st.DataObject) -> None:
    assume(drawn)
    first = build_or_skip(drawn)
    gone = data.draw(st.sampled_from(sorted(drawn)))
    left = {name: wish for name, wish in drawn.items() if name != gone}
    replaced = {**left, "new": Wish(drawn[gone].server, ())}
    second = build_or_skip(replaced, ledger_texts(first))
    new, old = values(second)["new"], values(first)[gone]
    assert new[1] != old[1]
    assert not {str(value) for value in new[2:] if value} & {str(value) for value in old[2:]}
    assert second.ledgers[drawn[gone].server].entries[gone].number == old[1]


@given(FLEETS, st.data(), st.integers(0, 200))
def test_nothing_is_used_again_within_its_quarantine(
    drawn: dict[str, Wish], data: st.DataObject, passed: int
) -> None:
    """Whatever is purged, and whatever comes after it, under the same name or another one."""
    assume(drawn)
    before = build_or_skip(drawn)
    gone = data.draw(st.sampled_from(sorted(drawn)))
    on = drawn[gone].server
    purged = before.ledgers[on].purge(gone, PURGED)
    texts = {**ledger_texts(before), f"{on}.yml": purged.render()}
    left = {name: wish for name, wish in drawn.items() if name != gone}
    new = data.draw(st.sampled_from([gone, "new"]))
    more = {f"more{place}": Wish(on, ()) for place in range(data.draw(st.integers(0, 6)))}
    after = build({**left, new: Wish(on, ()), **more}, texts, PURGED + timedelta(passed))
    assume(not after.problems)
    old = next(machine for machine in before.vms if machine.name == gone)
    taken = {str(value) for value in (old.mac, old.ipv4, old.ipv6) if value}
    taken |= {interface.mac for interface in old.interfaces}
    for machine in after.vms:
        if machine.name in left or passed > DAYS:
            continue
        assert machine.server != on or machine.number != old.number
        assert not taken & {str(value) for value in (machine.mac, machine.ipv4, machine.ipv6)}
        assert not taken & {interface.mac for interface in machine.interfaces}
    kept = after.ledgers[on].quarantine
    assert [each.entry for each in kept] == (
        [] if passed > DAYS else [before.ledgers[on].entries[gone]]
    )


@given(FLEETS, st.data())
def test_any_line_of_a_ledger_can_be_lost(drawn: dict[str, Wish], data: st.DataObject) -> None:
    """Lines that come back from another branch, or not at all, lead to no clash unnoticed."""
    texts = ledger_texts(build_or_skip(drawn))
    cut = {
        name: "".join(
            line
            for line in text.splitlines(keepends=True)
            if not line.startswith("  ") or data.draw(st.booleans())
        ).replace("vms:\n", "vms:\n  x: {number: 60}\n")
        for name, text in texts.items()
    }
    fleet = build_or_skip(drawn, cut)
    macs = all_macs(fleet)
    assert len(macs) == len(set(macs))
    assert len({machine.ipv4 for machine in fleet.vms}) == len(drawn)
