# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The modelled processes, and ps(1), pgrep(1) and pkill(1) on them.

A model adds a process for each one that its daemon has, and takes it away when the daemon ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.options import OptionError, Options, getopt

if TYPE_CHECKING:
    from sandbox.machine import Machine

_PS_LETTERS = "AaCcefgHhjkLlM:mN:O:o:p:rSTt:U:uvW:wx"
_GREP_LETTERS = "G:P:T:U:d:fg:Ilnoqs:t:u:vx"
_PS_USAGE = (
    "usage: ps [-AaceHhjkLlmrSTuvwx] [-M core] [-N system] [-O fmt] [-o fmt] [-p pid]\n"
    "          [-t tty] [-U username] [-W swap]\n"
)
_INIT = 1
# Name of each column, its heading, and whether it stands at the left.
_COLUMNS = {
    "pid": ("PID", False),
    "ppid": ("PPID", False),
    "user": ("USER", True),
    "uid": ("UID", False),
    "tt": ("TT", True),
    "stat": ("STAT", True),
    "state": ("STAT", True),
    "time": ("TIME", False),
    "command": ("COMMAND", True),
    "args": ("COMMAND", True),
    "comm": ("COMMAND", True),
    "ucomm": ("UCOMM", True),
}


@dataclass(frozen=True)
class Process:
    """``command`` is what ps shows: the name and arguments, or the title that it gave itself."""

    pid: int
    user: str
    command: str
    parent: int = _INIT

    @property
    def name(self) -> str:
        """The program's name, as pgrep(1) without -f sees it."""
        return self.command.split(":")[0].split()[0].rsplit("/", 1)[-1]


class Processes:
    """The table; other models hear through ``on_signal`` of a process that got a signal."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._hearers: list[Callable[[Process, str], None]] = []

    @property
    def _rows(self) -> dict[str, Any]:
        rows: dict[str, Any] = self._machine.subsystem("processes").setdefault("rows", {})
        return rows

    def start(self) -> None:
        """The processes of every machine that no model adds."""
        if not self._rows:
            self._rows[str(_INIT)] = ["root", "/sbin/init", 0]

    def add(self, user: str, command: str, pid: int | None = None, parent: int = _INIT) -> int:
        """Adds a process; its id is the machine's next unless one is given."""
        number = self._machine.pid() if pid is None else pid
        self._rows[str(number)] = [user, command, parent]
        return number

    def remove(self, pid: int) -> None:
        """Takes a process away; nothing if it is gone already."""
        self._rows.pop(str(pid), None)

    def all(self) -> list[Process]:
        """Every process, by number."""
        rows = ((int(pid), *row) for pid, row in self._rows.items())
        return [Process(pid, user, command, parent) for pid, user, command, parent in sorted(rows)]

    def on_signal(self, hearer: Callable[[Process, str], None]) -> None:
        """Calls the function with each process that pkill(1) hits, and the signal's name."""
        self._hearers.append(hearer)

    def signal(self, process: Process, name: str) -> None:
        """Sends a signal: hearers are told; TERM and KILL end the process."""
        for hearer in self._hearers:
            hearer(process, name)
        if name in ("TERM", "KILL"):
            self.remove(process.pid)


def ps(machine: Machine, call: Call) -> Result:
    """ps(1) with -a, -x, -A, -o, -p, -U and the formats that name owner and command."""
    arguments = list(call.argv[1:])
    if arguments and not arguments[0].startswith("-"):
        arguments[0] = "-" + arguments[0]
    try:
        options = getopt(arguments, _PS_LETTERS)
    except OptionError as error:
        return Result(1, "", f"ps: {error}\n{_PS_USAGE}")
    columns = _ps_columns(options)
    unknown = [one for one, _ in columns if one not in _COLUMNS]
    if unknown:
        return Result(1, "", f"ps: {unknown[0]}: keyword not found\n")
    wide = any(options.has(one) for one in "axA")
    rows = [one for one in machine.processes.all() if wide or one.user == call.user]
    if user := options.last("U"):
        rows = [one for one in rows if one.user == user]
    if pids := options.last("p"):
        wanted = set(re.split(r"[,\s]+", pids))
        rows = [one for one in rows if str(one.pid) in wanted]
    cells = [[_cell(machine, one, name) for name, _ in columns] for one in rows]
    return Result(0 if rows else 1, _table([heading for _, heading in columns], cells, columns))


def pgrep(machine: Machine, call: Call) -> Result:
    return _grep(machine, call, None)


def pkill(machine: Machine, call: Call) -> Result:
    signal, words = "TERM", list(call.argv[1:])
    if words and re.fullmatch(r"-(SIG)?[A-Z]{3,}\d?|-\d+", words[0]):
        signal = words.pop(0)[1:].removeprefix("SIG")
        signal = {"1": "HUP", "9": "KILL", "15": "TERM"}.get(signal, signal)
    return _grep(machine, call, signal, words)


def _grep(
    machine: Machine, call: Call, signal: str | None, words: list[str] | None = None
) -> Result:
    name = call.argv[0]
    try:
        options = getopt(call.argv[1:] if words is None else words, _GREP_LETTERS)
    except OptionError as error:
        return Result(2, "", f"{name}: {error}\n")
    if not options.operands and not options.given:
        return Result(2, "", f"usage: {name} [-flnoqvx] [-u euid] [pattern ...]\n")
    found = [one for one in machine.processes.all() if _matches(one, options)]
    if options.has("n") and found:
        found = found[-1:]
    if options.has("o") and found:
        found = found[:1]
    if signal is not None:
        for one in found:
            machine.processes.signal(one, signal)
    quiet = options.has("q") or (signal is not None and not options.has("l"))
    shown = "".join(
        f"{one.pid} {one.command if options.has('f') else one.name}\n"
        if options.has("l")
        else f"{one.pid}{options.last('d') or chr(10)}"
        for one in found
    )
    return Result(0 if found else 1, "" if quiet else shown)


def _matches(process: Process, options: Options) -> bool:
    users = options.last("u") or options.last("U")
    if users and process.user not in users.split(","):
        return options.has("v")
    text = process.command if options.has("f") else process.name
    how = re.fullmatch if options.has("x") else re.search
    hit = not options.operands or any(how(one, text) for one in options.operands)
    return hit != options.has("v")


def _ps_columns(options: Options) -> list[tuple[str, str]]:
    """The columns, each with its heading (`-o pid=NUMBER` has its own)."""
    names: list[str] = []
    for letter, value in options.given:
        if letter in "oO":
            names += re.split(r"[,\s]+", value)
    if options.has("u"):
        names = ["user", "pid", "tt", "stat", "time", "command"]
    if not names or options.has("O"):
        names = ["pid", *names, "tt", "stat", "time", "command"]
    columns = []
    for one in names:
        name, equals, heading = one.partition("=")
        columns.append((name, heading if equals else _COLUMNS.get(name, ("", True))[0]))
    return columns


def _cell(machine: Machine, process: Process, column: str) -> str:
    account = machine.accounts.user(process.user)
    return {
        "pid": str(process.pid),
        "ppid": str(process.parent),
        "user": process.user,
        "uid": str(account.uid if account else 0),
        "tt": "??",
        "stat": "S",
        "state": "S",
        "time": "0:00.01",
        "command": process.command,
        "args": process.command,
        "comm": process.name,
        "ucomm": process.name,
    }[column]


def _table(headings: list[str], cells: list[list[str]], columns: list[tuple[str, str]]) -> str:
    rows = [headings, *cells] if any(headings) else cells
    widths = [max(len(row[place]) for row in rows) for place in range(len(columns))] if rows else []
    lines = []
    for row in rows:
        parts = [
            text.ljust(width) if _COLUMNS[name][1] else text.rjust(width)
            for text, width, (name, _) in zip(row, widths, columns, strict=True)
        ]
        lines.append(" ".join(parts).rstrip() + "\n")
    return "".join(lines)


COMMANDS: dict[str, Handler] = {
    "/bin/ps": ps,
    "/usr/bin/pgrep": pgrep,
    "/usr/bin/pkill": pkill,
}
