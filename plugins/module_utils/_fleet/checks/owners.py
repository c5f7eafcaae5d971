# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Who owns VMs: an owner is one account with one set of keys, on all servers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import oldest_first
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report


def check_keys(files: Sequence[VmFile], known: Collection[str], report: Report) -> None:
    """Report VMs whose owner has other keys with another VM.

    known are the names of VMs that were there before. Their keys count, if they agree: whoever
    comes later and names an existing owner does not get into that account.
    """
    by_owner: dict[str, list[VmFile]] = {}
    for file in files:
        if file.values.keys() >= {"owner", "ssh_keys"}:
            by_owner.setdefault(file.values["owner"], []).append(file)
    for owner, own in sorted(by_owner.items()):
        first = [file for file in own if file.name in known] or own
        key_sets = set(map(bare_keys, first))
        for file in own:
            if {bare_keys(file)} == key_sets:
                continue
            other = next(each for each in [*first, *own] if bare_keys(each) != bare_keys(file))
            report.about(vms=[file.name]).add(
                file.source_of("ssh_keys"),
                "ssh_keys",
                f"owner {owner} has other keys in {other.source_of('ssh_keys')}; an owner has one "
                f"set of keys, so give the same in both files, or name another owner in one",
            )


def check_names(files: Sequence[VmFile], known: Collection[str], report: Report) -> None:
    """Report new VMs whose owner differs from another only in what names of groups cannot have.

    The inventory's groups of owners (keyed_groups) have _ for all but letters and digits. known are
    the names of VMs that were there before, whose owners stay.
    """
    first: dict[str, VmFile] = {}
    with_owner = [file for file in files if "owner" in file.values]
    for file in oldest_first(with_owner, known):
        owner = file.values["owner"]
        other = first.setdefault(re.sub("[^a-z0-9]", "_", owner.lower()), file)
        if other.values["owner"] != owner and file.name not in known:
            report.about(vms=[file.name]).add(
                file.source_of("owner"),
                "owner",
                f"{owner} differs from {other.values['owner']}, the owner in "
                f"{other.source_of('owner')}, only in what the name of a group of the inventory "
                f"cannot have; name another owner",
            )


def check_former(
    files: Sequence[VmFile], known: Collection[str], ledgers: Collection[Ledger], report: Report
) -> None:
    """Report new VMs whose owner has the name of somebody whose last VM was purged.

    Servers still have that account, locked, with its home. It is the same person where all keys are
    among those of then. known are the names of VMs that were there before: an owner who has one of
    them is checked by check_keys().
    """
    there = {file.values.get("owner") for file in files if file.name in known}
    for file in files:
        owner = file.values.get("owner", "")
        if file.name in known or owner in there:
            continue
        former = [ledger for ledger in ledgers if owner in ledger.owners]
        digests = {key for ledger in former for key in ledger.owners[owner]}
        if not former or digests.issuperset(key_digests(file.values.get("ssh_keys", ()))):
            continue
        sources = " and ".join(ledger.source for ledger in former)
        report.about(vms=[file.name]).add(
            file.source_of("owner"),
            "owner",
            f"{owner} had VMs that were purged, with other keys, and still has an account; name "
            f"another owner. If it is the same person, or after 'userdel -r {owner}' on the "
            f"server, take {owner} out of owners in {sources}",
        )


def check_accounts(
    server: ServerSettings, files: Sequence[VmFile], accounts: Mapping[str, str], report: Report
) -> None:
    """Report owners whose account on the server is not theirs, or has the name of its group.

    files are those of the server's VMs; accounts has the names of such accounts, each with what it
    is. useradd(8) gives an account a group of its own name.
    """
    refused = {**accounts, server.owners_group: "the group of all owners (vmm_owners_group)"}
    for file in files:
        owner = file.values.get("owner", "")
        if reason := refused.get(owner):
            report.about(vms=[file.name]).add(
                file.source_of("owner"),
                "owner",
                f"{owner} is {reason} of {server.name}; name another owner",
            )


def key_digests(keys: Iterable[str]) -> frozenset[str]:
    """Return the digests of these keys, as ledgers have them."""
    return frozenset(parse_ssh_key(key).digest for key in keys)


def bare_keys(file: VmFile) -> frozenset[str]:
    """Return the keys without their comments, whatever their order."""
    return frozenset(" ".join(key.split(" ")[:2]) for key in file.values["ssh_keys"])
