# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Where the keys of owners are: sshd_config(5) with its Match blocks, as servconf.c reads it."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.sshd_config import Account, read
from unit.adoption import ALICE, KEYS, LAN, adopt, host, vm
from unit.fleets import KEY

PUFFY = Account("puffy", "/home/puffy", "1001", frozenset({"puffy", "vmdusers"}))
# OpenBSD's own file has this line.
GLOBAL = "#PermitRootLogin no\nAuthorizedKeysFile\t.ssh/authorized_keys\n"
OURS = (
    "# begin of puffy.vmm sshd\nMatch Group vmdusers,!wheel\n"
    "\tAuthorizedKeysFile /etc/ssh/owners/%u\n# end of puffy.vmm sshd\n"
)
OWNERS = ["/etc/ssh/owners/puffy"]
HOME = ["/home/puffy/.ssh/authorized_keys"]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", [*HOME, "/home/puffy/.ssh/authorized_keys2"]),
        (GLOBAL, HOME),
        (GLOBAL + OURS, OWNERS),
        (GLOBAL + OURS.replace("!wheel", "!wheel User *,!bob"), OWNERS),
        (GLOBAL + OURS.replace("!wheel", "!wheel User *,!puffy"), HOME),
        (GLOBAL + "Match Group *,!vmdusers\nAuthorizedKeysFile /x\n", HOME),
        (GLOBAL + "Match User root\nAuthorizedKeysFile /x\nMatch all\n"
         "AuthorizedKeysFile /y/%U /z/%%u\n", ["/y/1001", "/z/%u"]),
        (GLOBAL + "match user=pu?fy # mine\nauthorizedkeysfile=\"/a b/%u\"\n", ["/a b/puffy"]),
        # The first block that says where decides.
        (f"{GLOBAL}Match User puffy\nPermitTTY no\n{OURS}", OWNERS),
        (GLOBAL + "Match User puffy\nAuthorizedKeysFile none\n" + OURS, []),
        # Nothing is known of connections.
        (GLOBAL + "Match User puffy Address 10.0.0.0/8\nAuthorizedKeysFile /x\n", HOME),
        (GLOBAL + "Match invalid-user\nAuthorizedKeysFile /x\n", HOME),
        (f"Match User root\nPermitTTY no\n{GLOBAL}", [*HOME, "/home/puffy/.ssh/authorized_keys2"]),
    ],
)  # fmt: skip
def test_where_keys_are(text: str, files: list[str]) -> None:
    assert read(text).key_files(PUFFY) == files


def test_members_without_a_vm_would_lose_the_keys_that_the_collection_wrote() -> None:
    """Bob's VM stays out, so that he is no owner; alice's keys are those that sshd(8) reads."""
    odd = vm("odd", owner="owner bob", interface='interface { switch "lan"\nrdomain 1\n}')
    made = host(LAN + vm("web1") + odd)
    made.images["/var/vmm/web1.img"] = (b"\0" * 512, 5 << 30)
    made.files["/etc/passwd"] += "bob:*:1002:1002:bob:/home/bob:/bin/ksh\n"
    made.files["/etc/group"] = made.files["/etc/group"].replace("900:alice", "900:alice,bob")
    made.files["/etc/ssh/owners/alice"] = f"restrict,pty {ALICE}\n"
    made.files[KEYS] = f"{KEY.replace('AAAAI', 'AAAAJ', 1)}\n"
    office = "Match Address 10.0.0.0/8\nAuthorizedKeysFile /etc/ssh/office\n"
    made.files["/etc/ssh/sshd_config"] = f"Include /etc/ssh/more/*\n{GLOBAL}{office}{OURS}"
    fitted = adopt(made)
    assert yaml.safe_load(fitted.vms["web1.yml"])["ssh_keys"] == [ALICE]
    assert fitted.variables["accounts_others"] == ["bob"]
    told = "\n".join(map(str, fitted.notes.reported))
    assert "/etc/ssh/owners/bob: bob owns no VM of the fleet" in told
    assert "/etc/ssh/sshd_config:1: Include /etc/ssh/more/*: files that it names" in told
    assert "sshd_config:5: AuthorizedKeysFile /etc/ssh/office (Match Address 10.0.0.0/8): " in told
    assert "keys there are not read: for alice that depends on the connection" in told
    made.files["/etc/ssh/sshd_config"] = f"{GLOBAL}Match User a*\nAuthorizedKeysFile /k/%u\n{OURS}"
    made.files["/k/alice"] = f"{ALICE}\n"
    told = "\n".join(map(str, adopt(made).notes.reported))
    assert "sshd_config:4: AuthorizedKeysFile /k/%u (Match User a*): it comes before the " in told
