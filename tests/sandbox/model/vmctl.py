# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl(8): its commands, what they print, and whom vmd(8) lets do what."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox.call import Result
from sandbox.model import access, scaled, vmctl_create, vmctl_start, vmd
from sandbox.model.errors import text
from sandbox.model.vmctl_words import USAGES, Failed, Name, usage
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine
    from sandbox.model.vm_state import Known, Life

_RESETS = {"all": frozenset({"vms", "switches"}), "vms": {"vms"}, "switches": {"switches"}}
# Numbers of the requests that only root may send.
_REQUESTS = {"verbose": 2, "reset": 3, "load": 21, "reload": 24}
_OWNER_MAX = 15
_CONSOLE_SECONDS = 0.2  # real ones, between looks at what is new


def run(machine: Machine, call: Call) -> Result:
    job = Vmctl(machine, call)
    try:
        rc = job.run(list(call.argv[1:]))
    except Failed as failed:
        rc = 1
        job.err.append(str(failed))
    return Result(rc, "".join(job.out), "".join(job.err))


@dataclass
class Vmctl:
    """One call. Methods named after the commands return the exit status or raise Failed."""

    machine: Machine
    call: Call
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    def run(self, words: list[str]) -> int:
        try:
            options = getopt(words, "v")
        except OptionError as error:
            raise Failed(f"vmctl: {error}\n{usage()}") from None
        if not options.operands:
            raise Failed(usage())
        word, *rest = options.operands
        found = [name for name in USAGES if name.startswith(word)]
        if not found:
            raise Failed(f"unknown argument: {word}\n{usage()}")
        if len(found) > 1:
            raise Failed(f"ambiguous argument: {word}\n{usage()}")
        command: Callable[[list[str]], int] = getattr(self, f"do_{found[0]}")
        return command(rest)

    # the way to the daemon

    def connect(self) -> Life:
        """Raises Failed where there is no daemon, or no way to it for this user."""
        files = self.machine.files
        reason = 0
        if not files.exists(vmd.SOCKET):
            reason = errno.ENOENT
        else:
            try:
                access.check(self.machine, self.call.uid, vmd.SOCKET, access.WRITE)
            except OSError as error:
                reason = error.errno or errno.EACCES
        life = self.machine.vmd.life
        if reason == 0 and life is None:
            reason = errno.ECONNREFUSED
        if reason or life is None:
            raise Failed(f"vmctl: connect: {vmd.SOCKET}: {text(reason)}\n")
        return life

    def root_only(self, request: str) -> Life:
        life = self.connect()
        if self.call.uid != 0:
            number = _REQUESTS[request]
            self.machine.vmd.log(f"denied request {number} from uid {self.call.uid}", "control")
            raise Failed(f"vmctl: command failed: {text(errno.EPERM)}\n")
        return life

    def wait(self, life: Life, done: Callable[[], bool]) -> None:
        """Wait for the daemon, which may die, until `done`; the caller may give up."""
        current = self.machine.vmd
        with self.machine.wakeup:
            self.machine.wakeup.wait_for(
                lambda: self.call.cancelled.is_set() or current.life is not life or done()
            )
        if not done():
            raise Failed("vmctl: pipe closed\n" if current.life is not life else "")

    def answer(self, life: Life) -> None:
        """The answer to a request that succeeded; a build's quirk never gives one."""
        if self.machine.faults.active("vmctl_hangs"):
            self.wait(life, lambda: False)

    def operands(self, command: str, words: list[str], count: int) -> list[str]:
        if len(words) != count:
            raise Failed(usage(command))
        return words

    def find(self, name: Name) -> Known | None:
        registry = self.machine.vmd.registry
        return registry.by_id(name.number) if name.number else registry.by_name(name.text)

    # commands

    def do_create(self, words: list[str]) -> int:
        return vmctl_create.create(self.machine, self.call, words, self.err.append)

    def do_start(self, words: list[str]) -> int:
        request = vmctl_start.parse(self.machine, self.call, words, self.err.append)
        self.connect()
        vm = vmctl_start.check(self.machine, self.call, request, self.err.append)
        code, known = self.machine.vmd.request_start(vm, self.call.uid, request.name.number)
        if code or known is None:
            raise Failed(vmctl_start.explain(code))
        if request.console:
            return self.attach(known.tty, known.name)
        self.err.append(f"vmctl: started vm {known.vmid} successfully, tty {known.tty}\n")
        return 0

    def do_status(self, words: list[str]) -> int:
        try:
            options = getopt(words, "r")
        except OptionError as error:
            raise Failed(f"vmctl: {error}\n{usage('status')}") from None
        if len(options.operands) > 1:
            raise Failed(usage("status"))
        wanted = Name.parse(options.operands[0]) if options.operands else None
        self.connect()
        running = self.machine.vmd.running
        others = [] if options.has("r") else [vm for vm in self.machine.vmd.vms if not vm.running]
        self.out.append(_row(*"ID PID VCPUS MAXMEM CURMEM TTY OWNER STATE NAME".split()))
        for vm in (*running, *others):
            if wanted is None or wanted.matches(vm.vmid, vm.name):
                self.out.append(self.line(vm))
        return 0 if running or others else 1

    do_show = do_status

    @cached_property
    def users(self) -> dict[int, str]:
        return {one.uid: one.name for one in reversed(self.machine.accounts.users())}

    @cached_property
    def groups(self) -> dict[int, str]:
        return {one.gid: one.name for one in reversed(self.machine.accounts.groups())}

    def line(self, vm: Known) -> str:
        current, tty, pid = "-", "-", "-"
        if vm.running:
            guest = self.machine.vmd.guests.get(vm.name)
            current = scaled.show(guest.used if guest else 0)
            tty, pid = vm.tty.removeprefix("/dev/"), str(vm.pid)
        uid = vm.uid if vm.running else vm.owner.uid
        owner = self.users.get(uid, str(uid))
        if vm.owner.gid is not None:
            owner += f":{self.groups.get(vm.owner.gid, vm.owner.gid)}"
        memory = scaled.show(vm.memory)
        return _row(
            str(vm.vmid), pid, "1", memory, current, tty, owner[:_OWNER_MAX], vm.state, vm.name
        )

    def do_stop(self, words: list[str]) -> int:
        try:
            options = getopt(words, "afw")
        except OptionError as error:
            raise Failed(f"vmctl: {error}\n{usage('stop')}") from None
        force, wait = options.has("f"), options.has("w")
        if not options.has("a"):
            (word,) = self.operands("stop", list(options.operands), 1)
            return self.stop(Name.parse(word), force=force, wait=wait)
        self.operands("stop", list(options.operands), 0)
        self.connect()
        for vm in list(self.machine.vmd.running):
            self.stop(Name(vm.name), force=force, wait=wait)
        return 0

    def stop(self, name: Name, *, force: bool, wait: bool) -> int:
        life = self.connect()
        self.err.append(f"stopping vm {name.text}: " if name.text else "stopping vm: ")
        vm = self.find(name)
        ends = self.ends(vm)
        code = self.machine.vmd.request_stop(vm, self.call.uid, force=force)
        if code or vm is None:
            return self.refused(code)
        if not wait:
            self.err.append(f"requested to shutdown vm {vm.vmid}\n")
            return 0
        self.wait(life, lambda: self.ends(vm) > ends)
        self.err.append(f"terminated vm {vm.vmid}\n")
        return 0

    def ends(self, vm: Known | None) -> int:
        return self.machine.vmd.ends.get(vm.vmid, 0) if vm else 0

    def refused(self, code: int) -> int:
        self.err.append("vm not found\n" if code == errno.ENOENT else f"failed: {text(code)}\n")
        return 1

    def do_wait(self, words: list[str]) -> int:
        (word,) = self.operands("wait", words, 1)
        name = Name.parse(word)
        life = self.connect()
        self.err.append(f"waiting for vm {name.text}: " if name.text else "waiting for vm: ")
        vm = self.find(name)
        code = self.machine.vmd.check_running(vm, self.call.uid)
        if code or vm is None:
            return self.refused(code)
        ends = self.ends(vm)
        self.wait(life, lambda: self.ends(vm) > ends)
        self.err.append(f"terminated vm {vm.vmid}\n")
        return 0

    def do_pause(self, words: list[str]) -> int:
        return self.pause("pause", words, paused=True)

    def do_unpause(self, words: list[str]) -> int:
        return self.pause("unpause", words, paused=False)

    def pause(self, command: str, words: list[str], *, paused: bool) -> int:
        (word,) = self.operands(command, words, 1)
        name = Name.parse(word)
        life = self.connect()
        vm = self.find(name)
        if vm is not None and name.number and not vm.started:
            vm = None  # the number is the kernel's, which has none for this machine
        code = self.machine.vmd.check_running(vm, self.call.uid, force=True)
        if code == errno.EINVAL:
            code = errno.ENOENT
        if code or vm is None:
            raise Failed(f"vmctl: {command} vm command failed: {text(code)}\n")
        # The build that never answers does not show the state either.
        self.answer(life)
        vm.paused = paused
        done = f"{vm.name}: {command}d vm {vm.vmid} successfully"
        self.machine.vmd.log(done if paused else f"{done}.")
        self.err.append(f"vmctl: {command}d vm {vm.vmid} successfully\n")
        return 0

    def do_reload(self, words: list[str]) -> int:
        self.operands("reload", words, 0)
        return self.configure("reload")

    def do_load(self, words: list[str]) -> int:
        (path,) = self.operands("load", words, 1)
        return self.configure("load", path)

    def configure(self, request: str, path: str = "") -> int:
        life = self.root_only(request)
        # The daemon opens the file, and its directory is /.
        if not self.machine.vmd.reload(f"/{path.lstrip('/')}" if path else ""):
            raise Failed("vmctl: command failed\n")
        self.answer(life)
        return 0

    def do_reset(self, words: list[str]) -> int:
        what = (words or ["all"])[0].lower()
        if len(words) > 1 or what not in _RESETS:
            raise Failed(usage("reset"))
        self.root_only("reset")
        self.machine.vmd.reset(frozenset(_RESETS[what]))
        return 0

    def do_log(self, words: list[str]) -> int:
        (word,) = self.operands("log", words, 1)
        if not any(level.startswith(word.lower()) for level in ("brief", "verbose")):
            raise Failed(usage("log"))
        self.root_only("verbose")
        return 0

    def do_console(self, words: list[str]) -> int:
        (word,) = self.operands("console", words, 1)
        name = Name.parse(word)
        self.connect()
        for vm in self.machine.vmd.running:
            if name.matches(vm.vmid, vm.name):
                return self.attach(vm.tty, vm.name)
        raise Failed("vmctl: console not found\n")

    def attach(self, tty: str, name: str) -> int:
        """cu(1) on the machine's tty, until the caller goes away or its input ends."""
        try:
            access.check(self.machine, self.call.uid, tty, access.READ | access.WRITE)
        except OSError as error:
            reason = text(error.errno or 0)
            raise Failed(f'cu: open("{tty}"): {reason}\n') from None
        self.call.write(f"Connected to {tty} (speed 115200)\r\n")
        self.follow(name)
        self.out.append("\r\n[EOT]\n")
        return 0

    def follow(self, name: str) -> None:
        """Show the console from its beginning, until there is no input or no guest any more."""
        guests = self.machine.vmd.guests
        guest, lines, shown = guests.get(name), guests.console(name), 0
        silent = threading.Event()

        def read() -> None:
            # This takes as long as the caller keeps its end open.
            _ = self.call.stdin
            silent.set()

        threading.Thread(target=read, daemon=True).start()
        while True:
            self.call.write("".join(f"{line}\r\n" for line in lines[shown:]))
            shown = len(lines)
            if silent.is_set() or self.call.cancelled.is_set() or guests.get(name) is not guest:
                return
            self.machine.wakeup.wait(_CONSOLE_SECONDS)


def _row(*cells: str) -> str:
    widths = (5, 5, 5, 7, 7, 7, 12, 8)
    padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
    return " ".join((*padded, cells[-1])) + "\n"


COMMANDS: dict[str, Handler] = {"/usr/sbin/vmctl": run}
