# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The values of dhcpd.conf(5): numbers, addresses, names and what options hold."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address

from sandbox.model import dhcpd_lexer as lexer
from sandbox.model.dhcpd_tree import dotted

Resolve = Callable[[str], "IPv4Address | None"]

ON = ("true", "on")
OFF = ("false", "off")


def numeric(text: str) -> IPv4Address | None:
    """Names that dhcpd can always resolve: addresses themselves."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


class Values:
    """Takes values from the words; complains and skips the statement where a value does not fit."""

    def __init__(self, words: lexer.Lexer, resolve: Resolve) -> None:
        self.words = words
        self.resolve = resolve

    def fail(self) -> None:
        self.words.complain()
        self.words.skip_statement()

    def fail_at(self, word: lexer.Word) -> None:
        """Complain about a word that is already taken."""
        self.words.complain()
        if word.kind != ";":
            self.words.skip_statement()

    def semicolon(self) -> bool:
        if self.words.take().kind == ";":
            return True
        self.fail()
        return False

    def boolean(self) -> bool:
        text = self.words.take().text.lower()
        if text not in (*ON, *OFF):
            self.fail()
            return False
        self.semicolon()
        return text in ON

    def seconds(self, before: int) -> int:
        text = self.words.take().text
        if not (text.isascii() and text.isdigit() and int(text) < 2**32):
            self.fail()
            return before
        self.semicolon()
        return int(text)

    def date(self) -> None:
        kinds = (lexer.NAME, lexer.NUMBER, lexer.NUMBER_OR_NAME, "/", ":")
        while self.words.peek().kind in kinds:
            self.words.take()
        if self.words.peek().kind == ";":
            self.semicolon()
        else:
            self.fail()

    def string(self) -> str | None:
        word = self.words.take()
        if word.kind != lexer.STRING:
            self.fail()
            return None
        return word.text if self.semicolon() else None

    def dotted_name(self) -> str | None:
        labels = []
        while True:
            word = self.words.take()
            if not word.is_identifier:
                self.fail()
                return None
            labels.append(word.text)
            if self.words.peek().kind != ".":
                return ".".join(labels)
            self.words.take()

    def numbers(self, count: int, separator: str) -> list[str] | None:
        """`count` numbers with separators between."""
        texts: list[str] = []
        while len(texts) < count:
            if texts and self.words.peek().kind != separator:
                word = self.words.peek()
                if word.kind not in ("{", "}"):
                    self.words.take()
                self.fail_at(word)
                return None
            if texts:
                self.words.take()
            word = self.words.take()
            if word.kind == lexer.EOF:
                self.words.complain()
                return texts
            if word.kind not in (lexer.NUMBER, lexer.NUMBER_OR_NAME):
                self.fail()
                return None
            texts.append(word.text)
        return texts

    def octets(self, texts: list[str], base: int) -> list[int]:
        values = []
        for text in texts:
            value = 0
            for digit in text.lstrip("-"):
                if int(digit, 16) >= base:
                    self.words.warn(
                        f"Bogus number: {text}: digit {int(digit, 16)} not in base {base}"
                    )
                    break
                value = value * base + int(digit, 16)
            if value > 255:
                shown = f"{value:x}" if base == 16 else str(value)
                self.words.warn(f"value {shown} exceeds max (255) for precision.")
            values.append(value & 255)
        return values

    def dotted_quad(self) -> int | None:
        texts = self.numbers(4, ".")
        if texts is None:
            return None
        return int.from_bytes((*self.octets(texts, 10), 0, 0, 0, 0)[:4])

    def address(self) -> int | None:
        """An address or a host name."""
        word = self.words.peek()
        if word.is_identifier:
            name = self.dotted_name()
            found = self.resolve(name) if name else None
            if found is not None:
                return int(found)
        if word.kind == lexer.NUMBER_OR_NAME:
            value = self.dotted_quad()
            if value is None:
                self.words.complain()
            return value
        if word.kind not in ("{", "}"):
            word = self.words.take()
        self.fail_at(word)
        return None

    def fixed_addresses(self) -> tuple[int, ...]:
        found = [self.address()]
        while self.words.peek().kind == ",":
            self.words.take()
            found.append(self.address())
        if not self.semicolon():
            return ()
        return tuple(address for address in found if address is not None)

    def hardware(self) -> str | None:
        if self.words.take().kind not in ("ethernet", "ipsec-tunnel"):
            self.fail()
            return None
        self.words.peek()
        texts = self.numbers(6, ":")
        if texts is None:
            return None
        mac = ":".join(f"{octet:02x}" for octet in self.octets(texts, 16))
        if self.words.take().kind != ";":
            self.fail()
        return mac

    def option_values(self, letters: str) -> list[str] | None:
        values: list[str] = []
        while True:
            for letter in letters.rstrip("A"):
                value = self.option_value(letter)
                if value is None:
                    return None
                values.append(value)
            if not letters.endswith("A") or self.words.peek().kind != ",":
                return values
            self.words.take()

    def option_value(self, letter: str) -> str | None:
        match letter:
            case "X" if self.words.peek().kind == lexer.NUMBER_OR_NAME:
                return self.hexadecimal()
            case "X":
                if self.words.peek().kind == lexer.STRING:
                    return self.words.take().text
                self.fail()
                return None
            case "I":
                address = self.address()
                return None if address is None else dotted(address)
            case "C":
                return self.cidr()
            case "D":
                return self.domains()
            case "e":
                self.words.warn("Bad format e in parse_option_param.")
                self.words.skip_statement()
                return None
        word = self.words.take()
        number = word.kind in (lexer.NUMBER, lexer.NUMBER_OR_NAME)
        fits = {
            "t": word.kind == lexer.STRING or word.is_identifier,
            "f": word.is_identifier and word.text.lower() in (*ON, *OFF),
        }
        if fits.get(letter, number):
            return word.text
        self.fail_at(word)
        return None

    def hexadecimal(self) -> str | None:
        octets = bytearray()
        while True:
            word = self.words.take()
            if word.kind != lexer.NUMBER_OR_NAME:
                self.fail_at(word)
                return None
            octets += bytes(self.octets([word.text], 16))
            if self.words.peek().kind != ":":
                return octets.decode("latin-1")
            self.words.take()

    def cidr(self) -> str | None:
        octets: list[str] = []
        while True:
            word = self.words.take()
            if not (word.text.isascii() and word.text.isdigit() and int(word.text) <= 255):
                break
            octets.append(word.text)
            word = self.words.take()
            if word.kind == "/":
                bits = self.words.take()
                if bits.text.isascii() and bits.text.isdigit() and int(bits.text) <= 32:
                    return ".".join((octets + ["0"] * 4)[:4]) + "/" + bits.text
                break
            if word.kind != "." or len(octets) == 4:
                break
        self.fail_at(word)
        return None

    def domains(self) -> str | None:
        names = []
        while True:
            word = self.words.take()
            if word.kind != lexer.STRING:
                self.words.complain()
                return None
            names.append(word.text)
            if self.words.peek().kind != ",":
                return " ".join(names)
            self.words.take()
