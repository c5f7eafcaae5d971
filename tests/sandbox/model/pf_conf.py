# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pf.conf(5), a subset: what pfctl(8) accepts, and its rules as it prints them.

Modelled are macros, include, set, table, anchor, load anchor, antispoof, and pass, block and match
rules with interface, protocol, addresses, ports and the usual options. Queues are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from sandbox.model.lalr import END
from sandbox.model.pf_addresses import Addresses, Place, show_places
from sandbox.model.pf_options import Options
from sandbox.model.pf_words import Lexer, SyntaxFault, Words
from sandbox.model.vm_conf_lexer import NEWLINE, NUMBER, STRING, Macro

Read = Callable[[str], str]
Resolve = Callable[[str], "list[str]"]

# How each option of `set` goes on: words, a number, or a list of them in braces.
SET = {
    "block-policy",
    "debug",
    "fingerprints",
    "hostid",
    "limit",
    "loginterface",
    "optimization",
    "reassemble",
    "ruleset-optimization",
    "skip",
    "state-defaults",
    "state-policy",
    "syncookies",
    "timeout",
}
BLOCKS = ("drop", "return", "return-rst", "return-icmp", "return-icmp6")


@dataclass
class Ruleset:
    """Rules as printed, the rules of inline anchors by path, and files to load into anchors."""

    rules: list[str] = field(default_factory=list)
    anchors: dict[str, list[str]] = field(default_factory=dict)
    load: list[tuple[str, str]] = field(default_factory=list)
    tables: dict[str, list[str]] = field(default_factory=dict)
    skip: list[str] = field(default_factory=list)


def check(
    text: str, filename: str, read: Read, resolve: Resolve, macros: dict[str, str] | None = None
) -> tuple[Ruleset | None, str]:
    """The rules, or None if pfctl refuses the file; and what it writes to standard error.

    `read` gives the text of an included file and raises OSError; `resolve` gives the addresses of
    an interface or a host name.
    """
    parser = _Parser(text, filename, read, resolve, macros or {})
    parser.file()
    return None if parser.failed else parser.ruleset, parser.messages


class _Parser:
    def __init__(
        self, text: str, filename: str, read: Read, resolve: Resolve, macros: dict[str, str]
    ) -> None:
        defined = {name: Macro(value, persistent=True) for name, value in macros.items()}
        self.lexer = Lexer(filename, text, defined, self.report)
        self.words = Words(self.lexer)
        self.read = read
        self.addresses = Addresses(self.words, resolve, self.say)
        self.options = Options(self.words, self.addresses)
        self.ruleset = Ruleset()
        self.path = ""
        self.messages = ""
        self.failed = False

    def say(self, text: str) -> None:
        self.messages += f"{text}\n"

    def report(self, text: str) -> None:
        self.failed = True
        self.say(text)

    def file(self) -> None:
        while self.words.peek() != END:
            self.line(self.ruleset.rules)

    def line(self, rules: list[str]) -> None:
        try:
            self.statement(rules)
            if self.words.peek() != END:
                self.words.take(NEWLINE)
        except SyntaxFault:
            self.failed = True
            self.words.recover()

    def statement(self, rules: list[str]) -> None:
        match self.words.peek():
            case "pass" | "block" | "match":
                rules += self.rule()
            case "anchor":
                self.anchor(rules)
            case "antispoof":
                rules += self.antispoof()
            case "set":
                self.set_option()
            case "table":
                self.table()
            case "include":
                self.include()
            case "load":
                self.load_anchor()
            case kind if kind == STRING:
                self.macro()
            case kind if kind != NEWLINE:
                self.words.fail()

    def macro(self) -> None:
        name = self.words.word()
        self.words.take("=")
        values = [self.words.take(STRING, NUMBER)]
        while self.words.peek() in (STRING, NUMBER):
            values.append(self.words.take())
        if any(char.isspace() for char in name):
            self.words.fail("macro name cannot contain whitespace")
        self.lexer.define(name, " ".join(values))

    def include(self) -> None:
        self.words.take("include")
        path = self.words.word()
        try:
            text = self.read(path)
        except OSError as error:
            self.say(f"pfctl: pushfile: {path}: {error.strerror}")
            self.words.fail(f"failed to include file {path}")
        self.lexer.include(path, text)

    def load_anchor(self) -> None:
        self.words.take("load")
        self.words.take("anchor")
        name = self.words.word()
        self.words.take("from")
        self.ruleset.load.append((f"{self.path}/{name}".lstrip("/"), self.words.word()))

    def set_option(self) -> None:
        self.words.take("set")
        option = self.words.take(*KEYWORDS_OF_SET)
        if option not in SET:
            self.words.fail()
        if option == "skip":
            self.words.take("on")
            self.ruleset.skip += self.names()
            return
        if self.words.accept("{"):
            while self.words.peek() != "}":
                self.words.take(STRING, NUMBER, ",", NEWLINE, *KEYWORDS_OF_SET)
            self.words.take("}")
            return
        self.words.take(STRING, NUMBER, *KEYWORDS_OF_SET)
        while self.words.peek() not in (NEWLINE, END):
            self.words.take(STRING, NUMBER, "(", ")", ",", *KEYWORDS_OF_SET)

    def names(self) -> list[str]:
        """One name, or several in braces; `!` before a name is part of it."""
        if not self.words.accept("{"):
            return [self.name()]
        found = []
        self.words.newlines()
        while not self.words.accept("}"):
            found.append(self.name())
            self.words.accept(",")
            self.words.newlines()
        return found

    def name(self) -> str:
        sign = "! " if self.words.accept("!") else ""
        return sign + self.words.take(STRING, "any")

    def table(self) -> None:
        self.words.take("table")
        self.words.take("<")
        name = self.words.word()
        self.words.take(">")
        content: list[str] = []
        while self.words.peek() not in (NEWLINE, END):
            word = self.words.take(STRING, "const", "persist", "counters", "file", "{")
            if word == "file":
                self.words.word()
            elif word == "{":
                content += self.addresses.table_content()
            elif word not in ("const", "persist", "counters"):
                self.words.fail(f"invalid table option '{word}'")
        self.ruleset.tables[name] = content

    def anchor(self, rules: list[str]) -> None:
        self.words.take("anchor")
        name = self.words.accept(STRING)
        heads = self.heads(actions=False)
        places = self.places()
        options = self.options.take()
        inline = bool(self.words.accept("{"))
        if inline and "/" in name:
            self.words.fail("anchor paths containing '/' cannot be used for inline anchors.")
        if not inline and not name:
            self.words.fail("anchors without explicit rules must specify a name")
        path = f"{self.path}/{name or f'_{len(self.ruleset.anchors) + 1}'}".lstrip("/")
        title = f' "{name}"' if name else ""
        for head, (place, af) in product(heads, places):
            rules.append(f"anchor{title}{head.text(af)}{place}{options.text(head.proto, '')}")
        if inline:
            self.inline(path, rules)

    def inline(self, path: str, rules: list[str]) -> None:
        """Rules in braces, on lines of their own."""
        self.words.take(NEWLINE)
        around, self.path = self.path, path
        inner = self.ruleset.anchors.setdefault(path, [])
        rules[-1] += " {"
        start = len(inner)
        while self.words.peek() not in ("}", END):
            self.line(inner)
        self.words.take("}")
        self.path = around
        rules += [f"  {line}" for line in inner[start:]] + ["}"]

    def antispoof(self) -> list[str]:
        self.words.take("antispoof")
        log = " log" if self.words.accept("log") else ""
        quick = " quick" if self.words.accept("quick") else ""
        self.words.take("for")
        names = self.names()
        af = self.words.accept("inet", "inet6")
        self.options.take()
        rules = []
        for name in names:
            for address in self.addresses.resolve(f"{name}:network"):
                family = "inet6" if ":" in address else "inet"
                if af in ("", family):
                    head = f"block drop in{log}{quick} on ! {name} {family}"
                    rules.append(f"{head} from {address} to any")
        return rules

    def rule(self) -> list[str]:
        action = self.words.take("pass", "block", "match")
        if action == "block":
            action += f" {self.block_policy()}"
        heads = self.heads(actions=True)
        places = self.places()
        options = self.options.take()
        return [
            f"{action}{head.text(af)}{place}{options.text(head.proto, action)}"
            for head, (place, af) in product(heads, places)
            if not (head.af and af and head.af != af)
        ]

    def block_policy(self) -> str:
        policy = self.words.accept(*BLOCKS) or "drop"
        if policy in BLOCKS[2:] and self.words.accept("("):
            inside = ""
            while not self.words.accept(")"):
                inside += " " * bool(inside) + self.words.take(STRING, NUMBER, "ttl", ",")
            policy += f"({inside.replace(' ,', ',')})"
        return policy

    def heads(self, *, actions: bool) -> list[_Head]:
        """Direction, log, quick, interface, address family and protocol; one head a combination."""
        direction = self.words.accept("in", "out")
        start = f" {direction}" if direction else ""
        while word := self.words.accept("log", "quick"):
            if word == "log":
                start += f" log{self.log_options()}"
            else:
                start += " quick"
        interfaces = [""]
        if self.words.accept("on"):
            if self.words.accept("rdomain"):
                interfaces = [f" on rdomain {self.words.number()}"]
            else:
                interfaces = [f" on {name}" for name in self.names()]
        af = self.words.accept("inet", "inet6")
        protocols = self.protocols() if self.words.accept("proto") else [""]
        return [_Head(start + one, af, proto) for one in interfaces for proto in protocols]

    def log_options(self) -> str:
        if not self.words.accept("("):
            return ""
        found = [self.words.take("all", "user", STRING, "to", "match")]
        while not self.words.accept(")"):
            found.append(self.words.take("all", "user", STRING, "to", ","))
        return f" ({' '.join(found).replace(' ,', ',')})"

    def protocols(self) -> list[str]:
        found = []
        braces = bool(self.words.accept("{"))
        while True:
            word = self.words.take(STRING, NUMBER)
            if word not in PROTOCOLS and not word.isdigit():
                self.words.fail(f"unknown protocol {word}")
            found.append(word)
            self.words.accept(",")
            if not braces or self.words.accept("}"):
                return found

    def places(self) -> list[tuple[str, str]]:
        """Source and destination as printed, with the address family that follows from them."""
        if self.words.accept("all"):
            return [(" all", "")]
        sources = destinations = [Place()]
        if self.words.accept("from"):
            sources = self.addresses.places()
            if self.words.accept("os"):
                self.words.word()
        if self.words.accept("to"):
            destinations = self.addresses.places()
        found = []
        for source, destination in product(sources, destinations):
            families = {source.af, destination.af} - {""}
            if len(families) < 2:
                found.append((show_places(source, destination), "".join(families)))
        return found


@dataclass(frozen=True)
class _Head:
    start: str
    af: str
    proto: str

    def text(self, af: str) -> str:
        family = self.af or af
        protocol = f" proto {self.proto}" if self.proto else ""
        return self.start + (f" {family}" if family else "") + protocol


PROTOCOLS = ("tcp", "udp", "icmp", "icmp6", "ipv6-icmp", "esp", "ah", "gre", "igmp", "carp")
_OTHERS = "no-df max floating if-bound keep no drop return state pflow no-sync sloppy for"
KEYWORDS_OF_SET = (*SET, STRING, NUMBER, *_OTHERS.split())
