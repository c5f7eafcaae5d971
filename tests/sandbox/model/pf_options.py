# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What may stand at the end of a rule of pf.conf(5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.model.lalr import END
from sandbox.model.pf_addresses import Addresses
from sandbox.model.pf_words import Words
from sandbox.model.vm_conf_lexer import NEWLINE, NUMBER, STRING

# Accounts whose numbers pfctl prints instead of their names.
UIDS = {"root": 0, "_pbuild": 55, "www": 67, "_vmd": 107, "nobody": 32767}
DEFAULT_FLAGS = "S/SA"
_WORDS = """
    max rule global flush prio queue tos no-df random-id min-ttl max-mss reassemble source-track
    overload no-sync sloppy pflow if-bound floating max-src-nodes max-src-states max-src-conn
    max-src-conn-rate
"""
_INSIDE = (STRING, NUMBER, ",", "=", "/", "<", ">", *_WORDS.split())


@dataclass
class Found:
    """The options of a rule. `flags` None: not given."""

    user: str = ""
    flags: str | None = None
    state: str = "keep"
    rest: list[str] = field(default_factory=list)

    def text(self, proto: str, action: str) -> str:
        shown = self.user
        tcp = proto in ("", "tcp")
        if self.flags not in (None, "any"):
            shown += f" flags {self.flags}"
        elif action == "pass" and tcp and self.state != "no":
            shown += f" flags {self.flags or DEFAULT_FLAGS}"
        if action == "pass" and self.state == "no":
            shown += " no state"
        elif self.state not in ("no", "keep"):
            shown += f" {self.state} state"
        return shown + "".join(self.rest)


class Options:
    def __init__(self, words: Words, addresses: Addresses) -> None:
        self.words = words
        self.addresses = addresses

    def take(self) -> Found:
        found = Found()
        while self.words.peek() not in (NEWLINE, END, "{"):
            self._one(self.words.take(*_KNOWN), found)
            self.words.accept(",")
        return found

    def _one(self, word: str, found: Found) -> None:
        match word:
            case "user" | "group":
                name = self.words.take(STRING, NUMBER)
                number = UIDS.get(name)
                if number is None and not name.isdigit():
                    self.words.fail(f"unknown {word} {name}")
                found.user += f" {word} = {name if number is None else number}"
            case "flags":
                found.flags = self._flags()
            case "no" | "keep" | "modulate" | "synproxy":
                self.words.take("state")
                found.state = word
                if self.words.peek() == "(":
                    word = " keep state" if word == "keep" else ""
                    found.rest.append(f"{word} ({self._inside()})")
            case "set" | "scrub":
                found.rest.append(f" {word} ({self._inside()})")
            case "nat-to" | "rdr-to" | "binat-to":
                found.rest.append(f" {word} {self._target()}")
            case "label":
                found.rest.append(f' label "{self.words.word()}"')
            case "!":
                self.words.take("tagged")
                found.rest.append(f" ! tagged {self.words.word()}")
            case "fragment" | "allow-opts" | "once" | "divert-reply":
                found.rest.append(f" {word}")
            case "probability":
                found.rest.append(f" probability {self.words.take(STRING, NUMBER)}")
            case "max-pkt-rate":
                low = self.words.number()
                self.words.take("/")
                found.rest.append(f" max-pkt-rate {low}/{self.words.number()}")
            case _:
                found.rest.append(f" {word} {self.words.take(STRING, NUMBER)}")

    def _flags(self) -> str:
        if self.words.accept("any"):
            return "any"
        low = self.words.accept(STRING)
        self.words.take("/")
        return f"{low}/{self.words.word()}"

    def _inside(self) -> str:
        self.words.take("(")
        found: list[str] = []
        while not self.words.accept(")"):
            found.append(self.words.take(*_INSIDE))
        return " ".join(found).replace(" ,", ",").replace(" / ", "/")

    def _target(self) -> str:
        text = self.addresses.host()[0].host
        if self.words.accept("port"):
            text += f" port {self.words.take(STRING, NUMBER)}"
        if kind := self.words.accept("random", "round-robin", "source-hash", "bitmask"):
            text += f" {kind}"
        return text


_NAMES = """
    user group flags no keep modulate synproxy set scrub nat-to rdr-to binat-to label fragment
    allow-opts once divert-reply probability max-pkt-rate tag tagged rtable tos prio queue
    received-on icmp-type icmp6-type code route-to reply-to dup-to
"""
_KNOWN = ("!", *_NAMES.split())
