# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer of OpenBSD 7.8 in a guest that vmd(8) started with boot device net.

Such a guest has a serial console com0, one processor, vio(4) interfaces, disks sd0 and up, and no
wsdisplay(4); nothing outside of the server answers it, so that there are no hints of openbsd.org.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sandbox.target.call import NotModelled

from .dialog import Answers, Dialog, InstallerExit
from .installer_sets import SETS_DIRECTORY, SetsQuestions
from .questions import OBSD, VERSION, Disk, Installed, Questions
from .web import FetchError, GuestNetwork

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

End = Literal["reboot", "stuck"]

# Seconds on a real machine.
KERNEL_SECONDS = 15
TIMER_SECONDS = 5
FETCH_SECONDS = 1
FINISH_SECONDS = 8
PROMPT = "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? "
MODE = re.compile(r"((?:.*/)?)auto_install", re.DOTALL)


class _CancelledError(Exception):
    """The machine is taken away from the guest."""


class _StuckError(Exception):
    """The installer waits for somebody at the console."""


class Installation:
    """One boot of the installer. `console` gets its lines.

    `typed` is what came in at the console since the boot.
    """

    def __init__(
        self, machine: Machine, mac: str, tap: str, disk: Disk,
        console: Callable[[str], None], typed: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self.machine = machine
        self.network = GuestNetwork(machine, tap, mac)
        self.disk = disk
        self.console = console
        self.typed = typed
        self._cancelled = threading.Event()

    def run(self, cancelled: threading.Event) -> End:
        """Install without a hand at the console. The machine's lock must not be held."""
        self._cancelled = cancelled
        try:
            self._boot()
            host_name, text = self._response_file()
            self.console("Performing non-interactive install...")
            self._install(host_name, text)
        except (_StuckError, _CancelledError):
            return "stuck"
        except (InstallerExit, NotModelled) as problem:
            if isinstance(problem, NotModelled):
                with self.machine.lock:
                    self.machine.not_modelled(str(problem))
            self.console("failed; check /tmp/ai/ai.log")
            self.console(PROMPT)
            return "stuck"
        self.console("syncing disks... done")
        self.console("rebooting...")
        return "reboot"

    def _wait(self, seconds: float) -> None:
        if self._cancelled.wait(self.machine.clock.real(seconds)):
            raise _CancelledError

    def _boot(self) -> None:
        self._wait(KERNEL_SECONDS)
        self.console("OpenBSD 7.8 (RAMDISK_CD) #0: Sat Sep 13 10:37:00 MDT 2025")
        self.console(f"vio0 at virtio1: address {self.network.mac}")
        self.console("root on rd0a swap on rd0b dump on rd0b")
        lost = len(self.typed())
        self.console("")
        self.console(f"Welcome to the {OBSD} installation program.")
        self.console(f"Starting non-interactive mode in {TIMER_SECONDS} seconds...")
        self.console(PROMPT)
        self._wait(TIMER_SECONDS)
        if self.typed()[lost:]:
            # Typing stops the timer (distrib/miniroot/dot.profile, stop_timeout).
            raise self._stuck(PROMPT)
        self.console("")

    def _response_file(self) -> tuple[str, str]:
        """The host name of the lease, and the text of the first response file that is there."""
        dialog = Dialog(self.console, Answers(""))
        asking = Questions(dialog, self.network, self.disk, Installed(), self._wait)
        lease = asking.network.lease if asking.lease() else None
        mode = MODE.fullmatch(lease.filename) if lease else None
        if lease is None or mode is None:
            if lease is None:
                self.console("Could not determine auto server.")
            self.console("Could not determine auto mode.")
            default = f"[http://{lease.next_server}/install.conf] " if lease else ""
            raise self._stuck(f"Response file location? {default}")
        names = [self.network.mac, *([lease.host_name] if lease.host_name else [])]
        for name in (*(f"{prefix}-install" for prefix in names), "install"):
            url = f"http://{lease.next_server}/{mode[1]}{name}.conf?path={SETS_DIRECTORY}"
            self.console(f"Fetching {url}")
            self._wait(FETCH_SECONDS)
            with contextlib.suppress(FetchError):
                return lease.host_name, self.network.fetch(url).decode("utf-8", "surrogateescape")
        raise self._stuck(f"Response file location? [http://{lease.next_server}/install.conf] ")

    def _stuck(self, prompt: str) -> _StuckError:
        self.console(prompt)
        return _StuckError()

    def _install(self, host_name: str, text: str) -> None:
        dialog = Dialog(self.console, Answers(text))
        installed = Installed()
        questions = Questions(dialog, self.network, self.disk, installed, self._wait)
        questions.host_name(host_name)
        questions.ask_network()
        questions.accounts()
        questions.root_disk()
        sets = SetsQuestions(dialog, self.network, installed, self.disk, self._wait)
        sets.run()
        if f"base{VERSION}.tgz" in installed.sets:
            questions.timezone(*(zone for (zone,) in self.machine.faults.arguments("no_zone")))
        # All of install.site that is modelled: the addresses that it asks for in the end.
        for url in sets.calls:
            with contextlib.suppress(FetchError):
                self.network.fetch(url)
        self._wait(FINISH_SECONDS)
        try:
            with self.machine.lock:
                if self._cancelled.is_set():
                    raise _CancelledError
                self.disk.write(installed.record())
        except OSError as error:
            dialog.exit(f"/mnt: write failed, file system is full ({error.strerror})")
        self.console("CONGRATULATIONS! Your OpenBSD install has been successfully completed!")
