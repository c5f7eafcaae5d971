# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import re

import pytest
from ansible_collections.puffy.vmm.plugins.become.doas import refusal
from unit.sites import Site

# Plays ssh: whatever the options are, the last argument is what a shell on the server gets.
SSH = """#!/bin/sh
for last; do :; done
PATH=%s:$PATH exec /bin/sh -c "$last"
"""

DOAS = """#!/bin/sh
printf '%%s\n' "$*" >>%s/asked
%s
"""


def run(site: Site, does: str) -> tuple[int, str, str]:
    """Run id(1) on a server where doas(1) does this, and return what doas was asked for."""
    for name, text in (("ssh", SSH % site.root), ("doas", DOAS % (site.root, does))):
        (site.root / name).write_text(text)
        (site.root / name).chmod(0o755)
    done = site.run(
        "ansible",
        "server1",
        *("-m", "ansible.builtin.raw", "-a", "echo it ran"),
        *("--become", "--become-method", "puffy.vmm.doas"),
        *("-e", f"ansible_ssh_executable={site.root}/ssh"),
    )
    return done.returncode, done.stdout, (site.root / "asked").read_text()


def test_a_password_that_is_given_is_not_used_and_that_is_said() -> None:
    said = refusal("doas: Authentication required", "mira", "root", with_password=True)
    assert said is not None
    assert "the password that was given is not used" in said
    assert "permit nopass mira as root" in said


def test_never_asks_for_a_password(site: Site) -> None:
    rc, output, asked = run(site, 'shift 3; exec "$@"')
    assert (rc, output) == (0, "server1 | CHANGED | rc=0 >>\nit ran\n\n")
    assert asked.startswith("-n -u root /bin/sh -c echo BECOME-SUCCESS-")


def test_a_refusal_is_a_clear_error_and_not_a_wrong_password(site: Site) -> None:
    rc, output, _asked = run(site, 'echo "doas: Operation not permitted" >&2; exit 1')
    assert rc != 0
    assert "doas: Operation not permitted: the last rule that matches denies it" in output
    assert "needs 'permit nopass USER as root' as the last rule that matches" in output
    assert "password" not in output
    assert "BECOME-SUCCESS" not in output


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("doas: Operation not permitted", "or none matches; /etc/doas.conf on the server needs"),
        ("doas: Authentication required", "has no nopass; /etc/doas.conf on the server needs"),
        ("doas: a tty is required", "has no nopass; /etc/doas.conf on the server needs"),
        (
            "doas: doas is not enabled, /etc/doas.conf: No such file or directory",
            "there is no /etc/doas.conf; /etc/doas.conf on the server needs",
        ),
        ("doas: /etc/doas.conf is writable by group or other", "group or other$"),
    ],
)
def test_what_doas_says_is_explained(said: str, meaning: str) -> None:
    text = refusal(said, "puffy", "root", with_password=False)
    assert text is not None
    assert text.startswith(said)
    assert re.search(meaning, text)


def test_other_output_is_left_alone() -> None:
    line = "Warning: doas: is not at the start"
    assert refusal(line, "puffy", "root", with_password=False) is None
