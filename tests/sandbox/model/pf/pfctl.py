# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pfctl(8): check and load rules, show and flush them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from sandbox.model import errors, replay
from sandbox.model.replay import Refused
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

from .conf import Reader, Rule

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION = "/etc/pf.conf"


class Pf:
    """The packet filter's rules by anchor; "" is the main one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.anchors: dict[str, list[Rule]] = {"": []}

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("pf")

    def start(self) -> None:
        """At a boot: enabled unless it was disabled, with the rules of /etc/pf.conf."""
        now = self.machine.clock.now().timestamp()
        self.state.update(enabled=self.state.get("enabled", True), since=now, skip=[])
        if self.machine.files.exists(CONFIGURATION):
            self.load("", CONFIGURATION, self.machine.files.read_text(CONFIGURATION))

    def load(self, anchor: str, path: str, text: str, *, test: bool = False) -> None:
        """Rules into an anchor, all or nothing. Raises Refused, NotModelled, and OSError."""
        ruleset = Reader().file(path, text)
        loaded = {anchor: ruleset.rules}
        for name, file in ruleset.load:
            more = Reader().file(file, self.machine.files.read_text(file))
            loaded[f"{anchor}/{name}".lstrip("/")] = more.rules
        if not test:
            self.anchors.update(loaded)
            if not anchor:
                self.state["skip"] = ruleset.skip


def pfctl(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "a:deF:f:ns:")
    if options.operands or not options.letters:
        raise NotModelled(" ".join(call.argv[1:]))
    pf, anchor = machine.pf, options.last("a", "") or ""
    if not options.has("n") and call.uid != 0:
        return Result(1, "", "pfctl: /dev/pf: Permission denied\n")
    ok, stdout = True, ""
    said: list[str] = []
    for letter, value in options.letters:
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
            said.append(done.stderr)
    return Result(int(not ok), stdout, "".join(said))


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
        with replay.known("pfctl", path, text):
            machine.pf.load(anchor, path, text, test=test)
    except Refused as refused:
        return Result(1, "", f"{refused}{failed}")
    return Result()


def _show(machine: Machine, anchor: str, what: str) -> str:
    pf = machine.pf
    if "rules".startswith(what):
        return "".join(f"{rule}\n" for rule in pf.anchors.get(anchor, []))
    if not "info".startswith(what):
        raise NotModelled(f"-s {what}")
    since = int(machine.clock.now().timestamp() - pf.state["since"])
    clock = f"{since % 86400 // 3600:02d}:{since // 60 % 60:02d}:{since % 60:02d}"
    word = "Enabled" if pf.state["enabled"] else "Disabled"
    status = f"Status: {word} for {since // 86400} days {clock}"
    return f"{status:<44}{'Debug: err':>15}\n\n{'State Table':<27}{'Total':>15}{'Rate':>17}\n"


COMMANDS: dict[str, Handler] = {"/sbin/pfctl": pfctl}
