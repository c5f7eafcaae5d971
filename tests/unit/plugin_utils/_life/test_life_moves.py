# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM that is being moved is left alone by all but the move, which never runs it twice."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import (
    VERBS,
    LifePlan,
    Request,
    plan_life,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import ARRIVE, LEAVE
from unit.machines import machine
from unit.plugin_utils._life.test_life import DEEDS, KNOWN, SHOWS

MOVING = {"source": "server1", "to": "server2", "ran": True}


def planned(shows: str, verb: str, *, ran: bool = True, state: str = "present") -> LifePlan:
    vm = machine(state=state, moving={**MOVING, "ran": ran}, **KNOWN["recorded"])
    return plan_life([vm], {"web1": SHOWS[shows]}, Request(verb, frozenset({"web1"})))


def deeds(plan: LifePlan) -> set[str]:
    return {deed for deed in DEEDS if getattr(plan, deed)}


@pytest.mark.parametrize("shows", SHOWS)
def test_no_verb_touches_it_or_puts_it_back_into_vm_conf(shows: str) -> None:
    for verb in VERBS:
        plan = planned(shows, verb)
        assert deeds(plan) <= {"refuse", "hold", "defined"}, verb
        if SHOWS[shows].definition is None:
            assert not plan.defined
        assert bool(plan.refuse) == (verb != "status")
    if shows in ("data", "data, runs"):
        assert "is being moved from server1 to server2" in planned(shows, "restart").refuse["web1"]


@pytest.mark.parametrize("shows", SHOWS)
def test_it_leaves_vm_conf_and_stops(shows: str) -> None:
    for state in ("present", "suspended", "archived"):
        plan = planned(shows, LEAVE, state=state)
        if not plan.refuse:
            assert deeds(plan) == ({"stop"} if SHOWS[shows].running else set())


@pytest.mark.parametrize("shows", SHOWS)
def test_it_arrives_with_its_image_and_starts_if_it_ran(shows: str) -> None:
    for ran in (False, True):
        plan = planned(shows, ARRIVE, ran=ran)
        assert not plan.install
        assert not plan.create
        if plan.start:
            assert ran
            assert plan.defined
            assert not SHOWS[shows].running
    assert planned("data", ARRIVE).start == ("web1",)
    assert planned("data", ARRIVE, ran=False).start == ()
    assert planned("data", ARRIVE, ran=False).defined == ("web1",)
    assert planned("data", ARRIVE, state="suspended").start == ()
    assert planned("nothing", ARRIVE).refuse
