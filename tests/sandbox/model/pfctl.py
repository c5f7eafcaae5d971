# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pfctl(8): check and load rules, show and flush them. Packets are in pf_packets.py."""

from __future__ import annotations

import errno
import getopt
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.model import errors, pf_conf
from sandbox.model.names import address_of, lookup

if TYPE_CHECKING:
    from sandbox.machine import Machine

CONFIGURATION = "/etc/pf.conf"
USAGE = (
    "usage: pfctl [-deghNnPqrvz] [-a anchor] [-D macro=value] [-F modifier] [-f file]\n"
    "\t[-i interface] [-K key] [-k key] [-L statefile] [-o level]\n"
    "\t[-p device] [-S statefile] [-s modifier [-R id]]\n"
    "\t[-t table -T command [address ...]] [-V rdomain] [-x level]\n"
)
FLUSH = ("all", "info", "osfp", "rules", "Reset", "Sources", "states", "Tables")
SHOW = ("Anchors", "Interfaces", "Sources", "Tables", "all", "info", "labels", "memory", "osfp",
        "queue", "rules", "states", "timeouts")  # fmt: skip
TABLE = ("add", "delete", "flush", "kill", "replace", "show")
DATE_WIDTH, DEBUG_WIDTH = 44, 15


class UsageError(Exception):
    """pfctl shows its usage, after this text."""


class Pf:
    """The packet filter's rulesets, as they are printed, by anchor; "" is the main one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("pf")

    @property
    def anchors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.state["anchors"]
        return found

    @property
    def tables(self) -> dict[str, list[str]]:
        """Addresses by anchor and table, written anchor:table."""
        found: dict[str, list[str]] = self.state["tables"]
        return found

    def start(self) -> None:
        """The first boot: enabled, with the rules of /etc/pf.conf."""
        if "anchors" in self.state:
            return
        now = self.machine.clock.now().timestamp()
        self.state.update(enabled=True, since=now, anchors={"": []}, tables={})
        if self.machine.files.exists(CONFIGURATION):
            self.load("", CONFIGURATION, self.machine.files.read_text(CONFIGURATION))

    def check(
        self, path: str, text: str, macros: dict[str, str] | None = None
    ) -> tuple[pf_conf.Ruleset | None, str]:
        return pf_conf.check(text, path, self._read, self._resolve, macros)

    def _read(self, path: str) -> str:
        try:
            return self.machine.files.read_bytes(path).decode("latin-1")
        except OSError as error:
            raise errors.failure(error.errno or errno.EIO) from error

    def _resolve(self, name: str) -> list[str]:
        """Addresses of an interface, an interface group or a host; `:network` gives networks."""
        network = self.machine.network
        base, _, modifier = name.partition(":")
        literal = address_of(name)
        if literal is not None:
            return [str(literal)]
        names = [base] if network.exists(base) else [one.name for one in network.group(base)]
        found = [one for interface in names for one in network.addresses(interface)]
        if found:
            return [str(one.network if modifier == "network" else one.ip) for one in found]
        return [str(one) for one in lookup(self.machine, name)]

    def load(
        self, anchor: str, path: str, text: str, *, test: bool = False,
        macros: dict[str, str] | None = None,
    ) -> tuple[list[str] | None, str]:  # fmt: skip
        """Rules into an anchor, all or nothing; the rules as printed, and what is said of them."""
        ruleset, messages = self.check(path, text, macros)
        if ruleset is None:
            return None, messages
        loaded = {anchor: ruleset.rules}
        tables = {f"{anchor}:{name}": content for name, content in ruleset.tables.items()}
        loaded |= {f"{anchor}/{name}".lstrip("/"): one for name, one in ruleset.anchors.items()}
        for name, file in ruleset.load:
            inner, said = self._load_file(file)
            messages += said
            if inner is None:
                return None, messages
            loaded[f"{anchor}/{name}".lstrip("/")] = inner.rules
        if not test:
            if not anchor:
                self.state["skip"] = ruleset.skip
            self.anchors.update(loaded)
            self.tables.update(tables)
        return ruleset.rules, messages

    def _load_file(self, file: str) -> tuple[pf_conf.Ruleset | None, str]:
        try:
            return self.check(file, self._read(file))
        except OSError as error:
            return None, _cannot_open(file, error)

    def paths(self) -> list[str]:
        """All anchors, those between included, that are no inline ones."""
        found = set()
        for anchor in self.anchors:
            parts = anchor.split("/") if anchor else []
            found |= {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        return sorted(path for path in found if not path.rpartition("/")[2].startswith("_"))


def _cannot_open(path: str, error: OSError) -> str:
    return (
        f"pfctl: pushfile: {path}: {error.strerror}\n"
        f"pfctl: cannot open the main config file!: {error.strerror}\n"
    )


class _Run:
    """One pfctl command."""

    def __init__(self, machine: Machine, call: Call) -> None:
        self.machine = machine
        self.pf = machine.pf
        self.call = call
        self.stdout = ""
        self.stderr = ""
        try:
            options, self.words = getopt.getopt(
                list(call.argv[1:]), "a:dD:eqf:F:ghi:k:K:L:Nno:Pp:R:rS:s:t:T:vV:x:z"
            )
        except getopt.GetoptError as error:
            raise UsageError(f"pfctl: unknown option -- {error.opt}\n") from error
        self.given = dict(options)
        if not call.argv[1:] or "-h" in self.given:
            raise UsageError
        pairs = [value.rpartition("=") for letter, value in options if letter == "-D"]
        self.macros = {name: value for name, equals, value in pairs if equals}
        self.verbose = "-v" in self.given
        self.test = "-n" in self.given
        self.anchor = self.given.get("-a", "").rstrip("*").rstrip("/")
        self.flush = self._choice("-F", FLUSH, "flush modifier")
        self.show = self._choice("-s", SHOW, "show modifier")
        self.table = self._choice("-T", TABLE, "table command")
        if ("-t" in self.given) != ("-T" in self.given):
            raise UsageError
        if self.words and not self.table:
            raise UsageError(f"pfctl: unknown command line argument: {self.words[0]} ...\n")

    def _choice(self, option: str, choices: tuple[str, ...], what: str) -> str:
        """The first that begins with what is given: modifiers may be cut short."""
        given = self.given.get(option)
        if given is None:
            return ""
        found = next((one for one in choices if one.startswith(given) and given), "")
        if not found:
            raise UsageError(f"pfctl: Unknown {what} '{given}'\n")
        return found

    def say(self, text: str) -> None:
        if "-q" not in self.given:
            self.stderr += f"{text}\n"

    def run(self) -> Result:
        if not self.test and self.call.uid != 0:
            return Result(1, "", "pfctl: /dev/pf: Permission denied\n")
        ok = True
        if "-d" in self.given and not self.test:
            ok = self._enable(False)
        if self.show and not self.test:
            getattr(self, f"_show_{self.show}", lambda: None)()
        if self.flush and not self.test:
            self._flush()
        if self.table:
            ok = self._table() and ok
        elif "-f" in self.given:
            ok = self._load(self.given["-f"]) and ok
        if "-e" in self.given and not self.test:
            ok = self._enable(True) and ok
        return Result(int(not ok), self.stdout, self.stderr)

    def _enable(self, enabled: bool) -> bool:
        word = "enabled" if enabled else "disabled"
        if self.pf.state["enabled"] == enabled:
            self.stderr += f"pfctl: pf {'already' if enabled else 'not'} enabled\n"
            return False
        self.pf.state.update(enabled=enabled, since=self.machine.clock.now().timestamp())
        self.say(f"pf {word}")
        return True

    def _load(self, path: str) -> bool:
        try:
            if path == "-":
                name, text = "stdin", self.call.stdin.decode("latin-1")
            else:
                name = path
                text = self.machine.files.read_bytes(self.call.absolute(path)).decode("latin-1")
        except OSError as error:
            self.stderr += _cannot_open(path, errors.failure(error.errno or errno.EIO))
            rules = None
        else:
            rules, messages = self.pf.load(
                self.anchor, name, text, test=self.test, macros=self.macros
            )
            self.stderr += messages
        if rules is None and not self.test:
            self.stderr += "pfctl: Syntax error in config file: pf rules not loaded\n"
        if self.verbose:
            self._print(rules or [])
        return rules is not None

    def _print(self, rules: list[str]) -> None:
        self.stdout += "".join(f"{rule}\n" for rule in rules)

    def _show_rules(self) -> None:
        below = [self.anchor]
        if self.given.get("-a", "").endswith("*"):
            below += [one for one in self.pf.anchors if one.startswith(f"{self.anchor}/")]
        for anchor in below:
            self._print(self.pf.anchors.get(anchor, []))

    def _show_Anchors(self) -> None:
        prefix = f"{self.anchor}/" if self.anchor else ""
        self._print([f"  {path}" for path in self.pf.paths() if path.startswith(prefix)])

    def _show_Tables(self) -> None:
        names = [name.split(":", 1) for name in self.pf.tables]
        self._print(sorted(table for anchor, table in names if anchor == self.anchor))

    def _show_info(self) -> None:
        since = int(self.machine.clock.now().timestamp() - self.pf.state["since"])
        days, seconds = divmod(since, 86400)
        word = "Enabled" if self.pf.state["enabled"] else "Disabled"
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        status = f"Status: {word} for {days} days {clock}"
        self.stdout += f"{status:<{DATE_WIDTH}}{'Debug: err':>{DEBUG_WIDTH}}\n\n"
        self.stdout += f"{'State Table':<27}{'Total':>15}{'Rate':>17}\n"
        self.stdout += f"{'  current entries':<27}{0:>15}{'':>17}\n"

    def _flush(self) -> None:
        if self.flush in ("rules", "all"):
            self.pf.anchors.pop(self.anchor, None)
            if not self.anchor:
                self.pf.anchors[""] = []
            self.say("rules cleared")
        if self.flush in ("Tables", "all"):
            gone = [name for name in self.pf.tables if name.startswith(f"{self.anchor}:")]
            for name in gone:
                del self.pf.tables[name]
            self.say(f"{len(gone)} tables deleted.")
        if self.flush == "states":
            self.say("0 states cleared")

    def _table(self) -> bool:
        name = f"{self.anchor}:{self.given['-t']}"
        before = self.pf.tables.get(name)
        if before is None and self.table not in ("add", "replace"):
            self.stderr += "pfctl: Table does not exist.\n"
            return False
        old = before or []
        if self.table == "show":
            self._print([f"   {address}" for address in old])
            return True
        new = {
            "add": [*old, *(word for word in self.words if word not in old)],
            "delete": [word for word in old if word not in self.words],
            "replace": list(dict.fromkeys(self.words)),
        }.get(self.table, [])
        if before is None:
            self.say("1 table created.")
        if not self.test:
            self.pf.tables[name] = new
        changed = len(set(old) ^ set(new))
        if self.table == "kill":
            self.pf.tables.pop(name)
            self.say("1 table deleted.")
        elif self.table == "flush":
            self.say(f"{changed} addresses deleted.")
        elif self.table == "replace":
            self.say(f"{changed} addresses changed." if changed else "no changes.")
        else:
            word = "added" if self.table == "add" else "deleted"
            self.say(f"{changed}/{len(self.words)} addresses {word}.")
        return True


def pfctl(machine: Machine, call: Call) -> Result:
    try:
        return _Run(machine, call).run()
    except UsageError as error:
        return Result(1, "", f"{error}{USAGE}")


COMMANDS: dict[str, Handler] = {"/sbin/pfctl": pfctl}
