# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._install_questions import answers

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
