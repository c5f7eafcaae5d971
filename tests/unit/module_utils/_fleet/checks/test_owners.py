# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""An owner whose last VM was purged still has an account, which nobody else gets."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.owners import key_digests
from unit.fleets import KEY, OTHER_KEY, WEB1, build, ledger, ledger_texts, problems, sound, vm

FORMER = "owners:\n  puffy: [{}]\n"


def former(*keys: str) -> str:
    return FORMER.format(", ".join(key_digests(keys)))


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ([KEY], KEY, True),
        ([KEY], KEY.replace("puffy@", "other@"), True),
        ([KEY, OTHER_KEY], KEY, True),
        ([OTHER_KEY], KEY, False),
        # A public key is no secret: one of somebody else's opens nothing.
        ([OTHER_KEY], f"{KEY}, {OTHER_KEY}", False),
    ],
)
@pytest.mark.parametrize("server", ["server6", "server7"])
def test_who_may_have_the_account_again(
    then: list[str], now: str, server: str, *, same: bool
) -> None:
    ledgers = {f"{server}.yml": f"vms: {{}}\n{former(*then)}"}
    text = (
        f"vms/web1.yml: owner: puffy had VMs that were purged, with other keys, and still has an "
        f"account; name another owner. If it is the same person, or after 'userdel -r puffy' on "
        f"the server, take puffy out of owners in allocations/{server}.yml"
    )
    assert problems({"web1.yml": vm(ssh_keys=f"[{now}]")}, ledgers) == ([] if same else [text])


def test_other_vms_are_not_affected() -> None:
    ledgers = {"server6.yml": f"vms: {{}}\n{former(OTHER_KEY)}"}
    fleet = build({"web1.yml": vm(), "web2.yml": vm(owner="mira")}, ledgers)
    assert [made.name for made in fleet.vms] == ["web2"]
    assert fleet.broken.keys() == {"web1"}


def test_who_has_a_vm_may_change_keys_and_get_another() -> None:
    ledgers = {"server6.yml": ledger(WEB1) + former(OTHER_KEY)}
    fleet = sound(build({"web1.yml": vm(), "web2.yml": vm()}, ledgers))
    assert former(OTHER_KEY) in ledger_texts(fleet)["server6.yml"]


def test_a_vm_that_comes_from_another_server_is_not_new() -> None:
    ledgers = {"server6.yml": f"vms: {{}}\n{former(OTHER_KEY)}"}
    assert problems({"web1.yml": vm()}, ledgers, arriving=("web1",)) == []


def test_keys_in_both_ledgers_count() -> None:
    ledgers = {
        "server6.yml": f"vms: {{}}\n{former(OTHER_KEY)}",
        "server7.yml": f"vms: {{}}\n{former(KEY)}",
    }
    assert problems({"web1.yml": vm(ssh_keys=f"[{KEY}, {OTHER_KEY}]")}, ledgers) == []


def test_who_removes_the_file_in_place_of_a_purge_keeps_the_account_all_the_same() -> None:
    before = sound(build({"web1.yml": vm()}))
    ledgers = ledger_texts(before)
    after = build({"web2.yml": vm(ssh_keys=f"[{OTHER_KEY}]")}, ledgers, kept=before.kept)
    assert after.broken.keys() == {"web2"}
    assert former(KEY) in ledger_texts(after)["server6.yml"]
    # Once it is in the ledger, the copy is not needed.
    again = build({"web2.yml": vm(ssh_keys=f"[{OTHER_KEY}]")}, ledger_texts(after))
    assert again.broken.keys() == {"web2"}
    assert problems({"web1.yml": vm()}, ledgers, kept=before.kept) == []
