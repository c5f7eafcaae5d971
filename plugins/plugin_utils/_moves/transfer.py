# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Sends images from one server to another, over ssh with a key for this one transfer.

The server that the images go to makes the key and fetches. The server that they leave lets that
key read these images, from the other server's address, and nothing else.
"""

from __future__ import annotations

import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import (
    Agent,
    WorkFailed,
    program,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import remove, write
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import of_bytes

# For how many seconds the agent fetches or reads at a time; at first less, for an early line.
_FIRST_SECONDS: t.Final = 5
_SECONDS: t.Final = 30
# How often in a row a broken connection is made again without a byte in between, and how soon.
_TRIES: t.Final = 3
_PAUSE_SECONDS: t.Final = 5
# How long a forgotten key can be used, and how long it stays without any use.
_KEY_DAYS: t.Final = 2
_IDLE_SECONDS: t.Final = 600
# After how long it is used although nothing is fetched.
_KEEP_SECONDS: t.Final = _IDLE_SECONDS // 4
_CONNECT_SECONDS: t.Final = 20


@dataclass(frozen=True)
class Account:
    """The account that logs in on the server that images leave; with doas it becomes root."""

    name: str
    home: str
    group: str
    doas: bool


@dataclass(frozen=True)
class Peer:
    """A server as another one reaches it: an IP address, and the host keys of sshd(8) there."""

    name: str
    address: str
    port: int
    user: str
    host_keys: tuple[str, ...]


def directory(vm: str) -> str:
    """Return where either server keeps what it needs for the transfer of a VM."""
    return f"/var/backups/puffy.vmm/move-{vm}"


def _mark(vm: str) -> str:
    return f"puffy.vmm-move-{vm}"


def make_key(agent: Agent, vm: str, peer: Peer) -> str:
    """Make the key and note the other server's host keys; return the public key, as one line."""
    place, title = directory(vm), f"{vm}: a key for the transfer"
    attributes = {"mode": "0700", "owner": "root", "group": "wheel"}
    files = [f"{place}/{name}" for name in ("key", "key.pub", "known_hosts")]
    agent.carry_out("move", [
        Step("directory", title, {"path": place, **attributes}),
        remove(title, *files),
    ])  # fmt: skip
    known = "".join(f"{peer.name} {key}\n" for key in peer.host_keys)
    keygen = [TOOLS["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-C", _mark(vm), "-f", files[0]]
    agent.carry_out("move", [
        run(title, keygen, timeout=60),
        *write(title, files[2], None, known.encode()),
    ])  # fmt: skip
    answer = agent.look({"paths": [read(files[1])]})
    return " ".join(facts.text(answer, files[1]).split()[:2])


def drop_key(agent: Agent, vm: str) -> None:
    """Remove the key; what was fetched stays, and so does the note of how far that is."""
    files = [f"{directory(vm)}/{name}" for name in ("key", "key.pub", "known_hosts")]
    agent.carry_out("move", [remove(f"{vm}: its transfer's key", *files)])


def offer(
    agent: Agent, vm: str, images: t.Sequence[str], key: str, address: str, account: Account
) -> None:
    """Let the owner of a key read images by send.pl, from one address. Raises OperatorError."""
    command = f"/usr/bin/perl {directory(vm)}/send"
    if account.doas:
        command = f"{TOOLS['doas']} -n {command}"
    end = datetime.now(UTC) + timedelta(days=_KEY_DAYS)
    options = f'restrict,command="{command}",from="{address}",expiry-time="{end:%Y%m%d%H%M}Z"'
    agent.work(
        {**_offer("offer", vm, account), "images": list(images), "line": f"{options} {key}"},
        program("send"),
    )


def withdraw(agent: Agent, vm: str, account: Account) -> None:
    """End an offer, whether or not it was made."""
    agent.work(_offer("withdraw", vm, account))


def _offer(verb: str, vm: str, account: Account) -> dict[str, t.Any]:
    keys = f"{account.home}/.ssh/authorized_keys"
    return {
        "verb": verb,
        "lock": "offer.lock",
        "directory": directory(vm),
        "keys": keys,
        "files": [{"path": keys}],
        "mark": _mark(vm),
        "owner": account.name,
        "group": account.group,
        "idle": _IDLE_SECONDS,
    }


@dataclass(frozen=True)
class Arrival:
    """Fetches the images of a VM to this server, which has this address, from another one."""

    agent: Agent
    vm: str
    images: tuple[Image, ...]
    peer: Peer
    address: str
    report: Report

    def try_connection(self) -> None:
        """Raise OperatorError unless the other server can be reached as the transfer needs it."""
        try:
            self.agent.work(self._request(0))
        except WorkFailed as failure:
            raise OperatorError(self._why(str(failure))) from failure

    def fetch(self) -> dict[str, str]:
        """Fetch what is missing, and read it back; return SHA-256 by path. Raises OperatorError.

        What has arrived stays for the next run, unless the disk is full.
        """
        for again in (False, True):
            sums = self._receive()
            if sums == self._read_back():
                return sums
            self._forget()
            if again:
                break
            self.report.say(f"{self.vm}: what arrived is not what was sent; it is sent once more")
        raise OperatorError(
            f"{self.vm}: what arrives at {self.address} is not what {self.peer.name} sent, twice; "
            f"nothing of it is used. Look at the disks and the memory of this server"
        )

    def _request(self, seconds: int) -> dict[str, t.Any]:
        argv = self._ssh()
        return {
            "verb": "receive",
            "lock": f"move-{self.vm}.lock",
            "seconds": seconds,
            "argv": argv,
            "progress": f"{directory(self.vm)}/progress",
            "files": [{"path": image.arriving, "argv": argv} for image in self.images],
        }

    def _ssh(self) -> list[str]:
        place, peer = directory(self.vm), self.peer
        options = {
            "BatchMode": "yes",
            "BindAddress": self.address,
            "ConnectTimeout": str(_CONNECT_SECONDS),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": peer.name,
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "15",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": f"{place}/known_hosts",
        }
        words = [TOOLS["ssh"], "-F", "/dev/null", "-T", "-i", f"{place}/key", "-p", str(peer.port)]
        words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [*words, "-l", peer.user, peer.address]

    def _receive(self) -> dict[str, str]:
        begin, seconds, tries, before = time.monotonic(), _FIRST_SECONDS, 0, -1
        while True:
            try:
                progress = self.agent.work(self._request(seconds))["progress"]
            except WorkFailed as failure:
                if failure.full or tries >= _TRIES:
                    raise OperatorError(self._why(str(failure))) from failure
                tries += 1
                self.report.say(f"{self.vm}: {failure}; trying again in {_PAUSE_SECONDS} s")
                time.sleep(_PAUSE_SECONDS)
                continue
            files, total = progress["files"], sum(image["size"] for image in progress["images"])
            come = sum(int(file["offset"]) for file in files)
            seconds, tries, before = _SECONDS, 0 if come > before else tries + 1, come
            self._show("is on its way", come, total, begin)
            if tries > _TRIES:
                raise OperatorError(self._why("nothing more arrives"))
            if all("sha256" in file for file in files):
                return {
                    image.arriving: file["sha256"]
                    for image, file in zip(self.images, files, strict=True)
                }

    def _read_back(self) -> dict[str, str]:
        begin, sums, seconds = time.monotonic(), dict[str, str](), _FIRST_SECONDS
        used = begin
        files: list[dict[str, t.Any]] = [{"path": image.arriving} for image in self.images]
        while files:
            if time.monotonic() - used >= _KEEP_SECONDS:
                self._keep_key()
                used = time.monotonic()
            answers = self.agent.work({"verb": "digest", "seconds": seconds, "files": files})
            seconds = _SECONDS
            for file in answers["files"]:
                if "sha256" in file:
                    sums[file["path"]] = file["sha256"]
            left = {file["path"]: file for file in answers["files"] if "sha256" not in file}
            files = [left.get(file["path"], file) for file in files if file["path"] not in sums]
            for file in left.values():
                self._show("is read back", file["offset"], file["size"], begin)
        return sums

    def _keep_key(self) -> None:
        """Use the key, which the other server would withdraw: it may be needed once more.

        If that server does not answer now, what is here can be read all the same.
        """
        with suppress(WorkFailed):
            self.agent.work(self._request(0))

    def _show(self, stage: str, come: int, total: int, begin: float) -> None:
        passed = time.monotonic() - begin
        known = of_bytes(come, total)
        self.report.step(self.vm, stage, passed, known=known, fetched=come, total=total)

    def _forget(self) -> None:
        paths = [f"{directory(self.vm)}/progress", *(image.arriving for image in self.images)]
        self.agent.carry_out("move", [remove(f"{self.vm}: images", *paths)])

    def _why(self, said: str) -> str:
        """Return what helps, by what ssh(1) said."""
        peer = self.peer
        texts = {
            "Permission denied": f"sshd(8) of {peer.name} does not take the key of this transfer "
            f"for {peer.user} from {self.address}: it must allow {peer.user} to log in with keys "
            f"of ~/.ssh/authorized_keys (AuthorizedKeysFile, AllowUsers, PermitRootLogin), and see "
            f"this server come from {self.address}",
            "key verification failed": f"who answers at {peer.address} port {peer.port} has "
            f"other host keys than {peer.name}: is vmm_transfer_address of {peer.name} right?",
            "assign requested address": f"this server does not have the address {self.address}; "
            f"set vmm_transfer_address to one of its own by which {peer.name} is reached",
            "No space left": "the disk is full; what had arrived was removed",
        }
        help_text = next((text for word, text in texts.items() if word in said), "")
        help_text = help_text or (
            f"this server must reach {peer.name} at {peer.address} port {peer.port} by ssh: look "
            f"at pf(4) of both, or set vmm_transfer_address of {peer.name}"
        )
        return f"{self.vm}: its images do not come from {peer.name}: {said}\n{help_text}"
