# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's vm.conf(5) with the files that it includes: its VMs, and what else there is."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats import vm_conf
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    comment_above,
    statements,
    with_comment,
    without,
)

PATH: t.Final = "/etc/vm.conf"
_MACRO: t.Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)")
_USED: t.Final = re.compile(r"\$([A-Za-z0-9_]+)")
# Statements of a VM that vm_conf.VmBlock has in fields of their own.
_FIELDS: t.Final = frozenset({"disable", "enable", "owner", "memory", "disk", "interface"})
_WORDS: t.Final = re.compile(r'"([^"]*)"|(\S+)')


class Reason(t.NamedTuple):
    """What of a VM or switch the fleet cannot express, on which line, and why."""

    line: int
    text: str
    why: str


@dataclass(frozen=True)
class Defined:
    """A VM of vm.conf(5). reasons say what stands against having it in the fleet."""

    file: str
    statement: Statement
    block: vm_conf.VmBlock
    cdrom: str | None = None
    boot: str | None = None
    boots_cdrom: Reason | None = None
    comment: str = ""
    reasons: tuple[Reason, ...] = ()

    @property
    def name(self) -> str:
        return self.block.name


@dataclass(frozen=True)
class Switch:
    file: str
    statement: Statement
    block: vm_conf.SwitchBlock
    group: str | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def name(self) -> str:
        return self.block.name


@dataclass(frozen=True)
class Conf:
    """What the files say. texts has those that were read, in the order of reading."""

    texts: Mapping[str, str]
    vms: tuple[Defined, ...] = ()
    switches: tuple[Switch, ...] = ()
    socket_owner: str | None = None
    socket: tuple[str, Statement] | None = None
    agentx: tuple[str, Statement] | None = None
    missing: tuple[tuple[str, Statement], ...] = ()

    def rest(self, gone: Collection[Statement]) -> tuple[str, tuple[str, ...]]:
        """What is left without these statements, and elements of the file that are not in it.

        An included file of which something is gone is written out; its `include` is such an
        element. Macros stay as far as something that is left uses them.
        """
        superseded: list[str] = []
        text = self._rest_of(PATH, set(gone), superseded)
        used = set(_USED.findall(text))
        unused = [
            one
            for one in statements(text, lines=True)
            if (macro := _macro(one, text)) and macro not in used
        ]
        return without(text, unused), tuple(superseded)

    def _rest_of(self, path: str, gone: set[Statement], superseded: list[str]) -> str:
        text = self.texts.get(path, "")
        out = text
        inner: list[str] = []
        cut = []
        for one in statements(text, lines=True):
            if one.kind == "include" and len(one.words) > 1 and one.words[1] in self.texts:
                name = one.words[1]
                whole = self.texts[name].strip("\n")
                left = self._rest_of(name, gone, superseded)
                if left != re.sub(r"\n{3,}", "\n\n", whole):
                    superseded.append(f"include {name}")
                    cut.append(one)
                    inner += [left] if left else []
            elif one in gone:
                cut.append(with_comment(text, one))
        out = without(text, cut)
        return "\n\n".join(part for part in (out, *inner) if part)


def includes(text: str) -> tuple[str, ...]:
    """The paths that a file includes."""
    found = (one for one in statements(text, lines=True) if one.kind == "include")
    return tuple(one.words[1] for one in found if len(one.words) > 1)


def read(texts: Mapping[str, str]) -> Conf:
    """Read vm.conf(5) among these files, by path. Raises ValueError, which names file and line."""
    seen: dict[str, str] = {}
    vms: list[Defined] = []
    switches: list[Switch] = []
    fields: dict[str, t.Any] = {}
    missing: list[tuple[str, Statement]] = []
    macros: dict[str, str] = {}
    for file, one in _all(texts, PATH, seen, missing):
        text = one.text(texts[file])
        if (macro := _macro(one, texts[file])) is not None:
            macros[macro] = text
            continue
        if one.kind not in ("vm", "switch", "socket", "agentx"):
            continue
        try:
            block = vm_conf.parse_vm_conf("\n".join([*macros.values(), text]))
        except vm_conf.Unreadable as error:
            raise ValueError(f"{file}: the statement in line {one.line}: {error}") from None
        if one.kind == "vm":
            comment = comment_above(texts[file], one)
            vms += [replace(_vm(file, one, found), comment=comment) for found in block.vms]
        elif one.kind == "switch":
            switches += [_switch(file, one, found) for found in block.switches]
        elif one.kind == "agentx":
            fields["agentx"] = (file, one)
        elif block.socket_owner is not None:
            fields |= {"socket": (file, one), "socket_owner": block.socket_owner}
    return Conf(
        seen, tuple(_with_instances(vms)), tuple(switches), missing=tuple(missing), **fields
    )


def _all(
    texts: Mapping[str, str], path: str, seen: dict[str, str], missing: list[tuple[str, Statement]]
) -> Iterator[tuple[str, Statement]]:
    if path in seen or path not in texts:
        return
    seen[path] = texts[path]
    try:
        found = statements(texts[path], lines=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for one in found:
        if one.kind == "include" and len(one.words) > 1:
            if one.words[1] not in texts:
                missing.append((path, one))
            yield from _all(texts, one.words[1], seen, missing)
        else:
            yield path, one


def _macro(statement: Statement, text: str) -> str | None:
    match = None if statement.block is not None else _MACRO.match(statement.text(text))
    return match[1] if match else None


def _vm(file: str, statement: Statement, block: vm_conf.VmBlock) -> Defined:
    children = statement.block or ()
    others = [one for one in children if one.kind not in _FIELDS]
    reasons = [
        _reason(
            one,
            "the fleet writes no other switch of a network interface than switch, lladdr and group",
        )
        for one, found in zip(_of_kind(children, "interface"), block.interfaces, strict=False)
        if found.others or found.switch is None
    ]
    more = list(block.others)
    if len(more) > len(others):
        words = " ".join(statement.words)
        reasons.append(Reason(statement.line, words, "instances are not in the fleet"))
        more = more[1:]
    fields: dict[str, t.Any] = {}
    for one, said in zip(others, more, strict=False):
        match [first or second for first, second in _WORDS.findall(said)]:
            case ["cdrom", path]:
                fields["cdrom"] = path
            case ["boot", "device", "cdrom"]:
                fields["boots_cdrom"] = _reason(one, "a VM that has its system boots from its disk")
            case ["boot", "device", "disk"]:
                pass
            case ["boot", path] if path.startswith("/"):
                fields["boot"] = path
            case _:
                reasons.append(_reason(one, "there is no field of a VM file for it"))
    if not block.disks:
        reasons.append(Reason(statement.line, block.name, "it has no disk"))
    if not block.interfaces:
        reasons.append(
            Reason(statement.line, block.name, "it has no network interface, and the fleet's have")
        )
    return Defined(file, statement, block, reasons=tuple(reasons), **fields)


def _with_instances(vms: Iterable[Defined]) -> Iterator[Defined]:
    """VMs that others are instances of stay where those are."""
    found = list(vms)
    parents = {one.statement.words[3] for one in found if one.statement.words[2:3] == ("instance",)}
    for one in found:
        if one.name in parents:
            why = "other VMs of vm.conf(5) are instances of it"
            reason = Reason(one.statement.line, one.name, why)
            yield replace(one, reasons=(*one.reasons, reason))
        else:
            yield one


def _switch(file: str, statement: Statement, block: vm_conf.SwitchBlock) -> Switch:
    reasons, group = [], None
    others = [one for one in statement.block or () if one.kind not in ("interface", "locked")]
    for one, said in zip(others, block.others, strict=False):
        match [first or second for first, second in _WORDS.findall(said)]:
            case ["group", name]:
                group = name
            case ["up"] | ["enable"]:
                pass
            case _:
                reasons.append(_reason(one, "there is no part of vmm_switch for it"))
    return Switch(file, statement, block, group, tuple(reasons))


def _of_kind(children: Iterable[Statement], kind: str) -> list[Statement]:
    return [one for one in children if one.kind == kind]


def _reason(statement: Statement, why: str) -> Reason:
    inner = "".join(f" {' '.join(one.words)};" for one in statement.block or ())
    words = " ".join(statement.words)
    return Reason(statement.line, f"{words} {{{inner} }}" if inner else words, why)
