# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Sources and destinations of pf.conf(5): hosts, tables, ports and lists of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network

from sandbox.model.pf_words import Words
from sandbox.model.vm_conf_lexer import NUMBER, STRING

SERVICES = {
    "ftp": 21,
    "ssh": 22,
    "smtp": 25,
    "domain": 53,
    "bootps": 67,
    "bootpc": 68,
    "http": 80,
    "www": 80,
    "ntp": 123,
    "snmp": 161,
    "https": 443,
    "rsync": 873,
    "auth": 113,
}
PORT_MAX = 65535


@dataclass(frozen=True)
class Place:
    """One end of a rule, as it is printed; `af` follows from an address."""

    host: str = "any"
    af: str = ""
    port: str = ""

    @property
    def text(self) -> str:
        return self.host + (f" port {self.port}" if self.port else "")


def show_places(source: Place, destination: Place) -> str:
    if (source.text, destination.text) == ("any", "any"):
        return " all"
    return f" from {source.text} to {destination.text}"


class Addresses:
    def __init__(
        self, words: Words, resolve: Callable[[str], list[str]], say: Callable[[str], None]
    ) -> None:
        self.words = words
        self.resolve = resolve
        self.say = say

    def places(self) -> list[Place]:
        hosts = [Place()]
        if self.words.peek() != "port":
            hosts = self.hosts()
        ports = self.ports() if self.words.accept("port") else [""]
        return [replace(host, port=port) for host in hosts for port in ports]

    def hosts(self) -> list[Place]:
        if not self.words.accept("{"):
            return self.host()
        found = []
        self.words.newlines()
        while not self.words.accept("}"):
            found += self.host()
            self.words.accept(",")
            self.words.newlines()
        return found

    def table_content(self) -> list[str]:
        """Addresses up to the closing brace, the opening one being taken."""
        found = []
        self.words.newlines()
        while not self.words.accept("}"):
            found += [place.host for place in self.host()]
            self.words.accept(",")
            self.words.newlines()
        return found

    def host(self) -> list[Place]:
        sign = "! " if self.words.accept("!") else ""
        if plain := self.words.accept("any", "no-route", "urpf-failed"):
            return [Place(sign + plain)]
        if self.words.accept("<"):
            name = self.words.word()
            self.words.take(">")
            return [Place(f"{sign}<{name}>")]
        if self.words.accept("("):
            name = self.words.take(STRING, "self")
            self.words.take(")")
            return [Place(f"{sign}({name})")]
        name = self.words.take(STRING, NUMBER, "self")
        if self.words.accept("/"):
            name += f"/{self.words.number()}"
        return [Place(sign + text, af) for text, af in self.known(name)]

    def known(self, name: str) -> list[tuple[str, str]]:
        texts = [name] if _is_network(name) else self.resolve(name)
        if not texts:
            self.say(f"no IP address found for {name}")
            self.words.fail("could not parse host specification")
        return [_show_network(text) for text in texts]

    def ports(self) -> list[str]:
        if not self.words.accept("{"):
            return [self.port()]
        found = []
        self.words.newlines()
        while not self.words.accept("}"):
            found.append(self.port())
            self.words.accept(",")
            self.words.newlines()
        return found

    def port(self) -> str:
        """As printed: `= 67`, `6000:6010`, `!= 22`, `>< ...`."""
        operator = ""
        while sign := self.words.accept("=", "!", "<", ">"):
            operator += sign
        first = self.words.take(STRING, NUMBER)
        if not operator and (second := self._between()):
            return f"{self.number(first)} {second} {self.number(self.words.take(STRING, NUMBER))}"
        if ":" in first:
            low, high = first.split(":", 1)
            return f"{self.number(low)}:{self.number(high or str(PORT_MAX))}"
        if operator not in ("", "=", "!=", "<", "<=", ">", ">="):
            self.words.fail()
        return f"{operator or '='} {self.number(first)}"

    def _between(self) -> str:
        found = ""
        while sign := self.words.accept("<", ">"):
            found += sign
        return found

    def number(self, text: str) -> int:
        if text.isdigit():
            if int(text) > PORT_MAX:
                self.words.fail(f"illegal port value {text}")
            return int(text)
        if text not in SERVICES:
            self.words.fail(f"unknown port {text}")
        return SERVICES[text]


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _show_network(text: str) -> tuple[str, str]:
    network = ip_network(text, strict=False)
    whole = network.prefixlen == network.max_prefixlen
    shown = str(network.network_address) if whole else str(network)
    return shown, "inet6" if network.version == 6 else "inet"
