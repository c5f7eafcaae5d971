# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From what a server shows to what a fleet would say of it, checked by the fleet's own model.

A VM that the fleet cannot have stays in vm.conf(5) as it is written, with the reason.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import (
    DEFAULT_IMAGE_DIRECTORY,
    PRESETS,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import default_group
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt import numbers, roles
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look import network as networks
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.draft import Draft, VmDraft
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import (
    Candidate,
    Sources,
    candidate,
    host_of,
    keys_of_owners,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import (
    dhcpd_conf,
    response_file,
    system,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.roles import Adopted


def propose(seen: Seen, options: Options) -> Draft:
    """Return what the fleet would say of the server. Raises OperatorError if that is nothing."""
    notes = Notes()
    if flags := seen.service("vmd").reads_otherwise:
        raise OperatorError(
            f"vmd_flags={flags}: {vm_conf.PATH} is not all that vmd(8) reads; put files and macros "
            f"of its flags in there, remove these flags, and adopt the server again"
        )
    try:
        conf = vm_conf.read(seen.files)
        dhcp = _dhcpd_conf(seen)
    except ValueError as error:
        raise OperatorError(f"{error}; correct that on the server, and adopt it again") from error
    for file, include in conf.missing:
        notes.report(file, include.line, " ".join(include.words), "there is no such file")
    candidates = _candidates(conf, dhcp, seen, options, notes)
    switch = networks.first_switch(candidates, conf.switches)
    network = networks.network_of(candidates, switch, dhcp, seen) if switch else None
    network = network or _known_network(options, switch)
    problem = networks.problem_of(switch, network)
    if problem or switch is None or network is None:
        raise OperatorError(problem or "")
    nets = networks.further_networks(candidates, network, conf.switches, dhcp, seen)
    _judge(candidates, nets, conf)
    fit = [vm for vm in candidates if not vm.reasons]
    used = [networks.network_of_vm(vm, nets) for vm in fit]
    nets = tuple(net for net in nets if net is nets[0] or net in used)
    _same_keys(fit)
    _place(fit, nets, dhcp)
    adopted = Adopted(options.server, tuple(fit), seen, notes)
    _report_out(candidates, seen, notes)
    further = _further(fit, switch, conf)
    variables = networks.settings(nets, switch, further, seen, notes)
    variables |= _plans(fit, nets, dhcp, seen, options, notes)
    if len(nets) > 1:
        variables = networks.listed(variables, nets)
    variables |= _names(network, dhcp, options)
    gone = [vm.defined.statement for vm in fit]
    gone += [part.statement for part in (switch, *further)]
    variables |= roles.vmd(conf, gone, adopted)
    variables |= roles.sysctl(adopted) | roles.network(adopted) | roles.pf(adopted)
    owners = [vm.fields["owner"] for vm in fit]
    variables |= roles.accounts(roles.owners_group(conf), owners, adopted)
    variables |= roles.dhcpd(dhcp, nets, variables, adopted)
    variables |= roles.httpd(adopted)
    variables |= roles.sensorsd(adopted)
    _left(conf, seen, notes)
    unchanged = {
        name: value for name, value in options.known.items() if variables.get(name) == value
    }
    for name in unchanged:
        del variables[name]
    _explain(fit, seen, notes)
    drafts = _drafts(fit, variables | unchanged, options)
    return Draft(options.server, variables, tuple(drafts), notes)


def _dhcpd_conf(seen: Seen) -> dhcpd_conf.Conf | None:
    text = seen.text(dhcpd_conf.PATH)
    try:
        names = seen.text(dhcpd_conf.ETHERS), seen.text(dhcpd_conf.HOSTS)
        return dhcpd_conf.read(text, *names) if text else None
    except ValueError as error:
        raise ValueError(f"{dhcpd_conf.PATH}: {error}") from None


def _candidates(
    conf: vm_conf.Conf,
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
    options: Options,
    notes: Notes,
) -> list[Candidate]:
    owners = {vm.block.owner.partition(":")[0] for vm in conf.vms if vm.block.owner}
    domain = dhcp.option("domain-name", None) if dhcp else ()
    sources = Sources(
        seen,
        options,
        dhcp,
        roles.owners_group(conf),
        domain[0] if domain else _text(options.known.get("vmm_domain")),
        notes,
        keys_of_owners(seen, owners | ({options.owner} if options.owner else set()), notes),
    )
    candidates = [candidate(vm, sources) for vm in conf.vms]
    here = {vm.name for vm in candidates}
    for name, record in sorted(options.records.items()):
        if name not in here and record.values.get("server", options.server) == options.server:
            notes.report(record.file, 0, name, "vm.conf(5) of this server has no such VM")
    twice = Counter(vm.name for vm in candidates)
    for vm in candidates:
        if twice[vm.name] > 1:
            vm.stays_out("vm.conf(5) has two VMs of this name")
    return candidates


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _known_network(options: Options, switch: vm_conf.Switch | None) -> networks.Network | None:
    """Return the network that the inventory has, for a server that does not show one."""
    known = _text(options.known.get("vmm_ipv4_network"))
    gateway = _text(options.known.get("vmm_ipv4_gateway"))
    if known is None or switch is None:
        return None
    try:
        server = IPv4Address(gateway) if gateway else None
        return networks.Network(IPv4Network(known), server=server, switch=switch.name)
    except ValueError:
        return None


def _place(
    fit: Iterable[Candidate],
    nets: Sequence[networks.Network],
    dhcp: dhcpd_conf.Conf | None,
) -> None:
    """Name the network of VMs and of further interfaces, if there are several."""
    for vm in fit:
        network = networks.network_of_vm(vm, nets)
        if network and network is not nets[0]:
            vm.fields["network"] = network.name
        for place, interface in enumerate(vm.interfaces[1:] if len(nets) > 1 else ()):
            mac = interface.lladdr or ""
            host = host_of(dhcp, mac)
            if host is None or host.address is None:
                continue
            here = (net for net in nets if net.switch == interface.switch)
            for net in (net for net in here if IPv4Address(host.address) in net.network):
                vm.further_macs.add(mac)
                vm.fields["interfaces"][place] |= {"network": net.name, "ipv4": host.address}


def _judge(
    candidates: Iterable[Candidate], nets: Sequence[networks.Network], conf: vm_conf.Conf
) -> None:
    """Add obstacles of VMs that their own blocks do not show."""
    known = {switch.name: switch for switch in conf.switches}
    for vm in candidates:
        for place, interface in enumerate(vm.interfaces):
            used = known.get(interface.switch or "")
            if used is None:
                continue
            if place == 0 and (why := networks.outside(vm, nets)):
                vm.stays_out(why)
            for reason in used.reasons:
                vm.stays_out(f"switch {used.name}: {reason.why}", reason.text, reason.line)


def _same_keys(fit: Iterable[Candidate]) -> None:
    """Give all VMs of an owner the same keys: those of all of them."""
    keys: dict[str, dict[str, None]] = {}
    for vm in fit:
        keys.setdefault(vm.fields["owner"], {}).update(dict.fromkeys(vm.fields["ssh_keys"]))
    for vm in fit:
        vm.fields["ssh_keys"] = list(keys[vm.fields["owner"]])


def _report_out(candidates: Iterable[Candidate], seen: Seen, notes: Notes) -> None:
    for vm in candidates:
        for reason in vm.reasons:
            why = f"{reason.why}; so {vm.name} stays in vmd_extra as it is"
            notes.report(vm.defined.file, reason.line, reason.text, why)
        if vm.reasons and vm.defined.block.enabled and not _runs(vm, seen):
            why = (
                "it has no `disable` and does not run: vmd(8) starts it the next time it reads its "
                "file, as a run has it do"
            )
            vm.remark(notes, f"vm {vm.name}", why)


def _further(
    fit: Iterable[Candidate], switch: vm_conf.Switch, conf: vm_conf.Conf
) -> list[vm_conf.Switch]:
    """Return the other switches that VMs of the fleet are on."""
    used = {interface.switch for vm in fit for interface in vm.interfaces}
    return [other for other in conf.switches if other.name in used and other.name != switch.name]


def _plans(
    fit: Sequence[Candidate],
    nets: Sequence[networks.Network],
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
    options: Options,
    notes: Notes,
) -> dict[str, t.Any]:
    """Return what numbers, MACs and addresses follow from, and what must not be handed out."""
    network = nets[0]
    here = [vm for vm in fit if networks.network_of_vm(vm, nets) is network]
    prefix = numbers.mac_prefix(fit, options.server)
    base = numbers.number_base(fit, prefix)
    by_name = numbers.numbers(fit, prefix, base)
    variables: dict[str, t.Any] = {"vmm_mac_prefix": prefix}
    if base == "decimal":
        variables["vmm_mac_number_base"] = base
    if plan := numbers.ipv4_range(here, by_name, network):
        variables["vmm_ipv4_range"] = plan
    texts = ((path, seen.files[path]) for path in seen.responses.values() if path in seen.files)
    routers = [response_file.read(path, text, Notes()).router6 for path, text in texts]
    variables |= networks.ipv6_settings(
        fit, network, [router for router in routers if router], seen, notes
    )
    if reserved := _reserved(fit, nets, dhcp):
        variables["vmm_reserved"] = reserved
    directories = Counter(str(PurePosixPath(vm.first[0]).parent) for vm in fit if vm.first)
    best = directories.most_common(1)
    if best and best[0][0] != DEFAULT_IMAGE_DIRECTORY:
        variables["vmm_image_directory"] = best[0][0]
    needed = sum(len(vm.interfaces) for vm in fit)
    if seen.taps >= max(needed, 1):
        variables["vmm_tap_count"] = min(seen.taps, 256)
    return variables


def _reserved(
    fit: Sequence[Candidate], nets: Sequence[networks.Network], dhcp: dhcpd_conf.Conf | None
) -> list[str]:
    """Return addresses of the VMs' networks that others have by dhcpd.conf(5)."""
    own = {vm.ipv4 for vm in fit if vm.ipv4}
    further = {mac for vm in fit for mac in vm.further_macs}
    addresses = []
    for host in dhcp.hosts if dhcp else ():
        if host.address and host.mac not in further and IPv4Address(host.address) not in own:
            inside = any(IPv4Address(host.address) in net.network for net in nets)
            addresses += [host.address] if inside else []
    for first, last in nets[0].subnet.ranges if nets[0].subnet else ():
        if not any(IPv4Address(first) <= address <= IPv4Address(last) for address in own):
            addresses.append(f"{first}-{last}" if first != last else first)
    return list(dict.fromkeys(addresses))


def _names(
    network: networks.Network, dhcp: dhcpd_conf.Conf | None, options: Options
) -> dict[str, t.Any]:
    """Return the VMs' domain and resolvers, if dhcpd.conf(5) says them."""
    variables: dict[str, t.Any] = {}
    if dhcp is None:
        return variables
    if domain := dhcp.option("domain-name", network.subnet):
        variables["vmm_domain"] = domain[0]
    if servers := dhcp.option("domain-name-servers", network.subnet):
        variables["vmm_dns_servers"] = list(servers)
    return variables


def _left(conf: vm_conf.Conf, seen: Seen, notes: Notes) -> None:
    """Report what acts on VMs besides this collection."""
    why = "/etc/rc.vmm starts VMs from now on; the line is left alone, so remove it if it does too"
    for number, line in system.code_lines(seen.text(system.RC_LOCAL)):
        code = line.partition("#")[0].strip()
        if "vmctl" in code:
            notes.report(system.RC_LOCAL, number, code, why)
    for number, line in system.code_lines(seen.text(system.RC_CONF_LOCAL)):
        if line.startswith("vmd_flags=") and line != "vmd_flags=":
            notes.keep(system.RC_CONF_LOCAL, line, "no role sets vmd's flags: it stays", number)
    why = "vmd(8) shows this VM, and no file defines it: it is left alone until vmd(8) restarts"
    for name in sorted(seen.status.keys() - {vm.name for vm in conf.vms}):
        notes.report(vm_conf.PATH, 0, name, why)


def _runs(vm: Candidate, seen: Seen) -> bool:
    status = seen.status.get(vm.name)
    return status is not None and status.pid is not None


def _explain(fit: Sequence[Candidate], seen: Seen, notes: Notes) -> None:
    """Note what the next run shows although it means the same."""
    for file, why in _EXPECTED:
        notes.expect(file, why)
    if running := ", ".join(sorted(vm.name for vm in fit if _runs(vm, seen))):
        why = "a VM that runs keeps what it has, and gets its group when it starts the next time"
        notes.expect(vm_conf.PATH, f"pending restart: {running}: {why}")


_EXPECTED: t.Final = (
    (
        vm_conf.PATH,
        "VMs in the order of their numbers, each with `disable`: /etc/rc.vmm starts those with "
        "autostart when the server boots, and vmctl reload starts none",
    ),
    (
        vm_conf.PATH,
        "an interface group for each VM, and one for the switch, by which rules of pf(4) name them",
    ),
    ("/etc/rc.vmm", "starts the VMs with autostart, one after the other"),
    (system.RC_LOCAL, "a line that calls /etc/rc.vmm"),
    ("/etc/login.conf.d/vmd", "as many open files and as much memory as the VMs need"),
    ("vmd", "more time to stop its VMs when the server goes down (vmd_timeout)"),
    (DEFAULT_IMAGE_DIRECTORY, "the directory for images of new VMs"),
)


def _drafts(
    fit: Sequence[Candidate], variables: Mapping[str, t.Any], options: Options
) -> Iterable[VmDraft]:
    prefix, base = variables["vmm_mac_prefix"], variables.get("vmm_mac_number_base", "hex")
    by_name = numbers.numbers(fit, prefix, base)
    directory = variables.get("vmm_image_directory", DEFAULT_IMAGE_DIRECTORY)
    usual = PRESETS[variables["vmm_preset"]].disk_format
    for vm in fit:
        fields = {"server": options.server, **vm.fields}
        if vm.first:
            path, form = vm.first
            if form == usual:
                del fields["disk_format"]
            if path == f"{directory}/{vm.name}.{IMAGE_SUFFIXES[form]}":
                del fields["image"]
        number = by_name.get(vm.name) or vm.number
        if number and fields.get("group") == default_group(number):
            del fields["group"]
        ipv6 = vm.ipv6 if "vmm_ipv6_network" in variables else None
        texts = {"mac": vm.mac, "ipv4": vm.ipv4, "ipv6": ipv6}
        settled: dict[str, t.Any] = {"number": number} if number else {}
        settled |= {key: str(value) for key, value in texts.items() if value}
        installed = Installed(options.at, *vm.first) if vm.first else None
        disks = tuple(RecordedDisk(*disk) for disk in vm.further)
        yield VmDraft(vm.name, fields, settled, installed, disks)


def without(options: Options, names: Mapping[str, str]) -> Options:
    """Return the same options with more VMs that stay out of the fleet."""
    return replace(options, without={**options.without, **names})
