# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmd(8): the daemon, its life, and the machines it knows."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from sandbox.call import Call
from sandbox.model import vm_conf_parser, vm_network, vmd_program
from sandbox.model.daemon import Daemon, Outcome
from sandbox.model.errors import text
from sandbox.model.vm_conf import Identity, Session, Settings, Switch, Vm
from sandbox.model.vm_register import Refused
from sandbox.model.vm_state import Known, Life
from sandbox.model.vm_world import FileWorld
from sandbox.model.vmd_machines import VirtualMachines
from sandbox.model.vmd_program import CONFIGURATION

if TYPE_CHECKING:
    from sandbox.call import Handler
    from sandbox.machine import Machine
    from sandbox.model.processes import Process

PROGRAM, SOCKET, VMM_NODE = "/usr/sbin/vmd", "/var/run/vmd.sock", "/dev/vmm"
STAGGER = 30  # seconds between batches
ASYNCHRONOUS = 0.2  # seconds until the privileged process has looked at a switch
# Seconds before the end of the time limit at which rc.subr(8) sends SIGTERM.
_LAST_CHANCE = 2
# In which order the processes say good-bye is a race.
_ORDERS = (("agentx", "control", "vmm", "priv"), ("control", "agentx", "vmm", "priv"))
_CHILDREN = {"priv": "root", "control": "_vmd", "vmm": "_vmd", "agentx": "_vmd"}


class Vmd(VirtualMachines):
    """The daemon."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._unchecked: list[tuple[int, Switch]] = []
        self._timer: threading.Timer | None = None
        machine.services.register(
            Daemon(
                "vmd",
                start=lambda _machine, flags: self.launch(flags),
                stop=lambda _machine, timeout: self.end(timeout),
                alive=lambda _machine: self.alive,
                reload=lambda _machine: self.hang_up(),
                configtest=lambda _machine, flags: self.test(flags),
            )
        )
        machine.processes.on_signal(self._signalled)

    @property
    def alive(self) -> bool:
        return self.life is not None

    # the model's own life

    def start(self) -> None:
        state = self.machine.subsystem("vmd")
        if "life" not in state:
            return
        self.life = Life(**state["life"])
        self.session.macros = self.life.macros
        self.session.settings = Settings(
            **{**state["settings"], "socket_owner": Identity(**state["settings"]["socket_owner"])}
        )
        self.session.boot = state["boot"]
        self.session.registrar = _Registrar(self)
        # The kind of a file is not kept with its owner.
        self._make_socket()
        self._chown_socket()
        self.switches = [Switch(**one) for one in state["switches"]]
        self.vms = [Known.from_json(one) for one in state["vms"]]
        self.guests.load(state["guests"], [vm for vm in self.vms if vm.running])
        if any(vm.waiting for vm in self.vms):
            self._timer = self.machine.later(self._delay(), self._batch)

    def stop(self) -> None:
        state = self.machine.subsystem("vmd")
        stops = state.get("stops", 0)
        state.clear()
        state["stops"] = stops
        if self.life is None:
            return
        state.update(
            life=asdict(self.life),
            settings=asdict(self.session.settings),
            boot=self.session.boot,
            switches=[asdict(one) for one in self.switches],
            vms=[vm.to_json() for vm in self.vms],
            guests=self.guests.dump(),
        )

    # the daemon's life

    def test(self, flags: tuple[str, ...]) -> Outcome:
        result = vmd_program.run(self.machine, Call(("vmd", "-n", *flags), PROGRAM))
        return Outcome(result.rc == 0, result.stderr)

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        """It goes into the background before it reads anything, so it always seems to succeed."""
        line = vmd_program.command_line(flags)
        if self.machine.faults.active("no_vmm"):
            self.log(f"fatal: {VMM_NODE}: {text(errno.ENODEV)}")
            return Outcome(ok=False, stderr=f"vmd: {VMM_NODE}: {text(errno.ENODEV)}\n")
        configuration = line.path or CONFIGURATION
        pid = self.machine.pid
        self.life = Life(pid(), pid(), pid(), pid(), pid(), configuration, line.macros)
        command = " ".join((PROGRAM, *flags))
        self.machine.processes.add("root", command, self.life.parent)
        for name, user in _CHILDREN.items():
            pid = getattr(self.life, name)
            self.machine.processes.add(user, f"vmd: {name} (vmd)", pid, self.life.parent)
        self.log("startup")
        self._make_socket()
        self.session = Session(macros=line.macros, registrar=_Registrar(self))
        self.vms, self.switches, self._unchecked = [], [], []
        if not self._parse(configuration):
            self._exit(("control", "vmm", "agentx", "priv"))
            return Outcome(ok=True)
        self._chown_socket()
        self._check_switches()
        self._first_batch()
        return Outcome(ok=True)

    def _make_socket(self) -> None:
        files = self.machine.files
        if files.exists(SOCKET):
            files.remove(SOCKET)
        os.mknod(files.resolve(SOCKET), stat.S_IFSOCK | 0o660)
        files.chmod(SOCKET, 0o660)
        files.chown(SOCKET, 0, 0)

    def _chown_socket(self) -> None:
        owner = self.session.settings.socket_owner
        self.machine.files.chown(SOCKET, owner.uid, owner.gid or 0)

    def end(self, timeout: float) -> Outcome:
        """As its rc.d script: stop every guest, one after the other, then the daemon.

        Guests that are not done two seconds before the limit (in seconds) lose their power.
        """
        deadline = time.monotonic() + self.machine.clock.real(max(0.0, timeout - _LAST_CHANCE))
        life, complete = self.life, True
        for vm in self.running:
            if vm.running and not vm.shutdown and time.monotonic() < deadline:
                self.request_stop(vm, 0, force=False)
            done = partial(self._ended_or_gone, vm, life)
            self.machine.wakeup.wait_for(done, max(0.0, deadline - time.monotonic()))
            complete = complete and not vm.running
        if self.life is life and life is not None:
            self.terminate()
        return Outcome(complete)

    def _ended_or_gone(self, vm: Known, life: Life | None) -> bool:
        return not vm.running or self.life is not life

    def terminate(self) -> None:
        """SIGTERM."""
        state = self.machine.subsystem("vmd")
        state["stops"] = state.get("stops", 0) + 1
        self._exit(_ORDERS[(state["stops"] - 1) % len(_ORDERS)], "terminating")

    def _exit(self, order: tuple[str, ...], last: str = "") -> None:
        self._lose_all()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for name in order:
            self.log(f"{name} exiting, pid {getattr(self.life, name)}", name)
        if last:
            self.log(last)
        for name in ("parent", *_CHILDREN):
            self.machine.processes.remove(getattr(self.life, name))
        self.life = None
        self.vms, self.switches, self._unchecked = [], [], []
        self.machine.wakeup.notify_all()

    def _signalled(self, process: Process, signal: str) -> None:
        if self.life is None:
            return
        if process.pid == self.life.parent:
            if signal == "HUP":
                self.hang_up()
            elif signal in ("TERM", "INT"):
                self.terminate()
            elif signal == "KILL":
                self._exit(("control", "vmm", "agentx", "priv"))
            return
        hit = [vm for vm in self.vms if process.pid in (vm.pid, *vm.device_pids)]
        if signal in ("TERM", "KILL", "INT"):
            for vm in hit:
                self.guests.kill(vm)
                self.ended(vm, reboot=False)

    def hang_up(self) -> Outcome:
        """SIGHUP; whether the file could be read is nowhere to be seen but in the log."""
        self.log("vmd_sighdlr: reload requested with SIGHUP")
        self.reload()
        return Outcome(ok=True)

    # configuration

    def _parse(self, path: str) -> bool:
        try:
            content = FileWorld(self.machine).read(path)
        except OSError as error:
            missing = error.errno == errno.ENOENT
            if not (missing and path == CONFIGURATION):
                self.log(f"failed to open {path}: {error.strerror}")
            return missing
        result = vm_conf_parser.parse(path, content, FileWorld(self.machine), self.session)
        for line in result.log:
            self.log(line)
        return result.ok

    def reload(self, load: str = "") -> bool:
        """Read vm.conf again, or another file in addition; False if it cannot be read.

        A reload forgets every machine that does not run, before anything else.
        """
        assert self.life is not None
        if not load:
            self.vms = [vm for vm in self.vms if vm.running]
        if not self._parse(load or self.life.configuration):
            return False
        if not load:
            self._chown_socket()
        self._check_switches()
        self._first_batch()
        return True

    def reset(self, what: frozenset[str]) -> None:
        """Forget vms, switches or both; running machines lose their power."""
        assert self.life is not None
        if "vms" in what:
            self._lose_all()
            self.vms, self.life.known_ids = [], {}
        if "switches" in what:
            self.switches, self.life.switches = [], 0
        default = Settings()
        self.session.settings.local_prefix = default.local_prefix
        self.session.settings.local_prefix6 = default.local_prefix6

    def add_switch(self, switch: Switch) -> None:
        assert self.life is not None
        self._unchecked.append((self.life.switches + 1, switch))
        self.life.switches += 1
        self.switches.append(switch)

    def _check_switches(self) -> None:
        """The privileged process looks for the interfaces; a missing one is the end of all."""
        unchecked, self._unchecked = self._unchecked, []
        for number, switch in unchecked:
            if not vm_network.configure_switch(self.machine, number, switch):
                self.machine.later(ASYNCHRONOUS, partial(self._die, self.life, switch.interface))
                return

    def _die(self, life: Life | None, interface: str) -> None:
        if self.life is life and life is not None:
            self.log(f'priv: priv_dispatch_parent: bridge "{interface}" does not exist', "priv")
            self._exit(("control", "vmm", "agentx"))

    # starting what is enabled

    def _delay(self) -> float:
        return STAGGER if self.session.settings.delay is None else self.session.settings.delay

    def _first_batch(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._batch()

    def _batch(self) -> None:
        self._timer = None
        if self.life is None:
            return
        parallel = self.session.settings.parallel
        parallel = int(self.machine.sysctl.get("hw.ncpuonline")) if parallel is None else parallel
        for number, vm in enumerate([vm for vm in self.vms if vm.waiting]):
            if number >= parallel:
                self._timer = self.machine.later(self._delay(), self._batch)
                break
            vm.waiting = False
            self.launch_vm(vm, vm.owner.uid)


class _Registrar:
    """Takes what the parser reads, while it reads."""

    def __init__(self, vmd: Vmd) -> None:
        self.vmd = vmd

    def switch(self, switch: Switch) -> None:
        self.vmd.add_switch(switch)

    def vm(self, vm: Vm, disabled: bool, boot: str) -> str | None:
        try:
            known = self.vmd.register(vm, 0)
            known.waiting = not disabled
        except Refused as refused:
            if refused.known is None:
                return text(refused.code)
            known = refused.known
        known.boot, known.once, known.from_config = boot, "", True
        return None


COMMANDS: dict[str, Handler] = {PROGRAM: vmd_program.run}
