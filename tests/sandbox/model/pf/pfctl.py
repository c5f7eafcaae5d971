# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pfctl(8): check and load rules, show and flush them."""

from __future__ import annotations

import errno
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sandbox.model import errors, replay
from sandbox.model.network.names import lookup
from sandbox.model.words import Refused
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

from .conf import End, Reader, Rule, Ruleset

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION = "/etc/pf.conf"


class Pf:
    """The packet filter's rules by anchor; "" is the main one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.anchors: dict[str, list[Rule]] = {}

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("pf")

    def start(self) -> None:
        """The first boot: enabled, with the rules of /etc/pf.conf."""
        if "rules" in self.state:
            saved = self.state["rules"].items()
            self.anchors = {path: [_rule(one) for one in rules] for path, rules in saved}
            return
        now = self.machine.clock.now().timestamp()
        self.state.update(enabled=True, since=now, skip=[])
        self.anchors = {"": []}
        if self.machine.files.exists(CONFIGURATION):
            self.load("", CONFIGURATION, self.machine.files.read_text(CONFIGURATION))

    def stop(self) -> None:
        rules = self.anchors.items()
        self.state["rules"] = {path: [asdict(one) for one in row] for path, row in rules}

    def _read(self, path: str) -> str:
        try:
            return self.machine.files.read_text(path)
        except OSError as error:
            raise errors.failure(error.errno or errno.EIO) from error

    def _resolve(self, name: str) -> list[str]:
        found = self.machine.network.addresses(name) if self.machine.network.exists(name) else []
        return [str(one.ip) for one in found] or [str(one) for one in lookup(self.machine, name)]

    def read(self, path: str, text: str) -> Ruleset:
        """Raises Refused, NotModelled, and OSError for an included file."""
        return Reader(self._read, self._resolve).file(path, text)

    def load(self, anchor: str, path: str, text: str, *, test: bool = False) -> list[Rule]:
        """Rules into an anchor, all or nothing; errors as of `read`."""
        ruleset = self.read(path, text)
        loaded = {anchor: ruleset.rules}
        for name, file in ruleset.load:
            loaded[f"{anchor}/{name}".lstrip("/")] = self.read(file, self._read(file)).rules
        if not test:
            self.anchors.update(loaded)
            if not anchor:
                self.state["skip"] = ruleset.skip
        return ruleset.rules


def _rule(data: dict[str, Any]) -> Rule:
    ends = {
        key: End(data[key]["host"], tuple(data[key]["ports"]) if data[key]["ports"] else None)
        for key in ("source", "target")
    }
    return Rule(**{**data, **ends, "rdr": tuple(data["rdr"]) if data["rdr"] else None})


def pfctl(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "a:deF:f:nqs:v")
    if options.operands or not options.given:
        raise NotModelled(" ".join(call.argv[1:]))
    pf, anchor = machine.pf, options.last("a", "") or ""
    if not options.has("n") and call.uid != 0:
        return Result(1, "", "pfctl: /dev/pf: Permission denied\n")
    ok, stdout = True, ""
    said: list[str] = []
    for letter, value in options.given:
        if letter in "de":
            ok = _enable(machine, letter == "e", said) and ok
        elif letter == "s":
            stdout += _show(machine, anchor, value)
        elif letter == "F":
            if not "rules".startswith(value):
                raise NotModelled(f"-F {value}")
            pf.anchors.pop(anchor, None)
            pf.anchors.setdefault("", [])
            said.append("rules cleared\n")
        elif letter == "f":
            done = _load(machine, call, anchor, value, test=options.has("n"))
            ok = ok and done.rc == 0
            stdout += done.stdout if options.has("v") else ""
            said.append(done.stderr)
    return Result(int(not ok), stdout, "" if options.has("q") and ok else "".join(said))


def _enable(machine: Machine, enabled: bool, said: list[str]) -> bool:
    state = machine.pf.state
    if state["enabled"] == enabled:
        said.append(f"pfctl: pf {'already' if enabled else 'not'} enabled\n")
        return False
    state.update(enabled=enabled, since=machine.clock.now().timestamp())
    said.append(f"pf {'enabled' if enabled else 'disabled'}\n")
    return True


def _load(machine: Machine, call: Call, anchor: str, path: str, *, test: bool) -> Result:
    failed = "" if test else "pfctl: Syntax error in config file: pf rules not loaded\n"
    try:
        text = machine.files.read_text(call.absolute(path))
    except OSError as error:
        reason = errors.text(error.errno or errno.EIO)
        said = f"pfctl: pushfile: {path}: {reason}\n"
        return Result(1, "", f"{said}pfctl: cannot open the main config file!: {reason}\n{failed}")
    try:
        rules = machine.pf.load(anchor, path, text, test=test)
    except Refused as refused:
        return Result(1, "", f"{refused}{failed}")
    except NotModelled:
        if (recorded := replay.whole("pfctl", path, text)) is None or not recorded.rc:
            raise
        return Result(recorded.rc, "", recorded.stderr + failed)
    return Result(0, "".join(f"{rule}\n" for rule in rules))


def _show(machine: Machine, anchor: str, what: str) -> str:
    pf = machine.pf
    if "rules".startswith(what):
        return "".join(f"{rule}\n" for rule in pf.anchors.get(anchor, []))
    if "Anchors".startswith(what):
        parts = [path.split("/") for path in pf.anchors if path]
        paths = {"/".join(one[:depth]) for one in parts for depth in range(1, len(one) + 1)}
        return "".join(f"  {path}\n" for path in sorted(paths))
    if not "info".startswith(what):
        raise NotModelled(f"-s {what}")
    since = int(machine.clock.now().timestamp() - pf.state["since"])
    clock = f"{since % 86400 // 3600:02d}:{since // 60 % 60:02d}:{since % 60:02d}"
    word = "Enabled" if pf.state["enabled"] else "Disabled"
    status = f"Status: {word} for {since // 86400} days {clock}"
    return f"{status:<44}{'Debug: err':>15}\n\n{'State Table':<27}{'Total':>15}{'Rate':>17}\n"


COMMANDS: dict[str, Handler] = {"/sbin/pfctl": pfctl}
