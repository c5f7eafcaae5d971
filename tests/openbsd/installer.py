# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The dialogue with OpenBSD's boot loader and installer.

Hardly anything needs an answer: pxeboot(8) reads its commands from etc/boot.conf on the TFTP
server, and the installer, booted from the network, starts autoinstall(8). But it asks
for the response file on port 80 only, which takes root's rights here, and then at the console. If
something else on this machine answers at port 80 whatever it is asked for, the installer takes that
for its response file and gives up; then its shell fetches the right one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum

from openbsd.console import Console, ConsoleError

KERNEL = "tftp:bsd.rd"
_INTERFACE = "vio0"
BOOT_COMMANDS = ("stty com0 115200", "set tty com0", f"boot {KERNEL}")
# Seconds between keys: the BIOS forgets what comes too fast.
TYPING = 0.1
# Seconds for what a guest says after it has failed.
_LINGERS = 2.0
BOOT_CONF = "".join(f"{line}\n" for line in BOOT_COMMANDS)


@dataclass(frozen=True)
class Limits:
    """Seconds: until the installer asks for its response file, for the installation, for a boot.

    ``vm``: that a VM within the server may take to get any further.
    """

    installer: float
    installation: float
    boot: float
    shutdown: float
    vm: float

    def scaled(self, factor: float) -> Limits:
        return Limits(
            self.installer * factor,
            self.installation * factor,
            self.boot * factor,
            self.shutdown * factor,
            self.vm * factor,
        )


# With KVM. TCG takes several times as long.
LIMITS = Limits(installer=300, installation=1800, boot=600, shutdown=120, vm=1800)
SLOW = 6.0


class _Seen(IntEnum):
    """What the console shows, by place in _PATTERNS."""

    PROMPT = 0
    TIMER = 1
    MENU = 2
    LOCATION = 3
    BEGUN = 4
    DONE = 5
    FAILED = 6


_PATTERNS = (
    r"boot> ",
    r"Starting non-interactive mode in",
    r"\(S\)hell\? ",
    r"Response file location\?",
    r"Performing non-interactive install",
    r"CONGRATULATIONS! Your OpenBSD install has been successfully completed",
    "|".join(
        (
            # The installer,
            r"Question has no answer in response file[^\r\n]*[\r\n]",
            r"failed; check /tmp/ai/ai\.log",
            r"No response file found[^\r\n]*[\r\n]",
            r"Failed to install bootblocks[^\r\n]*[\r\n]",
            # the kernel, iPXE, SeaBIOS.
            r"panic: [^\r\n]*[\r\n]",
            r"ddb(?:\{\d+\})?> ",
            r"No more network devices",
            r"No bootable device",
        )
    ),
)

_MEANINGS = {
    _Seen.PROMPT: f"the boot loader could not load {KERNEL}",
    _Seen.MENU: "the installer gave up",
    _Seen.LOCATION: "the installer could not fetch the response file",
}


def install(console: Console, response_file: str, limits: Limits) -> None:
    """See the installation through, until the guest has ended. Raises ConsoleError.

    ``response_file``: its address, which ends in install.conf.
    """
    until = time.monotonic() + limits.installer
    if not _begin(console, response_file, until):
        _begin_by_hand(console, response_file, until)
    seen, text = _next(console, time.monotonic() + limits.installation, "installing")
    if seen is not _Seen.DONE:
        raise _failure(console, seen, text)
    console.wait_for_end(time.monotonic() + limits.shutdown)


def _begin(console: Console, response_file: str, until: float) -> bool:
    """Return whether the installer has begun, by the response file that it was told of."""
    commands = list(BOOT_COMMANDS)
    timer = menu = located = False
    while True:
        seen, text = _next(console, until, "waiting for the installer")
        if seen is _Seen.BEGUN:
            return located
        if seen is _Seen.TIMER:
            timer = True
        elif seen is _Seen.PROMPT and commands:
            # It could not read boot.conf.
            console.enter(commands.pop(0), TYPING)
        elif seen is _Seen.MENU and not menu:
            menu = True
            # What is typed while the timer runs could become the answer to the next question.
            if not timer:
                console.enter("a", TYPING)
        elif seen is _Seen.LOCATION and not located:
            located = True
            console.enter(response_file, TYPING)
        else:
            raise _failure(console, seen, text)


def _begin_by_hand(console: Console, response_file: str, until: float) -> None:
    """A file in the installer's root directory goes before everything on the network."""
    doing = "waiting for the installer to refuse what port 80 of this machine gave it"
    console.wait([_PATTERNS[_Seen.MENU]], until, doing)
    console.enter("s", TYPING)
    console.wait(["# "], until, "waiting for the installer's shell")
    console.enter(f"ifconfig {_INTERFACE} inet autoconf up", TYPING)
    console.enter(f"until ftp -V -o /auto_install.conf {response_file}; do sleep 5; done", TYPING)
    console.enter("/autoinstall", TYPING)
    console.wait([_PATTERNS[_Seen.BEGUN]], until, "waiting for the installer")


def _next(console: Console, until: float, doing: str) -> tuple[_Seen, str]:
    index, text = console.wait(_PATTERNS, until, doing)
    return _Seen(index), text


def _failure(console: Console, seen: _Seen, text: str) -> ConsoleError:
    console.linger(_LINGERS)
    return ConsoleError(_MEANINGS.get(seen) or f"the guest says: {text.strip()}")
