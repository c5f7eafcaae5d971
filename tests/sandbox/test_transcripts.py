# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Replays what a real OpenBSD answered: same exit status, standard output and standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Server

HERE = Path(__file__).parent
SCENARIOS: dict[str, list[dict[str, Any]]] = {
    one["scenario"]: one["steps"]
    for one in json.loads((HERE / "transcripts.json").read_text())["scenarios"]
}
BEFORE: dict[str, Any] = json.loads((HERE / "preconditions.json").read_text())
UNMODELLED: list[dict[str, str]] = json.loads((HERE / "unmodelled.json").read_text())

# What timeout(1) ends after six seconds need not take six seconds here.
SPEED = 5.0
_NOT_MODELLED = re.compile(r"inaccessible or not found|is not modelled")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# What differs from run to run, and nothing else.
_RULES = (
    (rf"\b{_MONTH} [ \d]\d(?: [\d:]*)?", "T"),
    (r"^([-a-z]{10}\s+\d+ \S+\s+\S+\s+\d+) [JFMASOND]$", r"\1 T"),
    (r"^20\d\d$", "YEAR"),
    (r"for \d+ days \d\d:\d\d:\d\d  *", "for T "),
    (r"^(d[rwxst-]{9}\s+\d+ \S+\s+\S+)\s+\d+ T", r"\1 SIZE T"),
    (r"\[\d+\]:", "[PID]:"),
    # Cut by fields, a line of syslogd has one more on the first nine days of a month.
    (r"^rig (?=\w+\[PID\]:)", ""),
    (r"\bpid \d+", "pid PID"),
    (r"^(\s+\d+) +\d+( +\d+ +[\d.]+M +[\d.]+M )", r"\1 PID\2"),
    (r"\bfe:e1:ba:[0-9a-f:]{8}\b", "RANDOM-MAC"),
    (r"\b(index|port) \d+", r"\1 N"),
)


def normal(text: str) -> str:
    """The text without what may differ."""
    for pattern, instead in _RULES:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


@pytest.fixture(name="rig")
def _rig(tmp_path: Path, shared: Path) -> Iterator[Server]:
    hostname, state = BEFORE["hostname"], BEFORE["state"]
    server = Server(tmp_path, "rig", hostname=hostname, shared=shared, state=state)
    yield server.start(speed=SPEED)
    server.stop()


def prepare(server: Server, scenario: str) -> None:
    """Does what had been done on the recorded machine."""
    for command in (*BEFORE["commands"], *BEFORE["scenarios"].get(scenario, [])):
        done = server.run(command)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(rig: Server, scenario: str) -> None:
    prepare(rig, scenario)
    wrong, missing = [], []
    for step in SCENARIOS[scenario]:
        if "write" in step:
            rig.write(step["write"], step["content"])
            continue
        done = rig.run(step["run"])
        got = (done.returncode, normal(done.stdout.decode()), normal(done.stderr.decode()))
        expected = (step["rc"], normal(step["stdout"]), normal(step["stderr"]))
        if _NOT_MODELLED.search(got[2]) and not _NOT_MODELLED.search(expected[2]):
            missing.append(step["run"])
        elif got != expected:
            wrong.append(f"$ {step['run']}\n  OpenBSD {expected!r}\n  sandbox {got!r}\n")
    for command in missing:
        print(f"not modelled: {command}")
    listed = [one["run"] for one in UNMODELLED if one["scenario"] == scenario]
    assert missing == listed, "unmodelled.json does not list what is not modelled"
    assert not wrong, f"{len(wrong)} steps of {scenario} differ:\n" + "\n".join(wrong)


def test_unmodelled_is_explained() -> None:
    for one in UNMODELLED:
        assert one["scenario"] in SCENARIOS
        assert one["why"]
