# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Who hears a guest: the server's network stacks on the far side of its tap(4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.model.frames import interface_behind
from sandbox.model.interfaces import type_of

if TYPE_CHECKING:
    from sandbox.machine import Machine


def has_stack(machine: Machine, interface: str) -> bool:
    """Whether frames on this interface reach the server itself.

    A port of a veb(4) is cut off from the server's stack unless it is a vport(4), or a pair(4) with
    its other end elsewhere; bridge(4) hands a copy to the stack of each of its members.
    """
    if not machine.network.addresses(interface):
        return False
    switch = machine.network.switch_of(interface)
    return type_of(switch) != "veb" or type_of(interface) == "vport"


def stacks(machine: Machine, tap: str) -> list[str]:
    """The interfaces on which the server hears a guest behind that tap."""
    ends = (interface_behind(machine, name) for name in machine.network.neighbours(tap))
    return [name for name in ends if has_stack(machine, name)]
