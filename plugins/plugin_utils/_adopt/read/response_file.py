# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A response file of autoinstall(8): what of it belongs into a VM file, and never a password."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import names, questions, ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import (
    HIDDEN,
    Notes,
    has_secret,
)

NAME: t.Final = re.compile(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2})-install\.conf", re.IGNORECASE)
_PASSWORD: t.Final = re.compile("pass(word|phrase|wd)?", re.IGNORECASE)
# What the collection itself answers for every VM, with the answers that mean the same.
_OURS: t.Final = (
    (re.compile("start sshd|continue (anyway|without)|default console"), ("yes",)),
    (re.compile("speed should com0"), ("115200",)),
    (re.compile("network interface"), ("vio0", "done")),
    (re.compile("which disk is the root"), ("sd0",)),
    (re.compile("location of sets"), ("http",)),
    (re.compile("^ipv4 address"), ("dhcp", "autoconf")),
    (re.compile("^(do you expect to run the )?x window"), ("no",)),
    (re.compile("^allow root ssh"), ("no",)),
    (re.compile("^ipv6 (prefix|default)|^default ipv4|^netmask|^dns (domain|nameservers)"), ()),
    (re.compile("^(http )?server( directory)?[?]?$"), ()),
)


@dataclass
class Response:
    """What a response file says; options are further questions with their answers."""

    hostname: str | None = None
    user: str | None = None
    keys: list[str] = field(default_factory=list)
    timezone: str | None = None
    sets: list[str] | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    router6: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def read(file: str, text: str, notes: Notes) -> Response:
    """Return what autoinstall(8) would answer; what does not fit its grammar is reported."""
    response = Response()
    for number, line in enumerate(text.splitlines(), start=1):
        question, equals, answer = (part.strip() for part in line.partition("="))
        if not question or question.startswith("#"):
            continue
        if not equals:
            notes.report(file, number, line, "it is not a question and an answer")
        elif _PASSWORD.search(question):
            text = f"{question} = {HIDDEN}"
            notes.report(file, number, text, "no password and no hash is copied")
        else:
            try:
                _take(response, question, answer, notes, (file, number))
            except Refused as refused:
                notes.report(file, number, f"{question} = {answer}", str(refused))
    return response


def _take(
    response: Response, question: str, answer: str, notes: Notes, place: tuple[str, int]
) -> None:
    asked = question.lower()
    if asked.startswith("system hostname"):
        response.hostname = names.hostname(answer)
    elif "ssh key for root" in asked:
        notes.report(*place, question, "a VM file has only the keys of its owner")
    elif "ssh key" in asked:
        words = answer.split()
        response.keys.append(str(ssh_keys.parse_ssh_key(" ".join(words[:2]))))
        if words[2:]:
            why = "what follows the key is not copied: it may be a password"
            notes.report(*place, f"{question} = {words[0]} ...", why)
    elif asked.startswith("setup a user"):
        response.user = None if answer == "no" else names.account(answer)
    elif "timezone" in asked:
        response.timezone = names.timezone(answer)
    elif asked.startswith("set name"):
        response.sets = list(names.set_patterns(answer.split()))
    elif asked.startswith("ipv4 address") and answer[:1].isdigit():
        response.ipv4 = answer.partition("/")[0]
    elif asked.startswith("ipv6 address") and ":" in answer:
        response.ipv6 = answer
    elif asked.startswith("ipv6 default router") and ":" in answer:
        response.router6 = answer.partition("%")[0]
    elif (own := _own_answers(asked)) is not None:
        if answer.lower() not in own:
            why = "the collection answers this itself, from settings of the server"
            notes.report_once(*place, f"{question} = {answer}", why)
    else:
        key, value = questions.check_question(question), questions.check_answer(answer)
        uses = list(questions.answered_by_collection(key, response.user or "user"))
        if has_secret(f"{key} = {value}"):
            notes.report(*place, question, "no password and no hash is copied")
        elif uses:
            notes.report(*place, question, "the collection answers this question itself")
        else:
            response.options[key] = value


def _own_answers(asked: str) -> tuple[str, ...] | None:
    """Return answers that mean the same as the collection's; None if it has no such question."""
    return next((answers for words, answers in _OURS if words.search(asked)), None)
