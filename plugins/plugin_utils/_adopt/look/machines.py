# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From a VM of vm.conf(5), its image, its response file and its owner's keys to a VM file."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.capacity import (
    SMALLEST_INSTALLATION,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import derived_mac
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import Disk, Interface
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images, names, ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import DISK, scaled
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import LONGEST_KEYS, Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import (
    dhcpd_conf,
    image,
    key_file,
    response_file,
    system,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes, has_secret
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.vm_conf import Defined, Reason
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import BLANK_BYTES

_POWERFUL: t.Final = ("wheel", "operator")
# VM_DEFAULT_MEMORY of usr.sbin/vmd/vmd.h.
_MEMORY: t.Final = "512M"
_SIZE: t.Final = re.compile(r"([0-9]+)([BKMGT]?)", re.IGNORECASE)
# Fields of a VM file that an operator's own files may give, where the server says nothing.
_TOLD: t.Final = ("hostname", "user", "timezone", "note", "state", "group", "number", "ipv6")


@dataclass
class Candidate:
    """A VM that may come into the fleet. reasons say what stands against it."""

    defined: Defined
    fields: dict[str, t.Any] = field(default_factory=dict)
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    number: int | None = None
    first: tuple[str, str] | None = None
    further: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    # MACs of further interfaces that have addresses of a network.
    further_macs: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.defined.name

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        return self.defined.block.interfaces

    def stays_out(self, why: str, text: str = "", line: int = 0) -> None:
        place = line or self.defined.statement.line
        self.reasons.append(Reason(place, text or f"vm {self.name}", why))


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


def keys_of_owners(seen: Seen, owners: set[str], notes: Notes) -> dict[str, list[str]]:
    """The public keys of accounts on the server."""
    found: dict[str, list[str]] = {}
    for owner in sorted(owners):
        found[owner] = []
        for path in seen.key_files(owner):
            data = seen.heads.get(path)
            if data is None:
                continue
            if len(data) >= LONGEST_KEYS:
                notes.report(path, 0, "", f"it is not read beyond {LONGEST_KEYS} bytes")
            found[owner] += key_file.read(path, data.decode("utf-8", "replace"), notes)
    return found


def candidate(defined: Defined, sources: Sources) -> Candidate:
    """All that is known of a VM."""
    made = Candidate(defined, reasons=list(defined.reasons))
    block = defined.block
    made.mac = (block.interfaces[0].lladdr or "").lower() or None if block.interfaces else None
    if why := sources.options.without.get(defined.name):
        made.stays_out(why)
    response = _response(made, sources)
    _addresses(made, response, sources)
    _owner(made, response, sources)
    _disks(made, sources)
    _hardware(made)
    _system(made, response, sources)
    _told(made, sources)
    return made


def _response(made: Candidate, sources: Sources) -> response_file.Response | None:
    path = sources.seen.responses.get(made.mac or "")
    if path is None or path not in sources.seen.files:
        return None
    return response_file.read(path, sources.seen.files[path], sources.notes)


def _addresses(made: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    host = host_of(sources.dhcp, made.mac)
    record = sources.options.records.get(made.name)
    given = [host.address] if host else []
    given += [response.ipv4] if response else []
    given += [record.values.get("ipv4")] if record else []
    given.append(leases(sources.seen).get(made.mac or ""))
    made.ipv4 = next((one for text in given if text and (one := _ipv4(text))), None)
    texts = [response.ipv6] if response else []
    texts.append(system.own_ipv6(sources.seen.text(system.OWN_PF)).get(made.name))
    texts += [record.values.get("ipv6")] if record else []
    made.ipv6 = next((address for text in texts if text and (address := _ipv6(text))), None)


def leases(seen: Seen) -> dict[str, str]:
    return dhcpd_conf.leases(seen.text(dhcpd_conf.LEASES))


def host_of(dhcp: dhcpd_conf.Conf | None, mac: str | None) -> dhcpd_conf.Host | None:
    """The host of dhcpd.conf(5) with this MAC."""
    return next((one for one in dhcp.hosts if mac and one.mac == mac), None) if dhcp else None


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _ipv6(text: str) -> IPv6Address | None:
    try:
        return IPv6Address(text.partition("/")[0].partition("%")[0])
    except ValueError:
        return None


def _owner(made: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    """The owner and the keys; an account that the role accounts would refuse is none."""
    seen, options, block = sources.seen, sources.options, made.defined.block
    record = options.records.get(made.name)
    owner = block.owner or (record.values.get("owner") if record else None)
    why = ""
    if owner is None:
        why = "vm.conf(5) names no owner for it"
        if system.is_ours(seen.text(made.defined.file)):
            # So this collection writes a VM whose owner is not to start it.
            made.fields["state"] = "suspended"
    elif owner.startswith(":") or ":" in owner:
        why, owner = f"its owner {owner} is not a single account", None
    elif powers := [group for group in _POWERFUL if seen.in_group(owner, group)]:
        why, owner = f"its owner {owner} is in the group {powers[0]}, which an owner is not", None
    if owner is None:
        owner = options.owner
        if owner is None:
            made.stays_out(f"{why}; name one with -e owner=NAME -e ssh_keys=FILE")
            return
        if powers := [group for group in _POWERFUL if seen.in_group(owner, group)]:
            made.stays_out(f"{why}, and {owner}, who was named, is in the group {powers[0]}")
        if block.owner:
            sources.notes.report(
                made.defined.file,
                made.defined.statement.line,
                f"owner {block.owner}",
                f"{why}, so {owner} is written",
            )
    group = sources.owners_group
    if owner in seen.accounts and not seen.in_group(owner, group):
        first = "" if group in seen.groups else f"groupadd {group} and "
        made.stays_out(
            f"its owner is not in the group {group}: {first}usermod -G {group} {owner} on the "
            f"server, and adopt it again",
            f"owner {owner}",
        )
    keys = list(sources.keys.get(owner, ()))
    if not keys:
        keys = list(options.keys) if owner == options.owner else []
        keys += response.keys if response else []
        keys += _told_keys(made, sources)
    if not keys:
        made.stays_out(
            f"there is no public key of its owner {owner}: put one into the authorized_keys of "
            f"the account, or name a file with -e ssh_keys=FILE and the owner with -e owner={owner}"
        )
    made.fields |= {"owner": owner, "ssh_keys": list(dict.fromkeys(keys))}


def _told_keys(made: Candidate, sources: Sources) -> Iterator[str]:
    record = sources.options.records.get(made.name)
    for text in record.keys if record else ():
        try:
            yield str(ssh_keys.parse_ssh_key(" ".join(text.split()[:2])))
        except Refused as refused:
            sources.notes.report(record.file if record else "", 0, "ssh_keys", str(refused))


def _disks(made: Candidate, sources: Sources) -> None:
    first, *others = made.defined.block.disks or (None,)
    if first is None:
        return
    found, size = _disk(made, first, sources)
    made.first = found
    if size:
        made.fields["disk"] = size
    if found:
        made.fields |= {"image": found[0], "disk_format": found[1]}
    disks = []
    for one in others:
        if one is None:
            continue
        found, size = _disk(made, one, sources)
        if found:
            made.further.append(found)
            disks.append({"size": size or "50G", "format": found[1], "image": found[0]})
    if disks:
        made.fields["disks"] = disks


def _disk(
    made: Candidate, disk: Disk, sources: Sources
) -> tuple[tuple[str, str] | None, str | None]:
    """The path and format of an image, and its size; a missing one is recorded as well."""
    seen, file, line = sources.seen, made.defined.file, made.defined.statement.line
    try:
        path = images.image(disk.path)
    except Refused as refused:
        made.stays_out(str(refused), f"disk {disk.path}")
        return None, None
    facts, head = seen.paths.get(path), seen.heads.get(path)
    if facts is None or head is None:
        form = disk.format or images.format_of(path)
        what = "is not there" if facts is None else f"is a {facts['type']}"
        if form is None:
            made.stays_out(f"the image {what}, so its format is not known", f"disk {path}")
            return None, None
        sources.notes.report(
            file,
            line,
            f"disk {path}",
            f"it {what}, so its size is not known: the field of the VM "
            f"file has the default, and nothing is ever made in its place",
        )
        return (path, form), None
    read = image.read(head, facts["size"], facts["blocks"], disk.format)
    if disk.format not in (None, read.format):
        made.stays_out(
            f"its image has the format {read.format}", f"disk {path} format {disk.format}"
        )
    blank = read.used <= BLANK_BYTES and not read.based
    if blank and disk == made.defined.block.disks[0]:
        made.stays_out(
            "nothing was ever written to its image, so it has no system yet: install it, and adopt "
            "it again, or write its VM file by hand",
            f"disk {path}",
        )
    if read.based:
        sources.notes.report(
            file,
            line,
            f"disk {path}",
            "it has a base image, which no field is for: leave that in place",
        )
    return (path, read.format), read.size


def _hardware(made: Candidate) -> None:
    block = made.defined.block
    match = _SIZE.fullmatch(block.memory or _MEMORY)
    if match is None:
        made.stays_out("it is not a size", f"memory {block.memory}")
    else:
        unit = 1024 ** "BKMGT".index((match[2] or "B").upper())
        made.fields["memory"] = scaled(int(match[1]) * unit)
    if block.interfaces and block.interfaces[0].group:
        made.fields["group"] = block.interfaces[0].group
    further = []
    for place, one in enumerate(block.interfaces[1:], start=1):
        mac = (one.lladdr or "").lower()
        derived = made.mac and mac == derived_mac(made.mac, place)
        parts = {"switch": one.switch, "mac": "" if derived else mac, "group": one.group}
        further.append({key: value for key, value in parts.items() if value})
    if further:
        made.fields["interfaces"] = further
    for name, value in (("cdrom", made.defined.cdrom), ("boot", made.defined.boot)):
        if value:
            made.fields[name] = value


def _system(made: Candidate, response: response_file.Response | None, sources: Sources) -> None:
    """What is in the VM, and whether it starts with the server."""
    notes, defined = sources.notes, made.defined
    file, line = defined.file, defined.statement.line
    host = host_of(sources.dhcp, made.mac)
    offered = host.parameters.get("filename", ("",))[-1] if host else ""
    if response is None and not offered.endswith("auto_install"):
        made.fields["install"] = "none"
    elif "disk" in made.fields and DISK.parse(made.fields["disk"]).bytes < SMALLEST_INSTALLATION:
        made.fields["install"] = "none"
        why = "OpenBSD's installer would not fit on it any more, so install: none is written"
        notes.report(file, line, f"disk of {made.name}", why)
    if response:
        for key, value in (
            ("user", response.user),
            ("timezone", response.timezone),
            ("sets", response.sets),
            ("install_options", response.options),
        ):
            if value:
                made.fields[key] = value
    said = response.hostname if response else None
    said = said or (host.parameters.get("option host-name", ("",))[-1] if host else "")
    made.fields["hostname"] = _hostname(said or made.name, sources.domain)
    starts = defined.block.enabled or made.name in sources.seen.started
    if not starts and "state" not in made.fields:
        made.fields["autostart"] = False
        now = sources.seen.status.get(made.name)
        if now and now.pid is not None:
            notes.report(
                file,
                line,
                "disable",
                f"{made.name} runs, and vmd(8) does not start it by itself: "
                "autostart: false is written; say true where it is to start with the server",
            )
    if defined.comment and not has_secret(defined.comment):
        made.fields["note"] = defined.comment
    if defined.boots_cdrom:
        notes.report(file, *defined.boots_cdrom)
    for one in defined.block.interfaces:
        if one.tap:
            notes.report(file, line, f"interface {one.tap}", "vmd(8) chooses the tap(4) of each VM")


def _hostname(said: str, domain: str | None) -> str:
    try:
        name = names.hostname(said)
    except Refused:
        name = names.host_label(said)
    return f"{name}.{domain}" if domain and "." not in name else name


def _told(made: Candidate, sources: Sources) -> None:
    """What the operator's own files add; where they say something else, the server is right."""
    record = sources.options.records.get(made.name)
    if record is None:
        return
    from_name = made.fields.get("hostname") == _hostname(made.name, sources.domain)
    for name, value in record.values.items():
        here = {"mac": made.mac, "ipv4": made.ipv4, "ipv6": made.ipv6, **made.fields}.get(name)
        if name in _TOLD and (here is None or (name == "hostname" and from_name)):
            if name == "number":
                made.number = int(value) if value.isdigit() else None
            elif name != "ipv6":
                made.fields[name] = value
        elif name not in ("server", "owner") and str(here).lower() != value.lower():
            sources.notes.report(
                record.file,
                record.lines.get(name, 0),
                f"{name}: {value}",
                "the server has " + (str(here) if here is not None else "nothing of it"),
            )
