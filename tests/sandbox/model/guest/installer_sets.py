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
from dataclasses import dataclass, field

from sandbox.model.system.signify import verify

from .. import sets
from .dialog import Dialog
from .questions import ARCHITECTURE, OBSD, RELEASE, VERSION, Disk, Installed
from .web import FetchError, GuestNetwork

SETS_DIRECTORY = f"{RELEASE}/{ARCHITECTURE}"
# The automatic layout of a smaller disk has no file system with room for the fetched sets: seen
# with 3 GB, and not with 8 GB (facts 18).
PREFETCH_DISK = 3_800 * 1024**2
_INDEX = re.compile(r".* ([a-zA-Z][a-zA-Z0-9._-]+)")
_GET_SECONDS, _INSTALL_SECONDS = 2.0, 1.5
# A guest has one processor, so that bsd.mp is not offered.
_RELEASE_SETS = ("bsd", "bsd.rd", *sets.set_names(RELEASE))
_BASE = f"base{VERSION}.tgz"


@dataclass
class SetsQuestions:
    """`calls` are the addresses that install.site asks for; `wait` lets seconds pass."""

    dialog: Dialog
    network: GuestNetwork
    installed: Installed
    disk: Disk
    wait: Callable[[float], None]
    calls: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Install the sets of one http server."""
        short = self.installed.hostname.partition(".")[0]
        self.site = [f"site{VERSION}.tgz", f"site{VERSION}-{short}.tgz"]
        self.missing = list(_RELEASE_SETS)
        question = "Location of sets? (disk http nfs or 'done')"
        self.dialog.usual(question, "http")
        self._http()
        self.dialog.usual(question, "done")
        for name in ("bsd", _BASE):
            question = f"Are you *SURE* your install is complete without '{name}'?"
            if name in self.missing and not self.dialog.ask_yes(question):
                self.dialog.exit()

    def _http(self) -> None:
        self.dialog.usual("HTTP proxy URL? (e.g. 'http://proxy:8080', or 'none')", "none")
        self.dialog.say("(Unable to get list from openbsd.org, but that is OK)")
        server = self.dialog.ask("HTTP Server? (hostname or 'done')")
        scheme, _, name = server.rpartition("://")
        directory = self.dialog.ask("Server directory?", f"pub/OpenBSD/{SETS_DIRECTORY}")
        place = f"{name}/{directory.lstrip('/')}"
        base, signed = self._signed_list(scheme or "https", place)
        if not base and scheme == "https":
            self.dialog.exit()
        if signed is None and not scheme:
            self.dialog.say("Unable to connect using HTTPS; using HTTP instead.")
            base, signed = self._signed_list("http", place)
        self._install(base, self._file_list(base, signed))

    def _signed_list(self, scheme: str, place: str) -> tuple[str, bytes | None]:
        """SHA256.sig, and where it came from: nowhere if there was no answer at all."""
        base = f"{scheme}://{place}"
        try:
            return base, self.network.fetch(f"{base}/SHA256.sig")
        except FetchError as error:
            return base if error.connected else "", None

    def _file_list(self, base: str, signed: bytes | None) -> list[str]:
        message = verify(signed) if signed is not None else None
        names: list[str] = []
        if message is None:
            self.dialog.say("Unable to get a verified list of distribution sets.")
        else:
            text = message.decode("latin-1")
            names = ["SHA256.sig", *re.findall(r"^SHA256 \((.*)\)", text, re.MULTILINE)]
        try:
            index = self.network.fetch(f"{base}/index.txt").decode("latin-1").splitlines()
        except FetchError:
            index = []
        listed = [match[1] for match in map(_INDEX.fullmatch, index) if match]
        return list(dict.fromkeys([*names, *listed]))

    def _install(self, source: str, files: list[str]) -> None:
        every = (*_RELEASE_SETS, *self.site)
        available = [name for name in every if name in files]
        if not available:
            text = f"Looked at {source} and found no {OBSD} sets.  The set names looked for were:"
            for line in (text, *(f"    {name}" for name in every)):
                self.dialog.say(line)
            self.dialog.exit()
        question = f"INSTALL.{ARCHITECTURE} not found. Use sets found here anyway?"
        if f"INSTALL.{ARCHITECTURE}" not in files and not self.dialog.ask_yes(question):
            return
        chosen = self._select(available)
        if not chosen:
            return
        selected = [name for name in every if name in chosen]
        selected += ["BUILDINFO"] if "BUILDINFO" in files else []
        issue, fetched, unverified = self._fetch_all(source, files, selected)
        if unverified and not issue:
            issue = f"Unverified sets: {' '.join(unverified)}"
        if issue and not self.dialog.ask_yes(f"{issue}. Continue without verification?"):
            self.dialog.exit()
        self.installed.unverified += unverified
        for name in selected:
            if name in fetched:
                self._extract(name, fetched[name] or self._again(source, name))

    def _select(self, available: list[str]) -> list[str]:
        """The sets that are marked in the end; patterns are applied one after the other."""
        selected = [name for name in available if name in (*_RELEASE_SETS, self.site[1])]
        while True:
            marks = "".join(f"    [{'X' if x in selected else ' '}] {x}" for x in available)
            self.dialog.say(marks)
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

    def _fetch_all(
        self, source: str, files: list[str], selected: list[str]
    ) -> tuple[str, dict[str, bytes | None], list[str]]:
        """An issue with the verification as a whole, the sets, and those that did not verify.

        A set that was not fetched beforehand is None.
        """
        nothing: dict[str, bytes | None] = dict.fromkeys(selected)
        if "SHA256.sig" not in files:
            return "Directory does not contain SHA256.sig", nothing, selected
        if self.disk.size < PREFETCH_DISK:
            return "Cannot determine prefetch area", nothing, selected
        message = verify(self._get("Get/Verify", source, "SHA256.sig"))
        if message is None:
            self.dialog.say("signify: signature verification failed")
            return "Signature check of SHA256.sig failed", nothing, selected
        self.dialog.say("Signature Verified")
        sums = message.decode("latin-1").splitlines()
        fetched: dict[str, bytes | None] = {}
        unverified = []
        for name in selected:
            self.wait(_GET_SECONDS)
            try:
                content = self._get("Get/Verify", source, name)
            except FetchError as error:
                self.dialog.say(str(error))
                if not self.dialog.ask_yes(f"Fetching of {name} failed. Continue anyway?"):
                    self.dialog.exit()
                continue
            fetched[name] = content
            if f"SHA256 ({name}) = {hashlib.sha256(content).hexdigest()}" not in sums:
                unverified.append(name)
                if not self.dialog.ask_yes(f"Checksum test for {name} failed. Continue anyway?"):
                    self.dialog.exit()
        return "", fetched, unverified

    def _get(self, verb: str, source: str, name: str) -> bytes:
        content = self.network.fetch(f"{source}/{name}")
        self._progress(verb, name, len(content))
        return content

    def _progress(self, verb: str, name: str, size: int) -> None:
        self.dialog.say(f"{verb} {name:<14} 100% |{'*' * 25}| {size:>7}       00:00")

    def _again(self, source: str, name: str) -> bytes:
        """Fetch what could not be verified at the moment it is installed."""
        try:
            return self.network.fetch(f"{source}/{name}")
        except FetchError as error:
            self.dialog.say(str(error))
            return b""

    def _extract(self, name: str, content: bytes) -> None:
        self.wait(_INSTALL_SECONDS)
        self._progress("Installing", name, len(content))
        files = _unpack(content) if name.endswith(".tgz") else {}
        if files is None or not content:
            self.dialog.say("tar: Sorry, unable to determine archive format.")
            if not self.dialog.ask_yes(f"Installation of {name} failed. Continue anyway?"):
                self.dialog.exit()
            return
        if name == _BASE:
            self._progress("Extracting", "etc.tgz", len(content))
        if name in self.missing:
            self.missing.remove(name)
        if name in self.site and (script := files.get("install.site")):
            server = str(self.network.lease and self.network.lease.next_server)
            text = script.decode("utf-8", "replace").replace("$server", server)
            self.calls = re.findall(r"^\s*ftp .*?(http://[^\s'\"]+)", text, re.MULTILINE)
        if name != "BUILDINFO":
            self.installed.sets.append(name)


def _unpack(content: bytes) -> dict[str, bytes] | None:
    """The files of a set; None if tar(1) cannot unpack it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            files = {at.name.removeprefix("./"): archive.extractfile(at) for at in archive}
            return {name: file.read() for name, file in files.items() if file}
    except (tarfile.TarError, OSError, EOFError):
        return None
