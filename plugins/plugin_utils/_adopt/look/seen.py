# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is asked of a server to be adopted, and what it shows; nothing on it is changed.

Files name other files: includes, images, response files, keys. So questions are asked until all
that was named is known, three times as a rule.
"""

from __future__ import annotations

import base64
import re
import typing as t
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import (
    dhcpd_conf,
    httpd_conf,
    response_file,
    sshd_config,
    system,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, rcctl
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts, image_header
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import ifconfig

PASSWD: t.Final = "/etc/passwd"
GROUP: t.Final = "/etc/group"
RESPONSES: t.Final = "/var/www/htdocs/install"
RC_VMM: t.Final = "/etc/rc.vmm"
SENSORSD_SCRIPT: t.Final = "/etc/sensorsd/drive"
_FILES: t.Final = (
    vm_conf.PATH,
    dhcpd_conf.PATH,
    dhcpd_conf.LEASES,
    dhcpd_conf.ETHERS,
    dhcpd_conf.HOSTS,
    httpd_conf.PATH,
    system.SYSCTL_CONF,
    system.RC_CONF_LOCAL,
    system.RC_LOCAL,
    system.SENSORSD_CONF,
    system.PF_CONF,
    system.OWN_PF,
    sshd_config.PATH,
    SENSORSD_SCRIPT,
    RC_VMM,
    PASSWD,
    GROUP,
)
SERVICES: t.Final = ("vmd", "dhcpd", "httpd", "sensorsd")
_LISTED: t.Final = ("/etc", "/dev", RESPONSES)
# So many bytes are read of a file that belongs to somebody else.
LONGEST_KEYS: t.Final = 65_536


@dataclass(frozen=True)
class Service:
    """rcctl(8)'s view of a service."""

    enabled: bool = False
    flags: str = ""

    @property
    def reads_otherwise(self) -> str:
        """Return the flags of vmd(8) or httpd(8) if they name a file (-f) or macros (-D)."""
        return self.flags if re.search(r"(?:^|\s)-[a-z]*[fD]", self.flags) else ""


@dataclass(frozen=True)
class Seen:
    """Answers so far: files has texts, heads first bytes, paths lstat(2), lists names, by path.

    asked are the paths that were asked for, there or not.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, bytes] = field(default_factory=dict)
    paths: Mapping[str, Mapping[str, t.Any] | None] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, t.Any]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    release: str = ""

    def with_answer(self, questions: Mapping[str, t.Any], answer: Mapping[str, t.Any]) -> Seen:
        """Return what is known once these questions were answered. Raises OperatorError."""
        heads = {question["path"] for question in questions["paths"] if "head" in question}
        read = {path: base64.b64decode(text) for path, text in answer["read"].items()}
        texts = {path: text.decode("utf-8", "replace") for path, text in read.items()}
        runs = {**self.runs, **answer["run"]}
        if "status" in runs:
            facts.refuse_silence(runs["status"], runs["check"])
        listed = [question["path"] for question in questions["list"]]
        lists = {path: tuple(answer["list"].get(path, ())) for path in listed}
        return Seen(
            {**self.files, **{path: text for path, text in texts.items() if path not in heads}},
            {**self.heads, **{path: data for path, data in read.items() if path in heads}},
            {**self.paths, **answer["paths"]},
            {**self.lists, **lists},
            runs,
            self.asked.union(listed, (question["path"] for question in questions["paths"])),
            answer.get("release", ""),
        )

    def text(self, path: str) -> str:
        """Return the content of a file, "" if there is none."""
        return self.files.get(path, "")

    @cached_property
    def status(self) -> dict[str, facts.VmStatus]:
        """What vmctl(8) shows, by the VM's name."""
        return facts.status_lines(self.runs["status"]["stdout"]) if "status" in self.runs else {}

    @cached_property
    def links(self) -> dict[str, ifconfig.Interface]:
        return ifconfig.parse(self.runs["ifconfig"]["stdout"]) if "ifconfig" in self.runs else {}

    def service(self, name: str) -> Service:
        result = self.runs.get(f"get {name}", {"rc": 2, "stdout": ""})
        lines = (line.partition("=") for line in result["stdout"].splitlines())
        flags = {key: value for key, _equals, value in lines}.get(f"{name}_flags", "")
        return Service(result["rc"] == 0, "" if flags == "NO" else flags)

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The members of each group that group(5) lists."""
        rows = self._rows(GROUP, 4)
        return {row[0]: tuple(name for name in row[3].split(",") if name) for row in rows}

    @cached_property
    def accounts(self) -> dict[str, sshd_config.Account]:
        """Accounts with all their groups, by name."""
        logins = {row[2]: row[0] for row in self._rows(GROUP, 4)}
        accounts = {}
        for name, _hash, uid, gid, _gecos, home, *_shell in self._rows(PASSWD, 7):
            groups = {group for group, members in self.groups.items() if name in members}
            groups.add(logins.get(gid, gid))
            accounts[name] = sshd_config.Account(name, home, uid, frozenset(groups))
        return accounts

    def _rows(self, path: str, length: int) -> list[list[str]]:
        """Return the lines of passwd(5) or group(5) with all their fields."""
        rows = (line.split(":") for line in self.text(path).splitlines())
        return [row for row in rows if len(row) >= length]

    def in_group(self, account: str, group: str) -> bool:
        known = self.accounts.get(account)
        return account in self.groups.get(group, ()) or bool(known and group in known.groups)

    def key_files(self, account: str) -> list[str]:
        """Return where sshd(8) looks for the keys of an account."""
        known = self.accounts.get(account)
        return self.sshd.key_files(known) if known else []

    @cached_property
    def sshd(self) -> sshd_config.Conf:
        return sshd_config.read(self.text(sshd_config.PATH))

    @property
    def response_directories(self) -> list[str]:
        with suppress(ValueError):
            roots = httpd_conf.read(self.text(httpd_conf.PATH)).roots
            return sorted({RESPONSES, *roots})
        return [RESPONSES]

    @property
    def responses(self) -> dict[str, str]:
        """The paths of response files by the MAC that they are for."""
        return {
            match[1].lower(): f"{directory}/{name}"
            for directory in self.response_directories
            for name in self.lists.get(directory, ())
            if (match := response_file.NAME.match(name))
        }

    @cached_property
    def started(self) -> frozenset[str]:
        """The VMs that a script of this collection starts when the server boots."""
        return frozenset(re.findall(r"^\tstart (\S+)$", self.text(RC_VMM), re.MULTILINE))

    @property
    def hostname_files(self) -> list[str]:
        names = self.lists.get("/etc", ())
        return [f"/etc/{name}" for name in names if name.startswith("hostname.")]

    @property
    def taps(self) -> int:
        """How many tap(4) nodes there are, counted from tap0 up to the first that is missing."""
        names = set(self.lists.get("/dev", ()))
        return next(number for number in range(len(names) + 1) if f"tap{number}" not in names)


def questions(seen: Seen) -> dict[str, t.Any] | None:
    """Return what is to be asked next, None if everything that was named is known."""
    if not seen.asked:
        runs: list[dict[str, t.Any]] = [
            {"name": f"get {name}", "argv": rcctl("get", name)} for name in SERVICES
        ]
        runs += [
            {"name": "ifconfig", "argv": [TOOLS["ifconfig"], "-A"]},
            {"name": "status", "argv": [TOOLS["vmctl"], "status"], "timeout": 20},
            {"name": "check", "argv": rcctl("check", "vmd")},
        ]
        paths = [{"path": path, "read": 1, "hash": 0} for path in _FILES]
        return {"paths": paths, "list": [{"path": path} for path in _LISTED], "run": runs}
    texts = [path for path in _named_files(seen) if path not in seen.asked]
    heads = {path: size for path, size in _beginnings(seen) if path not in seen.asked}
    lists = [path for path in seen.response_directories if path not in seen.asked]
    if "sysctl" in seen.runs and not (texts or heads or lists):
        return None
    paths = [{"path": path, "read": 1, "hash": 0} for path in dict.fromkeys(texts)]
    paths += [{"path": path, "head": size, "hash": 0} for path, size in heads.items()]
    runs = []
    if "sysctl" not in seen.runs:
        values, _others = system.sysctls(seen.text(system.SYSCTL_CONF))
        runs = [{"name": "sysctl", "argv": [TOOLS["sysctl"], *sorted({*values, ARPQ})]}]
    return {"paths": paths, "list": [{"path": path} for path in lists], "run": runs}


ARPQ: t.Final = "net.inet.ip.arpq.maxlen"


def _named_files(seen: Seen) -> Iterator[str]:
    """Yield files of the server's own operator that others name, or that listings have."""
    for path, text in seen.files.items():
        if path == vm_conf.PATH or path in _includes_so_far(seen):
            with suppress(ValueError):
                yield from vm_conf.includes(text)
    yield from seen.hostname_files
    yield from seen.responses.values()


def _includes_so_far(seen: Seen) -> set[str]:
    paths: set[str] = set()
    waiting = [vm_conf.PATH]
    while waiting:
        path = waiting.pop()
        with suppress(ValueError):
            new = set(vm_conf.includes(seen.text(path))) - paths
            paths |= new
            waiting += new
    return paths


def _beginnings(seen: Seen) -> Iterator[tuple[str, int]]:
    """Yield files of which the first bytes are enough, or which others may write."""
    with suppress(ValueError):
        conf = vm_conf.read(seen.files)
        for vm in conf.vms:
            paths = [(disk.path, image_header.HEADER_BYTES) for disk in vm.block.disks]
            paths += [(path, 1) for path in (vm.cdrom, vm.boot) if path]
            yield from ((path, size) for path, size in paths if path.startswith("/"))
        owners = {vm.block.owner for vm in conf.vms if vm.block.owner}
        for owner in sorted(owners):
            for path in seen.key_files(owner.partition(":")[0]):
                yield path, LONGEST_KEYS
