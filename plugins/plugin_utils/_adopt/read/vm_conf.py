# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's vm.conf(5) with the files that it includes: its VMs, and everything else."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats import vm_conf
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    comment_above,
    statements,
    with_comment,
    without,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Remark

PATH: t.Final = "/etc/vm.conf"
_MACRO: t.Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)")
_USED: t.Final = re.compile(r"\$([A-Za-z0-9_]+)")
# Statements of a VM that vm_conf.VmBlock has in fields of their own.
_FIELDS: t.Final = frozenset({"disable", "enable", "owner", "memory", "disk", "interface"})
_WORDS: t.Final = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True)
class Defined:
    """A VM of vm.conf(5). reasons say why the fleet cannot have it."""

    file: str
    statement: Statement
    block: vm_conf.VmBlock
    cdrom: str | None = None
    boot: str | None = None
    boots_cdrom: Remark | None = None
    comment: str = ""
    reasons: tuple[Remark, ...] = ()

    @property
    def name(self) -> str:
        return self.block.name


@dataclass(frozen=True)
class Switch:
    file: str
    statement: Statement
    block: vm_conf.SwitchBlock
    group: str | None = None
    reasons: tuple[Remark, ...] = ()

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
    socket: Statement | None = None
    agentx: Statement | None = None
    missing: tuple[tuple[str, Statement], ...] = ()

    def rest(self, gone: Collection[Statement]) -> tuple[str, tuple[str, ...]]:
        """Return what is left without these statements, and elements that are not in it.

        An included file of which something is cut out is written in place of its `include`, which
        is such an element. Macros stay if something that is left uses them.
        """
        superseded: list[str] = []
        text = self._rest_of(PATH, set(gone), superseded)
        left = [text]
        for path, whole in self.texts.items():
            left += [whole] if path != PATH and f"include {path}" not in superseded else []
        used = set(_USED.findall("\n".join(left)))
        unused = [
            row
            for row in statements(text, lines=True)
            if (macro := _macro(row, text)) and macro not in used
        ]
        return without(text, unused), tuple(superseded)

    def _rest_of(self, path: str, gone: set[Statement], superseded: list[str]) -> str:
        text = self.texts.get(path, "")
        parts: list[str] = []
        cut: list[Statement] = []
        at = 0
        for row in statements(text, lines=True):
            if row.kind == "include" and len(row.words) > 1 and row.words[1] in self.texts:
                name = row.words[1]
                whole = self.texts[name].strip("\n")
                left = self._rest_of(name, gone, superseded)
                if left != re.sub(r"\n{3,}", "\n\n", whole):
                    superseded.append(f"include {name}")
                    parts += [_without(text[at : row.begin], cut, at), left]
                    cut, at = [], row.end
            elif row in gone:
                cut.append(with_comment(text, row))
        parts.append(_without(text[at:], cut, at))
        return "\n\n".join(filter(None, parts))


def _without(text: str, gone: Sequence[Statement], at: int) -> str:
    """Return a part of a file, which begins there, without these statements."""
    return without(text, [replace(row, begin=row.begin - at, end=row.end - at) for row in gone])


def includes(text: str) -> tuple[str, ...]:
    """Return the absolute paths that a file includes."""
    rows = (row for row in statements(text, lines=True) if row.kind == "include")
    return tuple(path for row in rows for path in row.words[1:2] if path.startswith("/"))


def read(texts: Mapping[str, str]) -> Conf:
    """Read vm.conf(5) among these files, by path. Raises ValueError, which names file and line."""
    seen: dict[str, str] = {}
    vms: list[Defined] = []
    switches: list[Switch] = []
    fields: dict[str, t.Any] = {}
    missing: list[tuple[str, Statement]] = []
    macros: dict[str, str] = {}
    for file, row in _all(texts, PATH, seen, missing):
        text = row.text(texts[file])
        if (macro := _macro(row, texts[file])) is not None:
            macros[macro] = text
            continue
        if row.kind not in ("vm", "switch", "socket", "agentx"):
            continue
        try:
            block = vm_conf.parse_vm_conf("\n".join([*macros.values(), text]))
        except vm_conf.Unreadable as error:
            raise ValueError(f"{file}: the statement in line {row.line}: {error}") from None
        if row.kind == "vm":
            comment = comment_above(texts[file], row)
            vms += [replace(_vm(file, row, vm), comment=comment) for vm in block.vms]
        elif row.kind == "switch":
            switches += [_switch(file, row, switch) for switch in block.switches]
        elif row.kind == "agentx":
            fields["agentx"] = row
        elif block.socket_owner is not None:
            fields |= {"socket": row, "socket_owner": block.socket_owner}
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
        rows = statements(texts[path], lines=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for row in rows:
        if row.kind == "include" and len(row.words) > 1:
            if len(row.words) > 2 or not row.words[1].startswith("/"):
                raise ValueError(
                    f"{path}: line {row.line}: {' '.join(row.words)}: an include is followed if it "
                    f"has an absolute path, without macros"
                )
            if row.words[1] not in texts:
                missing.append((path, row))
            yield from _all(texts, row.words[1], seen, missing)
        else:
            yield path, row


def _macro(statement: Statement, text: str) -> str | None:
    match = None if statement.block is not None else _MACRO.match(statement.text(text))
    return match[1] if match else None


def _vm(file: str, statement: Statement, block: vm_conf.VmBlock) -> Defined:
    rows = statement.block or ()
    others = [row for row in rows if row.kind not in _FIELDS]
    interfaces = (row for row in rows if row.kind == "interface")
    reasons = [
        _reason(row, "the fleet writes only switch, lladdr and group of a network interface")
        for row, interface in zip(interfaces, block.interfaces, strict=False)
        if interface.others or interface.switch is None
    ]
    more = list(block.others)
    if len(more) > len(others):
        words = " ".join(statement.words)
        reasons.append(Remark(statement.line, words, "instances are not in the fleet"))
        more = more[1:]
    fields: dict[str, t.Any] = {}
    for row, text in zip(others, more, strict=False):
        match [first or second for first, second in _WORDS.findall(text)]:
            case ["cdrom", path]:
                fields["cdrom"] = path
            case ["boot", "device", "cdrom"]:
                fields["boots_cdrom"] = _reason(row, "a VM that has its system boots from its disk")
            case ["boot", "device", "disk"]:
                pass
            case ["boot", path] if path.startswith("/"):
                fields["boot"] = path
            case _:
                reasons.append(_reason(row, "no field of a VM file is for it"))
    if not block.disks:
        reasons.append(Remark(statement.line, block.name, "it has no disk"))
    if not block.interfaces:
        why = "it has no network interface, and the fleet's VMs have"
        reasons.append(Remark(statement.line, block.name, why))
    return Defined(file, statement, block, reasons=tuple(reasons), **fields)


def _with_instances(vms: Sequence[Defined]) -> Iterator[Defined]:
    """Yield all VMs; those that others are instances of stay where the others are."""
    parents = {vm.statement.words[3] for vm in vms if vm.statement.words[2:3] == ("instance",)}
    why = "other VMs of vm.conf(5) are instances of it"
    for vm in vms:
        reasons = [Remark(vm.statement.line, vm.name, why)] if vm.name in parents else []
        yield replace(vm, reasons=(*vm.reasons, *reasons))


def _switch(file: str, statement: Statement, block: vm_conf.SwitchBlock) -> Switch:
    reasons, group = [], None
    others = [row for row in statement.block or () if row.kind not in ("interface", "locked")]
    for row, text in zip(others, block.others, strict=False):
        match [first or second for first, second in _WORDS.findall(text)]:
            case ["group", name]:
                group = name
            case ["up"] | ["enable"]:
                pass
            case _:
                reasons.append(_reason(row, "no part of vmm_switch is for it"))
    return Switch(file, statement, block, group, tuple(reasons))


def _reason(statement: Statement, why: str) -> Remark:
    inner = "".join(f" {' '.join(row.words)};" for row in statement.block or ())
    words = " ".join(statement.words)
    return Remark(statement.line, f"{words} {{{inner} }}" if inner else words, why)
