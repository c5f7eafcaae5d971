# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    Entry,
    Ledger,
    Purged,
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import ledger
from unit.names import VM_NAMES

TEXT = """\
# Written by puffy.vmm: which number, MAC and addresses each VM of server6 has, or had.
---
vms:
  web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16, ipv6: 2001:db8:6::7}
  'on': {number: 8, mac: fe:e1:bb:d1:c8:08, ipv4: 203.0.113.17}
  digits: {number: 9, mac: '12:34:56:01:02:03', ipv4: 203.0.113.18, ipv6: '2001:db8::1:0:0:0'}
  half: {number: 10}
  many: {number: 11, other_macs: [fa:e1:bb:d1:c8:0b, '12:34:56:01:02:03'], \
other_ipv4: [198.51.100.9, 198.51.100.10], other_ipv6: [2001:db8:7::9]}
"""


def read(text: str, file: str = "server6.yml") -> Ledger | list[str]:
    report = Report()
    result = read_ledger(file, text, report)
    if result is None:
        return [str(problem) for problem in report.problems]
    assert not report.problems
    return result


def test_a_ledger_reads_and_writes_the_same() -> None:
    result = read(TEXT)
    assert isinstance(result, Ledger)
    assert result.entries["digits"] == Entry(
        9, "12:34:56:01:02:03", IPv4Address("203.0.113.18"), IPv6Address("2001:db8::1:0:0:0")
    )
    # IPv6Address writes 2001:db8::1:0:0:0 with the longest run of zeros left out.
    assert result.render() == TEXT.replace("'2001:db8::1:0:0:0'", "'2001:db8:0:0:1::'")


QUARANTINE = """\
vms: {}
# Of VMs that were purged, by number; nobody gets it again for a while.
quarantine:
  7: {vm: web1, since: 2026-11-24, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}
  8: {vm: web1, since: 2026-11-25}
"""


def test_quarantine_reads_and_writes_the_same() -> None:
    result = read(QUARANTINE)
    assert isinstance(result, Ledger)
    assert result.quarantine == (
        Purged(
            "web1",
            date(2026, 11, 24),
            Entry(7, "fe:e1:bb:d1:c8:07", IPv4Address("203.0.113.16")),
        ),
        Purged("web1", date(2026, 11, 25), Entry(8)),
    )
    assert result.render().partition("---\n")[2] == QUARANTINE


def test_purging_moves_the_whole_line() -> None:
    before = read(TEXT)
    assert isinstance(before, Ledger)
    after = before.purge("many", date(2026, 11, 24))
    assert after.quarantine == (Purged("many", date(2026, 11, 24), before.entries["many"]),)
    assert after.entries == {k: v for k, v in before.entries.items() if k != "many"}
    assert read(after.render()) == after
    assert after.purge("many", date(2026, 11, 25)) == after


DIGEST = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIZZH+BJmKeTqr8"
OWNERS = """\
vms: {}
# Owners of purged VMs, with their keys: nobody else gets their accounts.
owners:
  'on': [SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIZZH+BJmKeTqr8]
  puffy: [SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU, \
SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIZZH+BJmKeTqr8]
"""


def test_owners_read_and_write_the_same() -> None:
    result = read(OWNERS)
    assert isinstance(result, Ledger)
    assert {owner: len(keys) for owner, keys in result.owners.items()} == {"on": 1, "puffy": 2}
    assert result.render().partition("---\n")[2] == OWNERS
    assert yaml.safe_load(OWNERS)["owners"]["puffy"][0].startswith("SHA256:+")


def test_purging_keeps_the_owner() -> None:
    before = read(TEXT)
    assert isinstance(before, Ledger)
    old, new = frozenset({"SHA256:old"}), frozenset({"SHA256:new"})
    after = before.purge("web1", date(2026, 11, 24), {"puffy": old, "mira": old})
    assert after.purge("many", date(2026, 11, 25), {"puffy": new}).owners == {
        "puffy": new, "mira": old,
    }  # fmt: skip
    assert after.purge("many", date(2026, 11, 25)).owners == after.owners


RECORDED = """\
  web1: {number: 7, mac: fe:e1:bb:d1:c8:07, installed: {at: 2026-11-29T03:00:00Z, \
image: /var/vmm/web1.qcow2, format: qcow2}}
  web2: {number: 8}
"""


def test_a_record_of_an_installation_reads_and_writes_the_same() -> None:
    result = read(f"vms:\n{RECORDED}")
    assert isinstance(result, Ledger)
    record = Installed(datetime(2026, 11, 29, 3, tzinfo=UTC), "/var/vmm/web1.qcow2", "qcow2")
    assert result.entries["web1"].installed == record
    head, _end, lines = result.render().partition("---\nvms:\n")
    assert lines == RECORDED
    assert "# installed: when a VM was installed, and the image that it has" in head

    other = result.record({"web1": None, "web2": record})
    assert [entry.installed for entry in other.entries.values()] == [None, record]
    assert other.entries["web1"].number == 7
    with pytest.raises(KeyError):
        result.record({"web9": record})


def test_purging_forgets_the_installation() -> None:
    result = read(f"vms:\n{RECORDED}")
    assert isinstance(result, Ledger)
    (purged,) = result.purge("web1", date(2026, 11, 29)).quarantine
    assert (purged.entry.number, purged.entry.installed) == (7, None)


@pytest.mark.parametrize(("record", "complaint"), [
    ("yes", "not a mapping; give at, image and format, as in {at: "),
    ("{at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.img}", "format is missing; give"),
    ("{at: 2026-11-29, image: /a/b, format: raw}", "at: '2026-11-29' is not a valid time; use one"),
    ("{at: 2026-1-29T03:00:00Z, image: /a/b, format: raw}", "at: '2026-1-29T03:00:00Z' is not"),
    ("{at: 2026-11-29T03:00:00Z, image: web1.img, format: raw}", "image: 'web1.img' is not the"),
    ("{at: 2026-11-29T03:00:00Z, image: /a/.., format: raw}", "image: '/a/..' is not the path of"),
    ("{at: 2026-11-29T03:00:00Z, image: '/a/b c', format: raw}", "image: '/a/b c' is not the"),
    ("{at: 2026-11-29T03:00:00Z, image: /a/b, format: vmdk}", "format: 'vmdk' is not one of raw"),
    ("{at: 2026-11-29T03:00:00Z, image: /a/b, format: raw, by: me}", "'by' is unknown; give at,"),
])  # fmt: skip
def test_a_malformed_record(record: str, complaint: str) -> None:
    result = read(ledger(f"web1: {{number: 7, installed: {record}}}"))
    assert isinstance(result, list)
    assert result[0].startswith("allocations/server6.yml: web1: installed: ")
    assert complaint in result[0]


@pytest.mark.parametrize(("days", "day", "over"), [
    (90, "2026-11-24", False), (90, "2027-02-22", False), (90, "2027-02-23", True),
    (0, "2026-11-24", False), (0, "2026-11-25", True),
    # A clock that goes wrong frees nothing.
    (0, "1970-01-01", False),
])  # fmt: skip
def test_the_end_of_a_quarantine(days: int, day: str, over: bool) -> None:
    purged = Purged("web1", date(2026, 11, 24), Entry(7))
    assert purged.is_over(days, date.fromisoformat(day)) is over


@pytest.mark.parametrize(("section", "line", "complaint"), [
    ("quarantine", "x: {vm: web1, since: 2026-11-24}", "x: 'x' is not a whole number; use one"),
    ("quarantine", "7: {vm: web1, since: 20261124}", "7: since: '20261124' is not a day; use one"),
    ("quarantine", "7: {vm: web1}", "7: needs vm, the name it had, and since, the day it was"),
    ("quarantine", "7: {vm: web1, since: 2026-11-24, number: 7}", "7: 'number' is unknown"),
    ("quarantine", "7: {vm: .., since: 2026-11-24}", "7: vm: '..' is not a name for a VM"),
    ("owners", "puffy: x", "puffy: 'x' is not a list; give a list of fingerprints"),
    ("owners", "puffy: []", "puffy: is an empty list; give a list of fingerprints"),
    ("owners", "puffy: [MD5:00]", "puffy: item 1: 'MD5:00' is not a fingerprint; ssh-keygen -l"),
    ("owners", f"9: [{DIGEST}]", "9: is not the name of"),
])  # fmt: skip
def test_a_malformed_line_of_a_section(section: str, line: str, complaint: str) -> None:
    result = read(f"vms: {{}}\n{section}:\n  {line}\n")
    assert isinstance(result, list)
    assert f"{section}: {complaint}" in result[0]


def test_an_empty_ledger() -> None:
    empty = Ledger("server6", {})
    assert empty.render().endswith("has, or had.\n---\nvms: {}\n")
    assert read(empty.render()) == empty


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "web1: 7",
            "web1: '7' is not a mapping; give number, mac, ipv4, ipv6, "
            "other_macs, other_ipv4, other_ipv6, installed, disks and made, as in "
            "{mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}",
        ),
        ("web1: {}", "web1: has no number; give it one, or take the line out for a new one"),
        (
            "web1: {mac: fe:e1:bb:d1:c8:07}",
            "web1: has no number; give it one, or take the line out for a new one",
        ),
        (
            "web1: {number: 0}",
            "web1: number: 0 is out of bounds; use a whole number from 1 to 65535",
        ),
        (
            "web1: {number: 7, mac: 07}",
            "web1: mac: '07' is not a MAC address; use two hexadecimal digits per octet and "
            "colons, such as fe:e1:bb:d1:c8:07",
        ),
        (
            "web1: {number: 7, ipv4: 2001:db8::7}",
            "web1: ipv4: '2001:db8::7' is not an IPv4 address; use one such as 203.0.113.16",
        ),
        (
            "web1: {number: 7, ipv6: null}",
            "web1: ipv6: has no value; give one, or leave the line out",
        ),
        (
            "web1: {number: 7, released: 2026-01-01}",
            "web1: 'released' is unknown; give number, mac, ipv4, ipv6, other_macs, "
            "other_ipv4, other_ipv6, installed, disks and made, as in "
            "{mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}",
        ),
        ("_web1: {number: 7}", "'_web1': is not the name of a VM; take the line out"),
    ],
)
def test_a_malformed_line_is_named(line: str, complaint: str) -> None:
    good = "web2: {number: 8}"
    assert read(ledger(line, good)) == [f"allocations/server6.yml: {complaint}"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vms: []\n", "vms: is a list, not a mapping; give a line for each VM"),
        ("vms:\n", "vms: '' is not a mapping; give a line for each VM"),
        (
            "servers: {}\nvms: {}\n",
            "servers: is not a field of a ledger; it has only vms, quarantine and owners",
        ),
        ("# nothing\n", "line 1: the file is empty; write lines of the form 'field: value'"),
        (
            ledger("web1: {number: 7}", "web1: {number: 8}"),
            "line 4: web1 is given again, first in line 3; keep one of them",
        ),
        (
            ledger("web1: &a {number: 7}"),
            "line 3: the anchor &a is not allowed; a file here is plain data, put the value in "
            "quotes if it begins with &",
        ),
        (
            "vms:\n<<<<<<< HEAD\n  web1: {number: 7}\n",
            "line 2: git left <<<<<<< here; finish the merge first",
        ),
    ],
)
def test_a_malformed_ledger(text: str, complaint: str) -> None:
    assert read(text) == [f"allocations/server6.yml: {complaint}"]


def test_a_file_that_is_no_ledger() -> None:
    assert read("vms: {}\n", "server6.yaml") == [
        "allocations/server6.yaml: is not a ledger; its name has to end in .yml"
    ]


NAMES = st.sampled_from(["on", "no", "y", "null", "true", "e1", "1e5", "a-b"]) | VM_NAMES
# The lowest bit of the first octet is that of groups.
MACS = st.integers(1, 2**48 - 1).map(lambda mac: mac_text(mac & ~(1 << 40) or 1))
ENTRIES = st.builds(
    Entry,
    st.integers(1, 65535) | st.integers(1, 2),
    st.none() | MACS | st.sampled_from(["12:34:56:01:02:03", "00:00:00:00:00:01"]),
    st.none() | st.ip_addresses(v=4),
    st.none() | st.ip_addresses(v=6) | st.sampled_from([IPv6Address("::"), IPv6Address("1::")]),
    st.lists(MACS | st.just("12:34:56:01:02:03"), max_size=4, unique=True).map(tuple),
    st.none()
    | st.builds(
        Installed,
        st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)).map(
            lambda at: at.replace(microsecond=0, tzinfo=UTC)
        ),
        st.sampled_from(["/var/vmm/on.qcow2", "/home/1/web1.img"]),
        st.sampled_from(["raw", "qcow2"]),
    ),
)


@given(st.dictionaries(NAMES, ENTRIES, max_size=5))
def test_render_and_read(entries: dict[str, Entry]) -> None:
    written = Ledger("server6", entries)
    assert read(written.render()) == written


@given(st.dictionaries(NAMES, ENTRIES, max_size=5))
def test_the_text_does_not_depend_on_the_order(entries: dict[str, Entry]) -> None:
    shuffled = dict(reversed(entries.items()))
    assert Ledger("server6", shuffled).render() == Ledger("server6", entries).render()


@given(st.dictionaries(NAMES, ENTRIES, max_size=5))
def test_other_readers_of_yaml_understand_the_same(entries: dict[str, Entry]) -> None:
    data = yaml.safe_load(Ledger("server6", entries).render())
    assert data["vms"] == {
        name: {
            part: list(value)
            if isinstance(value, tuple)
            else (vars(value) if isinstance(value, Installed) else value)
            if isinstance(value, int | Installed)
            else str(value)
            for part, value in vars(entry).items()
            if value is not None and value != ()
        }
        for name, entry in entries.items()
    }


def test_disks_read_and_write_the_same_and_go_with_the_vm() -> None:
    line = (
        "  'web1': {number: 7, made: {image: /var/vmm/web1.img, format: raw}, "
        "disks: [{image: /a/web1.disk2.img, format: raw}]}\n"
    ).replace("'", "")
    result = read(f"vms:\n{line}")
    assert isinstance(result, Ledger)
    assert result.render().endswith(f"---\nvms:\n{line}")
    (purged,) = result.purge("web1", date(2026, 11, 29)).quarantine
    assert (purged.entry.made, purged.entry.disks) == (None, ())

    known = result.entries["web1"]
    more = (RecordedDisk("/b/other.img", "raw"), RecordedDisk("/b/web1.disk3.img", "raw"))
    entry = result.record_disks("web1", more[0], more).entries["web1"]
    assert (entry.made, entry.disks) == (known.made, (*known.disks, more[1]))
    record = Installed(datetime(2026, 11, 29, 3, tzinfo=UTC), "/var/vmm/web1.img", "raw")
    assert result.record({"web1": record}).entries["web1"].made is None
    gone = result.record({"web1": None}).entries["web1"]
    assert (gone.made, gone.disks) == (None, ())
