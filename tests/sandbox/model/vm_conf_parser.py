# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmd's parser of vm.conf(5): what it accepts, what it says, and on which line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.model import lalr, vm_conf_grammar
from sandbox.model import vm_conf_values as values
from sandbox.model.lalr import Reject
from sandbox.model.vm_conf import (
    DISKS_MAX,
    NAME_MAX,
    NICS_MAX,
    Disk,
    Identity,
    Nic,
    Result,
    Session,
    Switch,
    Vm,
    World,
)
from sandbox.model.vm_conf_lexer import Lexer, Macro

_IFNAME_MAX = 16
_PATH_MAX = 1024
_RDOMAIN_MAX = 255
_INSTANCE_FLAGS = {"boot": "kernel"}


class _Parser:
    """The actions of the grammar, one method each."""

    def __init__(self, lexer: Lexer, world: World, session: Session, result: Result) -> None:
        self.lexer = lexer
        self.world = world
        self.session = session
        self.settings = session.settings
        self.result = result
        self.disabled = False
        self.block = Switch("", "")
        self.machine = Vm("")
        self.nics = [Nic() for _ in range(NICS_MAX + 1)]
        self.nics_used = 0
        self.nics_wanted = 0

    def fail(self, text: str) -> Reject:
        """Report an error; the caller raises what this returns."""
        self.lexer.error(text)
        return Reject()

    def checked(self, check: Callable[[str], str], text: str, message: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise self.fail(message.format(error)) from None

    # values

    def nothing(self) -> None:
        return None

    def yes(self, *_: object) -> bool:
        return True

    def no(self, *_: object) -> bool:
        return False

    def second(self, _: object, value: object) -> object:
        return value

    def join(self, first: str, rest: str) -> str:
        return first + rest

    def identity_number(self, uid: int) -> Identity:
        return Identity(uid & 0xFFFFFFFF)

    def identity_name(self, text: str) -> Identity:
        user, _, group = text.partition(":")
        owner = Identity()
        if user:
            uid = self.world.user(user)
            if uid is None:
                raise self.fail(f"failed to get user: {user}")
            owner = replace(owner, uid=uid)
        if group:
            gid = self.world.group(group)
            if gid is None:
                raise self.fail(f"failed to get group: {group}")
            owner = replace(owner, gid=gid)
        return owner

    def address(self, text: str) -> str:
        # The message of vmd has a line end of its own.
        return self.checked(values.lladdr, text, "invalid address: {}\n")

    def image_format(self, _: object, text: str) -> str:
        if text.lower() not in ("raw", "qcow2"):
            raise self.fail(f"unrecognized disk format {text}")
        return text.lower()

    def valid_group(self, name: str) -> str:
        if len(name) >= _IFNAME_MAX or name[-1:].isdigit():
            raise self.fail(f"invalid group name: {name}")
        return name

    def valid_rdomain(self, number: int) -> int:
        if not 0 <= number <= _RDOMAIN_MAX:
            raise self.fail(f"invalid rdomain: {number}")
        return number

    # the file

    def skipped(self, *_: object) -> None:
        self.result.ok = False

    def include(self, _: object, path: str) -> None:
        try:
            text = self.world.read(path)
        except OSError:
            raise self.fail(f"failed to include file {path}") from None
        self.lexer.include(path, text)

    def macro(self, name: str, _: object, value: str) -> None:
        if any(c.isspace() for c in name[1:]):
            raise self.fail("macro name cannot contain whitespace")
        self.lexer.define(name, value)

    # global statements

    def local_inet6(self, *_: object) -> None:
        self.settings.inet6 = True

    def local_prefix4(self, _local: object, _prefix: object, text: str) -> None:
        self.settings.local_prefix = self.checked(values.prefix4, text, "invalid local prefix: {}")

    def local_prefix6(self, _local: object, _inet6: object, _prefix: object, text: str) -> None:
        self.settings.local_prefix6 = self.checked(
            values.prefix6, text, "invalid local inet6 prefix: {}"
        )
        self.settings.inet6 = True

    def socket_owner(self, _socket: object, _owner: object, owner: Identity) -> None:
        # A user without a group leaves the socket to group 0.
        self.settings.socket_owner = replace(owner, gid=owner.gid or 0)

    def agentx_path(self, _: object, path: str) -> None:
        if not path.startswith("/"):
            raise self.fail("agentx path is not absolute")

    def staggered(
        self, _s: object, _t: object, _p: object, parallel: int, _d: object, delay: int
    ) -> None:
        self.settings.parallel = parallel
        self.settings.delay = delay

    def set_enabled(self, enabled: bool) -> None:
        self.disabled = not enabled

    # switches

    def switch_begin(self, _: object, name: str) -> None:
        self.block = Switch(name, "")
        self.disabled = False

    def switch_group(self, _: object, name: str) -> None:
        self.block = replace(self.block, group=self.valid_group(name))

    def switch_interface(self, _: object, name: str) -> None:
        if values.interface_type(name) not in ("bridge", "veb"):
            raise self.fail(f"invalid switch interface: {name}")
        if len(name) >= _IFNAME_MAX:
            raise self.fail(f"switch interface too long: {name}")
        self.block = replace(self.block, interface=name)

    def switch_locked(self, *_: object) -> None:
        self.block = replace(self.block, locked=True)

    def switch_rdomain(self, _: object, number: int) -> None:
        self.block = replace(self.block, rdomain=self.valid_rdomain(number))

    def switch_state(self, up: bool) -> None:
        self.block = replace(self.block, up=up)

    def switch_end(self, *_: object) -> None:
        if not self.block.interface:
            raise self.fail(f'switch "{self.block.name}" is missing interface name')
        if self.disabled:
            return
        self.result.switches.append(self.block)
        if self.session.registrar:
            self.session.registrar.switch(self.block)

    # virtual machines

    def change(self, kind: str, **changed: object) -> None:
        given = self.machine.given | {kind} if kind else self.machine.given
        self.machine = replace(self.machine, given=given, **changed)  # type: ignore[arg-type]

    def vm_begin(self, _: object, name: str, instance: str | None) -> None:
        self.disabled = False
        self.nics = [Nic() for _ in range(NICS_MAX + 1)]
        self.nics_used = self.nics_wanted = 0
        self.machine = Vm(name)
        if instance is not None:
            if len(name) >= NAME_MAX:
                raise self.fail(f"vm {name} name too long")
            self.machine = Vm(instance, parent=name, given=frozenset({"instance"}))
        if len(self.machine.name) >= NAME_MAX:
            raise self.fail("vm name too long")

    def disk(self, _: object, path: str, image_format: str | None) -> None:
        reason = resolved = ""
        if len(self.machine.disks) >= DISKS_MAX:
            reason = "too many disks"
        else:
            try:
                resolved = self.world.realpath(path)
            except OSError as error:
                reason = f"disk {path}: {error.strerror}"
        if reason:
            self.result.log.append(reason)
            raise self.fail(f"failed to parse disks: {path}")
        kind = image_format or ("qcow2" if self.world.is_qcow2(resolved) else "raw")
        self.change("disk", disks=(*self.machine.disks, Disk(resolved, kind)))

    def nic(self, local: bool, _: object, name: str | None, _options: object) -> None:
        number = self.nics_used
        self.nics_used += 1
        if self.nics_used > NICS_MAX:
            raise self.fail(f"too many interfaces: {self.nics_used}")
        self.nics[number] = replace(self.nics[number], local=local)
        if name is not None:
            if name != "tap" and values.interface_type(name) != "tap":
                raise self.fail(f"invalid interface: {name}")
            if len(name) >= _IFNAME_MAX:
                raise self.fail(f"interface name too long: {name}")
            self.nics[number] = replace(self.nics[number], tap=name)
        self.change("interface")

    def change_nic(self, **changed: object) -> None:
        # The options come before the statement that counts the interface.
        number = min(self.nics_used, NICS_MAX)
        self.nics[number] = replace(self.nics[number], **changed)  # type: ignore[arg-type]

    def nic_switch(self, _: object, name: str) -> None:
        if len(name) >= NAME_MAX:
            raise self.fail(f"switch name too long: {name}")
        self.change_nic(switch=name)

    def nic_group(self, _: object, name: str) -> None:
        self.change_nic(group=self.valid_group(name))

    def nic_lladdr(self, locked: bool, _: object, address: str | None) -> None:
        if locked:
            self.change_nic(locked=True)
        self.change_nic(lladdr="" if address in (None, "00:00:00:00:00:00") else address)

    def nic_rdomain(self, _: object, number: int) -> None:
        self.change_nic(rdomain=self.valid_rdomain(number))

    def nic_state(self, up: bool) -> None:
        self.change_nic(up=up)

    def nic_count(self, _: object, number: int) -> None:
        if self.nics_wanted:
            raise self.fail("interfaces specified more than once")
        if not 0 <= number <= NICS_MAX:
            raise self.fail(f"too many interfaces: {number}")
        self.nics_wanted = number
        self.change("interface")

    def boot(self, _: object, path: str) -> None:
        if self.session.boot:
            raise self.fail("kernel specified more than once")
        try:
            self.session.boot = self.world.realpath(path)
        except OSError as error:
            raise self.fail(f"kernel path not found: {error.strerror}") from None
        self.change("kernel")

    def boot_device(self, _boot: object, _device: object, device: str) -> None:
        self.change("", boot_device=device)

    def cdrom(self, _: object, path: str) -> None:
        if self.machine.cdrom:
            raise self.fail("cdrom specified more than once")
        if len(path) >= _PATH_MAX:
            raise self.fail("cdrom name too long")
        self.change("cdrom", cdrom=path)

    def memory(self, _: object, value: int | str) -> None:
        if self.machine.memory:
            what = "argument" if isinstance(value, str) else "memory"
            raise self.fail(f"{what} specified more than once")
        try:
            size = values.memory(value)
        except ValueError as error:
            self.result.log.append(str(error))
            raise self.fail(f"failed to parse size: {value}") from None
        self.change("memory", memory=size)

    def owner(self, _: object, owner: Identity) -> None:
        self.change("", owner=owner)

    def allow(self, word: str) -> None:
        self.change("", allow=self.machine.allow | {_INSTANCE_FLAGS.get(word, word)})

    def allow_owner(self, _: object, owner: Identity) -> None:
        self.change("", allow_owner=owner)

    def vm_end(self, *_: object) -> None:
        nics = tuple(self.nics[: max(self.nics_used, self.nics_wanted)])
        self.machine = replace(self.machine, nics=nics)
        self.result.vms.append((replace(self.machine, boot=self.session.boot), self.disabled))
        if self.session.registrar:
            reason = self.session.registrar.vm(self.machine, self.disabled, self.session.boot)
            if reason is not None:
                raise self.fail(f'vm "{self.machine.name}" failed: {reason}')
        self.session.boot = ""


def parse(name: str, text: str, world: World, session: Session | None = None) -> Result:
    """Read `text`, which is the file `name`; the session's settings are changed in place."""
    session = session or Session()
    known = {key: Macro(value, persistent=True) for key, value in session.macros.items()}
    result = Result()

    def report(message: str) -> None:
        result.ok = False
        result.log.append(message)

    lexer = Lexer(name, text, known, report)
    parser = _Parser(lexer, world, session, result)
    tables = vm_conf_grammar.tables()
    actions = {rule.action: getattr(parser, rule.action) for rule in tables.rules if rule.action}
    if not lalr.run(tables, lexer.token, actions, lambda: lexer.error("syntax error")):
        result.ok = False
    result.warnings = [f"macro '{key}' not used" for key, macro in known.items() if not macro.used]
    return result
