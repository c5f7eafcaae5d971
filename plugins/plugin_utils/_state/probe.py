# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's present state, as far as state documents ask for it, and the question for it."""

from __future__ import annotations

import base64
import fnmatch
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    PENDING_FILE,
    refuse_silence,
    status_lines,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import READERS, VM_CONF
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Directory, Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import (
    ifconfig,
    release_directory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.ifconfig import Interface

SYSCTL_CONF: t.Final = "/etc/sysctl.conf"
PF_CONF: t.Final = "/etc/pf.conf"
# Opening it fails with ENODEV where the processor or the machine's setup does not offer what vmm(4)
# needs; what dmesg(8) says may be of an earlier boot, or be gone. Opening has no other effect.
VMM: t.Final = "/dev/vmm"
# A run's id begins with its time, in UTC.
_RUN_ID: t.Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-")


@dataclass(frozen=True)
class PathFacts:
    """What lstat(2) says of a path; `sha256` is there for regular files that could be read."""

    type: str
    mode: str = ""
    owner: str = ""
    group: str = ""
    size: int = 0
    sha256: str | None = None


@dataclass(frozen=True)
class ServiceFacts:
    """rcctl(8)'s view of a service; `exists` is false where it knows no such service."""

    exists: bool = True
    enabled: bool = False
    running: bool = False
    flags: str = ""
    timeout: int = 30


@dataclass(frozen=True)
class UserFacts:
    """An account; `files` are those of its home that key logins need, seen with its rights."""

    home: str
    shell: str
    group: str
    groups: tuple[str, ...] = ()
    files: t.Mapping[str, PathFacts | None] = field(default_factory=dict)


@dataclass(frozen=True)
class PfFacts:
    """What pfctl(8) shows: the main rules, those of our anchor, and whether pf is enabled."""

    main: str = ""
    anchor: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class Current:
    """The answer to a probe, by name; `applied` is when this engine last changed the server."""

    paths: t.Mapping[str, PathFacts | None] = field(default_factory=dict)
    read: t.Mapping[str, bytes] = field(default_factory=dict)
    entries: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: t.Mapping[str, ServiceFacts] = field(default_factory=dict)
    sysctls: t.Mapping[str, str] = field(default_factory=dict)
    users: t.Mapping[str, UserFacts] = field(default_factory=dict)
    groups: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interfaces: frozenset[str] = frozenset()
    links: t.Mapping[str, Interface] = field(default_factory=dict)
    pf: PfFacts | None = None
    vmm: bool = True
    running: frozenset[str] = frozenset()
    lists: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)
    system: str = "OpenBSD"
    unfinished: bool = False
    applied: str | None = None


def runfile(service: str) -> str:
    """Where rc.subr(8) keeps how a service was started, which holds until it is stopped."""
    return f"/var/run/rc.d/{service}"


def line_files(document: Document) -> tuple[str, ...]:
    """The files in which a document wants single lines."""
    paths = [line.path for line in document.lines]
    if document.sysctls:
        paths.append(SYSCTL_CONF)
    return tuple(dict.fromkeys(paths))


def questions(documents: t.Sequence[Document]) -> dict[str, t.Any]:
    """The probe request for what these documents speak of (agent/probe.pl has its form)."""
    paths: dict[str, dict[str, t.Any]] = {}
    runs: list[dict[str, t.Any]] = [{"name": "uname", "argv": ["/usr/bin/uname", "-s"]}]
    for document in documents:
        for path in (*document.paths(), *line_files(document)):
            parent = str(PurePosixPath(path).parent)
            paths.setdefault(parent, {"path": parent, "hash": 0})
            paths[path] = {"path": path} | ({"read": 1} if path in READERS else {})
        rosters = [document.roster] if document.roster else []
        for path in (*line_files(document), *rosters):
            paths[path] = {"path": path, "read": 1}
        for path in (*(image.path for image in document.images), *_nodes(document)):
            paths[path] = {"path": path, "hash": 0}
        for firmware in document.firmware:
            paths[firmware.path] = {"path": firmware.path, "hash": 0}
        for service in document.services:
            if service.timeout is not None:
                path = runfile(service.name)
                paths[path] = {"path": path, "read": 1}
            for verb in ("get", "check"):
                argv = [TOOLS["rcctl"], verb, service.name]
                runs.append({"name": f"{verb} {service.name}", "argv": argv})
        if document.sysctls:
            argv = [TOOLS["sysctl"], *sorted(document.sysctls)]
            runs.append({"name": f"sysctl {document.name}", "argv": argv})
        for path in shared_files(document):
            paths[path] = {"path": path, "read": 1}
            paths.setdefault("/etc", {"path": "/etc", "hash": 0})
        if document.links:
            runs.append({"name": "links", "argv": [TOOLS["ifconfig"], "-A"]})
        if document.pf:
            runs.extend(_pf_questions(document.pf.anchor))
        for name in document.interfaces:
            runs.append({"name": f"ifconfig {name}", "argv": [TOOLS["ifconfig"], name]})
        if VM_CONF in document.paths():
            paths[PENDING_FILE] = {"path": PENDING_FILE, "read": 1}
            paths["/var/db"] = {"path": "/var/db", "hash": 0}
            argv = [TOOLS["vmctl"], "status"]
            runs.append({"name": "status", "argv": argv, "timeout": 20})
    accounts = [account.name for document in documents for account in document.accounts]
    groups = [name for document in documents for name in document.groups]
    groups += [name for doc in documents for account in doc.accounts for name in account.groups]
    for mirror in (mirror for document in documents for mirror in document.mirrors):
        paths |= {ask["path"]: ask for ask in release_directory.asks(mirror)}
        runs += release_directory.reads(mirror, mirror.directory)
    return {
        "verb": "probe",
        "paths": list(paths.values()),
        "list": [_listing(item) for doc in documents for item in doc.directories if item.purge],
        "users": sorted(set(accounts)),
        "rosters": [document.roster for document in documents if document.roster],
        "groups": sorted(set(groups)),
        "open": [VMM] if any(document.vmm for document in documents) else [],
        "run": runs,
    }


def parse(answer: t.Mapping[str, t.Any]) -> Current:
    """The agent's answer to questions(), as facts."""
    services: dict[str, ServiceFacts] = {}
    sysctls: dict[str, str] = {}
    interfaces: set[str] = set()
    runs: t.Mapping[str, t.Any] = answer["run"]
    for name, result in runs.items():
        verb, _space, subject = name.partition(" ")
        if verb == "get":
            services[subject] = _service(subject, result, runs[f"check {subject}"])
        elif verb == "sysctl":
            # sysctl(8) exits 0 for a name that it does not know: what it printed counts.
            lines = result["stdout"].splitlines()
            pairs = (line.partition("=")[::2] for line in lines if "=" in line)
            sysctls.update(pairs)
        elif verb == "ifconfig" and result["rc"] == 0:
            interfaces.add(subject)
    return Current(
        paths={path: _path(facts) for path, facts in answer["paths"].items()},
        read={path: base64.b64decode(text) for path, text in answer["read"].items()},
        entries={path: tuple(names) for path, names in answer["list"].items()},
        services=services,
        sysctls=sysctls,
        users={name: _user(facts) for name, facts in answer["users"].items()},
        groups={name: tuple(members.split()) for name, members in answer["groups"].items()},
        interfaces=frozenset(interfaces),
        links=ifconfig.parse(runs["links"]["stdout"]) if "links" in runs else {},
        pf=_pf_facts(runs) if "pf main" in runs else None,
        vmm=not answer.get("open", {}).get(VMM),
        running=_running(runs),
        system=runs["uname"]["stdout"].strip(),
        lists=release_directory.lists(answer),
        unfinished=bool(answer["unfinished"]),
        applied=_applied(answer.get("applied")),
    )


def _applied(run_id: str | None) -> str | None:
    match = _RUN_ID.match(run_id or "")
    return "{}-{}-{}T{}:{}:{}Z".format(*match.groups()) if match else None


def _listing(item: Directory) -> dict[str, t.Any]:
    """Asks for the names in a directory, and for all of those below it that may have to go."""
    if item.purge_directories is None:
        return {"path": item.path}
    return {"path": item.path, "within": fnmatch.translate(item.purge_directories)}


def shared_files(document: Document) -> t.Iterator[str]:
    """Files in which others have lines too, and the file of our rules."""
    for link in document.links:
        yield f"/etc/hostname.{link.name}"
    if document.pf:
        yield from (document.pf.path, PF_CONF)


def _pf_questions(anchor: str) -> t.Iterator[dict[str, t.Any]]:
    pfctl = TOOLS["pfctl"]
    yield {"name": "pf main", "argv": [pfctl, "-s", "rules"]}
    yield {"name": "pf anchor", "argv": [pfctl, "-a", anchor, "-s", "rules"]}
    yield {"name": "pf info", "argv": [pfctl, "-s", "info"]}


def _pf_facts(runs: t.Mapping[str, t.Any]) -> PfFacts:
    said = {name: runs[f"pf {name}"]["stdout"] for name in ("main", "anchor", "info")}
    return PfFacts(said["main"], said["anchor"], said["info"].startswith("Status: Enabled"))


def _nodes(document: Document) -> tuple[str, ...]:
    return tuple(f"/dev/{name}" for name in document.devices)


def _running(runs: t.Mapping[str, t.Any]) -> frozenset[str]:
    status = runs.get("status")
    if status is None:
        return frozenset()
    refuse_silence(status, runs.get("check vmd", {"rc": 1}))
    lines = status_lines(status["stdout"])
    return frozenset(name for name, line in lines.items() if line.pid is not None)


def _path(facts: t.Mapping[str, t.Any] | None) -> PathFacts | None:
    if facts is None:
        return None
    names = ("type", "mode", "owner", "group", "size", "sha256")
    return PathFacts(**{name: facts[name] for name in names if name in facts})


def _user(facts: t.Mapping[str, t.Any]) -> UserFacts:
    files = {name: _path(is_there) for name, is_there in facts["files"].items()}
    groups = tuple(facts["groups"])
    return UserFacts(facts["home"], facts["shell"], facts["group"], groups, files)


def _service(name: str, get: t.Mapping[str, t.Any], check: t.Mapping[str, t.Any]) -> ServiceFacts:
    # rcctl(8) get: 0 enabled, 1 disabled, 2 no such service.
    if get["rc"] not in (0, 1):
        return ServiceFacts(exists=False)
    values = dict(line.split("=", 1) for line in get["stdout"].splitlines() if "=" in line)
    flags = values.get(f"{name}_flags", "")
    return ServiceFacts(
        enabled=get["rc"] == 0,
        running=check["rc"] == 0,
        flags="" if flags == "NO" else flags,
        timeout=int(values.get(f"{name}_timeout") or 30),
    )
