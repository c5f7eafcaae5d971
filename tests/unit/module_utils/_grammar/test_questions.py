# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import answers
from unit.fleets import problems, vm

SSHD = "Start sshd(8) by default?"
DISK = "Which disk is the root disk? ('?' for details)"
CRYPTO = "Encrypt the root disk with a (p)assphrase or (k)eydisk?"
MBR = "Use (W)hole disk MBR, whole disk (G)PT or (E)dit?"


@pytest.mark.parametrize(
    ("key", "question", "answer"),
    [
        ("Start sshd(8)", SSHD, True),
        ("START SSHD(8) BY DEFAULT", SSHD, True),
        ("Start sshd", SSHD, False),
        ("by default", SSHD, True),
        ("by default?", SSHD, True),
        ("fault", SSHD, False),
        ("star", SSHD, False),
        ("root disk", DISK, True),
        ("root disk", CRYPTO, True),
        ("Use (W)hole disk MBR", MBR, False),
        ("Use (W)hole disk MBR,", MBR, True),
        ("disk.*", MBR, False),
        ("Public ssh key for user puffy", "Public ssh key for user puffy", True),
    ],
)
def test_a_key_is_a_run_of_whole_words(key: str, question: str, answer: bool) -> None:
    assert answers(key, question) is answer


@pytest.mark.parametrize(
    ("key", "question", "advice"),
    [
        ("system HOSTNAME", "System hostname? (short form, e.g. 'foo')", "use hostname instead"),
        ("hostname", "System hostname? (short form, e.g. 'foo')", "use hostname instead"),
        ("Password for root account", "Password for root account?", "take it out"),
        ("Password for user puffy", "Password for user puffy?", "take it out"),
        ("for user puffy", "Password for user puffy?", "take it out"),
        ("password", "Password for root account?", "take it out"),
        (
            "Public ssh key for root account",
            "Public ssh key for root account?",
            "use ssh_keys instead",
        ),
        (
            "Setup a user",
            "Setup a user? (enter a lower-case loginname, or 'no')",
            "use user instead",
        ),
        ("root disk", "Which disk is the root disk? ('?' for details)", "take it out"),
        (
            "Network interface to configure",
            "Network interface to configure? (name, lladdr, '?', or 'done')",
            "take it out",
        ),
        (
            "IPv4 address for vio0",
            "IPv4 address for vio0? (or 'autoconf' or 'none')",
            "use ipv4 instead",
        ),
        ("Set name(s)", "Set name(s)? (or 'abort' or 'done')", "use sets instead"),
        ("Location of sets", "Location of sets? (disk http nfs or 'done')", "use sets instead"),
        (
            "HTTP Server",
            "HTTP Server? (hostname, list#, 'done' or '?')",
            "use vmm_sets_server instead",
        ),
        (
            "What timezone are you in",
            "What timezone are you in? ('?' for list)",
            "use timezone instead",
        ),
        ("Continue anyway", "Fetching of site78.tgz failed. Continue anyway?", "use sets instead"),
        ("Start sshd(8) by default", "Start sshd(8) by default?", "take it out"),
        ("com0", "Change the default console to com0?", "take it out"),
    ],
)
def test_questions_that_the_collection_answers_itself(key: str, question: str, advice: str) -> None:
    (complaint,) = problems({"web1.yml": vm(f"install_options: {{'{key}': x}}")})
    quote = '"' if "'" in question else "'"
    assert complaint == (
        f"vms/web1.yml: install_options: '{key}' would answer {quote}{question}{quote}, which this "
        f"collection answers itself; {advice}"
    )


@pytest.mark.parametrize(
    "key",
    [
        "Continue without verification",
        "verification",
        "Checksum test for base78.tgz failed. Continue anyway",
        "CHECKSUM TEST FOR comp78.tgz",
        "base78.tgz",
        "base78.tgz failed. Continue anyway",
        "bsd failed.",
        "bsd.rd",
        "BUILDINFO failed.",
        "Unverified sets: base78.tgz",
        "Unverified sets: base78.tgz comp78.tgz. Continue",
        "Unverified sets: bsd bsd.rd base78.tgz xbase78.tgz site78-web1.tgz",
        "Cannot determine prefetch area.",
        "Cannot create prefetch area. Continue without verification",
        "Signature check of SHA256.sig failed.",
        "SHA256.sig.",
        "Installation of xserv78.tgz failed.",
        "Use sets found here anyway",
    ],
)
def test_no_vm_file_agrees_to_sets_that_do_not_verify(key: str) -> None:
    (complaint,) = problems({"web1.yml": vm(f"install_options: {{'{key}': 'yes'}}")})
    assert "which this collection answers itself" in complaint


def test_other_questions_may_name_a_set() -> None:
    assert problems({"web1.yml": vm("install_options: {'complete without': 'yes'}")}) == []
