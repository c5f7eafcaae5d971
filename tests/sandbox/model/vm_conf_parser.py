# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmd's parser of vm.conf(5): what it accepts, what it says, and on which line."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sandbox.model import lalr, scaled, vm_conf_grammar
from sandbox.model.lalr import Reject
from sandbox.model.vm_conf import (
    DISKS_MAX,
    MEMORY_MAX,
    NAME_MAX,
    NICS_MAX,
    Disk,
    Identity,
    Nic,
    Settings,
    Switch,
    Vm,
)
from sandbox.model.vm_conf_lexer import Lexer, Macro

MEGABYTE = 1024**2
_IFNAME_MAX = 16
_PATH_MAX = 1024
_RDOMAIN_MAX = 255
_PSEUDO_INTERFACE = re.compile(r"([^0-9]+)[0-9]+")
_LLADDR = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")
_INSTANCE_FLAGS = {"boot": "kernel"}


class World(Protocol):
    """What the parser asks the system; the methods that touch files raise OSError with OpenBSD's words."""

    def read(self, path: str) -> str: ...
    def realpath(self, path: str) -> str: ...
    def is_qcow2(self, path: str) -> bool: ...
    def user(self, name: str) -> int | None: ...
    def group(self, name: str) -> int | None: ...


class Registrar(Protocol):
    """Takes what was read while the parser goes on, as vmd does; `vm` returns strerror(3)'s words or None."""

    def switch(self, switch: Switch) -> None: ...
    def vm(self, vm: Vm, disabled: bool, boot: str) -> str | None: ...


@dataclass
class Leftover:
    """What an earlier parse of the same process left behind: the boot path of a block that failed is kept."""

    boot: str = ""


@dataclass
class Result:
    ok: bool = True
    log: list[str] = field(default_factory=list)  # without the program's name
    warnings: list[str] = field(default_factory=list)  # to standard error only
    settings: Settings = field(default_factory=Settings)
    switches: list[Switch] = field(default_factory=list)
    vms: list[tuple[Vm, bool]] = field(default_factory=list)  # with "disabled"


def interface_type(name: str) -> str:
    """The `veb` of veb42; empty if this is no name of an interface with a number."""
    match = _PSEUDO_INTERFACE.fullmatch(name)
    return match[1] if match and len(match[1]) < _IFNAME_MAX - 1 else ""


def memory_size(value: int | str) -> tuple[int, str]:
    """Bytes in whole megabytes, or 0 and the reason."""
    try:
        size = scaled.scan(value) if isinstance(value, str) else value
    except ValueError as error:
        return 0, f"invalid memory size: {value}: {error}"
    if size < MEGABYTE:
        return 0, "memory size must be at least 1MB"
    if size > MEMORY_MAX:
        return 0, f"memory size too large (limit is {scaled.show(MEMORY_MAX)})"
    return size // MEGABYTE * MEGABYTE, ""


class _Parser:
    """The actions of the grammar, one method each."""

    def __init__(
        self,
        lexer: Lexer,
        world: World,
        settings: Settings,
        registrar: Registrar | None,
        leftover: Leftover,
        result: Result,
    ) -> None:
        self.lexer = lexer
        self.world = world
        self.registrar = registrar
        self.leftover = leftover
        self.result = result
        self.result.settings = settings
        self.disabled = False
        self.block = Switch("", "")
        self.machine = Vm("")
        self.nics = [Nic() for _ in range(NICS_MAX + 1)]
        self.nics_used = 0
        self.nics_wanted = 0

    def fail(self, text: str) -> Reject:
        """Report an error; the caller raises what this returns."""
        self.result.ok = False
        self.lexer.error(text)
        return Reject()

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
        if not _LLADDR.match(text):
            # The message of vmd has a line end of its own.
            raise self.fail(f"invalid address: {text}\n")
        return ":".join(f"{int(octet, 16):02x}" for octet in text.split(":")[:6])

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
        self.result.settings.inet6 = True

    def local_prefix4(self, _local: object, _prefix: object, text: str) -> None:
        self.result.settings.local_prefix = self.prefix(text, "local prefix", 4, 1, 16)

    def local_prefix6(self, _local: object, _inet6: object, _prefix: object, text: str) -> None:
        self.result.settings.local_prefix6 = self.prefix(text, "local inet6 prefix", 6, 0, 64)
        self.result.settings.inet6 = True

    def prefix(self, text: str, what: str, version: int, shortest: int, longest: int) -> str:
        address, slash, length = text.rpartition("/")
        if not slash:
            address, length = text, str(longest)
        reason = ""
        if not re.fullmatch(r"[-+]?[0-9]+", length):
            reason = "invalid"
        elif not shortest <= int(length) <= longest:
            reason = "too small" if int(length) < shortest else "too large"
        else:
            try:
                found = ipaddress.ip_interface(f"{address}/{int(length)}")
            except ValueError:
                reason = "invalid format" if version == 4 else "non-recoverable failure in name resolution"
            else:
                if found.version != version:
                    reason = "invalid format" if version == 4 else "no address associated with name"
                elif found.ip != found.network.network_address:
                    reason = "bad mask"
        if reason:
            raise self.fail(f"invalid {what}: {reason}")
        return f"{address}/{int(length)}"

    def socket_owner(self, _socket: object, _owner: object, owner: Identity) -> None:
        # A user without a group leaves the socket to group 0.
        self.result.settings.socket_owner = replace(owner, gid=owner.gid or 0)

    def agentx_path(self, _: object, path: str) -> None:
        if not path.startswith("/"):
            raise self.fail("agentx path is not absolute")

    def staggered(self, _s: object, _t: object, _p: object, parallel: int, _d: object, delay: int) -> None:
        self.result.settings.parallel = parallel
        self.result.settings.delay = delay

    def set_enabled(self, enabled: bool) -> None:
        self.disabled = not enabled

    # switches

    def switch_begin(self, _: object, name: str) -> None:
        self.block = Switch(name, "")
        self.disabled = False

    def switch_group(self, _: object, name: str) -> None:
        self.block = replace(self.block, group=self.valid_group(name))

    def switch_interface(self, _: object, name: str) -> None:
        if interface_type(name) not in ("bridge", "veb"):
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
        if self.registrar:
            self.registrar.switch(self.block)

    # virtual machines

    def change(self, kind: str, **values: object) -> None:
        given = self.machine.given | {kind} if kind else self.machine.given
        self.machine = replace(self.machine, given=given, **values)  # type: ignore[arg-type]

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
            if name != "tap" and interface_type(name) != "tap":
                raise self.fail(f"invalid interface: {name}")
            if len(name) >= _IFNAME_MAX:
                raise self.fail(f"interface name too long: {name}")
            self.nics[number] = replace(self.nics[number], tap=name)
        self.change("interface")

    def change_nic(self, **values: object) -> None:
        # The options come before the statement that counts the interface.
        number = min(self.nics_used, NICS_MAX)
        self.nics[number] = replace(self.nics[number], **values)  # type: ignore[arg-type]

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
        if self.leftover.boot:
            raise self.fail("kernel specified more than once")
        try:
            self.leftover.boot = self.world.realpath(path)
        except OSError as error:
            raise self.fail(f"kernel path not found: {error.strerror}") from None
        self.change("kernel")

    def word(self, _: object) -> str:
        # The token is a keyword, whose text the lexer has just given.
        return self.lexer.last

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
        size, reason = memory_size(value)
        if reason:
            self.result.log.append(reason)
            raise self.fail(f"failed to parse size: {value}")
        self.change("memory", memory=size)

    def owner(self, _: object, owner: Identity) -> None:
        self.change("", owner=owner)

    def allow(self, _: object) -> None:
        word = self.lexer.last
        self.change("", allow=self.machine.allow | {_INSTANCE_FLAGS.get(word, word)})

    def allow_owner(self, _: object, owner: Identity) -> None:
        self.change("", allow_owner=owner)

    def vm_end(self, *_: object) -> None:
        nics = tuple(self.nics[: max(self.nics_used, self.nics_wanted)])
        self.machine = replace(self.machine, nics=nics)
        self.result.vms.append((replace(self.machine, boot=self.leftover.boot), self.disabled))
        if self.registrar:
            reason = self.registrar.vm(self.machine, self.disabled, self.leftover.boot)
            if reason is not None:
                raise self.fail(f'vm "{self.machine.name}" failed: {reason}')
        self.leftover.boot = ""


def parse(
    name: str,
    text: str,
    world: World,
    *,
    macros: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    registrar: Registrar | None = None,
    leftover: Leftover | None = None,
) -> Result:
    """Read `text`, which is the file `name`.

    `macros` are those of the command line; `settings` are changed in place by global statements; without
    a `registrar` it is `vmd -n`.
    """
    known = {key: Macro(value, persistent=True) for key, value in (macros or {}).items()}
    result = Result()
    lexer = Lexer(name, text, known, result.log.append)
    parser = _Parser(lexer, world, settings or Settings(), registrar, leftover or Leftover(), result)
    actions = {rule.action: getattr(parser, rule.action) for rule in _TABLES.rules if rule.action}

    def syntax_error() -> None:
        parser.fail("syntax error")

    if not lalr.run(_TABLES, lexer.token, actions, syntax_error):
        result.ok = False
    result.warnings = [f"warning: macro '{key}' not used" for key, macro in known.items() if not macro.used]
    return result


_TABLES = vm_conf_grammar.tables()
