# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Values as each configuration language can express them, or not at all.

Only getcap(3) has an escape for every character. In the other languages nothing is escaped: what
cannot be written safely is refused. All functions raise ValueError, which names the first character
that is not possible.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import LABEL_PATTERN
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import ANSWER_PATTERN

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_NOT_QUOTABLE = re.compile(r'[^\x20-\x7e]|["\\]')

# yylex() of vmd's and httpd's parse.y has a buffer of 8096 bytes and keeps two of them free.
_LONGEST_TOKEN = 8094

# RFC 5321, 4.5.3.1, without the angle brackets.
_LONGEST_ADDRESS = 254
_ATOM = r"[A-Za-z0-9_][A-Za-z0-9_+=-]*"
_DOMAIN = rf"{LABEL_PATTERN}(?:\.{LABEL_PATTERN})*"
_MAIL_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*(?:@{_DOMAIN})?"

# read_string() of dhcpd's conflex.c has one of 1500.
_LONGEST_DHCPD_STRING = 1498


def vm_conf_string(value: str) -> str:
    """Return the value in quotes for vm.conf(5)."""
    return _quoted(value, "vm.conf(5)", _LONGEST_TOKEN)


def httpd_string(value: str) -> str:
    """Return the value in quotes for httpd.conf(5)."""
    return _quoted(value, "httpd.conf(5)", _LONGEST_TOKEN)


def dhcpd_string(value: str) -> str:
    """Return the value in quotes for dhcpd.conf(5)."""
    return _quoted(value, "dhcpd.conf(5)", _LONGEST_DHCPD_STRING)


def getcap_string(value: str) -> str:
    """Return the value as a capability of a getcap(3) database, such as sensorsd.conf(5).

    What is not printable is refused.
    """
    _refuse(_NOT_PRINTABLE, value, "a string of getcap(3)")
    return re.sub(r"[\\^]", r"\\\g<0>", value).replace(":", r"\c")


def mail_address(value: str) -> str:
    """Return the value if it is a plain mail address (RFC 5321, 4.1.2), or the name of an account.

    It can be an argument of mail(1): it is not an option, and needs no quotes within the address.
    """
    if len(value) > _LONGEST_ADDRESS or not re.fullmatch(_MAIL_ADDRESS, value):
        raise ValueError(
            f"{ascii(value)} is not a mail address; use one such as admin@example.org, or the name "
            f"of an account such as root"
        )
    return value


def client_address(value: str) -> str:
    """Return an IP address as httpd(8) writes that of a client ($REMOTE_ADDR, getnameinfo(3))."""
    with contextlib.suppress(ValueError):
        if "%" not in value:
            return str(ipaddress.ip_address(value))
    example = "192.0.2.9 or 2001:db8::9"
    raise ValueError(f"{ascii(value)} is not an IP address; use one such as {example}")


def response_value(value: str) -> str:
    """Return the value as it is for the right side of a line that autoinstall(8) reads."""
    if re.fullmatch(ANSWER_PATTERN, value):
        return value
    place = "an answer of a response file"
    if not value:
        raise ValueError(f"{place} cannot be empty")
    _refuse(_NOT_PRINTABLE, value, place)
    if value != value.strip(" "):
        raise ValueError(f"{place} cannot begin or end with a blank")
    raise ValueError(f"{place} cannot be {len(value)} characters long")


def _quoted(value: str, language: str, longest: int) -> str:
    _refuse(_NOT_QUOTABLE, value, f"a string of {language}")
    if len(value) > longest:
        raise ValueError(f"a string of {language} has up to {longest} characters, not {len(value)}")
    return f'"{value}"'


def _refuse(unsafe: re.Pattern[str], value: str, place: str) -> None:
    if character := unsafe.search(value):
        shown = f"the character {ascii(character[0])} (U+{ord(character[0]):04X})"
        raise ValueError(f"{shown} cannot stand in {place}")
