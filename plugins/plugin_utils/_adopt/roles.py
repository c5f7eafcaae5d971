# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The roles' variables of a server: each keeps what is there, or is told to leave it alone."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    comments,
    statements,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import elements
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import (
    Candidate,
    leases,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.network import Network
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import (
    ARPQ,
    RESPONSES,
    SENSORSD_SCRIPT,
    Seen,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import (
    dhcpd_conf,
    httpd_conf,
    system,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes, has_secret

DEFAULT_GROUP: t.Final = "vmdusers"
# Where response files go on a server that has some of its own, which nothing is to remove.
_OTHER_RESPONSES: t.Final = "/var/www/htdocs/responses"
_OWN_LINES: t.Final = "# begin of puffy.vmm network"
_ANCHOR: t.Final = 'anchor "puffy.vmm"'

Variables = dict[str, t.Any]


@dataclass(frozen=True)
class Adopted:
    """The VMs that come into the fleet, and the server's view of the rest."""

    server: str
    candidates: tuple[Candidate, ...]
    seen: Seen
    notes: Notes

    @property
    def macs(self) -> set[str]:
        first = {one.mac for one in self.candidates if one.mac}
        return first.union(*(one.further_macs for one in self.candidates))


def owners_group(conf: vm_conf.Conf) -> str:
    """The group of vm.conf's `socket owner`, or the collection's own."""
    owner = conf.socket_owner or ""
    return owner[1:] if owner.startswith(":") else DEFAULT_GROUP


def vmd(conf: vm_conf.Conf, gone: Collection[Statement], adopted: Adopted) -> Variables:
    """The role vmd: what of vm.conf(5) is not the fleet's is written as it is."""
    notes, found = adopted.notes, Variables()
    taken = set(gone)
    if conf.socket and (conf.socket_owner or "").startswith(":"):
        taken.add(conf.socket[1])
        if owners_group(conf) != DEFAULT_GROUP:
            found["vmm_owners_group"] = owners_group(conf)
    else:
        found["vmd_group"] = ""
    if conf.agentx:
        taken.add(conf.agentx[1])
        found["vmd_agentx"] = True
    locked = [nic.locked for one in adopted.candidates for nic in one.interfaces]
    if locked and not any(locked):
        found["vmd_locked_lladdr"] = False
        notes.expect(
            vm_conf.PATH,
            "vmd_locked_lladdr: false, as it is now: a VM may send from any "
            "MAC; take the line out where that is not needed",
        )
    elif not all(locked):
        notes.expect(vm_conf.PATH, "all interfaces are held to their MACs (`locked`), as some are")
    text, superseded = conf.rest(taken)
    told = " ".join(one.fields.get("note", "") for one in adopted.candidates)
    for file, whole in conf.texts.items():
        _comments(file, whole, f"{text}\n{told}", notes)
    if statements(text, lines=True):
        if _copied(text, vm_conf.PATH, notes):
            found["vmd_extra"] = text
            notes.keep(vm_conf.PATH, 0, _summary("vm.conf", text), "vmd_extra")
        else:
            raise ValueError(_CANNOT_BE_COPIED.format(vm_conf.PATH))
    wanted = elements("vm.conf", text)
    ours = {f"VM {one.name}" for one in adopted.candidates}
    before = elements("vm.conf", conf.texts.get(vm_conf.PATH, ""))
    gone_elements = [
        one
        for one in before
        if one in superseded or (one not in wanted and one.startswith("VM ") and one not in ours)
    ]
    if gone_elements:
        found["vmd_adopted"] = gone_elements
    return found


_CANNOT_BE_COPIED: t.Final = (
    "{}: there may be a password in a comment or a line that would have to be kept, or text that "
    "is not UTF-8, so it is not copied: take that out of the file, and adopt the server again"
)


def _copied(text: str, path: str, notes: Notes) -> bool:
    """Whether a text can stand in the inventory: no secret is written there."""
    if not has_secret(text) and "\ufffd" not in text:
        return True
    notes.report(path, 0, "", "a text with a possible password, or not in UTF-8, is not copied")
    return False


def _comments(path: str, text: str, kept: str, notes: Notes) -> None:
    """Comments that are in nothing that is written."""
    for number, comment in comments(text, lines=path != dhcpd_conf.PATH):
        if comment.lstrip("#").strip() not in kept:
            notes.report(
                path,
                number,
                comment,
                "comments among what the fleet writes stay in the "
                "old file alone, which the next run keeps in /var/backups/puffy.vmm",
            )


def _summary(language: str, text: str) -> str:
    return ", ".join(elements(language, text)) or "lines that are not the fleet's"


def dhcpd(
    conf: dhcpd_conf.Conf | None,
    networks: Sequence[Network],
    variables: Variables,
    adopted: Adopted,
) -> Variables:
    """The role dhcpd, which is left alone where it would say less to the VMs than the file does."""
    notes, seen, path = adopted.notes, adopted.seen, dhcpd_conf.PATH
    service, off = seen.service("dhcpd"), Variables(dhcpd_manage=False)
    if conf is None or not service.enabled:
        notes.expect(
            path, "dhcpd_manage: false: this server has no dhcpd(8) that runs, and would get one"
        )
        return off
    network = networks[0]
    if network.subnet is None:
        notes.keep(
            path,
            0,
            _summary("dhcpd.conf", conf.text),
            f"dhcpd_manage: false, since it has no subnet {network.network}",
        )
        return off
    subnet = network.subnet
    labels = {one.mac: host_label(one.name) for one in adopted.candidates if one.mac}
    subnets = [one.subnet for one in networks if one.subnet]
    others = conf.foreign_to(subnets, adopted.macs, labels)
    others += _without_host(conf, adopted)
    if any(word.startswith("-") for word in service.flags.split()):
        why = "dhcpd_interfaces are interfaces alone"
        others.append(dhcpd_conf.Line(0, f"dhcpd_flags={service.flags}", why))
    rest = conf.rest(subnets, adopted.macs)
    if rest and not _copied(rest, path, notes):
        return off
    if others:
        for line in others:
            notes.report(path, *line)
        notes.keep(
            path,
            0,
            _summary("dhcpd.conf", conf.text),
            "dhcpd_manage: false, for the lines that are reported: with them taken out, or "
            "given up, take the variable out",
        )
        return off
    found = Variables()
    listens = service.flags.split() or _with_subnets(conf, seen)
    usual = variables.get("vmm_host_interface")
    if listens and (listens != [usual] or usual is None):
        found["dhcpd_interfaces"] = listens
    if subnet.ranges:
        found["dhcpd_range"] = list(subnet.ranges[0])
    for name, parameter in (
        ("dhcpd_next_server", "next-server"),
        ("dhcpd_server_name", "server-name"),
    ):
        told = subnet.parameters.get(parameter, conf.parameters.get(parameter, ()))
        if told and told[-1] not in (adopted.server, str(network.server)):
            found[name] = told[-1]
    _comments(path, conf.text, rest, notes)
    if rest:
        found["dhcpd_extra"] = rest
        notes.keep(path, 0, _summary("dhcpd.conf", rest), "dhcpd_extra")
    names = {one.name for one in adopted.candidates}
    superseded = [
        f"host {host.name}"
        for host in conf.hosts
        if host.mac in adopted.macs and host.name not in names
    ]
    superseded += [f"shared-network {one.words[1]}" for one in conf.shared_by(subnets)]
    if superseded:
        found["dhcpd_adopted"] = superseded
    notes.expect(
        path,
        "written anew: the VMs' hosts in the order of their numbers, others' subnets "
        "and hosts behind them; each host gets its VM's name, and machines that "
        "are not the fleet's get no answer in the VMs' subnet "
        "where it has no range, as before",
    )
    return found


def _with_subnets(conf: dhcpd_conf.Conf, seen: Seen) -> list[str]:
    """Where dhcpd(8) listens that is given no interface: those with an address of a subnet."""
    return [
        link.name
        for link in seen.links.values()
        for text in link.addresses
        if any(ip_interface(text).ip in subnet.network for subnet in conf.subnets)
    ]


def _without_host(conf: dhcpd_conf.Conf, adopted: Adopted) -> list[dhcpd_conf.Line]:
    """VMs that have an address by chance: the role would give each one of its own."""
    known = {host.mac for host in conf.hosts}
    held = leases(adopted.seen)
    return [
        dhcpd_conf.Line(
            0,
            f"VM {one.name}",
            f"it has no host, but a lease of a range: the role would give it {one.ipv4} for good",
        )
        for one in adopted.candidates
        if one.mac and one.mac not in known and one.mac in held
    ]


def httpd(adopted: Adopted) -> Variables:
    """The role httpd, which is left alone where the server is not one for installers."""
    seen, notes, path = adopted.seen, adopted.notes, httpd_conf.PATH
    off = Variables(httpd_manage=False)
    text = seen.text(path)
    if not text or not seen.service("httpd").enabled:
        notes.expect(
            path,
            "httpd_manage: false: this server has no httpd(8) that runs, and would "
            "get one; VMs are installed by it",
        )
        return off
    try:
        conf = httpd_conf.read(text)
    except ValueError as error:
        notes.report(path, 0, "", str(error))
        return off
    rest = conf.rest
    if conf.installers is None:
        notes.report(path, conf.line, "", conf.why)
    elif not rest or _copied(rest, path, notes):
        return _installers(conf, conf.installers, rest, adopted)
    notes.keep(
        path,
        0,
        _summary("httpd.conf", text),
        "httpd_manage: false: to have VMs installed from here, see the role's README",
    )
    return off


def _installers(
    conf: httpd_conf.Conf, server: httpd_conf.Installers, rest: str, adopted: Adopted
) -> Variables:
    found = Variables(httpd_listen=server.listen)
    if not system.is_ours(conf.text):
        found["autoinstall_site_sets"] = False
        adopted.notes.keep(
            "/var/www/htdocs",
            0,
            "site sets of your own",
            "autoinstall_site_sets: false: no run makes or replaces one",
        )
    if server.release and server.release != adopted.seen.release:
        found["httpd_release"] = "*"
    place = f"{httpd_conf.CHROOT}{server.responses}"
    own = sorted(
        path for path in adopted.seen.responses.values() if path.rpartition("/")[0] == place
    )
    if own:
        # The role would take them away with all other strays of its directory.
        found["autoinstall_directory"] = _OTHER_RESPONSES
        found["httpd_responses"] = _OTHER_RESPONSES.removeprefix(httpd_conf.CHROOT)
        for one in own:
            adopted.notes.report(
                one,
                0,
                "",
                "it stays where it is, and is served to nobody any more: "
                "it may have passwords in it, so remove it",
            )
    elif place != RESPONSES:
        found["autoinstall_directory"] = place
        found["httpd_responses"] = server.responses
    for name in sorted(adopted.seen.lists.get(place, ())):
        if f"{place}/{name}" not in own:
            adopted.notes.report(
                f"{place}/{name}",
                0,
                "",
                "httpd(8) gave it to whoever asked, and "
                "gives nobody anything but a response file any more",
            )
    if server.sets and f"{httpd_conf.CHROOT}{server.sets}" != "/var/www/htdocs/amd64":
        found["vmm_sets_directory"] = f"{httpd_conf.CHROOT}{server.sets}"
    found["httpd_strict"] = not server.listed
    _comments(httpd_conf.PATH, conf.text, rest, adopted.notes)
    if rest:
        found["httpd_extra"] = rest
        adopted.notes.keep(httpd_conf.PATH, 0, _summary("httpd.conf", rest), "httpd_extra")
    found["httpd_adopted"] = [one for one in conf.superseded if one != "server default"]
    adopted.notes.expect(
        httpd_conf.PATH,
        "the server for installers is written anew: it gives a "
        "response file to nobody but its VM, and the sets as before",
    )
    adopted.notes.expect("/etc/newsyslog.conf", "access.log is turned over at 1 MB")
    adopted.notes.expect("/var/www/logs", "root and the group daemon alone read there")
    adopted.notes.expect(
        found.get("autoinstall_directory", RESPONSES),
        "the directory of response files, which is empty while none installs",
    )
    return found


def sensorsd(adopted: Adopted) -> Variables:
    """The role sensorsd, which brings a script: it is left alone unless there is none yet."""
    seen, notes, path = adopted.seen, adopted.notes, system.SENSORSD_CONF
    text = seen.text(path).strip("\n")
    named = elements("sensorsd.conf", text)
    if system.is_ours(text):
        return _own_sensorsd(text)
    if not seen.service("sensorsd").enabled or not named:
        notes.expect(
            path,
            "sensorsd_manage: false: this server has no sensorsd(8) that runs, and would get one",
        )
        return Variables(sensorsd_manage=False)
    if SENSORSD_SCRIPT in seen.files or not _copied(text, path, notes):
        notes.keep(
            path,
            0,
            ", ".join(named),
            f"sensorsd_manage: false: the role would put its own "
            f"{SENSORSD_SCRIPT} in the place of the one that is there",
        )
        return Variables(sensorsd_manage=False)
    notes.keep(path, 0, ", ".join(named), "sensorsd_extra")
    notes.expect("/etc/sensorsd", "the directory of that script")
    notes.expect("/var/db/puffy.vmm.sensors", "what that script remembers")
    notes.expect(
        path,
        "the same entries below a line that says who wrote the file, and a script "
        "that none of them names yet",
    )
    return Variables(sensorsd_entries=[], sensorsd_extra=text)


def _own_sensorsd(text: str) -> Variables:
    """What stands behind the role's own entry for drives."""
    extra = text.partition("\n\n")[2]
    return Variables(sensorsd_extra=extra) if extra else Variables()


def network(adopted: Adopted) -> Variables:
    """The role network: it takes up what it made itself, and leaves alone what others made."""
    seen = adopted.seen
    if any(_OWN_LINES in seen.text(path) for path in seen.hostname_files):
        return Variables(network_manage=True)
    names = sorted(path.rpartition("/")[2] for path in seen.hostname_files)
    adopted.notes.keep(
        "/etc",
        0,
        ", ".join(names),
        "network_manage: false: no interface is touched; "
        "with true the role keeps the switch and its own address as they are",
    )
    return Variables(network_manage=False)


def pf(adopted: Adopted) -> Variables:
    """The role pf, whose rules hold VMs apart: a server that never had them decides for itself."""
    text = adopted.seen.text(system.PF_CONF)
    if _ANCHOR in text:
        return Variables()
    adopted.notes.keep(
        system.PF_CONF,
        0,
        f"{len(list(system.code_lines(text)))} lines",
        "pf_manage: false: no rule "
        "is added and none is changed; with pf_manage: true each VM is held to its addresses",
    )
    return Variables(pf_manage=False)


def sysctl(adopted: Adopted) -> Variables:
    """The kernel variables of sysctl.conf(5), as far as the kernel has these values."""
    seen, notes, path = adopted.seen, adopted.notes, system.SYSCTL_CONF
    found, others = system.sysctls(seen.text(path))
    for line in others:
        notes.report(path, *line)
    said = seen.runs.get("sysctl", {"stdout": ""})["stdout"]
    now = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    values: dict[str, str] = {}
    for name, value in found.items():
        if now.get(name) == value:
            values[name] = value
        else:
            notes.report(
                path,
                0,
                f"{name}={value}",
                f"the kernel has {now.get(name, 'no such name')}, so it is left to the file",
            )
    if ARPQ in now and ARPQ not in values:
        values[ARPQ] = now[ARPQ]
        if ARPQ not in found:
            notes.expect(path, f"a line with the value that {ARPQ} has already")
    return Variables(vmm_sysctl=values) if values else Variables()


def accounts(group: str, owners: Iterable[str], adopted: Adopted) -> Variables:
    """The role accounts: members of the group that own no VM keep the keys of their homes."""
    seen, known = adopted.seen, set(owners)
    members = set(seen.groups.get(group, ()))
    others = sorted(
        name for name in members - known if not seen.in_group(name, "wheel") and name != "root"
    )
    for name in sorted(known):
        if name not in seen.accounts:
            adopted.notes.expect("/etc/passwd", f"an account {name} is made, which has no password")
    adopted.notes.expect("sshd", "it reads its file again; connections stay")
    adopted.notes.expect(
        "/etc/ssh/owners", "the owners' keys, which sshd(8) reads there from now on"
    )
    adopted.notes.expect(
        system.SSHD_CONFIG, "lines that have it do so, for the owners' group alone"
    )
    return Variables(accounts_others=others) if others else Variables()
