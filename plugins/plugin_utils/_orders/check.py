# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a fleet can take an order: its name, its owner's keys, and room on a server.

Only files that can matter are read: those with the owner's name in them, and those of a server that
may have room. So it takes about as long with thousands of VMs as with a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.allocation import allocate
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.capacity import (
    SMALLEST_INSTALLATION,
    check_capacity,
    check_sizes,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.kept import (
    owners_of,
    read_copies,
    texts_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.owners import (
    bare_keys,
    key_digests,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.unread import near
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.wishes import Known
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    Inventory,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    Ledger,
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import (
    ServerSettings,
    fixed_addresses,
    read_server,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import (
    SUFFIX,
    Names,
    Texts,
    VmFile,
    order_source,
    read_vm,
    size_of,
    source,
    vm_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import scaled
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Report,
    shown,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.document import (
    NAME,
    Fault,
    Order,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts

_LATER = "this cannot be decided at the moment; try again later"


class Situation:
    """The files of a fleet and, if known, the inventory, against which orders are checked.

    server is the only one that an order may go to; without it, any of the inventory's. Raises
    OperatorError if a whole directory cannot be read: its content would not be taken into account.
    """

    def __init__(
        self, texts: FleetTexts, inventory: Inventory | None, server: str | None = None
    ) -> None:
        unseen = [problem for problem in texts.problems if not (problem.vms or problem.server)]
        if unseen:
            raise OperatorError("; ".join(map(str, unseen)))
        self.texts = texts
        self._inventory = inventory or Inventory()
        self._server = server
        self._names = Names(self._inventory.settings)

    def faults(self, order: Order, *, own: bool = False) -> list[Fault]:
        """Return what is wrong with an order beyond its grammar.

        own says that the order is the one in the fleet directory, which does not have to be new.
        """
        faults = [*order.faults]
        if order.name and not own and not any(fault.field == NAME for fault in faults):
            faults += self._name_faults(order.name)
        if "owner" in order.values:
            faults += self._owner_faults(order)
        faults += self._size_faults(order)
        if not faults:
            faults += self._room_faults(order)
        return faults

    def _name_faults(self, name: str) -> Iterator[Fault]:
        taken = f"{shown(name)} is taken; choose another name"
        file = f"{name}{SUFFIX}"
        word = re.compile(rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?![A-Za-z0-9_-])")
        if file in self.texts.vms:
            yield Fault(NAME, taken, f"{source(name)} is there already")
        elif file in self.texts.orders:
            yield Fault(NAME, taken, f"{order_source(name)} is there already")
        elif name in self.texts.seen:
            yield Fault(NAME, taken, f"there are host keys or a hand-over sheet of a VM {name}")
        elif name in self._inventory.names:
            yield Fault(NAME, taken, f"{name} is a host or a group of the inventory")
        else:
            for file, text in self.texts.ledgers.items():
                if text is None or "\\" in text or word.search(text):
                    ledger = self._ledger(file)
                    if ledger is None or name in ledger.entries:
                        yield Fault(NAME, taken, f"allocations/{file} has, or may have, this name")
                        return

    def _owner_faults(self, order: Order) -> Iterator[Fault]:
        owner = order.values["owner"]
        for accounts in self._inventory.accounts.values():
            if account := accounts.get(owner):
                yield Fault("owner", f"{shown(owner)} is taken; choose another name", account)
                return
        for settings in self._servers.values():
            if settings.owners_group == owner:
                group = f"the group of all owners of {settings.name}"
                yield Fault("owner", f"{shown(owner)} is taken; choose another name", group)
                return
        keys = bare_keys(_vm_file(order)) if "ssh_keys" in order.values else None
        has_others = False
        for name, theirs in self._keys_of(owner, order.name):
            has_others = True
            if theirs is None:
                detail = f"{source(name)} or its order may be of {owner}, and has problems"
                yield Fault("owner", _LATER, detail)
                return
            if keys is not None and theirs != keys:
                yield Fault(
                    "ssh_keys",
                    f"{shown(owner)} is an owner with other keys; give the same keys as for the "
                    f"owner's other VMs, or name another owner",
                    f"the owner's keys are in {source(name)} or its order",
                )
                return
        if keys is not None and not has_others:
            yield from self._former_faults(owner, key_digests(keys))

    def _former_faults(self, owner: str, digests: frozenset[str]) -> Iterator[Fault]:
        """Yield a fault if somebody with other keys had VMs before, whose account is still there.

        Ledgers have such owners; of VMs whose files were removed since the last run, the copies.
        """
        known: set[str] = set()
        for file, text in self.texts.ledgers.items():
            if text is None or "\\" in text or owner in text:
                ledger = self._ledger(file)
                if ledger is None:
                    yield Fault("owner", _LATER, f"allocations/{file} has problems")
                    return
                known |= ledger.owners.get(owner, frozenset())
        for server, text in self.texts.kept.items():
            if owner in text:
                copies = read_copies(text)
                gone = copies.keys() - set(map(vm_of, self.texts.vms))
                known |= owners_of(gone, copies, server).get(owner, frozenset())
        if known and not digests <= known:
            yield Fault(
                "ssh_keys",
                f"{shown(owner)} was an owner with other keys; give the same keys as then, or name "
                f"another owner",
                "the ledger has the fingerprints of the former owner's keys",
            )

    def _keys_of(self, owner: str, but: str) -> Iterator[tuple[str, frozenset[str] | None]]:
        """Yield the VMs of an owner with their keys, None where those are not known.

        The fields of a VM may stand in either of its files. Escapes could write a name otherwise.
        """
        texts = self.texts
        for file in sorted(texts.vms.keys() | texts.orders.keys()):
            name = vm_of(file)
            own = [folder[file] for folder in (texts.vms, texts.orders) if file in folder]
            if name == but or all(
                text is not None and owner not in text and "\\" not in text for text in own
            ):
                continue
            vm = self._read(file)
            if "owner" in vm.values and vm.values["owner"] != owner:
                continue
            known = vm if vm.values.keys() >= {"owner", "ssh_keys"} else self._copy(name)
            if known is None:
                # A file that is sound but for an owner elsewhere, or nowhere yet, hides nothing.
                if None in own or not vm.knows("owner") or "owner" in vm.values:
                    yield name, None
            elif known.values["owner"] == owner:
                yield name, bare_keys(known)

    def _read(self, file: str) -> VmFile:
        texts = self.texts
        both = Texts(texts.vms.get(file, ""), texts.orders.get(file), file in texts.orders)
        return read_vm(vm_of(file), both, self._names, Report())

    def _copy(self, name: str) -> VmFile | None:
        """Return the VM as it was when its files had no problems."""
        for copies in self._copies:
            if name in copies:
                vm = read_vm(name, texts_of(copies[name]), self._names, Report())
                if vm.values.keys() >= {"owner", "ssh_keys"}:
                    return vm
        return None

    @cached_property
    def _copies(self) -> list[dict[str, Mapping[str, str]]]:
        return [dict(read_copies(text)) for text in self.texts.kept.values()]

    @cached_property
    def _servers(self) -> dict[str, ServerSettings]:
        servers = {
            name: read_server(name, options, frozenset(), Report())
            for name, options in self._inventory.settings.items()
        }
        return {name: settings for name, settings in servers.items() if settings}

    @property
    def _candidates(self) -> list[ServerSettings]:
        return [server for server in self._servers.values() if self._server in (None, server.name)]

    def _size_faults(self, order: Order) -> Iterator[Fault]:
        vm = _vm_file(order)
        candidates = self._candidates
        for field, limits in (
            ("memory", [server.vm_memory_limit for server in candidates]),
            ("disk", [server.vm_disk_limit for server in candidates]),
        ):
            size = size_of(vm, field)
            if size is not None and limits and size > max(limits):
                most = scaled(max(limits))
                yield Fault(
                    field, f"{scaled(size)} is more than one VM may have; use {most} or less"
                )
        disk = size_of(vm, "disk")
        if disk is not None and disk < SMALLEST_INSTALLATION:
            yield Fault(
                "disk", f"{scaled(disk)} is too small for OpenBSD's installer; use 8G or more"
            )

    def _room_faults(self, order: Order) -> Iterator[Fault]:
        details = []
        for server in self._candidates:
            obstacles = self._obstacles(order, server)
            if not obstacles:
                return
            details += obstacles
        if details or self._server:
            nothing = f"{self._server} is not a server whose settings can be used"
            detail = "; ".join(details) or nothing
            yield Fault(
                "",
                "there is no room for this VM at the moment; ask for less, or try again later",
                detail,
            )

    def _obstacles(self, order: Order, server: ServerSettings) -> list[str]:
        """Return why this server has no room for the VM: memory, disk, interfaces, numbers."""
        ledgers: dict[str, Ledger] = {}
        for name in near(server, self._servers):
            file = f"{name}{SUFFIX}"
            if file in self.texts.ledgers:
                ledger = self._ledger(file)
                if ledger is None:
                    return [f"allocations/{file} has problems"]
                ledgers[name] = ledger
        entries = ledgers[server.name].entries if server.name in ledgers else {}
        if order.name in entries:
            return []
        known = frozenset(entries)
        others = [vm for vm in self._vms_of(server.name, known) if vm.name != order.name]
        new = _vm_file(order, server.name)
        report = Report()
        check_sizes(server, [new], known, report)
        if report.problems:
            return list(map(str, report.problems))
        check_capacity(server, [*others, new], known, report)
        taken = fixed_addresses(self._inventory.settings, self._servers)
        everybody = Known({server.name: server}, [*others, new], {new.name}, ledgers, taken, {})
        allocate(everybody, report)
        return [str(problem) for problem in report.problems if order.name in problem.vms]

    def _vms_of(self, server: str, known: frozenset[str]) -> Iterator[VmFile]:
        for file, text in self.texts.vms.items():
            if vm_of(file) in known or (text and (server in text or "\\" in text)):
                vm = self._read(file)
                if vm.server == server:
                    yield vm

    def _ledger(self, file: str) -> Ledger | None:
        text = self.texts.ledgers[file]
        return None if text is None else read_ledger(file, text, Report())


def _vm_file(order: Order, server: str | None = None) -> VmFile:
    values = {**order.values, **({"server": server} if server else {})}
    unknown = frozenset(fault.field for fault in order.faults)
    return VmFile(order.name, source(order.name), values, unknown, ordered=frozenset(order.values))
