# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions, and which line of a response file answers which of them.

Wording and rule are those of OpenBSD 7.8's distrib/miniroot/install.sub; see autoinstall(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_written,
    matching,
)

# The first network interface of a VM, which the installer configures.
INTERFACE = "vio0"

_LONGEST_QUESTION = 200
LONGEST_ANSWER = 1000

# No "=", not "#" first, no blank at either end.
QUESTION_PATTERN = r"[!-\"$-<>-~]([ -<>-~]{0,198}[!-<>-~])?"
ANSWER_PATTERN = r"[!-~]([ -~]{0,998}[!-~])?"

# Questions that the collection answers from a VM's other fields and the server's variables, each
# with the field or variable to use. {user} is the VM's user.
_ANSWERED = (
    ("System hostname? (short form, e.g. 'foo')", "hostname"),
    ("Network interface to configure? (name, lladdr, '?', or 'done')", ""),
    ("Which network interface do you wish to configure?", ""),
    (f"IPv4 address for {INTERFACE}? (or 'autoconf' or 'none')", "ipv4"),
    (f"Netmask for {INTERFACE}?", "vmm_ipv4_network"),
    (f"IPv6 address for {INTERFACE}? (or 'autoconf' or 'none')", "ipv6"),
    (f"IPv6 prefix length for {INTERFACE}?", "vmm_ipv6_network"),
    ("Default IPv4 route? (IPv4 address or 'none')", "vmm_ipv4_gateway"),
    ("IPv6 default router? (IPv6 address or 'none')", "vmm_ipv6_gateway"),
    ("DNS domain name? (e.g. 'example.com')", "vmm_domain"),
    ("DNS nameservers? (IP address list or 'none')", "vmm_dns_servers"),
    ("Password for root account?", ""),
    ("Public ssh key for root account?", "ssh_keys"),
    ("Start sshd(8) by default?", ""),
    ("Change the default console to com0?", ""),
    ("Which speed should com0 use?", ""),
    ("Setup a user? (enter a lower-case loginname, or 'no')", "user"),
    ("No really, what is the lower-case loginname, or 'no'?", "user"),
    ("Password for user {user}?", ""),
    ("Public ssh key for user {user}", "ssh_keys"),
    ("Allow root ssh login? (yes, no, prohibit-password)", "autoinstall_root_login"),
    ("What timezone are you in? ('?' for list)", "timezone"),
    ("What sub-timezone of 'Europe' are you in? ('?' for list)", "timezone"),
    ("Which disk is the root disk? ('?' for details)", ""),
    ("Location of sets? (disk http nfs or 'done')", "sets"),
    ("HTTP Server? (hostname, list#, 'done' or '?')", "vmm_sets_server"),
    ("HTTP Server? (hostname or 'done')", "vmm_sets_server"),
    ("Server directory?", "vmm_release"),
    ("Set name(s)? (or 'abort' or 'done')", "sets"),
    ("Fetching of site78.tgz failed. Continue anyway?", "sets"),
    ("Checksum test for site78.tgz failed. Continue anyway?", "sets"),
    ("Installation of site78.tgz failed. Continue anyway?", "sets"),
    ("Unverified sets: site78.tgz. Continue without verification?", "sets"),
    ("Unverified sets: site78.tgz site78.tgz. Continue without verification?", "sets"),
    *(
        (f"{issue}. Continue without verification?", "sets_verify")
        for issue in (
            "Directory does not contain SHA256.sig",
            "Cannot determine prefetch area",
            "Cannot create prefetch area",
            "Cannot fetch SHA256.sig",
            "Signature check of SHA256.sig failed",
        )
    ),
    ("INSTALL.amd64 not found. Use sets found here anyway?", "vmm_sets_server"),
)

# Names of sets in a key, which stand for any other set: a VM file cannot agree to any set that
# cannot be fetched, verified or unpacked.
_SETS = re.compile(
    r"(?<![^ \t])(?:(?:[a-z]+[0-9]{2}[^ ]*?\.tgz|bsd(?:\.mp|\.rd)?|buildinfo)(?![^ .?])[ \t]*)+"
)


def answers(key: str, question: str) -> bool:
    """Return whether a line with this key answers this question.

    The key must be a run of whole words of the question, without regard to case: from its start
    or after a blank, up to a blank, a question mark or its end.
    """
    return bool(re.search(rf"(\A|[ \t]){re.escape(key.lower())}([ \t?]|\Z)", question.lower()))


def answered_by_collection(key: str, user: str) -> Iterator[tuple[str, str]]:
    """Yield each question that the collection answers itself and this key would answer too.

    With each comes the field or variable to use instead, or an empty string.
    """
    keys = {key, _SETS.sub(_any_set, key.lower())}
    for template, instead in _ANSWERED:
        question = template.replace("{user}", user)
        if any(answers(text, question) for text in keys):
            yield question, instead


def _any_set(match: re.Match[str]) -> str:
    """Return the set that stands for all in the questions above, and the blank after it."""
    return "site78.tgz" + (" " if match[0][-1].isspace() else "")


def check_question(value: object) -> str:
    """Return a question as it can stand left of the "=" of a response file. Raises Refused."""
    return matching(
        value,
        QUESTION_PATTERN,
        "is not a valid question; use one line of printable ASCII without '=', with no '#' first "
        f"and no blank at either end, of up to {_LONGEST_QUESTION} characters",
    )


def check_answer(value: object) -> str:
    """Return an answer as it can stand right of the "=" of a response file. Raises Refused."""
    return matching(
        as_written(value),
        ANSWER_PATTERN,
        "is not a valid answer; use one line of printable ASCII, not empty, with no blank at "
        f"either end, of up to {LONGEST_ANSWER} characters",
    )
