# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammars of names: VMs, accounts, hosts, time zones, sets. All raise Refused."""

from __future__ import annotations

import re

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.base_accounts import (
    BASE_ACCOUNTS,
    INSTALLER_WORDS,
    VMD_GROUP,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import free_of_roles
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    matching,
    sequence,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import LONGEST_ANSWER
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.timezones import TIMEZONES
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

# vm_register() of usr.sbin/vmd/vmd.c and VM_NAME_MAX of its vmd.h. Digits alone are an id to
# parse_vmid() of usr.sbin/vmctl/main.c, and parse_host_name() of usr.sbin/dhcpd/parse.c takes no
# part of a name that begins with anything but a letter or a digit.
_PART = "[A-Za-z0-9][A-Za-z0-9_-]*"
VM_NAME_PATTERN = rf"(?=.{{1,63}}$)(?![0-9]+$){_PART}(?:\.{_PART})*"

# valid_login() of usr.sbin/user/user.c.
OWNER_PATTERN = "[A-Za-z_][A-Za-z0-9._-]{0,30}"
ORDERED_OWNER_PATTERN = "[A-Za-z][A-Za-z0-9._-]{0,30}"
# user_setup() of OpenBSD's install.sub, and the groups of this collection.
ACCOUNT_PATTERN = "[a-z][a-z0-9_-]{0,30}"
REFUSED_ACCOUNTS = BASE_ACCOUNTS | INSTALLER_WORDS | {VMD_GROUP}

LABEL_PATTERN = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# RFC 1123, 2.1. The last label is not all digits, so that no name looks like an address.
HOSTNAME_PATTERN = rf"(?=.{{1,253}}$)(?:{LABEL_PATTERN}\.)*(?![0-9]+$){LABEL_PATTERN}"

SET_PATTERN = "[-+]?[a-zA-Z0-9._*-]+"

# Groups that Ansible or the inventory plugin makes, and the controller itself.
_RESERVED_NAMES = frozenset({"all", "localhost", "ungrouped", "vms"})

# select_sets() of OpenBSD's install.sub ends its questions at these words.
_SET_COMMANDS = frozenset({"abort", "done"})


def vm_name(text: str) -> str:
    """Return the name of a VM, as vmd(8) has it; it is also an inventory host and a file's name."""
    if text.lower() in _RESERVED_NAMES:
        raise Refused(f"{shown(text)} is a name that Ansible uses itself; choose another")
    name = matching(
        text,
        VM_NAME_PATTERN,
        "is not a name for a VM; use letters, digits, _ and hyphens, in parts with a dot between "
        "them, a letter or digit first in each, at most 63 characters, not only digits",
    )
    return free_of_roles(name)


def host_label(name: str) -> str:
    """Return a VM's name as DHCP and DNS can have it: RFC 1123, 2.1, one label, in lower case."""
    return re.sub("[._]+", "-", name.lower()).strip("-")


def owner(value: object) -> str:
    """Return a login name that useradd(8) and vm.conf(5) take."""
    text = matching(
        value,
        OWNER_PATTERN,
        "is not an account name; use letters, digits, . _ and hyphens, a letter or _ first, at "
        "most 31 characters",
    )
    return _nobodys(text)


def ordered_owner(value: object) -> str:
    """Return the owner that a customer may name: accounts of packages begin with _."""
    text = owner(value)
    if text.startswith("_"):
        raise Refused(
            f"{shown(text)} begins like the accounts of daemons, which an order cannot name; begin "
            f"with a letter"
        )
    return text


def account(value: object) -> str:
    """Return a login name that the installer takes."""
    text = matching(
        value,
        ACCOUNT_PATTERN,
        "is not an account name; use a-z, 0-9, _ and hyphens, a letter first, at most 31 "
        "characters",
    )
    return _nobodys(text)


def login_of(name: str) -> str:
    """Return the user that an owner has in a VM, in the letters that the installer allows."""
    return account(in_small_letters(name))


def in_small_letters(owner: str) -> str:
    """Return the name of an owner in the letters that the installer allows in a user's name."""
    return owner.lower().replace(".", "_").lstrip("_-")


def _nobodys(text: str) -> str:
    if text.lower() in BASE_ACCOUNTS:
        raise Refused(
            f"{shown(text)} is an account or group of OpenBSD's base system; choose another name"
        )
    if text in INSTALLER_WORDS:
        raise Refused(
            f"{shown(text)} is a word that OpenBSD's installer does not take for a user's name; "
            f"choose another name"
        )
    if text == VMD_GROUP:
        raise Refused(f"{shown(text)} is the group of all owners; choose another name")
    return text


def hostname(value: object) -> str:
    """Return a host or domain name of RFC 1123."""
    return matching(
        value,
        HOSTNAME_PATTERN,
        "is not a host name; use letters, digits and hyphens, in parts of up to 63 characters with "
        "dots between them, no hyphen at either end of a part, not only digits in the last one, "
        "at most 253 characters, such as web1.example.org",
    )


def timezone(value: object) -> str:
    """Return a name of the IANA time zone database."""
    text = as_text(value)
    if text in TIMEZONES:
        return text
    near = [name for name in TIMEZONES if name.lower() == text.lower()]
    advice = f"write {near[0]}" if near else "use one such as Europe/Amsterdam or UTC"
    raise Refused(f"{shown(text)} is not a time zone; {advice}")


def set_pattern(value: object) -> str:
    """Return a word for the installer's question for sets."""
    text = matching(
        value,
        SET_PATTERN,
        "is not a pattern for sets; use letters, digits, . _ * and hyphens, + or - first to add or "
        "remove, such as -x* or +site*",
    )
    if text in _SET_COMMANDS:
        raise Refused(f"{shown(text)} is a command to the installer, not a set; take it out")
    return text


def set_patterns(value: object) -> tuple[str, ...]:
    """Return words for the installer's question for sets, which together are one answer."""
    patterns = sequence(value, set_pattern, "patterns, such as [-x*, +site*]")
    length = len(" ".join(patterns))
    if length > LONGEST_ANSWER:
        raise Refused(
            f"are {length} characters together, and the installer is given up to {LONGEST_ANSWER}; "
            f"use fewer patterns, with * for several sets"
        )
    return patterns
