# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How a response file is read (facts 3.3, 3.6 and 3.10)."""

from __future__ import annotations

import bcrypt
import pytest

from sandbox.model.installer_answers import Answers, NoAnswerError
from sandbox.model.installer_state import NO_PASSWORD, stored_password

NAME = "System hostname? (short form, e.g. 'foo')"
SSHD = "Start sshd(8) by default?"
FDISK = "Use (W)hole disk MBR, whole disk (G)PT or (E)dit?"
ROOT = "Which disk is the root disk? ('?' for details)"
ENCRYPT = "Encrypt the root disk with a (p)assphrase or (k)eydisk?"
NIC = "Network interface to configure? (name, lladdr, '?', or 'done')"
IPV6 = "IPv6 address for vio0? (or 'autoconf' or 'none')"
SERVER = "HTTP Server? (hostname or 'done')"
KEY = "Public ssh key for user puffy"
HASH = "$2b$10$abcdefghijklmnopqrstuuM5sNTmpmn1cu1XQ2xLbSzJHl5ESIPRa"


@pytest.mark.parametrize(
    ("line", "question", "answer"),
    [
        ("System hostname = web1", NAME, "web1"),
        ("system HOSTNAME=web1", NAME, "web1"),
        ("  System hostname\t=\tweb1  ", NAME, "web1"),
        ("hostname = web1", NAME, "web1"),
        ("System = web1", NAME, "web1"),
        ("host = web1", NAME, None),
        ("ystem hostname = web1", NAME, None),
        ("foo = web1", NAME, None),
        ("# System hostname = web1", NAME, None),
        ("= web1", NAME, None),
        ("System hostname =", NAME, None),
        ("System hostname = ", NAME, None),
        ("System hostname web1", NAME, None),
        ("Start sshd = no", SSHD, None),
        ("Start sshd(8) = no", SSHD, "no"),
        ("Start sshd(8) by default? = no", SSHD, "no"),
        ("Use (W)hole disk MBR = g", FDISK, None),
        ("Use (W)hole disk MBR, = g", FDISK, "g"),
        ("root disk = sd1", ROOT, "sd1"),
        ("root disk = sd1", ENCRYPT, "sd1"),
        ("Network interfaces = vio0", NIC, None),
        ("Network interface = vio0", NIC, "vio0"),
        ("IPv6 address for vio0 = 2001:db8::7", IPV6, "2001:db8::7"),
        ("Server = s.example", SERVER, "s.example"),
        ("Server = s.example", "Server directory?", "s.example"),
        ("Public ssh key for user = ssh-ed25519 A= c", KEY, "ssh-ed25519 A= c"),
        ("Public ssh key = ssh-ed25519 A #c", KEY, "ssh-ed25519 A #c"),
        ("Password for root = a=b\\'\"#$", "Password for root account?", "a=b\\'\"#$"),
        ("Password for root == x", "Password for root account?", "= x"),
        ("sh.* = x", SSHD, None),
        ("Start sshd(8) = no\r", SSHD, "no\r"),
    ],
)
def test_one_line(line: str, question: str, answer: str | None) -> None:
    if answer is None:
        with pytest.raises(NoAnswerError):
            Answers(f"{line}\n").respond(question)
    else:
        assert Answers(f"{line}\n").respond(question, "default") == answer


def test_the_first_line_that_fits_wins_and_is_gone() -> None:
    answers = Answers("Continue anyway = yes\nContinue = no\nContinue anyway = late\n")
    question = "Checksum test for site78.tgz failed. Continue anyway?"
    assert [answers.respond(question, "default") for _ in range(4)] == [
        "yes",
        "no",
        "late",
        "default",
    ]


def test_an_early_general_line_steals_an_answer() -> None:
    answers = Answers("Password = one\nPassword for root = two\n")
    assert answers.respond("Password for root account?") == "one"
    assert answers.respond("Password for user puffy?", "none") == "none"
    assert answers.respond("Password for root account?") == "two"


@pytest.mark.parametrize("text", ["", "System hostname = web1", "a = b\nSystem hostname = web1"])
def test_the_last_line_needs_its_end(text: str) -> None:
    with pytest.raises(NoAnswerError):
        Answers(text).respond(NAME)


@pytest.mark.parametrize("answer", [HASH, HASH.replace("2b", "2a"), NO_PASSWORD])
def test_passwords_that_are_stored_as_they_are(answer: str) -> None:
    assert stored_password(answer) == answer


@pytest.mark.parametrize("answer", ["secret word", "*" * 12, "$2b$10$short", "$1$" + "x" * 40])
def test_other_passwords_are_hashed(answer: str) -> None:
    stored = stored_password(answer)
    assert stored.startswith("$2b$")
    assert bcrypt.checkpw(answer.encode(), stored.encode())
