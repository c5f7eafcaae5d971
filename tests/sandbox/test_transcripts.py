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
    scenario["scenario"]: scenario["steps"]
    for scenario in json.loads((HERE / "transcripts.json").read_text())["scenarios"]
}
# What had been done on the recorded machine, and which steps are not compared, with the reason.
ABOUT: dict[str, Any] = json.loads((HERE / "recordings.json").read_text())
LEFT_OUT = {
    (group["scenario"], run): group["why"] for group in ABOUT["left out"] for run in group["run"]
}

# What timeout(1) ends after six seconds need not take six seconds here.
SPEED = 5.0
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# What differs from run to run, and nothing else.
_RULES = (
    (rf"\b{_MONTH} [ \d]\d(?: [\d:]*)?", "T"),
    # The columns of ls(1), which are not all as wide as this host's.
    (r"^([-bcdlps][-rwxstST]{9}) +(\d+) (\S+) +(\S+)(?: +(?=\d|$))?", r"\1 \2 \3 \4 "),
    (r"^([-a-z]{10} \d+ \S+ \S+ \d+) (?:T|[JFMASOND]\w*)\s*$", r"\1 T"),
    (r"for \d+ days \d\d:\d\d:\d\d  *", "for T "),
    (r"^(d[rwxst-]{9}) \d+ (\S+ \S+) \d+ T", r"\1 LINKS \2 SIZE T"),
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
    hostname, state = ABOUT["hostname"], ABOUT["state"]
    server = Server(tmp_path, "rig", hostname=hostname, shared=shared, state=state)
    yield server.start(speed=SPEED)
    server.stop()


def prepare(server: Server, scenario: str) -> None:
    """Does what had been done on the recorded machine."""
    for command in (*ABOUT["commands"], *ABOUT["scenarios"].get(scenario, [])):
        done = server.run(command)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(rig: Server, scenario: str) -> None:
    prepare(rig, scenario)
    wrong = []
    for step in SCENARIOS[scenario]:
        if "write" in step:
            rig.write(step["write"], step["content"])
            continue
        done = rig.run(step["run"])
        if (scenario, step["run"]) in LEFT_OUT:
            continue
        got = (done.returncode, normal(done.stdout.decode()), normal(done.stderr.decode()))
        expected = (step["rc"], normal(step["stdout"]), normal(step["stderr"]))
        if got != expected:
            wrong.append(f"$ {step['run']}\n  OpenBSD {expected!r}\n  sandbox {got!r}\n")
    assert not wrong, f"{len(wrong)} steps of {scenario} differ:\n" + "\n".join(wrong)


def test_what_is_left_out_is_recorded_and_has_a_reason() -> None:
    recorded = {(name, step.get("run")) for name, steps in SCENARIOS.items() for step in steps}
    assert LEFT_OUT.keys() <= recorded
    assert all(LEFT_OUT.values())
