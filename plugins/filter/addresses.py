# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Filters for the addresses of a VM by its number; each is documented in a file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    MacPlan,
    ipv4_bounds,
    ipv6_bounds,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import (
    ipv4_network,
    ipv6_network,
    mac_prefix,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.networks import (
    ipv4_range,
    ipv6_range,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import choice
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import (
    named,
    nth_address,
    number,
    text,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain


@named("ipv4_address")
def ipv4_address(value: Any, vm_number: Any) -> str:
    place = plain(value)
    first, last = ipv4_bounds(ipv4_network(place)) if isinstance(place, str) else ipv4_range(place)
    return nth_address(first, last, number(vm_number, "number"))


@named("ipv6_address")
def ipv6_address(value: Any, vm_number: Any) -> str:
    place = plain(value)
    first, last = ipv6_bounds(ipv6_network(place)) if isinstance(place, str) else ipv6_range(place)
    return nth_address(first, last, number(vm_number, "number"))


@named("mac_address")
def mac_address(prefix: Any, vm_number: Any, base: str = "hex") -> str:
    plan = MacPlan(mac_prefix(text(prefix)), choice(text(base, "base"), ("hex", "decimal")))
    return plan.mac(number(vm_number, "number"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        filters = (ipv4_address, ipv6_address, mac_address)
        return {filter_.__name__: filter_ for filter_ in filters}
