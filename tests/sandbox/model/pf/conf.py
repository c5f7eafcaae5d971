# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of pf.conf(5): the rules that are written here and those of a fresh server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import product
from typing import Any, TypeVar

from sandbox.model import replay
from sandbox.model.replay import Refused
from sandbox.target.call import NotModelled

from .words import Words

T = TypeVar("T")
_PROTOCOLS = ("tcp", "udp", "icmp", "icmp6")
_SERVICES = {"ssh": 22, "domain": 53, "bootps": 67, "bootpc": 68, "http": 80, "www": 80}
_KEYWORDS = frozenset("pass block match in out on from to port proto no keep state all".split())
_UIDS = {"root": 0, "_pbuild": 55, "www": 67}
_SET = ("skip", "limit", "block-policy", "loginterface", "optimization", "state-policy")


@dataclass(frozen=True)
class End:
    """One end of a rule: `host` is any, an address or a network; ports low to high."""

    host: str = "any"
    ports: tuple[int, int] | None = None

    @property
    def af(self) -> str:
        if self.host.endswith("any"):
            return ""
        return "inet6" if ":" in self.host else "inet"

    def __str__(self) -> str:
        if self.ports is None:
            return self.host
        low, high = self.ports
        return f"{self.host} port {f'= {low}' if low == high else f'{low}:{high}'}"


@dataclass(frozen=True)
class Rule:
    """A rule; `on` may begin with "! ", `rdr` is the address and port (0: as it was) of rdr-to."""

    action: str  # pass, block drop, block return, match, anchor
    direction: str = ""
    log: bool = False
    quick: bool = False
    on: str = ""
    af: str = ""
    proto: str = ""
    source: End = End()
    target: End = End()
    icmp_type: str = ""
    state: str = ""  # no, keep, or as by default
    rates: str = ""  # of packets, or of connections: as they are printed
    rdr: tuple[str, int] | None = None
    nat: str = ""
    received: str = ""
    rest: str = ""  # label, user, as they are printed
    anchor: str = ""

    def __str__(self) -> str:
        words = [self.action, f'"{self.anchor}"' * bool(self.anchor), self.direction]
        words += ["log" * self.log, "quick" * self.quick, f"on {self.on}" * bool(self.on)]
        words += [self.af, f"proto {self.proto}" if self.proto else ""]
        ends = (str(self.source), str(self.target))
        words.append("all" if ends == ("any", "any") else f"from {ends[0]} to {ends[1]}")
        words.append(f"received-on {self.received}" * bool(self.received))
        words.append(f"{self.proto}-type {self.icmp_type}" if self.icmp_type else "")
        words.append(self.rest if self.rest.startswith("user") else "")
        if self.action == "pass":
            words.append(
                f"{self.rates} no state".lstrip() if self.state == "no" else
                f"flags S/SA {self.rates}".rstrip() if self.proto in ("", "tcp") else self.rates
            )  # fmt: skip
        words.append("" if self.rest.startswith("user") else self.rest)
        words.append(f"nat-to {self.nat}" * bool(self.nat))
        if self.rdr:
            words.append(f"rdr-to {self.rdr[0]}" + (f" port {self.rdr[1]}" if self.rdr[1] else ""))
        return " ".join(word for word in words if word)


@dataclass
class Ruleset:
    rules: list[Rule] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    load: list[tuple[str, str]] = field(default_factory=list)  # anchor and file


class Reader:
    """Reads one file. Refused for what pfctl(8) was seen to refuse."""

    def __init__(self) -> None:
        self.ruleset = Ruleset()

    def file(self, path: str, text: str) -> Ruleset:
        words = Words(path, text)
        while not words.ended:
            line, shown = words.line, words.line_text
            try:
                self._statement(words)
                if not words.statement_ended():
                    raise words.unknown()
                words.accept("\n")
            except NotModelled:
                if said := replay.line("pfctl", path, line, shown):
                    raise Refused(said) from None
                raise
        return self.ruleset

    def _statement(self, words: Words) -> None:
        kind = words.accept("pass", "block", "match", "anchor", "set", "load")
        if kind == "load":
            words.expect("anchor")
            name = words.text(quoted=True)
            words.expect("from")
            self.ruleset.load.append((name, words.text(quoted=True)))
        elif kind == "set":
            option = words.text()
            if option not in _SET:
                raise words.unknown()
            while not words.statement_ended():
                word = words.take()
                if option == "skip" and word not in ("on", "{", "}", ","):
                    self.ruleset.skip.append(word)
        elif kind == "anchor":
            rule = self._head(Rule("anchor", anchor=words.text(quoted=True)), words)[0]
            self.ruleset.rules.append(rule)
        elif kind:
            self.ruleset.rules += self._rule(kind, words)

    def _rule(self, action: str, words: Words) -> list[Rule]:
        if action == "block":
            action = f"block {words.accept('drop', 'return') or 'drop'}"
        rules = self._head(Rule(action), words)
        sources, targets = [End()], [End()]
        if not words.accept("all"):
            if words.accept("from"):
                sources = self._ends(words)
            if words.accept("to"):
                targets = self._ends(words)
        options = self._options(words)
        made = []
        for head, source, target in product(rules, sources, targets):
            families = {head.af, source.af, target.af} - {""}
            if len(families) < 2:
                made.append(
                    Rule(**{**vars(head), "source": source, "target": target, **options,
                            "af": "".join(families)})
                )  # fmt: skip
        return made

    def _head(self, rule: Rule, words: Words) -> list[Rule]:
        direction = words.accept("in", "out")
        log = bool(words.accept("log"))
        quick = bool(words.accept("quick"))
        names = self._list(words, self._interface) if words.accept("on") else [""]
        af = words.accept("inet", "inet6")
        protocols = self._list(words, self._protocol) if words.accept("proto") else [""]
        more = {"direction": direction, "log": log, "quick": quick, "af": af}
        return [
            Rule(**{**vars(rule), **more, "on": name, "proto": protocol})
            for name in names
            for protocol in protocols
        ]

    def _list(self, words: Words, item: Callable[[Words], T]) -> list[T]:
        if not words.accept("{"):
            return [item(words)]
        items = []
        while not words.accept("}"):
            items.append(item(words))
            words.accept(",")
        return items

    def _interface(self, words: Words) -> str:
        sign = "! " if words.accept("!") else ""
        return sign + words.text()

    def _protocol(self, words: Words) -> str:
        if words.peek() not in _PROTOCOLS:
            raise words.unknown()
        return words.take()

    def _ends(self, words: Words) -> list[End]:
        hosts = ["any"]
        if words.peek() != "port":
            hosts = self._list(words, self._host)
        ports: list[tuple[int, int] | None] = [None]
        if words.accept("port"):
            ports = [*self._list(words, self._port)]
        return [End(host, port) for host in hosts for port in ports]

    def _refuse_word(self, words: Words) -> None:
        """A keyword where an address must be, or a macro that nothing defines (pfctl, parse.y)."""
        place, word = f"{words.path}:{words.line}", words.peek()
        if word.startswith("$"):
            said = f"{place}: macro '{word[1:]}' not defined\n"
            raise Refused(f"{said}{place}: syntax error\n")
        if word in _KEYWORDS:
            raise Refused(f"{place}: syntax error\n")

    def _host(self, words: Words) -> str:
        self._refuse_word(words)
        if words.accept("!"):
            return f"! {self._host(words)}"
        if words.accept("any"):
            return "any"
        if words.accept("("):
            words.expect(group := words.peek(), ")")
            return f"({group})"
        try:
            network = ip_network(words.peek(), strict=False)
        except ValueError:
            raise words.unknown() from None
        words.take()
        whole = network.prefixlen == network.max_prefixlen
        return str(network.network_address) if whole else str(network)

    def _port(self, words: Words) -> tuple[int, int]:
        words.accept("=")
        low, _, high = words.peek().partition(":")
        numbers = [
            _SERVICES.get(end) or (int(end) if end.isdigit() else 0) for end in (low, high or low)
        ]
        if not all(0 < port < 65536 for port in numbers):
            raise words.unknown()
        words.take()
        return numbers[0], numbers[1]

    def _rate(self, words: Words) -> str:
        """A number per seconds, which pfctl(8) reads with blanks around the slash and without."""
        count, slash, seconds = words.text().partition("/")
        if not slash or not count.isdigit() or not seconds.isdigit():
            raise words.unknown()
        return f"{count}/{seconds}"

    def _options(self, words: Words) -> dict[str, Any]:
        options: dict[str, Any] = {}
        while not words.statement_ended():
            match words.text():
                case "no" | "keep" as state:
                    words.expect("state")
                    options["state"] = state
                    if state == "keep" and words.accept("("):
                        words.expect(tracked := "if-bound")
                        if words.accept(","):
                            words.expect("max-src-conn", "50", ",", "max-src-conn-rate")
                            tracked = f"max-src-conn 50, max-src-conn-rate {self._rate(words)}"
                            tracked = f"source-track rule, {tracked}, if-bound, src.track 60"
                        words.expect(")")
                        options["rates"] = f"keep state ({tracked})"
                case "max-pkt-rate" as word:
                    options["rates"] = f"{word} {self._rate(words)}"
                case "icmp6-type" | "icmp-type":
                    options["icmp_type"] = words.text()
                case "label":
                    options["rest"] = f'label "{words.text()}"'
                case "user":
                    options["rest"] = f"user = {_UIDS.get(name := words.text(), name)}"
                case "received-on":
                    options["received"] = words.text()
                case "nat-to":
                    options["nat"] = self._host(words)
                case "rdr-to":
                    host = self._host(words)
                    port = self._port(words)[0] if words.accept("port") else 0
                    options["rdr"] = (host, port)
                case _:
                    raise words.unknown()
        return options
