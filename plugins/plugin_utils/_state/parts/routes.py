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


def ours(own: t.Iterable[str] | None) -> set[str]:
    """Return the words of the routes in lines of ours."""
    return {value for word, value in hostname_if.read_all(own) if word == "route"}


def deletions(
    title: str,
    link: Link,
    own: t.Iterable[str] | None,
    live: Routes,
    again: t.Collection[str] = (),
) -> t.Iterator[Step]:
    """Yield the steps for a link whose file has these lines of ours; the kernel has `live`.

    Routes of `again` are deleted although they are desired, for the additions to make them again.
    """
    lines = tuple(own or ())
    vms = hostname_if.vms_of_routes(lines)
    desired = {route.words(link.name) for route in link.routes or ()}
    for words in sorted(ours(lines)):
        to, way = _ends(words)
        if (words in again or words not in desired) and way in live.get(to, ()):
            yield _step(title, "delete", words, vms.get(("route", words)))


def additions(
    title: str,
    link: Link,
    before: t.Iterable[str],
    live: Routes,
    again: t.Collection[str] = (),
) -> t.Iterator[Step]:
    """Yield the steps after all deletions; the lines of all links had `before`.

    Raises PlanError where somebody else's route to a network leads elsewhere.
    """
    had = {_ends(words) for words in before}
    for route in link.routes or ():
        words = route.words(link.name)
        to, way = _ends(words)
        if way in live.get(to, ()) and words not in again:
            continue
        for other in live.get(to, ()):
            if (to, other) not in had:
                raise PlanError(
                    f"{title}: there is a route to {to} by {other} already; delete it, and what "
                    f"makes it at the next boot"
                )
        yield _step(title, "add", words, route.vm)


def _ends(words: str) -> tuple[str, str]:
    """Return a route's destination, and its gateway or interface."""
    to, _space, by = words.partition(" ")
    return to, by.removeprefix("-cloning -link -iface ")


def _step(title: str, verb: str, words: str, vm: str | None) -> Step:
    other = {"add": "delete", "delete": "add"}[verb]
    argv = {name: _argv(name, words) for name in (verb, other)}
    to, way = _ends(words)
    vms = frozenset({vm}) if vm else EVERYBODYS
    change = Change(f"{verb} the route", to, f"by {way}", vms=vms)
    back = [undo(*argv[other], timeout=_SECONDS)]
    return run(title, argv[verb], change=change, undo=back, timeout=_SECONDS)


def _argv(verb: str, words: str) -> list[str]:
    to, *way = words.split()
    if verb == "delete" and len(way) > 1:
        # Without a priority, it would be the ARP entry of a single address: rt_clone() of
        # sys/net/route.c puts that before the route.
        way = ["-priority", "static"]
    return [TOOLS["route"], "-n", verb, hostname_if.family(words), to, *way]
