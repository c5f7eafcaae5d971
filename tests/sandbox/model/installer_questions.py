# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions about accounts, services, console, disks and time zone."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Sequence
from functools import cache

from sandbox.model.installer_dialog import Dialog
from sandbox.model.installer_state import Disk, Installed, User, stored_password
from sandbox.model.installer_web import FetchError, GuestNetwork

CONSOLE = "com0"
SPEEDS = ("9600", "19200", "38400", "57600", "115200")
SPEED = "115200"
NOT_LOGINS = ("root", "daemon", "operator", "bin", "build", "sshd", "www", "nobody", "ftp")
LOGIN = re.compile(r"[a-z][-a-z0-9_]{0,30}")
FULL_NAME_MAX = 100
GIGABYTE = 1024**3
LABEL_SECONDS = 4
QUESTION_SECONDS = 0.1


class Questions:
    def __init__(
        self, dialog: Dialog, network: GuestNetwork, disks: Sequence[Disk], installed: Installed,
        wait: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.dialog = dialog
        self.network = network
        self.disks = disks
        self.installed = installed
        self.wait = wait
        self.chunk = ""

    def root_account(self) -> None:
        password = self.dialog.ask_password("Password for root account?")
        self.installed.root_password = stored_password(password)
        key = self.dialog.ask("Public ssh key for root account?", "none")
        self.installed.root_key = "" if key == "none" else key

    def services(self) -> None:
        """Without a wsdisplay(4) in the guest, nothing is asked about X11."""
        self.installed.sshd = self.dialog.ask_yes("Start sshd(8) by default?", default=True)
        if self.dialog.ask_yes(f"Change the default console to {CONSOLE}?", default=True):
            speed = self.dialog.ask_which("speed", f"should {CONSOLE} use", SPEEDS, SPEED)
            self.installed.console_speed = "" if speed == "done" else speed

    def user(self) -> None:
        question = "Setup a user? (enter a lower-case loginname, or 'no')"
        while True:
            name = self.dialog.ask(question, "no")
            if name in ("n", "no"):
                return
            if name in ("y", "yes"):
                question = "No really, what is the lower-case loginname, or 'no'?"
                continue
            if name not in NOT_LOGINS and LOGIN.fullmatch(name):
                break
            self.dialog.say(f"{name} is not a usable loginname.")
        full_name = self._full_name(name)
        password = stored_password(self.dialog.ask_password(f"Password for user {name}?"))
        key = self.dialog.ask(f"Public ssh key for user {name}", "none")
        self.installed.user = User(name, full_name, password, "" if key == "none" else key)

    def _full_name(self, name: str) -> str:
        while True:
            answer = self.dialog.ask(f"Full name for user {name}?", name)
            if any(char in answer for char in ":&,"):
                self.dialog.say("':', '&' or ',' are not allowed.")
            elif len(answer) > FULL_NAME_MAX:
                self.dialog.say("Too long.")
            else:
                return answer

    def root_login(self) -> None:
        if not self.installed.sshd:
            return
        if self.installed.user is None:
            self.dialog.say("Since no user was setup, root logins via sshd(8) might be useful.")
        self.dialog.say(
            "WARNING: root is targeted by password guessing attacks, pubkeys are safer."
        )
        answer = self.dialog.ask("Allow root ssh login? (yes, no, prohibit-password)", "no")
        word = answer.lower()
        if word in ("w", "p", "without-password", "prohibit-password"):
            self.installed.root_login = "prohibit-password"
        elif word in ("y", "yes", "n", "no"):
            self.installed.root_login = "yes" if word in ("y", "yes") else "no"
        else:
            self.dialog.exit(f"'{answer}' is not a valid choice.")

    def root_disk(self) -> Disk:
        """The disk that the system goes to; small ones are offered last."""
        by_size = sorted(self.disks, key=lambda disk: disk.size < GIGABYTE)
        names = [disk.name for disk in self.disks]
        self.dialog.say(f"Available disks are: {' '.join(names) or 'none'}.")
        default = by_size[0].name if by_size else ""
        answer = self.dialog.ask("Which disk is the root disk? ('?' for details)", default)
        if answer not in names:
            if answer == "?":
                for disk in self.disks:
                    self.dialog.say(f"    {disk.name}: ({disk.size / GIGABYTE:.1f}G)")
            else:
                self.dialog.say("no such disk")
            self.dialog.exit()
        self.installed.root_disk = answer
        self._encryption()
        return self.disks[names.index(answer)]

    def _encryption(self) -> None:
        while True:
            question = "Encrypt the root disk with a (p)assphrase or (k)eydisk?"
            answer = self.dialog.ask(question, "no")
            match answer[:1].lower():
                case "n":
                    return
                case "p":
                    self.dialog.ask_password("New passphrase?")
                    self.dialog.say(f"Configuring the crypto chunk {self.installed.root_disk}...")
                    self._partition_table(self.installed.root_disk)
                    self.chunk = self.installed.root_disk
                    self.installed.encrypted = True
                    self.installed.root_disk = f"sd{len(self.disks)}"
                    self.dialog.say(f"Configuring the root disk {self.installed.root_disk}...")
                    return
                case "k":
                    others = [
                        disk.name for disk in self.disks if disk.name != self.installed.root_disk
                    ]
                    key = self.dialog.ask_which("disk", "contains the key disk", others)
                    if key != "done":
                        self.dialog.say(f"{key} must contain a RAID partition.")
                case _:
                    self.dialog.say(f"'{answer}' is not a valid choice.")

    def configure_disks(self) -> None:
        root = self.installed.root_disk
        self._partition_table(root)
        self._layout(root)
        todo = [disk.name for disk in self.disks if disk.name not in (root, self.chunk)]
        while todo:
            answer = self.dialog.ask_which("disk", "do you wish to initialize", todo, "done")
            if answer == "done":
                break
            self._partition_table(answer)
            todo.remove(answer)
        self.wait(LABEL_SECONDS)
        self.dialog.say(f"/dev/{root}a on /mnt type ffs (rw, asynchronous, local)")

    def _partition_table(self, disk: str) -> None:
        while True:
            self.dialog.say("No valid MBR or GPT.")
            question = "Use (W)hole disk MBR, whole disk (G)PT or (E)dit?"
            match self.dialog.ask(question, "whole")[:1].lower():
                case "w":
                    self.dialog.say(f"Setting OpenBSD MBR partition to whole {disk}...done.")
                    return
                case "g":
                    if self.dialog.ask_yes("An EFI/GPT disk may not boot. Proceed?"):
                        self.dialog.say(f"Setting OpenBSD GPT partition to whole {disk}...done.")
                        return
                case "e":
                    # The partition editor reads the end of its input at once.
                    self.dialog.say("No OpenBSD partition in MBR, try again.")

    def _layout(self, disk: str) -> None:
        url = self.dialog.ask("URL to autopartitioning template for disklabel?", "none")
        if url != "none":
            self.dialog.say(f"Fetching {url}")
            try:
                template = self.network.fetch(url)
            except FetchError as error:
                self.dialog.say(str(error))
                template = b""
            if not template:
                self.dialog.exit("No autopartitioning template found.")
            return
        while True:
            self.dialog.say(f"The auto-allocated layout for {disk} is:")
            self.dialog.say("#                size           offset  fstype [fsize bsize   cpg]")
            question = "Use (A)uto layout, (E)dit auto layout, or create (C)ustom layout?"
            answer = self.dialog.ask(question, "a")[:1].lower()
            if answer in ("a", "e"):
                return
            if answer == "c":
                self.dialog.exit("'/' must be configured!")

    def timezone(self, default: str = "") -> None:
        """Asked once the sets with the zones are there, for want of a hint from openbsd.org.

        The default is where the new /etc/localtime leads, and taken again and again even if there
        is no such zone (install.sub, set_timezone).
        """
        self.dialog.say("")
        while True:
            question = "What timezone are you in? ('?' for list)"
            path = self.dialog.ask(question, default).rstrip("/")
            while path and is_region(path):
                question = f"What sub-timezone of '{path}' are you in? ('?' for list)"
                path += f"/{self.dialog.ask(question)}".rstrip("/")
            if is_zone(path) and path != default:
                self.installed.timezone = path
                return
            if path not in ("", "?"):
                self.dialog.say(f"'{path}' is not a valid timezone on this system.")
                self.wait(QUESTION_SECONDS)


@cache
def zones() -> frozenset[str]:
    """The names of the time zone database of the machine that runs the sandbox; may be empty."""
    return frozenset(zoneinfo.available_timezones())


def is_zone(path: str) -> bool:
    if zones():
        return path in zones()
    return re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", path) is not None


def is_region(path: str) -> bool:
    return any(zone.startswith(f"{path}/") for zone in zones())
