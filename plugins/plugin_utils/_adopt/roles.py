# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The roles' variables of a server: each keeps what is there, or is told to leave it alone."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    comments,
    statements,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import elements
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
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
    sshd_config,
    system,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import (
    Notes,
    Remark,
    has_secret,
)

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
        first = {vm.mac for vm in self.candidates if vm.mac}
        return first.union(*(vm.further_macs for vm in self.candidates))


def owners_group(conf: vm_conf.Conf) -> str:
    """Return the group of vm.conf's `socket owner`, or the collection's own."""
    owner = conf.socket_owner or ""
    return owner[1:] if owner.startswith(":") else DEFAULT_GROUP


def vmd(conf: vm_conf.Conf, gone: Collection[Statement], adopted: Adopted) -> Variables:
    """Decide on the role vmd: what of vm.conf(5) is not the fleet's is written as it is.

    Raises OperatorError if that cannot be copied.
    """
    notes, variables, path = adopted.notes, Variables(), vm_conf.PATH
    taken = set(gone)
    if conf.socket and (conf.socket_owner or "").startswith(":"):
        taken.add(conf.socket)
        if owners_group(conf) != DEFAULT_GROUP:
            variables["vmm_owners_group"] = owners_group(conf)
    else:
        variables["vmd_group"] = ""
    if conf.agentx:
        taken.add(conf.agentx)
        variables["vmd_agentx"] = True
    locked = [interface.locked for vm in adopted.candidates for interface in vm.interfaces]
    if locked and not any(locked):
        variables["vmd_locked_lladdr"] = False
        why = "vmd_locked_lladdr: false, as it is now: a VM may send from any MAC"
        notes.expect(path, f"{why}; remove the variable if that is not needed")
    elif not all(locked):
        notes.expect(path, "all interfaces are held to their MACs (`locked`), as some are")
    text, superseded = conf.rest(taken)
    remarks = " ".join(vm.fields.get("note", "") for vm in adopted.candidates)
    for file, whole in conf.texts.items():
        _report_comments(file, whole, f"{text}\n{remarks}", notes)
    if statements(text, lines=True):
        if not _copied(text, path, notes):
            raise OperatorError(f"{path}: {_CANNOT_BE_COPIED}")
        variables |= _extra("vmd_extra", path, text, notes)
    stay = {*elements("vm.conf", text), *(f"VM {vm.name}" for vm in adopted.candidates)}
    adopted_elements = [
        element
        for element in elements("vm.conf", conf.texts.get(path, ""))
        if element in superseded or (element.startswith("VM ") and element not in stay)
    ]
    return variables | ({"vmd_adopted": adopted_elements} if adopted_elements else {})


_CANNOT_BE_COPIED: t.Final = (
    "there may be a password in a comment or a line that would have to be kept, or text that is "
    "not UTF-8, so it is not copied: remove that from the file, and adopt the server again"
)


def _copied(text: str, path: str, notes: Notes) -> bool:
    """Return whether a text may be copied into the inventory: no secret is written there."""
    if not has_secret(text) and "\ufffd" not in text:
        return True
    notes.report(path, 0, "", "a text with a possible password, or not in UTF-8, is not copied")
    return False


def _report_comments(path: str, text: str, kept: str, notes: Notes) -> None:
    """Report comments that are in nothing that is written."""
    why = (
        "comments among what the fleet writes stay only in the old file, which the next run keeps "
        "in /var/backups/puffy.vmm"
    )
    for line, comment in comments(text, lines=path != dhcpd_conf.PATH):
        if comment.lstrip("#").strip() not in kept:
            notes.report(path, line, comment, why)


def _summary(path: str, text: str) -> str:
    return ", ".join(elements(PurePosixPath(path).name, text)) or "lines that are not the fleet's"


def _extra(variable: str, path: str, text: str, notes: Notes) -> Variables:
    """Keep what is left of a file in a variable of its role."""
    if text:
        notes.keep(path, _summary(path, text), variable)
    return {variable: text} if text else {}


def _off(role: str, path: str, text: str, why: str, notes: Notes) -> Variables:
    """Have a role leave alone what the server has."""
    notes.keep(path, text, f"{role}_manage: false{why}")
    return {f"{role}_manage": False}


def _absent(role: str, path: str, adopted: Adopted) -> Variables:
    """Have a role not bring a daemon that the server does not run."""
    why = f"this server does not run {role}(8), and would get it"
    adopted.notes.expect(path, f"{role}_manage: false: {why}")
    return {f"{role}_manage": False}


def dhcpd(
    conf: dhcpd_conf.Conf | None,
    networks: Sequence[Network],
    variables: Variables,
    adopted: Adopted,
) -> Variables:
    """Decide on the role dhcpd, which is off if it would tell VMs less than the file does."""
    notes, seen, path = adopted.notes, adopted.seen, dhcpd_conf.PATH
    service, network = seen.service("dhcpd"), networks[0]
    if conf is None or not service.enabled:
        return _absent("dhcpd", path, adopted)
    summary = _summary(path, conf.text)
    if network.subnet is None:
        why = f", since it has no subnet {network.network}"
        return _off("dhcpd", path, summary, why, notes)
    subnet = network.subnet
    labels = {vm.mac: host_label(vm.name) for vm in adopted.candidates if vm.mac}
    subnets = [network.subnet for network in networks if network.subnet]
    foreign = conf.foreign_to(subnets, adopted.macs, labels)
    foreign += _without_host(conf, adopted)
    if any(word.startswith("-") for word in service.flags.split()):
        why = "dhcpd_interfaces can only be interfaces"
        foreign.append(Remark(0, f"dhcpd_flags={service.flags}", why))
    rest = conf.rest(subnets, adopted.macs)
    if rest and not _copied(rest, path, notes):
        return {"dhcpd_manage": False}
    if foreign:
        for remark in foreign:
            notes.report(path, *remark)
        why = ", for the lines that are reported: once they are removed, remove the variable too"
        return _off("dhcpd", path, summary, why, notes)
    chosen = Variables()
    listens = service.flags.split() or _with_subnets(conf, seen)
    usual = variables.get("vmm_host_interface")
    if listens and (listens != [usual] or usual is None):
        chosen["dhcpd_interfaces"] = listens
    if subnet.ranges:
        chosen["dhcpd_range"] = list(subnet.ranges[0])
    for parameter in ("next-server", "server-name"):
        values = subnet.parameters.get(parameter, conf.parameters.get(parameter, ()))
        if values and values[-1] not in (adopted.server, str(network.server)):
            chosen[f"dhcpd_{parameter.replace('-', '_')}"] = values[-1]
    _report_comments(path, conf.text, rest, notes)
    chosen |= _extra("dhcpd_extra", path, rest, notes)
    names = {vm.name for vm in adopted.candidates}
    superseded = [
        f"host {host.name}"
        for host in conf.hosts
        if host.mac in adopted.macs and host.name not in names
    ]
    superseded += [f"shared-network {shared.words[1]}" for shared in conf.shared_by(subnets)]
    if superseded:
        chosen["dhcpd_adopted"] = superseded
    notes.expect(
        path,
        "written again: the VMs' hosts in the order of their numbers, then others' subnets and "
        "hosts; each host gets its VM's name, and machines that are not the fleet's get no answer "
        "in the VMs' subnet if it has no range, as before",
    )
    return chosen


def _with_subnets(conf: dhcpd_conf.Conf, seen: Seen) -> list[str]:
    """Return where dhcpd(8) listens by default: interfaces with an address of a subnet."""
    return [
        link.name
        for link in seen.links.values()
        for text in link.addresses
        if any(ip_interface(text).ip in subnet.network for subnet in conf.subnets)
    ]


def _without_host(conf: dhcpd_conf.Conf, adopted: Adopted) -> list[Remark]:
    """Return VMs with a leased address: the role would give each a fixed one."""
    unknown = leases(adopted.seen).keys() - {host.mac for host in conf.hosts}
    why = "it has no host, but a lease of a range: the role would always give it"
    return [
        Remark(0, f"VM {vm.name}", f"{why} {vm.ipv4}")
        for vm in adopted.candidates
        if vm.mac in unknown
    ]


def httpd(adopted: Adopted) -> Variables:
    """Decide on the role httpd, which is off if the server does not serve installers."""
    seen, notes, path = adopted.seen, adopted.notes, httpd_conf.PATH
    text = seen.text(path)
    if not text or not seen.service("httpd").enabled:
        return _absent("httpd", path, adopted)
    try:
        conf = httpd_conf.read(text)
    except ValueError as error:
        notes.report(path, 0, "", str(error))
        return {"httpd_manage": False}
    rest = conf.rest
    if flags := seen.service("httpd").reads_otherwise:
        notes.report(path, 0, f"httpd_flags={flags}", "it is not all that httpd(8) reads")
    elif conf.installers is None:
        notes.report(path, conf.line, "", conf.why)
    elif not rest or _copied(rest, path, notes):
        return _installers(conf, conf.installers, rest, adopted)
    why = ": to have VMs installed from here, see the role's README"
    return _off("httpd", path, _summary(path, text), why, notes)


def _installers(
    conf: httpd_conf.Conf, server: httpd_conf.Installers, rest: str, adopted: Adopted
) -> Variables:
    notes, seen, path = adopted.notes, adopted.seen, httpd_conf.PATH
    variables = Variables(httpd_listen=server.listen)
    if not system.is_ours(conf.text):
        variables["autoinstall_site_sets"] = False
        why = "autoinstall_site_sets: false: no run makes or replaces one"
        notes.keep("/var/www/htdocs", "site sets of your own", why)
    if server.release and server.release != seen.release:
        variables["httpd_release"] = "*"
    place = f"{httpd_conf.CHROOT}{server.responses}"
    own = sorted(file for file in seen.responses.values() if file.rpartition("/")[0] == place)
    # The role would remove these with everything else in its directory that it does not know.
    responses = _OTHER_RESPONSES if own else place
    if responses != RESPONSES:
        variables["autoinstall_directory"] = responses
        variables["httpd_responses"] = responses.removeprefix(httpd_conf.CHROOT)
    for file in own:
        why = "it stays where it is, and is no longer served"
        notes.report(file, 0, "", f"{why}: it may have passwords in it, so remove it")
    for name in sorted(seen.lists.get(place, ())):
        if f"{place}/{name}" not in own:
            why = "httpd(8) served it to everybody, and serves only response files from now on"
            notes.report(f"{place}/{name}", 0, "", why)
    sets = f"{httpd_conf.CHROOT}{server.sets}"
    if server.sets and sets != "/var/www/htdocs/amd64":
        variables["vmm_sets_directory"] = sets
    variables["httpd_strict"] = not server.listed
    _report_comments(path, conf.text, rest, notes)
    variables |= _extra("httpd_extra", path, rest, notes)
    variables["httpd_adopted"] = [name for name in conf.superseded if name != "server default"]
    for file, why in (
        (
            path,
            "the server for installers is written again: it gives a response file only to its "
            "VM, and the sets as before",
        ),
        ("/etc/newsyslog.conf", "access.log is rotated at 1 MB"),
        ("/var/www/logs", "only root and the group daemon may read there"),
        (responses, "the directory of response files, which is empty while no VM is installed"),
    ):
        notes.expect(file, why)
    return variables


def sensorsd(adopted: Adopted) -> Variables:
    """Decide on the role sensorsd, which is off if there is a script already, as it brings one."""
    seen, notes, path = adopted.seen, adopted.notes, system.SENSORSD_CONF
    text = seen.text(path).strip("\n")
    if system.is_ours(text):
        # After the role's own entry for drives.
        extra = text.partition("\n\n")[2]
        return {"sensorsd_extra": extra} if extra else {}
    summary = ", ".join(elements("sensorsd.conf", text))
    if not seen.service("sensorsd").enabled or not summary:
        return _absent("sensorsd", path, adopted)
    if SENSORSD_SCRIPT in seen.files or not _copied(text, path, notes):
        why = f": the role would replace the {SENSORSD_SCRIPT} that is there by its own"
        return _off("sensorsd", path, summary, why, notes)
    notes.keep(path, summary, "sensorsd_extra")
    notes.expect("/etc/sensorsd", "the directory of that script")
    notes.expect("/var/db/puffy.vmm.sensors", "what that script remembers")
    why = "the same entries after a line that says who wrote the file, and a script that none uses"
    notes.expect(path, why)
    return Variables(sensorsd_entries=[], sensorsd_extra=text)


def network(adopted: Adopted) -> Variables:
    """Decide on the role network: it takes over what it made, and leaves alone what others made."""
    files = adopted.seen.hostname_files
    if any(_OWN_LINES in adopted.seen.text(path) for path in files):
        return Variables(network_manage=True)
    names = ", ".join(sorted(path.rpartition("/")[2] for path in files))
    why = (
        ": no interface is touched; with true the role keeps the switch and its own address as "
        "they are"
    )
    return _off("network", "/etc", names, why, adopted.notes)


def pf(adopted: Adopted) -> Variables:
    """Decide on the role pf, which is off unless its rules, which keep VMs apart, are there."""
    text = adopted.seen.text(system.PF_CONF)
    if _ANCHOR in text:
        return Variables()
    count = len(list(system.code_lines(text)))
    why = ": no rule is added or changed; with pf_manage: true each VM is held to its addresses"
    return _off("pf", system.PF_CONF, f"{count} lines", why, adopted.notes)


def sysctl(adopted: Adopted) -> Variables:
    """Take over the variables of sysctl.conf(5) that the kernel has with these values."""
    seen, notes, path = adopted.seen, adopted.notes, system.SYSCTL_CONF
    settings, refused = system.sysctls(seen.text(path))
    for remark in refused:
        notes.report(path, *remark)
    output = seen.runs.get("sysctl", {"stdout": ""})["stdout"]
    now = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    values = {name: value for name, value in settings.items() if now.get(name) == value}
    for name in (name for name in settings if name not in values):
        why = f"the kernel has {now.get(name, 'no such name')}, so it is left to the file"
        notes.report(path, 0, f"{name}={settings[name]}", why)
    if ARPQ in now and ARPQ not in values:
        values[ARPQ] = now[ARPQ]
        if ARPQ not in settings:
            notes.expect(path, f"a line with the value that {ARPQ} has already")
    return Variables(vmm_sysctl=values) if values else Variables()


def accounts(group: str, owners: Iterable[str], adopted: Adopted) -> Variables:
    """Let members of the group who own no VM keep the keys in their homes."""
    seen, notes, known = adopted.seen, adopted.notes, set(owners)
    for name in sorted(known - seen.accounts.keys()):
        notes.expect("/etc/passwd", f"an account {name} is made, which has no password")
    notes.expect("sshd", "it reads its file again; connections stay")
    notes.expect("/etc/ssh/owners", "the owners' keys, which sshd(8) reads there from now on")
    notes.expect(sshd_config.PATH, "lines by which it does so, for the owners' group only")
    others = {*seen.groups.get(group, ())} - known - {"root"}
    others = {name for name in others if not seen.in_group(name, "wheel")}
    _report_keys(known, others, seen, notes)
    return Variables(accounts_others=sorted(others)) if others else Variables()


def _report_keys(owners: Collection[str], others: Set[str], seen: Seen, notes: Notes) -> None:
    """Report what of sshd_config(5) gives accounts other keys than the fleet does, or will."""
    conf, path = seen.sshd, sshd_config.PATH
    for number, line in conf.includes:
        why = "files that it names are not read: places for keys in them are not known"
        notes.report(path, number, line, why)
    known = [seen.accounts[name] for name in sorted(owners) if name in seen.accounts]
    ours = next((place.line for place in conf.places if place.ours), None)
    for place in conf.places:
        before = bool(place.criteria) and not place.ours and (ours is None or place.line < ours)
        answers = {account.name: place.applies(account) for account in known if before}
        names = ", ".join(name for name, applies in answers.items() if applies is not False)
        if None in answers.values():
            why = f"keys there are not read: for {names} that depends on the connection"
        else:
            why = (
                f"it comes before the role's lines: until it is removed, sshd(8) reads the keys of "
                f"{names} there, and not the fleet's"
            )
        if names:
            criteria, files = " ".join(place.criteria), " ".join(place.files)
            text = f"AuthorizedKeysFile {files} (Match {criteria})"
            notes.report(path, place.line, text, why)
    for name in sorted(others & seen.accounts.keys()):
        account = seen.accounts[name]
        if conf.place(account).ours:
            file = conf.key_files(account)[0]
            why = (
                f"{name} owns no VM of the fleet, so the next run removes it, and sshd(8) looks "
                f"for keys in {account.home}: copy it to .ssh/authorized_keys there first"
            )
            notes.report(file, 0, "", why)
