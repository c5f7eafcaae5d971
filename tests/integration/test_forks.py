# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A forked run of Ansible does what the program does."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import yaml
from integration.harness import FORKS, VARIABLES

WORDS = ("ansible-playbook", "play.yml")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Holds a play that tells its directory, a variable and its process, and fails."""
    tasks = [
        {"ansible.builtin.debug": {"msg": "{{ lookup('pipe', 'pwd') }} {{ lookup('env', 'A') }}"}},
        {"ansible.builtin.wait_for": {"timeout": "{{ seconds | default(0) }}"}},
        {"ansible.builtin.debug": {"msg": "{{ lookup('file', '/proc/self/cmdline') }}"}},
        {"ansible.builtin.fail": {"msg": "the end"}},
    ]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    return tmp_path


def test_it_is_like_the_program(directory: Path) -> None:
    variables = VARIABLES | {"A": "told"}
    forked = FORKS.run(WORDS, directory, variables)
    assert forked.returncode == 2
    assert f"{directory} told" in forked.stdout
    assert "ansible_forks" in forked.stdout
    # With settings of its own, it is not forked.
    program = FORKS.run(WORDS, directory, variables | {"ANSIBLE_FORKS": "2"})
    assert "ansible_forks" not in program.stdout
    assert (program.returncode, program.stderr) == (forked.returncode, forked.stderr)
    shown = [line for line in program.stdout.splitlines() if "ansible-playbook" not in line]
    assert shown == [line for line in forked.stdout.splitlines() if "ansible_forks" not in line]


def test_one_that_is_killed_harms_no_other(directory: Path) -> None:
    with (directory / "log").open("w") as log:
        run = FORKS.start((*WORDS, "-e", "seconds=60"), directory, VARIABLES, log, log)
    assert run.poll() is None
    run.kill()
    assert run.wait(10) == -signal.SIGKILL
    assert FORKS.run(WORDS, directory, VARIABLES).returncode == 2
