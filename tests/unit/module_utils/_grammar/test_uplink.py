# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which interfaces lead out of a switch: never a VM's tap(4), whatever it is called."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.puffy.vmm.plugins.filter.pf_uplinks import pf_uplinks


@pytest.mark.parametrize("names", [[], ["em1"], ["vlan42", "aggr0"], ["pair200"]])
def test_interfaces_that_lead_out(names: list[str]) -> None:
    assert pf_uplinks(names) == names


@pytest.mark.parametrize(
    "name",
    [
        "tap0", "tap12", "tap", "vm5nic", "vmswitch", "egress", "any", "! em0", "{ tap0 }",
        "em1, tap0", "em1\ntap0", "tap0 ", "TAP0", "veb42", "bridge0", "vport0", "vether0", "lo0",
        "", 7, None,
    ],
)  # fmt: skip
def test_taps_and_what_is_no_interface(name: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"puffy\.vmm\.pf_uplinks: "):
        pf_uplinks(["em1", name])


def test_one_name_is_no_list() -> None:
    with pytest.raises(AnsibleFilterError, match="must be a list of interfaces"):
        pf_uplinks("em1")


def test_no_tap_is_advised() -> None:
    with pytest.raises(AnsibleFilterError, match=r"tap0 is not an uplink; .* \(pf_other_vms\)"):
        pf_uplinks(["tap0"])
