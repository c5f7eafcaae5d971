# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What other people's lines of pf.conf(5) do to our rules, or our rules to theirs.

Only what a line itself shows is noticed: macros are followed, tables and included files are not
read.
"""

from __future__ import annotations

import re
import typing as t
from ipaddress import ip_network

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_MACRO: t.Final = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"?([^"]*)"?\s*\Z')
_SKIP: t.Final = re.compile(r"set\s+skip\s+on\s+(?:\{([^}]*)\}|(\S+))")
_PASS_ON: t.Final = re.compile(r"pass\b(?!.*\bout\b)(?!.*\bquick\b).*\brdr-to\b")
_TARGET: t.Final = re.compile(r"\bto\s+(\{[^}]*\}|\(?[^\s{]+\)?)?\s*port\s+(\{[^}]*\}|\S+)")
_OUR_INTERFACE: t.Final = re.compile(r"^(?:block|pass)\b.*? on (?!! )\"?([^\s\"]+)", re.MULTILINE)
_CLOSED: t.Final = re.compile(r"^block in quick on ! lo0 inet proto tcp to (\S+) port 80$",
                              re.MULTILINE)  # fmt: skip
_TRANSLATES: t.Final = re.compile(r"\b(?:binat|nat|rdr)-to\b")
_IF_BOUND: t.Final = re.compile(r"\bif-bound\b")
# A port of a veb(4) that leads to the server itself, and the rule that translates for VMs.
_OUR_PORT: t.Final = re.compile(r"^pass quick on (pair\d+) no state$", re.MULTILINE)
_OUR_NAT: t.Final = re.compile(r"^pass out quick on (\S+) inet from .* nat-to ", re.MULTILINE)
_KEEPS_STATE: t.Final = re.compile(r"pass\b(?!.*\bno state\b)")
_PASS_OUT: t.Final = re.compile(r"pass\b(?!.*\bin\b)(?=.*\bquick\b)(?:.*\bon (\S+))?")
_HTTP: t.Final = {"80", "http", "www"}


def notices(
    lines: t.Iterable[str], rules: str, links: t.Mapping[str, Interface]
) -> t.Iterator[str]:
    """Yield other people's lines that make our rules useless, and redirections that ours close."""
    statements = list(_statements(lines))
    yield from _skipped(statements, set(_OUR_INTERFACE.findall(rules)), links)
    yield from _untranslated(statements, rules, links)
    yield from _floating(statements, rules)
    closed = _CLOSED.search(rules)
    for statement in statements:
        if closed and _is_closed(statement, closed[1], links):
            yield (
                f"/etc/pf.conf: {statement!r} no longer has an effect where its port 80 is that of "
                f"{closed[1]}, which is closed for all but VMs: write it with quick, or redirect "
                f"another port or address"
            )


def advice(lines: t.Iterable[str], rules: str) -> t.Iterator[str]:
    """Yield what would be safer, for the first rule whose states hold on any interface.

    OpenBSD's own pf.conf has such rules, so this is no difference from what a server should be.
    """
    floating = filter(_KEEPS_STATE.match, _unbound(_statements(lines)))
    first = next(floating, "") if _OUR_PORT.search(rules) else ""
    if first:
        yield (
            f"/etc/pf.conf: {first!r} has states that hold on any interface, and pf(4) looks for a "
            f"state before it reads a rule, on VMs' taps too: a VM that claims another's address "
            f"with ARP can take part in connections of that VM. Write set state-policy if-bound "
            f"before the first rule"
        )


def _unbound(statements: t.Iterable[str]) -> t.Iterator[str]:
    """Yield statements that do not bind states to an interface, until one does so for all."""
    for statement in statements:
        if not _IF_BOUND.search(statement):
            yield statement
        elif statement.startswith("set "):
            return


def uncommented(lines: t.Iterable[str]) -> t.Iterator[str]:
    """Yield lines without comments; a backslash continues both (lgetc() of pfctl's parse.y)."""
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        yield line.split("#")[0]


def _statements(lines: t.Iterable[str]) -> t.Iterator[str]:
    """Yield the statements, on one line each, with the values of macros filled in."""
    macros: dict[str, str] = {}
    for line in uncommented(lines):
        statement = re.sub(r"\$(\w+)", lambda match: macros.get(match[1], match[0]), line).strip()
        if macro := _MACRO.fullmatch(statement):
            macros[macro[1]] = macro[2]
        elif statement:
            yield " ".join(statement.split())


def _skipped(
    statements: t.Iterable[str], ours: t.Collection[str], links: t.Mapping[str, Interface]
) -> t.Iterator[str]:
    groups = {name: links[name].groups for name in ours if name in links}
    for statement in statements:
        match = _SKIP.match(statement)
        for word in re.split(r"[\s,]+", (match[1] or match[2]) if match else ""):
            hit = [
                name
                for name in sorted(ours)
                if word in (name, name.rstrip("0123456789"), *groups.get(name, ()))
                or (word in links and name in links[word].groups)
                # The rules name groups of taps, each of which is also in the group of its kind.
                or (word.startswith("tap") and not name[-1].isdigit())
            ]
            if word and hit:
                yield (
                    f"/etc/pf.conf: 'set skip on {word}' keeps pf(4) from {', '.join(hit[:3])}"
                    f"{' and more' if len(hit) > 3 else ''}, for which there are rules that keep "
                    f"VMs apart: remove {word} from it"
                )


def _untranslated(
    statements: t.Iterable[str], rules: str, links: t.Mapping[str, Interface]
) -> t.Iterator[str]:
    """Yield rules that let VMs' connections out before ours can translate them."""
    ours = _OUR_NAT.search(rules)
    group = [link.name for link in links.values() if ours and ours[1] in link.groups]
    outside = {ours[1], *group} if ours else ()
    for statement in statements:
        if "nat-to" in statement and (_IF_BOUND.search(statement) or not _OUR_PORT.search(rules)):
            return
        passes = _PASS_OUT.match(statement)
        if passes and outside and (passes[1] is None or passes[1] in outside):
            yield (
                f"/etc/pf.conf: {statement!r} has quick and comes before the anchor, so VMs' "
                f"connections do not reach the rule there that translates their addresses: remove "
                f"quick from it"
            )


def _floating(statements: t.Iterable[str], rules: str) -> t.Iterator[str]:
    """Yield translations whose states hold on any interface, so on a port of the switch too."""
    port, nat = _OUR_PORT.search(rules), _OUR_NAT.search(rules)
    if port is None:
        return
    for statement in _unbound(statements):
        translates = _TRANSLATES.search(statement)
        if translates and not (translates[0] == "nat-to" and nat):
            yield (
                f"/etc/pf.conf: {statement!r} has states that hold on any interface. Where it is "
                f"for VMs, their packets are translated on {port[1]} already, before they come to "
                f"the server, and connections stall: end a pass rule with keep state (if-bound), "
                f"or write set state-policy if-bound before it"
            )


def _is_closed(statement: str, closed: str, links: t.Mapping[str, Interface]) -> bool:
    """Return whether a rule may redirect connections to the address that our rules close."""
    target = _TARGET.search(statement) if _PASS_ON.match(statement) else None
    if target is None:
        return False
    ports = {word for word in re.split(r"[\s,{}]+", target[2]) if word}
    if not ports & _HTTP:
        return False
    hosts = [word for word in re.split(r"[\s,{}]+", target[1] or "any") if word]
    return any(_holds(host, closed, links) for host in hosts)


def _holds(host: str, address: str, links: t.Mapping[str, Interface]) -> bool:
    """Return whether a word for a destination may mean the address."""
    try:
        return ip_network(address).subnet_of(ip_network(host, strict=False))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        name = host.strip("()").partition(":")[0]
    named = [link for link in links.values() if name in (link.name, *link.groups)]
    own = {text.partition("/")[0] for link in named for text in link.addresses}
    # What is not an interface may be a name or a table with any address in it.
    return address in own if named else True
