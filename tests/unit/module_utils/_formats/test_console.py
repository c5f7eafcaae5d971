# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the installer's words on a console mean."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Console, Question

DONE = "\r\nCONGRATULATIONS! Your OpenBSD install has been successfully completed!\r\n\r\n"
DOWN = "syncing disks... done\r\nrebooting...\r\n"
ZONE = "What timezone are you in? ('?' for list)"
INVALID = "'Mars/Base' is not a valid timezone on this system.\r\n"

ENDS = {
    "nothing": ("", False, False),
    "the last words, and the reboot": (DONE + DOWN, True, False),
    "the last words alone": (DONE, False, False),
    "a reboot before the last words": (DOWN + DONE, False, False),
    "a shutdown in the middle": (f"Installing base78.tgz\r\n{DOWN}", False, False),
    "the words in an answer": (
        f"Public ssh key for user puffy [none] ssh-ed25519 AAAA {DONE.strip()}\r\n{DOWN}",
        False,
        False,
    ),
    "it gave up": ("\r\nfailed; check /tmp/ai/ai.log\r\n(I)nstall, ... ? ", False, True),
    "the words of giving up in an answer": (
        "Full name for user a? [a] failed; check /tmp/ai/ai.log\r\n", False, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_ends(name: str) -> None:
    text, done, gave_up = ENDS[name]
    assert (Console(text).done, Console(text).gave_up) == (done, gave_up)


REPEATED = {
    "a zone that the sets lack": (
        f"{ZONE} [Mars/Base] Mars/Base\r\n{INVALID}" * 6, Question(ZONE, "Mars/Base"),
    ),
    "not so often": (f"{ZONE} [Mars/Base] Mars/Base\r\n{INVALID}" * 5, None),
    "many questions": (
        "".join(f"Checksum test for {n}.tgz failed. Continue anyway? [no] yes\n" for n in range(9)),
        None,
    ),
    "no question": ("Fetching http://203.0.113.1/x.conf?path=7.8/amd64\r\n" * 9, None),
    "a progress meter": ("Installing base78.tgz  45% |****      |\r" * 99, None),
}  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_a_question_that_is_asked_again_and_again(name: str) -> None:
    text, question = REPEATED[name]
    assert Console(text).repeated == question


WAITS = {
    "no response file": (
        "auto mode.\r\nResponse file location? [http://203.0.113.1/install.conf] ",
        "Response file location?",
    ),
    "the first question of all": (
        "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? ",
        "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell?",
    ),
    "hints": ("Default IPv4 route? (IPv4 address or 'none') ",
              "Default IPv4 route? (IPv4 address or 'none')"),
    "answered": ("Terminal type? [vt220] vt220\r\n", ""),
    "not the last line": ("Response file location? \r\nhttp://203.0.113.1/install.conf\r\n", ""),
    "nothing": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WAITS)
def test_a_question_that_nobody_answers(name: str) -> None:
    text, question = WAITS[name]
    assert Console(text).waits_at == question


def test_a_question_that_came_back_to_the_vm_as_if_it_was_typed() -> None:
    prompt = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "
    assert Console(f"Starting non-interactive mode\r\n{prompt * 2}").waits_at == prompt.rstrip()
    assert Console(f"{prompt * 2}i\r\n").waits_at == ""


def test_what_the_response_file_lacks() -> None:
    text = '\r\nQuestion has no answer in response file: "password for root account?"\r\nfailed;'
    assert Console(text).unanswered == "password for root account?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("No dhcp address on interface vio0 in 30 seconds.\r\n", "No dhcp address on interface"),
        ("Response file location? [http://203.0.113.1/install.conf] ", "Response file location?"),
        ("System hostname? web1 No dhcp address on interface vio0\r\n", ""),
    ],
)
def test_no_network(text: str, said: str) -> None:
    assert Console(text).no_network.startswith(said)
    assert bool(Console(text).no_network) == bool(said)


def test_sets_that_are_unpacked() -> None:
    meter = "".join(f"\rInstalling base78.tgz  {n:3}% |**   | 100 MB" for n in range(0, 100, 9))
    assert Console(f"Get/Verify site78.tgz 100% |***|\r\n{meter}").installing == "base78.tgz"
    assert Console("Get/Verify base78.tgz 100% |***|\r\n").installing == ""


def test_what_a_console_says_does_no_harm_to_a_terminal() -> None:
    text = "a\r\n\x1b[2Jb\x07\n"
    assert Console(text).tail == "    a\n     [2Jb"
    many = Console(text + "\n".join(f"line {number}" for number in range(30)))
    assert len(many.tail.splitlines()) == 20
    assert many.tail.splitlines()[-1] == "    line 29"


METERS = {
    "bytes": ("Get/Verify SHA256.sig    100% |****|  2324       00:00    ", 2324),
    "KB": ("Get/Verify bsd            42% |**  | 10240 KB    00:12 ETA", 10240 << 10),
    "MB": ("Installing base78.tgz      7% |    |   120 MB - stalled -", 120 << 20),
    "a name that is cut off": (
        "Get/Verify site78-a-long-na... 1% || 1024 KB   --:-- ETA",
        None,
    ),
    "no meter": ("Get/Verify base78.tgz", None),
    "in an answer": ("Set name(s)? Get/Verify bsd 42% |**  | 10240 KB    00:12 ETA", None),
}


@pytest.mark.parametrize("name", METERS)
def test_meters(name: str) -> None:
    line, size = METERS[name]
    sizes = [meter.size for meter in Console(f"x\r\n{line}\r").meters]
    assert sizes == ([] if size is None else [size])
