# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's way to the sets: where they are, which are wanted, fetch, verify, install."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from typing import NoReturn

from sandbox.model import sets
from sandbox.model.installer_dialog import Dialog
from sandbox.model.installer_state import (
    ARCHITECTURE,
    OBSD,
    RELEASE,
    SETS_DIRECTORY,
    VERSION,
    Disk,
    Installed,
)
from sandbox.model.installer_web import FetchError, GuestNetwork

LOCATIONS = "disk http nfs"
# The automatic layout of a smaller disk has no file system with room for the fetched sets.
PREFETCH_DISK = 3_800 * 1024**2
HOSTNAME = re.compile(r"(?:https?://)?[A-Za-z0-9:.\[\]%_-]+")
INDEX = re.compile(r".* ([a-zA-Z][a-zA-Z0-9._-]+)")
GET_SECONDS = 2.0
INSTALL_SECONDS = 1.5
COLUMNS = 4


class SetsQuestions:
    def __init__(
        self, dialog: Dialog, network: GuestNetwork, installed: Installed, disk: Disk,
        wait: Callable[[float], None],
    ) -> None:  # fmt: skip
        self.dialog = dialog
        self.network = network
        self.installed = installed
        self.disk = disk
        self.wait = wait
        self.short_name = installed.hostname.partition(".")[0]
        # A guest has one processor, so that bsd.mp is not offered.
        self.release = ["bsd", "bsd.rd", *sets.set_names(RELEASE)]
        self.site = [f"site{VERSION}.tgz", f"site{VERSION}-{self.short_name}.tgz"]
        self.missing = list(self.release)
        self.server = ""
        self.calls: list[str] = []

    def run(self) -> None:
        """Ask for locations until the sets are installed."""
        self.dialog.say("")
        self.dialog.say("Let's install the sets!")
        default = "http"
        while True:
            answer = self.dialog.ask(f"Location of sets? ({LOCATIONS} or 'done')", default)
            match answer[:1].lower():
                case "d" if answer == "done":
                    self._complete()
                    return
                case "h":
                    self._http()
                case "d":
                    self._disk()
                case "n":
                    self._nfs()
                case "c":
                    pass
                case _:
                    self.dialog.exit(f"'{answer}' is not a valid choice.")
            default = "done"

    def _complete(self) -> None:
        for name in ("bsd", f"base{VERSION}.tgz"):
            question = f"Are you *SURE* your install is complete without '{name}'?"
            if name in self.missing and not self.dialog.ask_yes(question):
                self.dialog.exit()

    def _disk(self) -> None:
        """A disk with sets is not modelled: none is mounted."""
        self.dialog.ask_yes("Is the disk partition already mounted?")
        answer = self.dialog.ask("Pathname to the sets? (or 'done')", SETS_DIRECTORY)
        if answer != "done":
            self.dialog.exit(f"The directory '{answer}' does not exist.")

    def _nfs(self) -> None:
        """A server for NFS is not modelled: the mount fails."""
        server = self.dialog.ask("Server IP address or hostname?")
        self.dialog.ask("Filesystem on server to mount?")
        self.dialog.ask_yes("Use TCP transport? (requires TCP-capable NFS server)")
        self.dialog.say(f"mount_nfs: can't get net id for host: {server}")

    def _http(self) -> None:
        proxy = self.dialog.ask("HTTP proxy URL? (e.g. 'http://proxy:8080', or 'none')", "none")
        self.dialog.say("(Unable to get list from openbsd.org, but that is OK)")
        server = self._ask_server()
        if not server:
            return
        scheme, _, self.server = server.rpartition("://")
        directory = self.dialog.ask("Server directory?", f"pub/OpenBSD/{SETS_DIRECTORY}")
        place = f"{self.server}/{directory.lstrip('/')}"
        if proxy != "none":
            # There is no proxy in the sandbox.
            self._not_found("")
        base, signed = self._signed_list(scheme or "https", place)
        if not base and scheme == "https":
            self.dialog.exit()
        if signed is None and not scheme:
            self.dialog.say("Unable to connect using HTTPS; using HTTP instead.")
            base, signed = self._signed_list("http", place)
        self._install(base, self._file_list(base, signed))
        url = f"{scheme or 'http'}://{place}".removesuffix(f"/{ARCHITECTURE}")
        self.installed.installurl = url.removesuffix(f"/{RELEASE}").removesuffix("/snapshots")

    def _ask_server(self) -> str:
        while True:
            answer = self.dialog.ask("HTTP Server? (hostname or 'done')", self.server)
            if answer == "done":
                return ""
            if answer == "?" or answer.isdigit():
                continue
            if HOSTNAME.fullmatch(answer):
                return answer
            self.dialog.say(f"'{answer}' is not a valid hostname.")

    def _signed_list(self, scheme: str, place: str) -> tuple[str, bytes | None]:
        """SHA256.sig, and where it came from: nowhere if there was no answer at all."""
        base = f"{scheme}://{place}"
        try:
            return base, self.network.fetch(f"{base}/SHA256.sig")
        except FetchError as error:
            return base if error.connected else "", None

    def _index(self, base: str) -> list[str]:
        try:
            return self.network.fetch(f"{base}/index.txt").decode("latin-1").splitlines()
        except FetchError:
            return []

    def _file_list(self, base: str, signed: bytes | None) -> list[str]:
        message = sets.verify(signed) if signed is not None else None
        found: list[str] = []
        if message is None:
            self.dialog.say("Unable to get a verified list of distribution sets.")
        else:
            text = message.decode("latin-1")
            found = ["SHA256.sig", *re.findall(r"^SHA256 \((.*)\)", text, re.MULTILINE)]
        for line in self._index(base):
            match = INDEX.fullmatch(line)
            if match and match[1] not in found:
                found.append(match[1])
        return found

    def _not_found(self, source: str) -> NoReturn:
        self.dialog.say(
            f"Looked at {source} and found no {OBSD} sets.  The set names looked for were:"
        )
        for name in (*self.release, *self.site):
            self.dialog.say(f"    {name}")
        self.dialog.exit()

    def _install(self, source: str, files: list[str]) -> None:
        available = [name for name in (*self.release, *self.site) if name in files]
        if not available:
            self._not_found(source)
        question = f"INSTALL.{ARCHITECTURE} not found. Use sets found here anyway?"
        if f"INSTALL.{ARCHITECTURE}" not in files and not self.dialog.ask_yes(question):
            return
        chosen = self._select(available)
        if not chosen:
            return
        wanted = [name for name in (*self.release, *self.site) if name in chosen]
        if "BUILDINFO" in files:
            wanted.append("BUILDINFO")
        issue, fetched, unverified = self._fetch_all(source, files, wanted)
        if unverified and not issue:
            issue = f"Unverified sets: {' '.join(unverified)}"
        if issue and not self.dialog.ask_yes(f"{issue}. Continue without verification?"):
            self.dialog.exit()
        self.installed.unverified += unverified
        for name in wanted:
            if name in fetched:
                self._extract(name, fetched[name] or self._again(source, name))

    def _select(self, available: list[str]) -> list[str]:
        """The sets that are marked in the end; patterns are applied one after the other."""
        preset = (*self.release, self.site[1])
        selected = [name for name in available if name in preset]
        self.dialog.say("")
        self.dialog.say(
            "Select sets by entering a set name, a file name pattern or 'all'. De-select"
        )
        self.dialog.say(
            "sets by prepending a '-', e.g.: '-game*'. Selected sets are labelled '[X]'."
        )
        while True:
            self._show(available, selected)
            for word in self.dialog.ask("Set name(s)? (or 'abort' or 'done')", "done").split():
                if word in ("abort", "done"):
                    return [] if word == "abort" else selected
                remove = word.startswith("-")
                pattern = word[1:] if word[0] in "+-" else word
                pattern = "*" if pattern == "all" else pattern
                named = [name for name in available if fnmatch.fnmatchcase(name, pattern)]
                selected = [name for name in selected if not (remove and name in named)]
                if not remove:
                    selected += [name for name in named if name not in selected]

    def _show(self, available: list[str], selected: list[str]) -> None:
        marked = [f"[{'X' if name in selected else ' '}] {name}" for name in available]
        rows = -(-len(marked) // COLUMNS)
        for row in range(rows):
            self.dialog.say("    " + "".join(f"{one:<18}" for one in marked[row::rows]).rstrip())

    def _fetch_all(
        self, source: str, files: list[str], wanted: list[str]
    ) -> tuple[str, dict[str, bytes | None], list[str]]:
        """An issue with the verification as a whole, the sets, and those that did not verify.

        A set that was not fetched beforehand is None.
        """
        nothing: dict[str, bytes | None] = dict.fromkeys(wanted)
        if "SHA256.sig" not in files:
            return "Directory does not contain SHA256.sig", nothing, wanted
        if self.disk.size < PREFETCH_DISK:
            return "Cannot determine prefetch area", nothing, wanted
        try:
            signed = self._get("Get/Verify", source, "SHA256.sig")
        except FetchError as error:
            self.dialog.say(str(error))
            return "Cannot fetch SHA256.sig", nothing, wanted
        message = sets.verify(signed)
        if message is None:
            self.dialog.say("signify: signature verification failed")
            return "Signature check of SHA256.sig failed", nothing, wanted
        self.dialog.say("Signature Verified")
        sums = message.decode("latin-1").splitlines()
        fetched: dict[str, bytes | None] = {}
        unverified = []
        for name in wanted:
            content = self._get_set(source, name)
            if content is None:
                continue
            fetched[name] = content
            if f"SHA256 ({name}) = {hashlib.sha256(content).hexdigest()}" in sums:
                continue
            unverified.append(name)
            question = f"Checksum test for {name} failed. Continue anyway?"
            if not self.dialog.ask_yes(question):
                self.dialog.exit()
        return "", fetched, unverified

    def _get(self, verb: str, source: str, name: str) -> bytes:
        content = self.network.fetch(f"{source}/{name}")
        self._progress(verb, name, len(content))
        return content

    def _progress(self, verb: str, name: str, size: int) -> None:
        self.dialog.say(f"{verb} {name:<14} 100% |{'*' * 25}| {size:>7}       00:00")

    def _get_set(self, source: str, name: str) -> bytes | None:
        self.wait(GET_SECONDS)
        try:
            return self._get("Get/Verify", source, name)
        except FetchError as error:
            self.dialog.say(str(error))
        if not self.dialog.ask_yes(f"Fetching of {name} failed. Continue anyway?"):
            self.dialog.exit()
        return None

    def _again(self, source: str, name: str) -> bytes:
        """Fetch what could not be verified at the moment it is installed."""
        try:
            return self.network.fetch(f"{source}/{name}")
        except FetchError as error:
            self.dialog.say(str(error))
            return b""

    def _extract(self, name: str, content: bytes) -> None:
        self.wait(INSTALL_SECONDS)
        self._progress("Installing", name, len(content))
        if not _is_good(name, content):
            self.dialog.say("tar: Sorry, unable to determine archive format.")
            if not self.dialog.ask_yes(f"Installation of {name} failed. Continue anyway?"):
                self.dialog.exit()
            return
        if name == f"base{VERSION}.tgz":
            self._progress("Extracting", "etc.tgz", len(content))
        if name in self.missing:
            self.missing.remove(name)
        if name in self.site:
            self.calls = _calls(content) or self.calls
        if name != "BUILDINFO":
            self.installed.sets.append(name)


def _calls(content: bytes) -> list[str]:
    """The addresses that ftp(1) is given in the install.site of a site set."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive.getmembers():
            script = archive.extractfile(member) if member.isfile() else None
            if script and member.name.removeprefix("./") == "install.site":
                text = script.read().decode("utf-8", "replace")
                return re.findall(r"^\s*ftp .*?(http://[^\s'\"]+)", text, re.MULTILINE)
    return []


def _is_good(name: str, content: bytes) -> bool:
    """Whether tar(1) can unpack it; other files only have to be there."""
    if not name.endswith(".tgz"):
        return bool(content)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            archive.getmembers()
    except (tarfile.TarError, OSError, EOFError):
        return False
    return True
