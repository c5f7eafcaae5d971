# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The parts of the agent, and the programs that are joined from them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import (
    PARTS,
    PROGRAMS,
    program,
)
from unit.agent_host import Host

# Tells of what is called by a name of the program's own, and is nowhere in it.
LACKING = rb"""
CHECK {
    for my $name (sort keys %main::) { print "$name\n" if !defined &{"main::$name"} }
}
"""


def test_each_part_is_in_a_program() -> None:
    used = {name for names in PROGRAMS.values() for name in names.split()}
    assert used == {path.stem for path in PARTS.iterdir()}


@pytest.mark.parametrize("verb", PROGRAMS)
def test_a_program_is_whole(verb: str) -> None:
    text = program(verb)
    done = subprocess.run(["perl", "-wc"], input=LACKING + text, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"- syntax OK\n")
    called = re.findall(r"(?<![\w$@%&>:])(\w+) ?\(|\\&(\w+)", text.decode())
    lacking = done.stdout.decode().split()
    assert [name for name in lacking if (name, "") in called or ("", name) in called] == []


def test_an_error_names_its_part(tmp_path: Path) -> None:
    answer = Host(tmp_path).probe(list=[{"path": "/", "within": "("}])
    assert re.search(r"Unmatched \( .* at probe[.]pl line \d+", answer["failed"]["text"])
