# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Lines of long work, and the same as data."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report

# As docs/playbooks.md gives it to programs.
LINE = re.compile(
    r"  (?P<vm>[a-z][a-z0-9-]*) (?P<step>[a-z][^(,\[]*?)(?: \((?P<known>.*?)\))?"
    r"(?:, waiting for (?P<waits_for>.*?))? \[(?P<seconds>[0-9]+) s\]"
)


def test_a_line_for_people_and_for_programs() -> None:
    said: list[str] = []
    report = Report(said.append)
    report.step("web1", "boots the installer", 2.4, waits_for="its request for an address")
    report.step("mail1", "has rebooted", 9)
    known = "base78.tgz 42 %, 152 of 501 MiB"
    report.step("web1", "fetches sets", 30, known="bsd", waits_for="the next set", fetched=1)
    report.step("web1", "fetches sets", 45, known=known, waits_for="the next set", fetched=9)
    assert said == [
        "  web1 boots the installer, waiting for its request for an address [2 s]",
        "  mail1 has rebooted [9 s]",
        "  web1 fetches sets (bsd), waiting for the next set [30 s]",
        "  web1 fetches sets (base78.tgz 42 %, 152 of 501 MiB), waiting for the next set [45 s]",
    ]
    lines = [match.groupdict() for line in said if (match := LINE.fullmatch(line))]
    assert len(lines) == len(said)
    assert lines[-1] == {
        "vm": "web1",
        "step": "fetches sets",
        "known": known,
        "waits_for": "the next set",
        "seconds": "45",
    }
    assert lines[1]["waits_for"] is None
    assert [(step["vm"], step["step"], step["begun"]) for step in report.steps] == [
        ("web1", "boots the installer", 2),
        ("mail1", "has rebooted", 9),
        ("web1", "fetches sets", 30),
    ]
    assert report.steps[-1] == {
        "vm": "web1",
        "step": "fetches sets",
        "begun": 30,
        "seconds": 45,
        "known": known,
        "waits_for": "the next set",
        "fetched": 9,
    }


def test_the_documentation_has_the_pattern() -> None:
    assert f"^{LINE.pattern}$" in (Path(__file__).parents[4] / "docs/playbooks.md").read_text()
