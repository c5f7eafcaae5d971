# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans routes: adds those that the kernel lacks, and deletes those that left our lines."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    Change,
    PlanError,
    Step,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import hostname_if
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import Routes

QUESTION: t.Final = {"name": "routes", "argv": [TOOLS["route"], "-n", "show"]}
_SECONDS: t.Final = 30


def steps(title: str, link: Link, own: t.Iterable[str] | None, live: Routes) -> t.Iterator[Step]:
    """Yield the steps for a link whose file has these lines of ours; the kernel has `live`.

    Raises PlanError where somebody else's route to a network leads elsewhere.
    """
    lines = tuple(own or ())
    had = hostname_if.vms_of_routes(lines)
    before = {value for word, value in hostname_if.read_all(lines) if word == "route"}
    desired = {route.words(link.name): route for route in link.routes or ()}
    for words in sorted(before - desired.keys()):
        to, _space, by = words.partition(" ")
        if live.get(to) == _gateway(by):
            yield _step(title, "delete", words, had.get(("route", words)))
    for words, route in desired.items():
        now = live.get(route.to)
        if now == (route.by or ""):
            continue
        if now is not None and not any(
            text.startswith(f"{route.to} ") and _gateway(text.partition(" ")[2]) == now
            for text in before
        ):
            raise PlanError(
                f"{title}: there is a route to {route.to} by {now or 'an interface'} already; "
                f"delete it, and what makes it at the next boot"
            )
        yield _step(title, "add", words, route.vm)


def _gateway(by: str) -> str:
    return "" if by.startswith("-") else by


def _step(title: str, verb: str, words: str, vm: str | None) -> Step:
    other = {"add": "delete", "delete": "add"}[verb]
    argv = {name: _argv(name, words) for name in (verb, other)}
    to, _space, by = words.partition(" ")
    by = by.removeprefix("-cloning -link -iface ")
    vms = frozenset({vm}) if vm else EVERYBODYS
    change = Change(f"{verb} the route", to, f"by {by}", vms=vms)
    back = [undo(*argv[other], timeout=_SECONDS)]
    return run(title, argv[verb], change=change, undo=back, timeout=_SECONDS)


def _argv(verb: str, words: str) -> list[str]:
    to, *way = words.split()
    if verb == "delete":
        way = [word for word in way[:1] if not word.startswith("-")]
    return [TOOLS["route"], "-n", verb, hostname_if.family(words), to, *way]
