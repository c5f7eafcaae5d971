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
    """What the fleet would say of the server. Raises OperatorError where nothing can be said."""
    notes = Notes()
    try:
        conf = vm_conf.read(seen.files)
        dhcp = _dhcpd_conf(seen)
    except ValueError as error:
        raise OperatorError(f"{error}; put that right on the server, and adopt it again") from error
    for file, one in conf.missing:
        notes.report(file, one.line, " ".join(one.words), "there is no such file")
    candidates = _candidates(conf, dhcp, seen, options, notes)
    switch = networks.first_switch(candidates, conf.switches)
    network = networks.network_of(candidates, switch, dhcp, seen) if switch else None
    network = network or _known_network(options, switch)
    problem = networks.problem_of(switch, network)
    if problem or switch is None or network is None:
        raise OperatorError(problem or "")
    nets = networks.further_networks(candidates, network, conf.switches, dhcp, seen)
    _judge(candidates, nets, conf)
    fit = [one for one in candidates if not one.reasons]
    nets = tuple(one for one in nets if one is nets[0] or _is_used(one, fit, nets))
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
    gone = [one.defined.statement for one in fit]
    gone += [one.statement for one in (switch, *further)]
    try:
        variables |= roles.vmd(conf, gone, adopted)
    except ValueError as error:
        raise OperatorError(str(error)) from error
    variables |= roles.sysctl(adopted) | roles.network(adopted) | roles.pf(adopted)
    owners = [one.fields["owner"] for one in fit]
    variables |= roles.accounts(roles.owners_group(conf), owners, adopted)
    variables |= roles.dhcpd(dhcp, nets, variables, adopted)
    variables |= roles.httpd(adopted)
    variables |= roles.sensorsd(adopted)
    _left(conf, seen, notes)
    unchanged = {name: one for name, one in options.known.items() if variables.get(name) == one}
    for name in unchanged:
        del variables[name]
    _explain(fit, seen, notes)
    drafts = _drafts(fit, variables | unchanged, options)
    return Draft(options.server, variables, tuple(drafts), notes)


def _dhcpd_conf(seen: Seen) -> dhcpd_conf.Conf | None:
    text = seen.text(dhcpd_conf.PATH)
    try:
        return dhcpd_conf.read(text) if text else None
    except ValueError as error:
        raise ValueError(f"{dhcpd_conf.PATH}: {error}") from None


def _candidates(
    conf: vm_conf.Conf,
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
    options: Options,
    notes: Notes,
) -> list[Candidate]:
    owners = {one.block.owner.partition(":")[0] for one in conf.vms if one.block.owner}
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
    found = [candidate(one, sources) for one in conf.vms]
    here = {one.name for one in found}
    for name, record in sorted(options.records.items()):
        if name not in here and record.values.get("server", options.server) == options.server:
            notes.report(record.file, 0, name, "vm.conf(5) of this server has no such VM")
    twice = Counter(one.name for one in found)
    for one in found:
        if twice[one.name] > 1:
            one.stays_out("vm.conf(5) has two VMs of this name")
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _known_network(options: Options, switch: vm_conf.Switch | None) -> networks.Network | None:
    """The network that the inventory has, for a server that does not show one."""
    known = _text(options.known.get("vmm_ipv4_network"))
    gateway = _text(options.known.get("vmm_ipv4_gateway"))
    if known is None or switch is None:
        return None
    try:
        server = IPv4Address(gateway) if gateway else None
        return networks.Network(IPv4Network(known), server=server, switch=switch.name)
    except ValueError:
        return None


def _is_used(
    network: networks.Network, fit: Iterable[Candidate], nets: Sequence[networks.Network]
) -> bool:
    return any(networks.network_of_vm(one, nets) is network for one in fit)


def _place(
    fit: Iterable[Candidate],
    nets: Sequence[networks.Network],
    dhcp: dhcpd_conf.Conf | None,
) -> None:
    """Name the network of VMs and of further interfaces, where there are several."""
    for one in fit:
        network = networks.network_of_vm(one, nets)
        if network and network is not nets[0]:
            one.fields["network"] = network.name
        for place, interface in enumerate(one.interfaces[1:] if len(nets) > 1 else ()):
            mac = (interface.lladdr or "").lower()
            host = host_of(dhcp, mac)
            inside = [
                net
                for net in nets
                if host
                and host.address
                and net.switch == interface.switch
                and IPv4Address(host.address) in net.network
            ]
            if host and inside:
                one.further_macs.add(mac)
                one.fields["interfaces"][place] |= {
                    "network": inside[0].name,
                    "ipv4": host.address,
                }


def _judge(
    candidates: Iterable[Candidate], nets: Sequence[networks.Network], conf: vm_conf.Conf
) -> None:
    """What stands against a VM that its own block does not show."""
    known = {one.name: one for one in conf.switches}
    for one in candidates:
        for place, interface in enumerate(one.interfaces):
            used = known.get(interface.switch or "")
            if used is None:
                continue
            if place == 0 and (why := networks.outside(one, nets)):
                one.stays_out(why)
            for reason in used.reasons:
                one.stays_out(f"switch {used.name}: {reason.why}", reason.text, reason.line)


def _same_keys(fit: Iterable[Candidate]) -> None:
    """An owner has one set of keys: those of all of its VMs."""
    keys: dict[str, dict[str, None]] = {}
    for one in fit:
        keys.setdefault(one.fields["owner"], {}).update(dict.fromkeys(one.fields["ssh_keys"]))
    for one in fit:
        one.fields["ssh_keys"] = list(keys[one.fields["owner"]])


def _report_out(candidates: Iterable[Candidate], seen: Seen, notes: Notes) -> None:
    for one in candidates:
        for reason in one.reasons:
            why = f"{reason.why}; so {one.name} stays in vmd_extra as it is"
            notes.report(one.defined.file, reason.line, reason.text, why)
        if one.reasons and one.defined.block.enabled and not _runs(one, seen):
            notes.report(
                one.defined.file,
                one.defined.statement.line,
                f"vm {one.name}",
                "it has no "
                "`disable` and does not run: vmd(8) starts it when it reads its file the "
                "next time, as a run has it do",
            )


def _further(
    fit: Iterable[Candidate], switch: vm_conf.Switch, conf: vm_conf.Conf
) -> list[vm_conf.Switch]:
    """The other switches that VMs of the fleet are on."""
    used = {interface.switch for one in fit for interface in one.interfaces}
    return [one for one in conf.switches if one.name in used and one.name != switch.name]


def _plans(
    fit: Sequence[Candidate],
    nets: Sequence[networks.Network],
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
    options: Options,
    notes: Notes,
) -> dict[str, t.Any]:
    """What numbers, MACs and addresses follow from, and what is not to be handed out."""
    network = nets[0]
    here = [one for one in fit if networks.network_of_vm(one, nets) is network]
    prefix = numbers.mac_prefix(fit, options.server)
    base = numbers.number_base(fit, prefix)
    by_name = numbers.numbers(fit, prefix, base)
    found: dict[str, t.Any] = {"vmm_mac_prefix": prefix}
    if base == "decimal":
        found["vmm_mac_number_base"] = base
    if plan := numbers.ipv4_range(here, by_name, network):
        found["vmm_ipv4_range"] = plan
    texts = ((path, seen.files[path]) for path in seen.responses.values() if path in seen.files)
    routers = [response_file.read(path, text, Notes()).router6 for path, text in texts]
    found |= networks.ipv6_settings(fit, network, [one for one in routers if one], seen, notes)
    if reserved := _reserved(fit, nets, dhcp):
        found["vmm_reserved"] = reserved
    directories = Counter(str(PurePosixPath(one.first[0]).parent) for one in fit if one.first)
    best = directories.most_common(1)
    if best and best[0][0] != DEFAULT_IMAGE_DIRECTORY:
        found["vmm_image_directory"] = best[0][0]
    needed = sum(len(one.interfaces) for one in fit)
    if seen.taps >= max(needed, 1):
        found["vmm_tap_count"] = min(seen.taps, 256)
    return found


def _reserved(
    fit: Sequence[Candidate], nets: Sequence[networks.Network], dhcp: dhcpd_conf.Conf | None
) -> list[str]:
    """Addresses of the VMs' networks that others have by dhcpd.conf(5)."""
    own = {one.ipv4 for one in fit}
    further = {mac for one in fit for mac in one.further_macs}
    found = []
    for host in dhcp.hosts if dhcp else ():
        address = IPv4Address(host.address) if host.address else None
        if host.address and address not in own and host.mac not in further:
            found += [host.address] if any(address in one.network for one in nets) else []
    for first, last in nets[0].subnet.ranges if nets[0].subnet else ():
        held = any(IPv4Address(first) <= one <= IPv4Address(last) for one in own if one)
        found += [] if held else [f"{first}-{last}" if first != last else first]
    return list(dict.fromkeys(found))


def _names(
    network: networks.Network, dhcp: dhcpd_conf.Conf | None, options: Options
) -> dict[str, t.Any]:
    """The VMs' domain and resolvers, where dhcpd.conf(5) says them."""
    found: dict[str, t.Any] = {}
    if dhcp is None:
        return found
    if domain := dhcp.option("domain-name", network.subnet):
        found["vmm_domain"] = domain[0]
    if servers := dhcp.option("domain-name-servers", network.subnet):
        found["vmm_dns_servers"] = list(servers)
    return found


def _left(conf: vm_conf.Conf, seen: Seen, notes: Notes) -> None:
    """Lines of scripts that act on VMs beside this collection."""
    for number, line in system.code_lines(seen.text(system.RC_LOCAL)):
        code = line.partition("#")[0].strip()
        if "vmctl" in code:
            notes.report(
                system.RC_LOCAL,
                number,
                code,
                "/etc/rc.vmm starts VMs from now on; the "
                "line is left alone, so take it out where it starts the same",
            )
    for number, line in system.code_lines(seen.text(system.RC_CONF_LOCAL)):
        if line.startswith("vmd_flags=") and line != "vmd_flags=":
            notes.keep(system.RC_CONF_LOCAL, number, line, "no role sets vmd's flags: it stays")
    defined = {one.name for one in conf.vms}
    for name in sorted(seen.status.keys() - defined):
        notes.report(
            vm_conf.PATH,
            0,
            name,
            "vmd(8) shows this VM, and no file defines it: it is "
            "left alone, and gone when vmd(8) starts again",
        )


def _runs(one: Candidate, seen: Seen) -> bool:
    status = seen.status.get(one.name)
    return status is not None and status.pid is not None


def _explain(fit: Sequence[Candidate], seen: Seen, notes: Notes) -> None:
    """What the next run shows although it means the same."""
    path = vm_conf.PATH
    notes.expect(
        path,
        "VMs in the order of their numbers, each with `disable`: /etc/rc.vmm starts "
        "those with autostart when the server boots, and vmctl reload starts none",
    )
    notes.expect(
        path,
        "an interface group for each VM, and one for the switch, by which rules of pf(4) name them",
    )
    notes.expect("/etc/rc.vmm", "starts the VMs with autostart, one after the other")
    notes.expect(system.RC_LOCAL, "a line that calls /etc/rc.vmm")
    notes.expect("/etc/login.conf.d/vmd", "as many open files and as much memory as the VMs need")
    notes.expect("vmd", "more time to stop its VMs when the server goes down (vmd_timeout)")
    notes.expect(DEFAULT_IMAGE_DIRECTORY, "the directory for images of new VMs")
    if running := [one.name for one in fit if _runs(one, seen)]:
        notes.expect(
            path,
            f"pending restart: {', '.join(sorted(running))}: a VM that runs keeps what "
            "it has, and gets its group when it starts the next time",
        )


def _drafts(
    fit: Sequence[Candidate], variables: Mapping[str, t.Any], options: Options
) -> Iterable[VmDraft]:
    prefix, base = variables["vmm_mac_prefix"], variables.get("vmm_mac_number_base", "hex")
    by_name = numbers.numbers(fit, prefix, base)
    directory = variables.get("vmm_image_directory", DEFAULT_IMAGE_DIRECTORY)
    usual = PRESETS[variables["vmm_preset"]].disk_format
    for one in fit:
        fields = {"server": options.server, **one.fields}
        if one.first:
            path, form = one.first
            if form == usual:
                del fields["disk_format"]
            if path == f"{directory}/{one.name}.{IMAGE_SUFFIXES[form]}":
                del fields["image"]
        number = by_name.get(one.name) or one.number
        if number and fields.get("group") == default_group(number):
            del fields["group"]
        ipv6 = one.ipv6 if "vmm_ipv6_network" in variables else None
        settled = {"number": number, "mac": one.mac, "ipv4": one.ipv4, "ipv6": ipv6}
        yield VmDraft(
            one.name,
            fields,
            {
                key: value if key == "number" else str(value)
                for key, value in settled.items()
                if value is not None
            },
            Installed(options.at, *one.first) if one.first else None,
            tuple(RecordedDisk(*disk) for disk in one.further),
        )


def without(options: Options, names: Mapping[str, str]) -> Options:
    """The same options with more VMs that stay out of the fleet."""
    return replace(options, without={**options.without, **names})
