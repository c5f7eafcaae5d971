# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From a VM of vm.conf(5), its image, its response file and its owner's keys to a VM file."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.capacity import (
    SMALLEST_INSTALLATION,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import derived_mac
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import Disk, Interface
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images, names, ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ether
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import DISK, scaled
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import LONGEST_KEYS, Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import (
    dhcpd_conf,
    key_file,
    response_file,
    system,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.flat_files import Record
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import (
    Notes,
    Remark,
    has_secret,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.vm_conf import Defined
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import image_header
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import BLANK_BYTES

_POWERFUL: t.Final = ("wheel", "operator")
# VM_DEFAULT_MEMORY of usr.sbin/vmd/vmd.h.
_MEMORY: t.Final = "512M"
_SIZE: t.Final = re.compile(r"([0-9]+)([BKMGT]?)", re.IGNORECASE)
# Fields of a VM file that an operator's own files may give, where the server says nothing.
_TOLD: t.Final = ("hostname", "user", "timezone", "note", "state", "group", "number", "ipv6")


@dataclass
class Candidate:
    """A VM that may come into the fleet. reasons say why it cannot."""

    defined: Defined
    fields: dict[str, t.Any] = field(default_factory=dict)
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    number: int | None = None
    first: tuple[str, str] | None = None
    further: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[Remark] = field(default_factory=list)
    # MACs of further interfaces that have addresses of a network.
    further_macs: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.defined.name

    @property
    def switch(self) -> str | None:
        """The name of the switch that its first interface is on."""
        return self.interfaces[0].switch if self.interfaces else None

    def inside(self, network: IPv4Network) -> bool:
        """Return whether its address is known, and in a network."""
        return self.ipv4 is not None and self.ipv4 in network

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        return self.defined.block.interfaces

    def remark(self, notes: Notes, text: str, why: str) -> None:
        """Report something of its block."""
        notes.report(self.defined.file, self.defined.statement.line, text, why)

    def stays_out(self, why: str, text: str = "", line: int = 0) -> None:
        place = line or self.defined.statement.line
        self.reasons.append(Remark(place, text or f"vm {self.name}", why))


@dataclass(frozen=True)
class Sources:
    """Where the fields of VMs come from."""

    seen: Seen
    options: Options
    dhcp: dhcpd_conf.Conf | None
    owners_group: str
    domain: str | None
    notes: Notes
    keys: Mapping[str, list[str]]

    def record(self, name: str) -> Record:
        """Return what the operator's own files say of a VM, which may be nothing."""
        return self.options.records.get(name) or Record("", name)


def keys_of_owners(seen: Seen, owners: set[str], notes: Notes) -> dict[str, list[str]]:
    """Return the public keys of accounts on the server."""
    keys: dict[str, list[str]] = {}
    for owner in sorted(owners):
        keys[owner] = []
        for path in seen.key_files(owner):
            data = seen.heads.get(path)
            if data is None:
                continue
            if len(data) >= LONGEST_KEYS:
                notes.report(path, 0, "", f"it is not read beyond {LONGEST_KEYS} bytes")
            keys[owner] += key_file.read(path, data.decode("utf-8", "replace"), notes)
    return keys


def candidate(defined: Defined, sources: Sources) -> Candidate:
    """Return all that is known of a VM."""
    vm = Candidate(defined, reasons=list(defined.reasons))
    block = defined.block
    vm.mac = block.interfaces[0].lladdr if block.interfaces else None
    if vm.mac and not ether(vm.mac):
        vm.stays_out("this is not a MAC address", f"lladdr {vm.mac}")
    if why := sources.options.without.get(defined.name):
        vm.stays_out(why)
    response = _response(vm, sources)
    _addresses(vm, response, sources)
    _owner(vm, response, sources)
    _disks(vm, sources)
    _hardware(vm)
    _system(vm, response, sources)
    _told(vm, sources)
    return vm


def _response(vm: Candidate, sources: Sources) -> response_file.Response | None:
    path = sources.seen.responses.get(vm.mac or "")
    if path is None or path not in sources.seen.files:
        return None
    return response_file.read(path, sources.seen.files[path], sources.notes)


def _addresses(vm: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    host, values = host_of(sources.dhcp, vm.mac), sources.record(vm.name).values
    response = response or response_file.Response()
    texts = [host.address if host else None, response.ipv4, values.get("ipv4")]
    texts.append(leases(sources.seen).get(vm.mac or ""))
    vm.ipv4 = next(filter(None, map(dhcpd_conf.ipv4, texts)), None)
    ruled = system.own_ipv6(sources.seen.text(system.OWN_PF)).get(vm.name)
    texts = [response.ipv6, ruled, values.get("ipv6")]
    vm.ipv6 = next(filter(None, map(_ipv6, texts)), None)


def leases(seen: Seen) -> dict[str, str]:
    return dhcpd_conf.leases(seen.text(dhcpd_conf.LEASES))


def host_of(dhcp: dhcpd_conf.Conf | None, mac: str | None) -> dhcpd_conf.Host | None:
    """Return the host of dhcpd.conf(5) with this MAC."""
    return next((host for host in dhcp.hosts if mac and host.mac == mac), None) if dhcp else None


def _ipv6(text: str | None) -> IPv6Address | None:
    try:
        return IPv6Address((text or "").partition("/")[0].partition("%")[0])
    except ValueError:
        return None


def _owner(vm: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    """Add the owner and the keys; an account that the role accounts would refuse is no owner."""
    seen, options, block = sources.seen, sources.options, vm.defined.block
    owner = block.owner or sources.record(vm.name).values.get("owner")
    why = ""
    if owner is None:
        why = "vm.conf(5) names no owner for it"
        if system.is_ours(seen.text(vm.defined.file)):
            # So this collection writes a VM whose owner is not to start it.
            vm.fields["state"] = "suspended"
    elif ":" in owner:
        why, owner = f"its owner {owner} is not a single account", None
    elif powers := [group for group in _POWERFUL if seen.in_group(owner, group)]:
        why, owner = f"its owner {owner} is in the group {powers[0]}, which an owner is not", None
    if owner is None:
        owner = options.owner
        if owner is None:
            vm.stays_out(f"{why}; name one with -e owner=NAME -e ssh_keys=FILE")
            return
        if powers := [group for group in _POWERFUL if seen.in_group(owner, group)]:
            vm.stays_out(f"{why}, and {owner}, who was named, is in the group {powers[0]}")
        if block.owner:
            vm.remark(sources.notes, f"owner {block.owner}", f"{why}, so {owner} is written")
    group = sources.owners_group
    if owner in seen.accounts and not seen.in_group(owner, group):
        first = "" if group in seen.groups else f"groupadd {group} and "
        vm.stays_out(
            f"its owner is not in the group {group}: {first}usermod -G {group} {owner} on the "
            f"server, and adopt it again",
            f"owner {owner}",
        )
    keys = list(sources.keys.get(owner, ()))
    if not keys:
        keys = list(options.keys) if owner == options.owner else []
        keys += response.keys if response else []
        keys += _told_keys(vm, sources)
    if not keys:
        vm.stays_out(
            f"its owner {owner} has no public key: put one into the account's authorized_keys, or "
            f"name a file with -e ssh_keys=FILE and the owner with -e owner={owner}"
        )
    vm.fields |= {"owner": owner, "ssh_keys": list(dict.fromkeys(keys))}


def _told_keys(vm: Candidate, sources: Sources) -> Iterator[str]:
    record = sources.record(vm.name)
    for text in record.keys:
        try:
            yield str(ssh_keys.parse_ssh_key(" ".join(text.split()[:2])))
        except Refused as refused:
            sources.notes.report(record.file, 0, "ssh_keys", str(refused))


def _disks(vm: Candidate, sources: Sources) -> None:
    images = [_disk(vm, disk, sources) for disk in vm.defined.block.disks]
    for first, size in images[:1]:
        vm.first = first
        vm.fields |= {"disk": size} if size else {}
        vm.fields |= {"image": first[0], "disk_format": first[1]} if first else {}
    further = [(place, size) for place, size in images[1:] if place]
    vm.further = [place for place, _size in further]
    if further:
        vm.fields["disks"] = [
            {"size": size or "50G", "format": form, "image": path} for (path, form), size in further
        ]


def _disk(vm: Candidate, disk: Disk, sources: Sources) -> tuple[tuple[str, str] | None, str | None]:
    """Return the path and format of an image, and its size; a missing image is recorded too."""
    seen, notes = sources.seen, sources.notes
    try:
        path = images.image(disk.path)
    except Refused as refused:
        vm.stays_out(str(refused), f"disk {disk.path}")
        return None, None
    facts, head = seen.paths.get(path), seen.heads.get(path)
    if facts is None or head is None:
        form = disk.format or images.format_of(path)
        state = "is not there" if facts is None else f"is a {facts['type']}"
        if form is None:
            vm.stays_out(f"the image {state}, so its format is not known", f"disk {path}")
            return None, None
        why = f"it {state}, so its size is not known: the VM file has the default"
        vm.remark(notes, f"disk {path}", f"{why}, and nothing is ever made in its place")
        return (path, form), None
    read = image_header.read(head, facts["size"], facts["blocks"], disk.format)
    if disk.format not in (None, read.format):
        why = f"its image has the format {read.format}"
        vm.stays_out(why, f"disk {path} format {disk.format}")
    blank = read.used <= BLANK_BYTES and not read.based
    if blank and disk == vm.defined.block.disks[0]:
        vm.stays_out(
            "nothing was ever written to its image, so it has no system yet: install it, and adopt "
            "it again, or write its VM file by hand",
            f"disk {path}",
        )
    if read.based:
        why = "it has a base image, for which there is no field: leave that in place"
        vm.remark(notes, f"disk {path}", why)
    return (path, read.format), read.size


def _hardware(vm: Candidate) -> None:
    block = vm.defined.block
    match = _SIZE.fullmatch(block.memory or _MEMORY)
    if match is None:
        vm.stays_out("this is not a size", f"memory {block.memory}")
    else:
        unit = 1024 ** "BKMGT".index((match[2] or "B").upper())
        vm.fields["memory"] = scaled(int(match[1]) * unit)
    if block.interfaces and block.interfaces[0].group:
        vm.fields["group"] = block.interfaces[0].group
    further = []
    for place, interface in enumerate(block.interfaces[1:], start=1):
        mac = interface.lladdr or ""
        derived = vm.mac and mac == derived_mac(vm.mac, place)
        mac = "" if derived else mac
        parts = {"switch": interface.switch, "mac": mac, "group": interface.group}
        further.append({key: value for key, value in parts.items() if value})
    values = {"interfaces": further, "cdrom": vm.defined.cdrom, "boot": vm.defined.boot}
    vm.fields |= {name: value for name, value in values.items() if value}


def _system(vm: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    """Add what is in the VM, and whether it starts with the server."""
    notes, defined = sources.notes, vm.defined
    host = host_of(sources.dhcp, vm.mac)
    offered = host.parameters.get("filename", ("",))[-1] if host else ""
    if response is None and not offered.endswith("auto_install"):
        vm.fields["install"] = "none"
    elif "disk" in vm.fields and DISK.parse(vm.fields["disk"]).bytes < SMALLEST_INSTALLATION:
        vm.fields["install"] = "none"
        why = "OpenBSD's installer would not fit on it any more, so install: none is written"
        vm.remark(notes, f"disk of {vm.name}", why)
    if response:
        values: dict[str, t.Any] = {"user": response.user, "timezone": response.timezone}
        values |= {"sets": response.sets, "install_options": response.options}
        vm.fields |= {key: value for key, value in values.items() if value}
    parameters = host.parameters if host else {}
    hostname = response.hostname if response else None
    hostname = hostname or parameters.get("option host-name", ("",))[-1] or vm.name
    if domain := parameters.get("option domain-name", ("",))[-1]:
        # The installer takes it from the lease, whatever the host name says.
        hostname = hostname.partition(".")[0]
    vm.fields["hostname"] = _hostname(hostname, domain or sources.domain)
    starts = defined.block.enabled or vm.name in sources.seen.started
    if not starts and "state" not in vm.fields:
        vm.fields["autostart"] = False
        now = sources.seen.status.get(vm.name)
        if now and now.pid is not None:
            why = (
                f"{vm.name} runs, and vmd(8) does not start it: autostart: false is written; write"
            )
            vm.remark(notes, "disable", f"{why} true if it is to start with the server")
    if defined.comment and not has_secret(defined.comment):
        vm.fields["note"] = defined.comment
    if defined.boots_cdrom:
        notes.report(defined.file, *defined.boots_cdrom)
    for interface in defined.block.interfaces:
        if interface.tap:
            why = "vmd(8) chooses the tap(4) of each VM"
            vm.remark(notes, f"interface {interface.tap}", why)


def _hostname(said: str, domain: str | None) -> str:
    try:
        name = names.hostname(said)
    except Refused:
        name = names.host_label(said)
    return f"{name}.{domain}" if domain and "." not in name else name


def _told(vm: Candidate, sources: Sources) -> None:
    """Add what the operator's own files say; if the server says something else, it is right."""
    record = sources.record(vm.name)
    from_name = vm.fields.get("hostname") == _hostname(vm.name, sources.domain)
    for name, value in record.values.items():
        here = {"mac": vm.mac, "ipv4": vm.ipv4, "ipv6": vm.ipv6, **vm.fields}.get(name)
        if name in _TOLD and (here is None or (name == "hostname" and from_name)):
            if name == "number":
                vm.number = int(value) if value.isdigit() else None
            elif name != "ipv6":
                vm.fields[name] = value
        elif name not in ("server", "owner") and not _same(str(here), value):
            why = "the server has " + (str(here) if here is not None else "nothing of it")
            line = record.lines.get(name, 0)
            sources.notes.report(record.file, line, f"{name}: {value}", why)


def _same(here: str, value: str) -> bool:
    """Return whether two values are the same, addresses in whatever way they are written."""
    spellings = (ether(value), dhcpd_conf.ipv4(value), _ipv6(value), value.lower())
    return here.lower() in map(str, filter(None, spellings))
