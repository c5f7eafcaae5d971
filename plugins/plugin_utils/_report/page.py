# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The report as one HTML page, which loads nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import typing as t
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.address_map import (
    FORMS,
    address_map,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.bars import bars
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    ALARMING,
    RUNNING,
    Kind,
    Network,
    Report,
    Vm,
    address_value,
    counted,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATE: t.Final = Path(__file__).with_name("template")
_KINDS: t.Final[t.Mapping[Kind, str]] = {
    Kind.FREE: "free",
    Kind.USED: "used",
    Kind.RESERVED: "reserved",
    Kind.QUARANTINED: "quarantined",
    Kind.FOREIGN: "foreign",
    Kind.KEPT: "kept by the ledger",
    Kind.SERVER: "server or router",
    Kind.OUTSIDE: "out of the range for VMs",
}
_SUPERSCRIPTS: t.Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class State:
    """What is said of a VM's state, and a tone for it: ok, idle, warn or bad."""

    text: str
    tone: str


def page(report: Report) -> str:
    """Return the page. All foreign text is escaped, and invisible characters are shown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "size": size_text,
        "counted": counted,
        "day": _day,
        "time": _time,
        "number": _number,
    }
    style, script = (
        (TEMPLATE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    states = {vm.name: state_of(vm) for vm in report.vms}
    return environment.get_template("page.html.j2").render(
        report=report,
        # An element's content is hashed as it stands there, with the line break of the template.
        policy=policy(style, script),
        style=style,
        script=script,
        states=states,
        totals=Counter(state.text for state in states.values()),
        bars=bars,
        maps=[(network, address_map(network), _legend(network)) for network in report.networks],
        kinds=_KINDS,
        forms=FORMS,
        sort_key=_sort_key,
        failing=[
            (server, drive)
            for server in report.servers
            for drive in server.drives
            if drive.status != "OK"
        ],
    )


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing is loaded, only this style and script run."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _visible(value: t.Any) -> t.Any:
    # Markup is a str too, and the template's own.
    foreign = isinstance(value, str) and not isinstance(value, Markup)
    return shown_text(value) if foreign and not value.isprintable() else value


def state_of(vm: Vm) -> State:
    """Return the state that the server showed, or else that of the fleet's own records."""
    if vm.shown is None:
        if vm.wanted != "present":
            return State(vm.wanted, "idle")
        return State("installed" if vm.deployed else "not installed", "idle")
    if vm.shown in ALARMING or (vm.wanted != "present" and vm.shown == RUNNING):
        return State(vm.shown, "bad")
    if vm.shown == RUNNING:
        return State(vm.shown, "ok")
    if vm.wanted == "suspended" and vm.shown == "stopped":
        return State("suspended", "idle")
    return State(vm.shown, "warn" if vm.shown == "installing" else "idle")


def _legend(network: Network) -> list[tuple[Kind, int]]:
    counts = network.counts
    return [(kind, counts[kind]) for kind in _KINDS if kind in counts]


def _sort_key(address: str) -> str:
    """Return a text by which addresses sort as numbers."""
    version, value = address_value(address)
    return f"{version}{value:032x}"


def _number(number: int) -> str:
    """Return 1,234, and 1.8 × 10¹⁹ for what nobody would read otherwise."""
    if number < 10**9:
        return f"{number:,}"
    front, _mark, power = f"{number:.1e}".partition("e+")
    return f"{front} × 10{power.translate(_SUPERSCRIPTS)}"


def _day(time: str) -> str:
    return time[:10]


def _time(time: str) -> str:
    """Return 29 November 2026, 07:16 UTC."""
    moment = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ")
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
