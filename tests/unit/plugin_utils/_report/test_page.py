# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The page of a report: what it says, and that it stays in one piece whatever others wrote."""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.data import report
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import Difference, Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.page import page
from unit.fleets import build
from unit.reports import AT, HOSTILE, sample

# What these have in them is a text and nothing else.
_RAW = {"script", "style"}


class Parsed(HTMLParser):
    """The elements of a page with their attributes, their texts, and the balance of their tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in _RAW:
            self.raw.setdefault(self.open[-1], []).append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


def hostile() -> Report:
    """A report with all that is hostile in all places that others write to."""
    bad = "".join(HOSTILE)
    clean = sample(300)
    drive = replace(clean.servers[0].drives[0], name=bad, value=bad, status=bad)
    return replace(
        clean,
        version=bad,
        vms=tuple(
            replace(vm, name=f"{bad}{place}", server=bad, owner=bad, hostname=bad, shown=bad,
                    attention=(bad, bad), pending=True, installed=bad)
            for place, vm in enumerate(clean.vms[:5])
        ),
        servers=tuple(
            replace(server, name=f"{bad}{place}", message=bad, release=bad, kernel=bad, preset=bad,
                    strangers=(bad,), drives=(drive,),
                    disks=(replace(server.disks[0], directory=bad),))
            for place, server in enumerate(clean.servers)
        ),
        networks=tuple(
            replace(network, servers=(bad,), spans=tuple(
                replace(span, label=span.label and bad) for span in network.spans))
            for network in clean.networks
        ),
        differences=(Difference(bad, bad, "change", bad, None),),
        problems=(bad, bad),
    )  # fmt: skip


@pytest.mark.parametrize("made", [sample(3), sample(3, live=False), sample(300), hostile()])
def test_a_page_loads_nothing_and_runs_its_own_script_alone(made: Report) -> None:
    parsed = Parsed(page(made))
    assert parsed.open == []
    tags = [tag for tag, _attributes in parsed.elements]
    assert (tags.count("script"), tags.count("style"), tags.count("img")) == (1, 1, 0)
    for tag, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert "src" not in attributes
        for name in ("href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/svg+xml,")), value
    (policy,) = (
        str(attributes["content"]) for _tag, attributes in parsed.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )  # fmt: skip
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = hashlib.sha256("".join(parsed.raw[kind]).encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "url(" not in "".join(parsed.raw["style"])


def test_what_others_wrote_is_shown_as_it_is() -> None:
    text = page(hostile())
    parsed = Parsed(text)
    for hostile_text in HOSTILE[:7]:
        assert re.sub(r"\s+", " ", hostile_text) in parsed.text, hostile_text
    visible = set(text) - {"\n"}
    assert not [char for char in visible if not char.isprintable()]
    assert "\\u202etxt.exe" in parsed.text
    assert "49" not in [word for word in parsed.text.split() if word == "49"]


HEADLINES: dict[str, tuple[Report, list[str]]] = {
    "three": (sample(3), ["3 VMs deployed", "on 1 server", "29 November 2026, 07:16 UTC",
                          "0 wait for a restart", "All servers are as the fleet says."]),
    "many": (sample(300), [
        "282 VMs deployed", "on 3 servers", "2 wait for a restart", "3 differences",
        "1 drive not OK", "Live data of 1 server is missing.", "server3 was not reached",
        "No route to host", "Not of this fleet: by-hand", "change /etc/dhcpd.conf",
        "degraded (sd3)", "OpenBSD 7.8", "1.8 × 10¹⁹ free", "overcommitted",
        "Written by the collection puffy.vmm 0.1.0."]),
    "not asked": (sample(3, live=False), [
        "3 VMs deployed", "Live data is missing.", "No server was asked, so this is not known.",
        "installed", "7 GiB promised"]),
    "one problem": (replace(sample(3), problems=("vms/web1.yml: x",)), [
        "The fleet has 1 problem.", "What it concerns stays as it is.", "vms/web1.yml: x"]),
    "nothing": (
        report(build({}, {}, {"s": {}}), [], {}, at=AT, version="1"),
        ["0 VMs deployed", "on 0 servers", "The inventory has no server.", "The fleet has no VM."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADLINES)
def test_what_it_says(name: str) -> None:
    made, words = HEADLINES[name]
    text = Parsed(page(made)).text
    for word in words:
        assert word in text, word


def test_each_part_that_a_link_leads_to_is_there() -> None:
    parsed = Parsed(page(sample(300)))
    ids = [attributes["id"] for _tag, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in parsed.elements if tag == "a"}
    assert {str(link).removeprefix("#") for link in links} <= {str(element) for element in ids}


def test_a_row_has_what_it_is_found_by() -> None:
    made = sample(300)
    rows = [
        attributes for tag, attributes in Parsed(page(made)).elements
        if tag == "tr" and "data-state" in attributes
    ]  # fmt: skip
    assert [row["data-server"] for row in rows] == [vm.server for vm in made.vms]
    assert sum("data-pending" in row for row in rows) == len(made.pending)
    attention: t.Sequence[object] = [vm for vm in made.vms if vm.attention]
    assert sum("data-attention" in row for row in rows) == len(attention)
