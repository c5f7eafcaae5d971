# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Ansible's programs, forked from a process that has imported them: half the time of a run."""

# The programs, and the modules whose main() they call.
PROGRAMS = {
    "ansible-inventory": "ansible.cli.inventory",
    "ansible-playbook": "ansible.cli.playbook",
}
